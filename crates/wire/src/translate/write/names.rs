//! The tools' names as an upstream takes them: letters, digits, `_` and `-`, at most 64 of them, namespaces in front.

use std::collections::HashMap;

use super::digest;
use crate::UpstreamApi;
use crate::error::{ApiError, ErrorKind};
use crate::translate::prompt::{Part, Prompt, Tool, ToolChoice};
use crate::translate::{ClientTool, Names};

/// The longest name that all of OpenAI, Anthropic and Google take. Source: their 400s; OpenAI's limit is the shortest.
const LONGEST: usize = 64;

/// What the tools of one request are called upstream.
pub(super) struct ToolNames<'a> {
    names: Names,
    by_client: HashMap<(Option<&'a str>, &'a str), String>,
    offered: Vec<(&'a Tool, String)>,
}

impl<'a> ToolNames<'a> {
    /// Names every tool that is offered or was called before.
    ///
    /// # Errors
    /// When two tools would be one.
    pub(super) fn new(prompt: &'a Prompt, api: &UpstreamApi) -> Result<Self, ApiError> {
        let letter_first = *api == UpstreamApi::GoogleGenerativeAi;
        let mut this = Self { names: Names::default(), by_client: HashMap::new(), offered: Vec::new() };
        let mut taken: HashMap<String, ClientTool> = HashMap::new();
        let mut tools: Vec<&Tool> = Vec::new();
        for tool in &prompt.tools {
            match tools.iter().find(|other| other.name == tool.name && other.namespace == tool.namespace) {
                None => tools.push(tool),
                Some(other) if *other == tool => {}
                Some(_) => return Err(collision(&tool.name, &tool.name)),
            }
        }
        // Names that can stay come first, so that nothing takes one of them.
        tools.sort_by_key(|tool| tool.namespace.is_some() || !fits(&tool.name, letter_first));
        for tool in tools {
            let flat = flat(&tool.name, tool.namespace.as_deref());
            let client = ClientTool {
                name: tool.name.clone(),
                namespace: tool.namespace.clone(),
                custom: tool.custom.is_some(),
            };
            let name = fit(&flat, letter_first);
            if let Some(other) = taken.insert(name.clone(), client.clone()) {
                return Err(collision(&flat, &flat_of(&other)));
            }
            this.by_client.insert((tool.namespace.as_deref(), &tool.name), name.clone());
            this.note(&name, client);
            this.offered.push((tool, name));
        }
        // In the client's order.
        this.offered.sort_by_key(|(tool, _)| prompt.tools.iter().position(|other| std::ptr::eq(*tool, other)));
        let calls = prompt.turns.iter().flat_map(|turn| &turn.parts).filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        });
        for call in calls {
            let key = (call.namespace.as_deref(), call.name.as_str());
            if this.by_client.contains_key(&key) {
                continue;
            }
            let name = fit(&flat(&call.name, call.namespace.as_deref()), letter_first);
            let client = ClientTool { name: call.name.clone(), namespace: call.namespace.clone(), custom: call.custom };
            if !taken.contains_key(&name) {
                taken.insert(name.clone(), client.clone());
                this.note(&name, client);
            }
            this.by_client.insert(key, name);
        }
        Ok(this)
    }

    fn note(&mut self, name: &str, client: ClientTool) {
        if client.name != name || client.namespace.is_some() || client.custom {
            self.names.add(name, client);
        }
    }

    /// What a tool is called upstream.
    pub(super) fn of(&self, name: &str, namespace: Option<&str>) -> String {
        self.by_client.get(&(namespace, name)).cloned().unwrap_or_else(|| fit(&flat(name, namespace), false))
    }

    /// The tools with their names, in the client's order.
    pub(super) fn offered(&self) -> &[(&'a Tool, String)] {
        &self.offered
    }

    /// Only those, by their names upstream.
    pub(super) fn offer_only(&mut self, allowed: &[String]) {
        self.offered.retain(|(_, name)| allowed.contains(name));
    }

    /// None at all.
    pub(super) fn offer_none(&mut self) {
        self.offered.clear();
    }

    /// The choice by the names upstream, when there is something to choose from.
    pub(super) fn choice(&self, choice: Option<&ToolChoice>) -> Option<Choice> {
        if self.offered.is_empty() {
            return None;
        }
        Some(match choice? {
            ToolChoice::Auto => Choice::Auto,
            ToolChoice::None => Choice::None,
            ToolChoice::Required => Choice::Required,
            ToolChoice::Named { name, namespace } => Choice::Named(self.of(name, namespace.as_deref())),
            ToolChoice::Allowed { names, required } => {
                let allowed = self
                    .offered
                    .iter()
                    .filter(|(tool, name)| names.iter().any(|allowed| *allowed == tool.name || allowed == name))
                    .map(|(_, name)| name.clone())
                    .collect();
                Choice::Allowed { names: allowed, required: *required }
            }
        })
    }

    pub(super) fn into_names(self) -> Names {
        self.names
    }
}

/// Which tool must be called, by its name upstream.
pub(super) enum Choice {
    Auto,
    None,
    Required,
    Named(String),
    Allowed { names: Vec<String>, required: bool },
}

fn flat(name: &str, namespace: Option<&str>) -> String {
    match namespace {
        None | Some("") => name.to_owned(),
        Some(namespace) => format!("{}__{name}", namespace.trim_end_matches("__")),
    }
}

fn flat_of(tool: &ClientTool) -> String {
    match &tool.namespace {
        Some(namespace) => format!("{} of {namespace}", tool.name),
        None => tool.name.clone(),
    }
}

fn fits(name: &str, letter_first: bool) -> bool {
    !name.is_empty()
        && name.len() <= LONGEST
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        && (!letter_first || name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'))
}

/// The name itself where it fits; else what is left of it, and a digest, so that two that look alike stay two.
fn fit(name: &str, letter_first: bool) -> String {
    if fits(name, letter_first) {
        return name.to_owned();
    }
    let kept: String = name
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || matches!(char, '_' | '-') { char } else { '_' })
        .take(LONGEST - 10)
        .collect();
    let front = if kept.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') { "" } else { "_" };
    format!("{front}{kept}_{:08x}", digest(name) >> 32)
}

fn collision(one: &str, other: &str) -> ApiError {
    ApiError::new(
        ErrorKind::InvalidRequest,
        "duplicate_tool_name",
        format!("the tools {one} and {other} have the same name for the model; rename one of them"),
    )
    .about("tools")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tool(name: &str, namespace: Option<&str>) -> Tool {
        Tool { name: name.into(), namespace: namespace.map(Into::into), ..Tool::default() }
    }

    fn named(tools: Vec<Tool>) -> Result<(Vec<String>, Names), ApiError> {
        let prompt = Prompt { tools, ..Prompt::default() };
        let names = ToolNames::new(&prompt, &UpstreamApi::OpenaiCompletions)?;
        let list = names.offered().iter().map(|(_, name)| name.clone()).collect();
        Ok((list, names.into_names()))
    }

    #[test]
    fn a_namespace_is_flattened_and_restored() {
        let (list, names) = named(vec![tool("read", Some("mcp__files__")), tool("read", None)]).unwrap();
        assert_eq!(list, ["mcp__files__read", "read"]);
        let back = names.of_upstream("mcp__files__read");
        assert_eq!((back.name.as_str(), back.namespace.as_deref()), ("read", Some("mcp__files__")));
        assert_eq!(names.of_upstream("read"), ClientTool { name: "read".into(), ..ClientTool::default() });
    }

    #[test]
    fn two_tools_that_would_be_one_are_refused() {
        let error = named(vec![tool("b", Some("a")), tool("a__b", None)]).unwrap_err();
        assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::InvalidRequest, Some("tools")));
        assert!(error.message.contains("a__b"), "{}", error.message);
        let same_twice = named(vec![tool("x", None), tool("x", None)]).unwrap();
        assert_eq!(same_twice.0, ["x"]);
        let other = Tool { description: Some("else".into()), ..tool("x", None) };
        assert!(named(vec![tool("x", None), other]).is_err());
    }

    #[test]
    fn names_that_look_alike_stay_two() {
        let long = "l".repeat(80);
        let (list, names) =
            named(vec![tool("a.b", None), tool("a/b", None), tool("a_b", None), tool(&long, None)]).unwrap();
        assert_eq!(list.iter().collect::<std::collections::HashSet<_>>().len(), 4);
        assert_eq!(list[2], "a_b");
        assert!(list.iter().all(|name| fits(name, false)), "{list:?}");
        let back: Vec<_> = list.iter().map(|name| names.of_upstream(name).name).collect();
        assert_eq!(back, ["a.b", "a/b", "a_b", &long]);
    }

    proptest! {
        #[test]
        fn every_name_fits(name in ".{0,99}", letter_first: bool) {
            let fitted = fit(&name, letter_first);
            prop_assert!(fits(&fitted, letter_first), "{fitted}");
        }
    }
}
