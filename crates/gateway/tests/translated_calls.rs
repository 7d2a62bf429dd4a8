//! Both halves of a translation against servers that refuse what the real ones refuse: a request of each client API is
//! written for each upstream API, sent, and its answer written back; then the client gives all of it back with the
//! result of a tool, as clients do. No gateway runs here: only what `wire` writes and reads is tried.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use pilotlight_simulator::{Kind, Options, Reasoning, ReasoningForm, Simulator};
use pilotlight_wire::lines::LineFramer;
use pilotlight_wire::sse::{Frame, Framer};
use pilotlight_wire::translate::{
    Asked, Opening, StreamTranslator, Upstream, read_request, translate_answer, write_request,
};
use pilotlight_wire::{ClientApi, UpstreamApi};
use serde_json::{Value, json};

const CLIENTS: [ClientApi; 3] = [ClientApi::Responses, ClientApi::Chat, ClientApi::Messages];

struct Scene {
    simulator: Simulator,
    upstream: Upstream,
    base: String,
}

impl Scene {
    async fn new(kind: Kind, api: UpstreamApi, model: &str) -> Self {
        let reasoning = Some(Reasoning { text: "let me think".into(), form: ReasoningForm::Deltas });
        let simulator = Simulator::start(kind, Options { reasoning, ..Options::default() }).await.unwrap();
        let upstream = Upstream {
            api,
            provider: "up".into(),
            model: model.into(),
            max_tokens: Some(4096),
            vendor: matches!(kind, Kind::OpenAi | Kind::Anthropic | Kind::Google),
            images: None,
            compat: pilotlight_wire::translate::Compat::default(),
        };
        let base = simulator.base_url();
        Self { simulator, upstream, base }
    }

    async fn all() -> Vec<Self> {
        vec![
            Self::new(Kind::Google, UpstreamApi::GoogleGenerativeAi, "gemini-3-pro-preview").await,
            Self::new(Kind::Ollama, UpstreamApi::Ollama, "qwen3:8b").await,
            Self::new(Kind::Anthropic, UpstreamApi::AnthropicMessages, "claude-sonnet-4-5").await,
            Self::new(Kind::OpenAi, UpstreamApi::OpenaiResponses, "gpt-5.2").await,
            Self::new(Kind::LmStudio, UpstreamApi::OpenaiResponses, "minimax-m2.1-gs32").await,
            Self::new(Kind::LmStudio, UpstreamApi::OpenaiCompletions, "minimax-m2.1-gs32").await,
        ]
    }

    /// Sends a client's request on, and gives back what the client is sent.
    async fn ask(&self, api: ClientApi, body: &Value) -> Bytes {
        let what = format!("{api:?} to {:?}", self.upstream.api);
        let prompt = read_request(api, body.to_string().as_bytes()).expect(&what);
        let out = write_request(&prompt, &self.upstream).expect(&what);
        let query = out.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let mut request = client.post(format!("{}{}{query}", self.base, out.path));
        for (name, value) in &out.headers {
            request = request.header(*name, value);
        }
        let response = request.header("content-type", "application/json").body(out.body.clone()).send().await.unwrap();
        let (status, answer) = (response.status().as_u16(), response.bytes().await.unwrap());
        let said = String::from_utf8_lossy(&answer);
        assert_eq!(status, 200, "{what}: {said}\n{}", String::from_utf8_lossy(&out.body));
        let asked = Asked::of(&prompt, &self.upstream, &out.names);
        let opening = Opening {
            id: "0123456789abcdef".into(),
            created: 1,
            model: "up/model".into(),
            usage_wanted: true,
            input_estimate: 1,
            names: out.names.clone(),
            echo: Value::Null,
        };
        if !prompt.stream {
            return translate_answer(&asked, api, &opening, &answer)
                .unwrap_or_else(|e| panic!("{what}: {e:?} {said}"))
                .0;
        }
        let mut translator = StreamTranslator::new(&asked, api, opening);
        let mut told = Vec::new();
        for frame in frames(&self.upstream.api, &answer) {
            told.extend_from_slice(&translator.push(&frame));
        }
        told.extend_from_slice(&translator.end());
        assert!(translator.is_whole(), "{what}: {:?} {said}", translator.failure());
        told.into()
    }
}

fn frames(api: &UpstreamApi, body: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    if *api == UpstreamApi::Ollama {
        let mut framer = LineFramer::default();
        framer.push(body);
        while let Some(frame) = framer.next_frame().unwrap() {
            frames.push(frame);
        }
    } else {
        let mut framer = Framer::default();
        framer.push(body);
        while let Some(frame) = framer.next_frame().unwrap() {
            frames.push(frame);
        }
    }
    frames
}

/// What a client asks first. The schema is as coding agents write theirs.
fn first(api: ClientApi) -> Value {
    let schema = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false,
        "required": ["city"], "properties": {"city": {"type": ["string", "null"], "enum": ["Rome"], "default": "Rome"},
        "days": {"type": "integer", "exclusiveMinimum": 0}}});
    let text = "use the TOOL";
    match api {
        ClientApi::Responses => json!({"model": "primary", "instructions": "be brief", "store": false,
            "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "medium", "summary": "auto"},
            "input": [{"role": "developer", "content": "and kind"}, {"role": "user", "content": [{"type": "input_text", "text": text}]}],
            "tools": [{"type": "function", "name": "weather.of/city", "parameters": schema, "strict": false}]}),
        ClientApi::Messages => {
            json!({"model": "primary", "max_tokens": 2000, "system": [{"type": "text", "text": "be brief",
            "cache_control": {"type": "ephemeral"}}], "thinking": {"type": "enabled", "budget_tokens": 1024},
            "messages": [{"role": "user", "content": text}], "tools": [{"name": "weather_of_city", "input_schema": schema}]})
        }
        _ => {
            json!({"model": "primary", "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": text}],
            "reasoning_effort": "medium", "max_completion_tokens": 2000,
            "tools": [{"type": "function", "function": {"name": "weather_of_city", "parameters": schema}}]})
        }
    }
}

/// The same with the answer and the result of its call behind it.
fn second(api: ClientApi, answer: &Value) -> Value {
    let mut body = first(api);
    match api {
        ClientApi::Responses => {
            let input = body["input"].as_array_mut().unwrap();
            let output = answer["output"].as_array().unwrap();
            input.extend(output.iter().cloned());
            let call = output.iter().find(|item| item["type"] == "function_call").expect("a call");
            assert_eq!(call["name"], "weather.of/city", "the client's own name: {call}");
            input.push(json!({"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}));
        }
        ClientApi::Messages => {
            let content = answer["content"].as_array().unwrap();
            let call = content.iter().find(|block| block["type"] == "tool_use").expect("a call");
            assert_eq!(call["input"]["city"], "Rome");
            body["messages"].as_array_mut().unwrap().extend([
                json!({"role": "assistant", "content": content}),
                json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"}]}),
            ]);
        }
        _ => {
            let message = &answer["choices"][0]["message"];
            let call = &message["tool_calls"][0];
            body["messages"]
                .as_array_mut()
                .unwrap()
                .extend([message.clone(), json!({"role": "tool", "tool_call_id": call["id"], "content": "sunny"})]);
        }
    }
    body
}

#[tokio::test]
async fn a_call_and_its_result_from_every_client_to_every_upstream() {
    for scene in Scene::all().await {
        for api in CLIENTS {
            let what = format!("{api:?} to {:?}", scene.upstream.api);
            let answer: Value = serde_json::from_slice(&scene.ask(api, &first(api)).await).unwrap();
            let body = second(api, &answer);
            let last = String::from_utf8(scene.ask(api, &body).await.to_vec()).unwrap();
            assert!(last.contains("The tool has answered; thank you."), "{what}: {last}");
            let mut streamed = body;
            streamed["stream"] = json!(true);
            let last = String::from_utf8(scene.ask(api, &streamed).await.to_vec()).unwrap();
            assert!(last.contains("answered;") && last.contains(" thank"), "{what}: {last}");
            let mut streamed = first(api);
            streamed["stream"] = json!(true);
            let told = String::from_utf8(scene.ask(api, &streamed).await.to_vec()).unwrap();
            assert!(told.contains("weather") && told.contains("think"), "{what}: {told}");
        }
        assert_eq!(scene.simulator.requests().len(), 12);
    }
}
