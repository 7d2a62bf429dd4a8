//! Google's hosted Gemini API: endpoints, keys, and what it refuses. It is strict where the others are lenient: a name
//! that it does not know anywhere in a request is an error. Facts: Google's API reference, and its errors as users
//! published them.

use http::HeaderMap;
use http::request::Parts;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

use crate::answer::Answer;
use crate::api;
use crate::api::errors::{Streaming, google};
use crate::api::gemini::SIGNATURE;
use crate::lm_studio::shows_key;
use crate::options::Kind;
use crate::play::{Reply, Script, Whole};
use crate::request::{Api, Asked, google_method};
use crate::server::Shared;

/// What is listed where no models were given.
const MODELS: [&str; 3] = ["gemini-3-pro-preview", "gemini-2.5-pro", "gemini-2.5-flash"];

/// Answers any request.
pub(crate) async fn answer(shared: &Arc<Shared>, parts: &Parts, body: Value) -> Reply {
    let path = parts.uri.path();
    if let Some(key) = shared.options.key.as_deref()
        && let Some(refusal) = refuse_key(parts, key)
    {
        return refusal.into();
    }
    let listed = path.strip_prefix("/v1beta/models").or_else(|| path.strip_prefix("/v1/models"));
    match (parts.method.as_str(), listed, google_method(path)) {
        ("GET", Some(""), _) => models(shared).into(),
        ("GET", Some(name), _) if known(shared, name.trim_start_matches('/')) => {
            Whole::json(200, &model_row(name.trim_start_matches('/'))).into()
        }
        ("GET", Some(name), _) => unknown_model(name.trim_start_matches('/'), "getModel").into(),
        ("POST", _, Some((model, method))) => match Api::of(path) {
            _ if !known(shared, model) => unknown_model(model, method).into(),
            Some(Api::Gemini) => generate(shared, parts, model, method, body).await,
            Some(Api::GeminiCount) => {
                let inner = body.get("generateContentRequest").cloned().unwrap_or(body);
                Whole::json(200, &api::gemini::count(&Asked::read(Api::GeminiCount, inner, Vec::new()))).into()
            }
            _ => unknown_model(model, method).into(),
        },
        _ => Whole::json(404, &google(404, "Requested entity was not found.", "NOT_FOUND")).into(),
    }
}

fn refuse_key(parts: &Parts, key: &str) -> Option<Whole> {
    let header = parts.headers.get("x-goog-api-key").and_then(|v| v.to_str().ok());
    let query = parts.uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("key="));
    let shown = header.or(query);
    if shown == Some(key) || shows_key(&parts.headers, key) {
        return None;
    }
    if shown.is_some() || parts.headers.contains_key("authorization") {
        let mut error = google(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT");
        error["error"]["details"] = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]);
        return Some(Whole::json(400, &error));
    }
    let message = "Method doesn't allow unregistered callers (callers without established identity). Please use API \
                   Key or other form of API consumer identity to call this API.";
    Some(Whole::json(403, &google(403, message, "PERMISSION_DENIED")))
}

fn names(shared: &Shared) -> Vec<&str> {
    let given: Vec<&str> = shared.options.models.iter().map(|m| m.key.as_str()).collect();
    if given.is_empty() { MODELS.to_vec() } else { given }
}

fn known(shared: &Shared, name: &str) -> bool {
    shared.options.models.is_empty() || names(shared).contains(&name)
}

fn unknown_model(name: &str, method: &str) -> Whole {
    let message = format!(
        "models/{name} is not found for API version v1beta, or is not supported for {method}. Call ListModels to see \
         the list of available models and their supported methods."
    );
    Whole::json(404, &google(404, &message, "NOT_FOUND"))
}

fn model_row(name: &str) -> Value {
    json!({"name": format!("models/{name}"), "version": "001", "displayName": name, "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent", "countTokens"],
        "thinking": true})
}

fn models(shared: &Shared) -> Whole {
    let rows: Vec<Value> = names(shared).into_iter().map(model_row).collect();
    Whole::json(200, &json!({"models": rows}))
}

async fn generate(shared: &Arc<Shared>, parts: &Parts, model: &str, method: &str, body: Value) -> Reply {
    if let Err(message) = check(model, &body) {
        return Whole::json(400, &google(400, &message, "INVALID_ARGUMENT")).into();
    }
    let mut asked = Asked::read(Api::Gemini, body, Vec::new());
    asked.stream = method == "streamGenerateContent";
    asked.sse = parts.uri.query().unwrap_or_default().split('&').any(|pair| pair == "alt=sse");
    asked.model = Some(model.to_owned());
    let answer = Answer::to(&asked, Kind::Google, model, &shared.options);
    sleep(shared.options.prompt_delay).await;
    if asked.stream {
        let events = api::events(&asked, &answer);
        let streaming =
            Streaming { kind: Kind::Google, api: Api::Gemini, model: model.to_owned(), id: answer.id, sse: asked.sse };
        let headers = HeaderMap::new();
        return Reply::Stream(Box::new(Script { events, streaming, running: None, headers }));
    }
    sleep(answer.writing_time().max(Duration::ZERO)).await;
    Whole::json(200, &api::body(&asked, &answer)).into()
}

const REQUEST: [&str; 9] = [
    "contents",
    "tools",
    "toolConfig",
    "safetySettings",
    "systemInstruction",
    "generationConfig",
    "cachedContent",
    "labels",
    "model",
];
const GENERATION_CONFIG: [&str; 20] = [
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "candidateCount",
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "enableEnhancedCivicAnswers",
    "speechConfig",
    "thinkingConfig",
    "imageConfig",
    "mediaResolution",
];
const PART: [&str; 11] = [
    "text",
    "thought",
    "thoughtSignature",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "videoMetadata",
    "mediaResolution",
];
const DECLARATION: [&str; 7] =
    ["name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema", "behavior"];
/// Its own dialect of JSON Schema.
const SCHEMA: [&str; 22] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];

/// What the real server refuses before anything else; the message is its own.
fn check(model: &str, body: &Value) -> Result<(), String> {
    names_in(body, &REQUEST, "")?;
    if let Some(config) = member(body, "generationConfig") {
        names_in(config, &GENERATION_CONFIG, "generation_config")?;
        if let Some(schema) = member(config, "responseSchema") {
            check_schema(schema, "generation_config.response_schema")?;
        }
    }
    for (t, tool) in list(body, "tools").iter().enumerate() {
        for (f, function) in list(tool, "functionDeclarations").iter().enumerate() {
            let at = format!("tools[{t}].function_declarations[{f}]");
            names_in(function, &DECLARATION, &at)?;
            check_name(function, &at)?;
            if let Some(schema) = function.get("parameters") {
                check_schema(schema, &format!("{at}.parameters"))?;
            }
        }
    }
    let contents = list(body, "contents");
    if contents.is_empty() {
        return Err("* GenerateContentRequest.contents: contents is not specified\n".to_owned());
    }
    for (c, content) in contents.iter().enumerate() {
        if !matches!(content.get("role").and_then(Value::as_str), None | Some("user" | "model")) {
            return Err("Please use a valid role: user, model.".to_owned());
        }
        let parts = list(content, "parts");
        if parts.is_empty() {
            return Err(format!("* GenerateContentRequest.contents[{c}].parts: contents.parts must not be empty.\n"));
        }
        for (p, part) in parts.iter().enumerate() {
            let at = format!("contents[{c}].parts[{p}]");
            names_in(part, &PART, &at)?;
            for (name, inner) in [("functionCall", "args"), ("functionResponse", "response")] {
                let value = member(part, name).and_then(|call| call.get(inner));
                if let Some(value) = value.filter(|value| !value.is_object() && !value.is_null()) {
                    return Err(format!(
                        "Invalid value at '{at}.{}.{inner}' (type.googleapis.com/google.protobuf.Struct), {value}",
                        snake(name)
                    ));
                }
            }
        }
    }
    check_turns(contents)?;
    check_signatures(model, contents)
}

/// A member under its name, or as protobuf's JSON also takes it, with underscores.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).or_else(|| value.get(snake(name)))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    member(value, name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

fn names_in(value: &Value, known: &[&str], at: &str) -> Result<(), String> {
    let is_known = |name: &str| known.iter().any(|known| *known == name || snake(known) == name);
    let mut names = value.as_object().into_iter().flat_map(|object| object.keys());
    match names.find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
            Err(format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."))
        }
    }
}

fn check_name(function: &Value, at: &str) -> Result<(), String> {
    let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let fits = name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.:-".contains(c));
    if begins && fits {
        return Ok(());
    }
    Err(format!(
        "* GenerateContentRequest.{at}.name: Invalid function name. Must start with a letter or an underscore. Must be \
         alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of \
         64.\n"
    ))
}

fn check_schema(schema: &Value, at: &str) -> Result<(), String> {
    names_in(schema, &SCHEMA, at)?;
    if schema.get("type").is_some_and(Value::is_array) {
        return Err(format!("Proto field is not repeating, cannot start list. at '{at}.type'"));
    }
    for (n, (_, property)) in schema.get("properties").and_then(Value::as_object).into_iter().flatten().enumerate() {
        check_schema(property, &format!("{at}.properties[{n}].value"))?;
    }
    if let Some(items) = schema.get("items") {
        check_schema(items, &format!("{at}.items"))?;
    }
    for (n, option) in list(schema, "anyOf").iter().enumerate() {
        check_schema(option, &format!("{at}.any_of[{n}]"))?;
    }
    Ok(())
}

fn count(content: Option<&Value>, name: &str) -> usize {
    content.map_or(0, |content| list(content, "parts").iter().filter(|part| member(part, name).is_some()).count())
}

/// Calls come after a user's turn, and their results, as many, right after them.
fn check_turns(contents: &[Value]) -> Result<(), String> {
    for (at, content) in contents.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| contents.get(at));
        let (calls, results) = (count(Some(content), "functionCall"), count(Some(content), "functionResponse"));
        if results > 0 && count(before, "functionCall") == 0 {
            return Err(
                "Please ensure that function response turn comes immediately after a function call turn.".into()
            );
        }
        if calls == 0 {
            continue;
        }
        let model_before = before.and_then(|before| before.get("role")).and_then(Value::as_str) == Some("model");
        if before.is_none() || model_before {
            return Err(
                "Please ensure that function call turn comes immediately after a user turn or after a function \
                        response turn."
                    .into(),
            );
        }
        if contents.len() > at + 1 && count(contents.get(at + 1), "functionResponse") != calls {
            return Err("Please ensure that the number of function response parts is equal to the number of function \
                        call parts of the function call turn."
                .into());
        }
    }
    Ok(())
}

/// Gemini 3 takes the calls since the last words of the user only with the signature that it gave.
fn check_signatures(model: &str, contents: &[Value]) -> Result<(), String> {
    let said = |content: &Value| {
        content.get("role").and_then(Value::as_str) != Some("model") && count(Some(content), "functionResponse") == 0
    };
    let since = contents.iter().rposition(said).map_or(0, |at| at + 1);
    for (at, content) in contents.iter().enumerate().skip(since).filter(|_| model.starts_with("gemini-3")) {
        let Some(call) = list(content, "parts").iter().find(|part| member(part, "functionCall").is_some()) else {
            continue;
        };
        let signature = member(call, "thoughtSignature").and_then(Value::as_str);
        let accepted = |text: &str| text.starts_with(SIGNATURE) || text == "skip_thought_signature_validator";
        match signature {
            Some(text) if accepted(text) => {}
            Some(_) => return Err("Corrupted thought signature.".to_owned()),
            None => {
                let name = member(call, "functionCall").and_then(|call| call.get("name")).and_then(Value::as_str);
                return Err(format!(
                    "Function call is missing a thought_signature in functionCall parts. This is required for tools to \
                     work correctly, and missing thought_signature may lead to degraded model performance. Additional \
                     data, function call `default_api:{}` , position {at}.",
                    name.unwrap_or_default()
                ));
            }
        }
    }
    Ok(())
}
