//! An answer without content: whether it is one. Must not know: how it came.

use pilotlight_wire::Location;
use pilotlight_wire::signal::Silence;
use serde_json::Value;

use crate::code::Code;
use crate::context;
use crate::exchange::Exchange;
use crate::routes::Target;
use crate::verdict::Miss;

/// Why an answer without content is none, if it is none.
///
/// # Errors
/// When it was not meant to be empty: the request fills the model's context, or nothing was answered at all.
pub fn judge(exchange: &Exchange, target: &Target, silence: Option<Silence>) -> Result<(), Miss> {
    match silence {
        None | Some(Silence::Meant) => Ok(()),
        // A server of a vendor's that counts nothing is believed: its models may have nothing to say.
        Some(Silence::Uncounted) if target.location == Location::Hosted => Ok(()),
        Some(_) if asks_for_none(&exchange.incoming().body) => Ok(()),
        Some(Silence::Full) => Err(Miss::new(Code::ContextOverflow, "it stopped for length before its first token")),
        Some(Silence::Nothing | Silence::Uncounted) => Err(nothing(exchange, target)),
    }
}

/// LM Studio ends a stream so when the request is too long for its model; anybody may when something else is wrong.
fn nothing(exchange: &Exchange, target: &Target) -> Miss {
    const WHAT: &str = "it ended without a word, and without a token written";
    match exchange.window(target) {
        Some(window) if context::may_fill(context::estimate(&exchange.incoming().body), window) => {
            let detail = format!("{WHAT}: the request may be too long for its context of {window} tokens");
            Miss::new(Code::ContextOverflow, detail)
        }
        _ => Miss::new(Code::Malformed, WHAT),
    }
}

/// Whether the request asks for no token: to have its beginning cached, for one.
fn asks_for_none(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let limits = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
    limits.iter().any(|key| body.get(*key).and_then(Value::as_u64) == Some(0))
}
