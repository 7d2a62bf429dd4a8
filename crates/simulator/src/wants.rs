//! What a request wants of its answer beyond words, in whichever API it says so: tools and whether they must be called,
//! an end at certain words, JSON, thoughts. Reads leniently, as [`request`](crate::request) does.

use serde_json::Value;

use crate::request::Api;

/// What an answer must keep to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wants {
    /// Name and parameter schema of each function on offer.
    pub(crate) tools: Vec<(String, Value)>,
    pub(crate) choice: Choice,
    /// Whether at most one tool may be called.
    pub(crate) one_call: bool,
    /// The answer ends before any of these.
    pub(crate) stops: Vec<String>,
    pub(crate) form: Form,
    /// Whether thoughts are asked for, and would be shown.
    pub(crate) thinks: bool,
    /// How many answers (Chat's `n`).
    pub(crate) answers: usize,
    /// What the operator says.
    pub(crate) system: String,
}

/// Whether tools may or must be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// As the model likes.
    #[default]
    Free,
    /// None may be called.
    None,
    /// Some tool must be called.
    Some,
    /// This one must be called.
    Named(String),
}

/// The form of the words.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Form {
    #[default]
    Text,
    /// A JSON object, whichever.
    Object,
    /// JSON of this schema.
    Schema(Value),
}

impl Wants {
    pub(crate) fn read(api: Api, body: &Value, items: &[Value]) -> Wants {
        let system = system(body, items);
        let form = match form(body) {
            Form::Text => form_in_words(&system),
            form => form,
        };
        Wants {
            tools: tools(body),
            choice: choice(body),
            one_call: body.get("parallel_tool_calls").and_then(Value::as_bool) == Some(false)
                || body.pointer("/tool_choice/disable_parallel_tool_use").and_then(Value::as_bool) == Some(true),
            stops: stops(body),
            form,
            thinks: thinks(api, body),
            answers: body
                .get("n")
                .and_then(Value::as_u64)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(1)
                .clamp(1, 8),
            system,
        }
    }
}

/// Chat and Ollama nest a tool under `function`; Responses does not; Messages calls the schema `input_schema`; Gemini
/// lists its functions in a tool. The vendors' own tools are none that a client could be asked to run.
fn tools(body: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut take = |tool: &Value| {
        let schema = ["parameters", "input_schema", "parametersJsonSchema"].iter().find_map(|name| tool.get(*name));
        if let Some(name) = tool.get("name").and_then(Value::as_str) {
            found.push((name.to_owned(), schema.cloned().unwrap_or_default()));
        }
    };
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        let listed = tool.get("functionDeclarations").or_else(|| tool.get("function_declarations"));
        match (listed.and_then(Value::as_array), tool.get("function"), tool.get("type").and_then(Value::as_str)) {
            (Some(list), _, _) => list.iter().for_each(&mut take),
            (None, Some(function), _) => take(function),
            (None, None, None | Some("function" | "custom")) if tool.get("format").is_none() => take(tool),
            _ => {}
        }
    }
    found
}

fn choice(body: &Value) -> Choice {
    if let Some(config) = body.pointer("/toolConfig/functionCallingConfig") {
        let only = config.pointer("/allowedFunctionNames/0").and_then(Value::as_str);
        return match (config.get("mode").and_then(Value::as_str), only) {
            (Some("NONE"), _) => Choice::None,
            (Some("ANY"), Some(name)) => Choice::Named(name.to_owned()),
            (Some("ANY"), None) => Choice::Some,
            _ => Choice::Free,
        };
    }
    let Some(choice) = body.get("tool_choice") else { return Choice::Free };
    let name = choice.pointer("/function/name").or_else(|| choice.get("name")).and_then(Value::as_str);
    match (choice.as_str().or_else(|| choice.get("type").and_then(Value::as_str)), name) {
        (Some("none"), _) => Choice::None,
        (Some("function" | "tool"), Some(name)) => Choice::Named(name.to_owned()),
        (Some("required" | "any"), _) => Choice::Some,
        _ => Choice::Free,
    }
}

fn stops(body: &Value) -> Vec<String> {
    let places = ["/stop", "/stop_sequences", "/generationConfig/stopSequences", "/options/stop"];
    match places.iter().find_map(|place| body.pointer(place)) {
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(Value::Array(stops)) => stops.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn form(body: &Value) -> Form {
    let config = body.get("generationConfig");
    if let Some(schema) = config.and_then(|c| c.get("responseJsonSchema").or_else(|| c.get("responseSchema"))) {
        return Form::Schema(schema.clone());
    }
    if config.and_then(|c| c.get("responseMimeType")).and_then(Value::as_str) == Some("application/json") {
        return Form::Object;
    }
    let places = ["/response_format", "/text/format", "/output_config/format", "/output_format"];
    if let Some(format) = places.iter().find_map(|place| body.pointer(place)) {
        return match format.get("type").and_then(Value::as_str) {
            Some("json_object") => Form::Object,
            Some("json_schema") => {
                let schema = format.pointer("/json_schema/schema").or_else(|| format.get("schema"));
                schema.cloned().map_or(Form::Object, Form::Schema)
            }
            _ => Form::Text,
        };
    }
    match body.get("format") {
        Some(Value::String(format)) if format == "json" => Form::Object,
        Some(schema @ Value::Object(_)) => Form::Schema(schema.clone()),
        _ => Form::Text,
    }
}

/// A model that is told in words to answer in JSON does so.
fn form_in_words(system: &str) -> Form {
    let schema = system.split_once("JSON Schema").and_then(|(_, rest)| rest.find('{').map(|at| &rest[at..]));
    let schema = schema.map(|text| serde_json::Deserializer::from_str(text).into_iter::<Value>().next());
    match schema {
        Some(Some(Ok(schema))) => Form::Schema(schema),
        _ if system.contains("one JSON object") => Form::Object,
        _ => Form::Text,
    }
}

/// OpenAI shows a summary to whoever asks for one; Chat of OpenAI never shows any.
fn thinks(api: Api, body: &Value) -> bool {
    let says = |place: &str| body.pointer(place).and_then(Value::as_str);
    match api {
        Api::Messages => matches!(says("/thinking/type"), Some("enabled" | "adaptive")),
        Api::Responses => says("/reasoning/summary").is_some() && says("/reasoning/effort") != Some("none"),
        Api::Gemini => {
            body.pointer("/generationConfig/thinkingConfig/includeThoughts").and_then(Value::as_bool) == Some(true)
        }
        Api::OllamaChat | Api::OllamaGenerate => {
            body.get("think").is_some_and(|think| think.as_bool().unwrap_or(think.is_string()))
        }
        _ => false,
    }
}

fn system(body: &Value, items: &[Value]) -> String {
    let apart = ["system", "instructions", "systemInstruction"];
    let mut texts: Vec<String> = apart.iter().filter_map(|name| body.get(*name)).map(text_of).collect();
    let operators = |item: &&Value| matches!(item.get("role").and_then(Value::as_str), Some("system" | "developer"));
    texts.extend(items.iter().filter(operators).filter_map(|item| item.get("content")).map(text_of));
    texts.join("\n")
}

/// The text of a content: itself, or that of its parts.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> =
                parts.iter().filter_map(|p| p.as_str().or_else(|| p.get("text").and_then(Value::as_str))).collect();
            texts.join(" ")
        }
        Value::Object(members) => members.get("parts").map(text_of).unwrap_or_default(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_wish_in_each_api() {
        let named = Choice::Named("f".into());
        for (api, body) in [
            (
                Api::Chat,
                json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": 1}}}], "stop": "x",
                    "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false,
                    "response_format": {"type": "json_schema", "json_schema": {"schema": {"b": 2}}}}),
            ),
            (
                Api::Messages,
                json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}, {"name": "f", "input_schema": {"a": 1}}],
                    "stop_sequences": ["x"], "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
                    "output_config": {"format": {"type": "json_schema", "schema": {"b": 2}}}}),
            ),
            (
                Api::Gemini,
                json!({"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"a": 1}}]}],
                    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
                    "generationConfig": {"stopSequences": ["x"], "responseJsonSchema": {"b": 2}}}),
            ),
        ] {
            let wants = Wants::read(api, &body, &[]);
            assert_eq!(wants.tools, [("f".to_owned(), json!({"a": 1}))], "{api:?}");
            assert_eq!((wants.choice, wants.one_call), (named.clone(), api != Api::Gemini), "{api:?}");
            assert_eq!((wants.stops, wants.form), (vec!["x".to_owned()], Form::Schema(json!({"b": 2}))), "{api:?}");
        }
    }
}
