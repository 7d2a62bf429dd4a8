//! What a request's `model` means: the chain, one model, or nothing. A pure function of the routes.

use std::sync::Arc;

use pilotlight_wire::ModelRef;
use pilotlight_wire::error::{ApiError, ErrorKind};

use crate::pool::{equal, with_peers};
use crate::routes::{Named, Routes, Target};

/// The name that means the chain.
pub const PRIMARY: &str = "primary";

/// The provider under which clients know us: `pilotlight/primary` is `primary`.
const OURSELVES: &str = "pilotlight/";

/// Whom to ask, in order.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// The candidates.
    pub candidates: Vec<Arc<Target>>,
    /// Refs of the chain that are no configured model.
    pub absent: Vec<ModelRef>,
}

/// Finds the route of a name: `primary`, an alias, a ref, a bare id that one provider has, or a pattern of the map.
///
/// # Errors
/// In words for the client, when the name means nothing, or more than one thing.
pub fn resolve(asked: &str, routes: &Routes) -> Result<Route, ApiError> {
    match meaning(asked, routes) {
        Meaning::Chain => chain(routes).map(|route| pooled(route, routes)),
        Meaning::One(target) => Ok(pooled(named(target, routes), routes)),
        Meaning::Several(models) => {
            let list = models.iter().map(ModelRef::to_string).collect::<Vec<_>>().join(", ");
            let message = format!("{asked:?} is the name of several models: ask for one of {list}");
            Err(ApiError::new(ErrorKind::NotFound, "model_ambiguous", message).about("model"))
        }
        Meaning::Nothing => mapped(asked, routes),
    }
}

enum Meaning {
    Chain,
    One(Arc<Target>),
    Several(Vec<ModelRef>),
    Nothing,
}

fn meaning(asked: &str, routes: &Routes) -> Meaning {
    let asked = asked.trim();
    let asked = asked.strip_prefix(OURSELVES).unwrap_or(asked);
    if asked.eq_ignore_ascii_case(PRIMARY) {
        return Meaning::Chain;
    }
    let alias = routes.aliases.iter().rev().find(|(alias, _)| alias.to_lowercase() == asked.to_lowercase());
    if let Some(target) = alias.and_then(|(_, model)| routes.target(model)) {
        return Meaning::One(target.clone());
    }
    if let Some(target) = asked.parse().ok().and_then(|model| routes.target(&model)) {
        return Meaning::One(target.clone());
    }
    let by_id: Vec<_> =
        routes.targets.iter().filter(|target| target.model.model() == asked || target.upstream_id == asked).collect();
    match by_id.as_slice() {
        [] => Meaning::Nothing,
        [target, others @ ..] if others.iter().all(|other| equal(target, other)) => Meaning::One(Arc::clone(target)),
        several => Meaning::Several(several.iter().map(|target| target.model.clone()).collect()),
    }
}

fn chain(routes: &Routes) -> Result<Route, ApiError> {
    let mut route = Route::default();
    for model in &routes.chain {
        match routes.target(model) {
            Some(target) if route.candidates.iter().all(|known| known.model != *model) => {
                route.candidates.push(target.clone());
            }
            Some(_) => {}
            None => route.absent.push(model.clone()),
        }
    }
    if route.candidates.is_empty() {
        let why = match route.absent.first() {
            None => "no primary model is configured".to_owned(),
            Some(model) => format!("the primary model {model} is not configured"),
        };
        return Err(ApiError::new(ErrorKind::Unavailable, "no_primary", why).about("model"));
    }
    Ok(route)
}

/// The same model on another machine of the user's counts as the same.
fn pooled(route: Route, routes: &Routes) -> Route {
    Route { candidates: with_peers(&route.candidates, routes), ..route }
}

fn named(target: Arc<Target>, routes: &Routes) -> Route {
    let mut route = Route { candidates: vec![target], absent: Vec::new() };
    if routes.named == Named::Failover {
        for candidate in chain(routes).unwrap_or_default().candidates {
            if route.candidates.iter().all(|known| known.model != candidate.model) {
                route.candidates.push(candidate);
            }
        }
    }
    route
}

fn mapped(asked: &str, routes: &Routes) -> Result<Route, ApiError> {
    let Some((pattern, name)) = routes.map.iter().find(|(pattern, _)| matches(pattern, asked)) else {
        return Err(unknown(&format!("there is no model {asked:?}"), routes));
    };
    match meaning(name, routes) {
        Meaning::Chain => chain(routes).map(|route| pooled(route, routes)),
        Meaning::One(target) => Ok(pooled(named(target, routes), routes)),
        Meaning::Several(_) | Meaning::Nothing => {
            let why = format!("{asked:?} is mapped by {pattern:?} to {name:?}, which is no model");
            Err(unknown(&why, routes))
        }
    }
}

fn unknown(why: &str, routes: &Routes) -> ApiError {
    const MOST: usize = 60;
    let names = names(routes);
    let mut list = names.iter().take(MOST).map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        list += &format!(" and {} more (GET /v1/models)", names.len() - MOST);
    }
    ApiError::new(ErrorKind::NotFound, "model_not_found", format!("{why}. There are: {list}")).about("model")
}

/// Every name that can be asked for, without bare ids and patterns: `primary`, the aliases, the refs.
pub fn names(routes: &Routes) -> Vec<(String, Option<&Arc<Target>>)> {
    let first = routes.chain.iter().find_map(|model| routes.target(model));
    let mut names = vec![(PRIMARY.to_owned(), first)];
    for (alias, _) in &routes.aliases {
        let listed = names.iter().any(|(name, _)| name.to_lowercase() == alias.to_lowercase());
        // Of two equal aliases the later wins: the name is listed once, with what it means.
        let Meaning::One(target) = meaning(alias, routes) else { continue };
        if !listed {
            names.push((alias.clone(), routes.target(&target.model)));
        }
    }
    names.extend(routes.targets.iter().map(|target| (target.model.to_string(), Some(target))));
    names
}

/// Whether a name matches a pattern in which `*` stands for any run of characters. Case does not matter.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{routes, target};
    use pilotlight_wire::Location;

    fn refs(asked: &str, routes: &Routes) -> Result<Vec<String>, String> {
        let route = resolve(asked, routes).map_err(|error| format!("{} {}", error.kind.status(), error.message))?;
        Ok(route.candidates.iter().map(|target| target.model.to_string()).collect())
    }

    fn example() -> Routes {
        let mut routes = routes(vec![
            target("lmstudio/minimax-m2.1-gs32"),
            target("anthropic/claude-opus-4-5"),
            target("openrouter/minimax/minimax-m2.1"),
            target("studio/shared"),
            target("lmstudio/shared"),
            Arc::new(Target { location: Location::Hosted, ..(*target("hosted/both")).clone() }),
            target("lmstudio/both"),
        ]);
        routes.chain = ["lmstudio/minimax-m2.1-gs32", "gone/model", "anthropic/claude-opus-4-5"]
            .map(|model| model.parse().unwrap())
            .to_vec();
        routes.aliases = [
            ("Minimax", "openrouter/minimax/minimax-m2.1"),
            ("Opus", "anthropic/claude-opus-4-5"),
            ("minimax", "lmstudio/minimax-m2.1-gs32"),
        ]
        .map(|(alias, model)| (alias.to_owned(), model.parse().unwrap()))
        .to_vec();
        routes.map = vec![
            ("claude-*".to_owned(), "primary".to_owned()),
            ("gpt-*-mini".to_owned(), "OPUS".to_owned()),
            ("bad*".to_owned(), "nothing".to_owned()),
        ];
        routes
    }

    #[test]
    fn names_mean_what_they_should() {
        let routes = example();
        let chain = vec!["lmstudio/minimax-m2.1-gs32".to_owned(), "anthropic/claude-opus-4-5".to_owned()];
        let one = |model: &str| Ok(vec![model.to_owned()]);
        assert_eq!(refs("primary", &routes), Ok(chain.clone()));
        assert_eq!(refs("pilotlight/primary", &routes), Ok(chain.clone()));
        assert_eq!(refs("OPUS", &routes), one("anthropic/claude-opus-4-5"));
        assert_eq!(refs("minimax", &routes), one("lmstudio/minimax-m2.1-gs32"));
        assert_eq!(refs("LMStudio/minimax-m2.1-gs32", &routes), one("lmstudio/minimax-m2.1-gs32"));
        assert_eq!(refs("minimax/minimax-m2.1", &routes), one("openrouter/minimax/minimax-m2.1"));
        assert_eq!(refs("claude-opus-4-5", &routes), one("anthropic/claude-opus-4-5"));
        assert_eq!(refs("claude-3-haiku", &routes), Ok(chain));
        assert_eq!(refs("GPT-9-mini", &routes), one("anthropic/claude-opus-4-5"));
        let pool = vec!["studio/shared".to_owned(), "lmstudio/shared".to_owned()];
        assert_eq!(refs("shared", &routes), Ok(pool.clone()));
        assert_eq!(refs("studio/shared", &routes), Ok(pool));
        assert!(refs("both", &routes).unwrap_err().contains("hosted/both, lmstudio/both"));
        let unknown = refs("gpt-9", &routes).unwrap_err();
        assert!(
            unknown.starts_with("404 there is no model \"gpt-9\". There are: primary, Minimax, Opus, lmstudio/"),
            "{unknown}"
        );
        assert!(refs("badly", &routes).unwrap_err().contains("mapped by \"bad*\" to \"nothing\""));
        assert_eq!(resolve("primary", &routes).unwrap().absent, ["gone/model".parse().unwrap()]);
    }

    #[test]
    fn a_named_model_fails_over_only_where_the_settings_say_so() {
        let mut routes = example();
        routes.named = Named::Failover;
        assert_eq!(
            refs("opus", &routes),
            Ok(vec!["anthropic/claude-opus-4-5".to_owned(), "lmstudio/minimax-m2.1-gs32".to_owned()])
        );
    }

    #[test]
    fn an_empty_chain_is_said_so() {
        let mut routes = example();
        routes.chain = Vec::new();
        assert_eq!(refs("primary", &routes), Err("503 no primary model is configured".to_owned()));
    }

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("claude-*", "claude-", true),
            ("claude-*", "Claude-x", true),
            ("claude-*", "xclaude-", false),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXc", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a*a", "a", false),
            ("é*", "Éclair", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
