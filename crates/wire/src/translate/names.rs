//! Tools under the names that an upstream can take, and back: namespaces are flattened, long and unusual names replaced,
//! free-form tools become functions of one string where the upstream has none.

use std::collections::HashMap;

/// A tool as the client knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientTool {
    /// Its name, without the namespace.
    pub name: String,
    /// Responses' `namespace`.
    pub namespace: Option<String>,
    /// Whether it is free-form for the client, whatever the upstream was told.
    pub custom: bool,
}

/// The names of one request's tools. What is not listed has the same name on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    by_upstream: HashMap<String, ClientTool>,
}

impl Names {
    /// Notes that the upstream knows `tool` by `upstream`. False when it knows another by that name already.
    pub fn add(&mut self, upstream: impl Into<String>, tool: ClientTool) -> bool {
        *self.by_upstream.entry(upstream.into()).or_insert_with(|| tool.clone()) == tool
    }

    /// The client's tool of this name of the upstream's.
    #[must_use]
    pub fn of_upstream(&self, upstream: &str) -> ClientTool {
        self.by_upstream
            .get(upstream)
            .cloned()
            .unwrap_or_else(|| ClientTool { name: upstream.to_owned(), ..ClientTool::default() })
    }

    /// What the upstream calls this tool of the client's.
    #[must_use]
    pub fn of_client<'a>(&'a self, name: &'a str, namespace: Option<&str>) -> &'a str {
        self.by_upstream
            .iter()
            .find(|(_, tool)| tool.name == name && tool.namespace.as_deref() == namespace)
            .map_or(name, |(upstream, _)| upstream)
    }
}
