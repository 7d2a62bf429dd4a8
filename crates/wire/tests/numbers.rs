//! Numbers that no machine word holds, on their way through a request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use pilotlight_wire::ClientApi::Messages;
use pilotlight_wire::UpstreamApi;
use pilotlight_wire::translate::compat::Compat;
use pilotlight_wire::translate::{Upstream, read_request, write_request};

#[test]
fn a_number_keeps_its_digits_in_a_schema_and_in_a_call() {
    let number = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let asked = format!(
        r#"{{"model":"m","max_tokens":9,"tools":[{{"name":"f","input_schema":{{"type":"object","maximum":{number}}}}}],"messages":[{{"role":"user","content":"q"}},{{"role":"assistant","content":[{{"type":"tool_use","id":"c","name":"f","input":{{"a":{number}}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"c","content":"r"}}]}}]}}"#
    );
    let prompt = read_request(Messages, asked.as_bytes()).unwrap();
    for api in [
        UpstreamApi::OpenaiResponses,
        UpstreamApi::OpenaiCompletions,
        UpstreamApi::AnthropicMessages,
        UpstreamApi::GoogleGenerativeAi,
        UpstreamApi::Ollama,
    ] {
        let to = Upstream {
            api: api.clone(),
            provider: "p".to_owned(),
            model: "m".to_owned(),
            max_tokens: None,
            vendor: false,
            images: None,
            compat: Compat::default(),
        };
        let sent = write_request(&prompt, &to).unwrap();
        let sent = String::from_utf8(sent.body.to_vec()).unwrap();
        assert_eq!(sent.matches(number).count(), 2, "{api:?}: {sent}");
        serde_json::from_str::<&serde_json::value::RawValue>(&sent).unwrap();
    }
}
