//! Which candidates of a route a request may go to at all, and why not the others.

use std::sync::Arc;

use pilotlight_wire::error::{ApiError, ErrorKind};
use pilotlight_wire::{ClientApi, Location};

use crate::code::Code;
use crate::events::AttemptReport;
use crate::resolve::Route;
use crate::routes::{Routes, Target};
use crate::serve::Listening;
use crate::upstream;

/// A route after what is not allowed was taken out.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Whom to ask, in order.
    pub candidates: Vec<Arc<Target>>,
    /// Who was taken out, and why.
    pub excluded: Vec<AttemptReport>,
}

/// Takes out what the settings forbid, what does not speak the client's API, what cannot be asked.
pub fn plan(route: Route, api: ClientApi, routes: &Routes, listening: Option<&Listening>) -> Plan {
    let mut plan = Plan::default();
    for target in route.candidates {
        match exclusion(&target, api, routes, listening) {
            None => plan.candidates.push(target),
            Some((code, detail)) => {
                plan.excluded.push(AttemptReport { model: target.model.clone(), code, detail });
            }
        }
    }
    for model in route.absent {
        let detail = "the chain names it, and it is not configured".to_owned();
        plan.excluded.push(AttemptReport { model, code: Code::Missing, detail });
    }
    plan
}

/// Why this target may not be asked, if it may not.
pub fn exclusion(
    target: &Target,
    api: ClientApi,
    routes: &Routes,
    listening: Option<&Listening>,
) -> Option<(Code, String)> {
    if let Some(barred) = barred(target, routes) {
        return Some(barred);
    }
    if !target.api.reaches(api) {
        return Some((Code::Api, format!("it speaks {}", target.api.name())));
    }
    if listening.is_some_and(|listening| upstream::is_own_address(&target.base_url, listening)) {
        return Some((Code::OwnAddress, "its address is this proxy itself".to_owned()));
    }
    None
}

/// Why the settings or a missing key keep every request from this target.
pub fn barred(target: &Target, routes: &Routes) -> Option<(Code, String)> {
    if target.location == Location::Local {
        // A server of the user's seldom looks at its key: it is asked without.
        return None;
    }
    if routes.local_only {
        let who = match &routes.local_only_for {
            Some(token) => format!("the token {token:?} may ask"),
            None => "the settings allow".to_owned(),
        };
        return Some((Code::LocalOnly, format!("hosted, and {who} local models only")));
    }
    if let Some(regions) = &routes.regions {
        let allowed =
            regions.iter().any(|region| target.region.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(region)));
        if !allowed {
            let own = target.region.as_deref().unwrap_or("unknown");
            let detail = format!("its region is {own}, and the settings allow {}", regions.join(", "));
            return Some((Code::Region, detail));
        }
    }
    target.key_problem.as_ref().map(|problem| (Code::Key, problem.clone()))
}

impl Plan {
    /// The error when nobody is left only because nobody speaks the client's API: it can be asked otherwise.
    pub fn api_error(&self, asked: &str, api: ClientApi) -> Option<ApiError> {
        let speaks: Vec<String> = self
            .excluded
            .iter()
            .filter(|report| report.code == Code::Api)
            .map(|report| format!("{} ({})", report.model, report.detail))
            .collect();
        if !self.candidates.is_empty() || speaks.is_empty() {
            return None;
        }
        let others: Vec<String> = self
            .excluded
            .iter()
            .filter(|report| report.code != Code::Api)
            .map(|report| format!("{} ({})", report.model, report.detail))
            .collect();
        let mut message = format!(
            "no model of {asked:?} speaks the {} API of this request, and requests of this API are not translated: {}",
            api.title(),
            speaks.join(", ")
        );
        if !others.is_empty() {
            message += &format!("; passed over: {}", others.join(", "));
        }
        Some(ApiError::new(ErrorKind::InvalidRequest, "unsupported_api", message).about("model"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{routes, target};
    use pilotlight_wire::UpstreamApi;

    fn hosted(model: &str, region: Option<&str>) -> Arc<Target> {
        let region = region.map(str::to_owned);
        Arc::new(Target { location: Location::Hosted, region, ..(*target(model)).clone() })
    }

    fn codes(candidates: &[Arc<Target>], change: impl FnOnce(&mut Routes)) -> Vec<(String, &'static str)> {
        let mut routes = routes(candidates.to_vec());
        change(&mut routes);
        let plan = plan(Route { candidates: candidates.to_vec(), absent: Vec::new() }, ClientApi::Chat, &routes, None);
        plan.excluded.iter().map(|report| (report.model.to_string(), report.code.name())).collect()
    }

    #[test]
    fn privacy_takes_out_hosted_ones_only() {
        let all = [target("a/x"), hosted("b/x", None), hosted("c/x", Some("eu")), hosted("d/x", Some("us"))];
        assert_eq!(codes(&all, |_| {}), []);
        let local_only = |code| ["b/x", "c/x", "d/x"].map(|model| (model.to_owned(), code)).to_vec();
        assert_eq!(codes(&all, |routes| routes.local_only = true), local_only("local-only"));
        let regions = codes(&all, |routes| routes.regions = Some(vec!["EU".to_owned()]));
        assert_eq!(regions, [("b/x".to_owned(), "region"), ("d/x".to_owned(), "region")]);
    }

    #[test]
    fn says_which_api_each_model_speaks() {
        let api = UpstreamApi::Other("bedrock-converse-stream".to_owned());
        let other = Arc::new(Target { api, ..(*target("a/x")).clone() });
        let routes = routes(vec![other.clone()]);
        let plan = plan(Route { candidates: vec![other], absent: Vec::new() }, ClientApi::Chat, &routes, None);
        let error = plan.api_error("primary", ClientApi::Chat).unwrap();
        assert_eq!(error.kind.status(), 400);
        assert!(error.message.contains("a/x (it speaks bedrock-converse-stream)"), "{}", error.message);
    }

    #[test]
    fn a_missing_key_bars_a_hosted_model_but_not_a_local_one() {
        let without =
            |target: Arc<Target>| Arc::new(Target { key_problem: Some("no key".to_owned()), ..(*target).clone() });
        assert_eq!(codes(&[without(target("a/x")), without(hosted("b/x", None))], |_| {}), [("b/x".to_owned(), "key")]);
    }
}
