//! OpenClaw's protocol for secrets that a command knows: a request as JSON on the one side, the values on the other.
//!
//! Source: the page "SecretRef contract and provider config" of the npm package `openclaw@2026.9.6`, "Exec provider".

use serde_json::{Map, Value, json};

use super::{KeyError, KeyStore};

/// As much as is read of a request; one has a few hundred bytes.
pub const MOST_BYTES: usize = 64 * 1024;

/// What to answer to `{ protocolVersion: 1, provider, ids }`. It holds keys.
///
/// # Errors
/// [`KeyError::Refused`] for what is no such request. A key that cannot be read is an error within the answer.
pub fn answer(request: &str, keychain: &dyn KeyStore) -> Result<Value, KeyError> {
    let refused = |reason: &str| KeyError::Refused(format!("this is no request for keys: {reason}"));
    let request: Value = serde_json::from_str(request).map_err(|_| refused("it is no JSON"))?;
    if request.get("protocolVersion").and_then(Value::as_u64) != Some(1) {
        return Err(refused("its protocolVersion is not 1"));
    }
    let ids = request.get("ids").and_then(Value::as_array).ok_or_else(|| refused("it has no ids"))?;
    let (mut values, mut errors) = (Map::new(), Map::new());
    for id in ids.iter().filter_map(Value::as_str) {
        match keychain.read(id) {
            Ok(Some(key)) => {
                values.insert(id.to_owned(), Value::from(key.expose()));
            }
            Ok(None) => {
                errors.insert(id.to_owned(), json!({ "code": "NOT_FOUND" }));
            }
            Err(error) => {
                errors.insert(id.to_owned(), json!({ "code": "UNAVAILABLE", "message": error.to_string() }));
            }
        }
    }
    let mut answer = json!({ "protocolVersion": 1, "values": values });
    if !errors.is_empty() {
        answer["errors"] = Value::Object(errors);
    }
    Ok(answer)
}
