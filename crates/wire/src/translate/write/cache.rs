//! Where Anthropic's prompt cache is told to begin: at most four marks.

use serde_json::{Map, Value, json};

/// Anthropic refuses a fifth. Source: "Prompt caching" in its API documentation.
const MOST: usize = 4;
const KEY: &str = "cache_control";

/// Leaves the last four marks, in the order in which the cache reads them: tools, system, messages. A later mark holds
/// what stands before it.
///
/// `own`: where there is none, one is set behind the system's words and one at the end. Clients of OpenAI's APIs cannot
/// set any, since OpenAI caches without; an agent that sends its whole conversation with every call would pay for all of
/// it each time.
pub(super) fn arrange(body: &mut Map<String, Value>, own: bool) {
    let count: usize = blocks(body).iter().filter(|block| block.contains_key(KEY)).count();
    let mut spare = count.saturating_sub(MOST);
    for block in blocks(body) {
        if spare > 0 && block.remove(KEY).is_some() {
            spare -= 1;
        }
    }
    if count > 0 || !own {
        return;
    }
    let system = body.get_mut("system").and_then(Value::as_array_mut).and_then(|blocks| blocks.last_mut());
    mark(system);
    let last = body.get_mut("messages").and_then(Value::as_array_mut).and_then(|messages| messages.last_mut());
    mark(last.and_then(|message| message.get_mut("content")?.as_array_mut()?.last_mut()));
}

fn mark(block: Option<&mut Value>) {
    if let Some(block) = block.and_then(Value::as_object_mut) {
        block.insert(KEY.to_owned(), json!({"type": "ephemeral"}));
    }
}

/// Every block that may carry a mark, in the cache's order.
fn blocks(body: &mut Map<String, Value>) -> Vec<&mut Map<String, Value>> {
    let (mut tools, mut system, mut messages) = (None, None, None);
    for (key, value) in body {
        match key.as_str() {
            "tools" => tools = value.as_array_mut(),
            "system" => system = value.as_array_mut(),
            "messages" => messages = value.as_array_mut(),
            _ => {}
        }
    }
    let content = messages
        .into_iter()
        .flatten()
        .filter_map(|message| message.get_mut("content")?.as_array_mut())
        .flatten()
        .filter_map(Value::as_object_mut);
    let mut all: Vec<&mut Map<String, Value>> =
        tools.into_iter().flatten().chain(system.into_iter().flatten()).filter_map(Value::as_object_mut).collect();
    all.extend(content);
    all
}
