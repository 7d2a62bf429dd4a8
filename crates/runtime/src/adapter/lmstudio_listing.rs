//! What LM Studio's two REST listings say, `/api/v0/models` and `/api/v1/models`, and how their words go together where
//! they do not agree. Sources: the vendor's documentation, and published measurements of users.
//!
//! Must not know: how they are asked for.

use serde_json::Value;

use super::listing::is_instance_of;
use super::{Presence, Seen};

/// Reads `GET /api/v0/models`; none when this is something else.
pub(crate) fn read_v0(body: &Value) -> Option<Vec<Seen>> {
    let lines = body.get("data")?.as_array()?;
    Some(lines.iter().filter_map(read_v0_line).collect())
}

fn read_v0_line(line: &Value) -> Option<Seen> {
    let id = line.get("id")?.as_str()?;
    let presence = match line.get("state").and_then(Value::as_str) {
        Some("loaded") => Presence::Loaded,
        Some("loading") => Presence::Loading,
        Some("not-loaded") => Presence::Absent,
        // A state of a later version: whether memory is taken is not known.
        _ => Presence::Untold,
    };
    let mut seen = Seen::named(id, presence);
    if presence.occupies() {
        seen.instances.push(id.to_owned());
    }
    seen.context = line.get("loaded_context_length").and_then(Value::as_u64);
    seen.quantization = line.get("quantization").and_then(Value::as_str).map(str::to_owned);
    seen.embedding = line.get("type").and_then(Value::as_str) == Some("embeddings");
    Some(seen)
}

/// Reads `GET /api/v1/models`; none when this is something else.
pub(crate) fn read_v1(body: &Value) -> Option<Vec<Seen>> {
    let lines = body.get("models")?.as_array()?;
    Some(lines.iter().filter_map(read_v1_line).collect())
}

fn read_v1_line(line: &Value) -> Option<Seen> {
    let key = line.get("key")?.as_str()?;
    let instances = line.get("loaded_instances").and_then(Value::as_array);
    let mut seen = Seen::named(key, Presence::Untold);
    if let Some(instances) = instances {
        seen.presence = if instances.is_empty() { Presence::Absent } else { Presence::Instance };
        seen.instances = instances.iter().filter_map(name_of).collect();
        let config = instances.first().and_then(|instance| instance.get("config"));
        seen.context = config.and_then(|config| config.get("context_length")).and_then(Value::as_u64);
    }
    seen.names.clone_from(&seen.instances);
    let variants = line.get("variants").and_then(Value::as_array);
    seen.names.extend(variants.into_iter().flatten().filter_map(name_of));
    seen.quantization = line.get("quantization").and_then(|value| match value {
        Value::String(name) => Some(name.clone()),
        object => object.get("name").and_then(Value::as_str).map(str::to_owned),
    });
    seen.size_bytes = line.get("size_bytes").and_then(Value::as_u64);
    seen.embedding = line.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("embedding"));
    Some(seen)
}

/// A name, written as a text or as an object that has one.
fn name_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => Some(text.as_str()),
        object => ["id", "key", "name"].into_iter().find_map(|key| object.get(key).and_then(Value::as_str)),
    };
    text.map(str::to_owned)
}

/// Whether v1 names an instance of a model that v0 calls not loaded.
pub(super) fn disagree(v0: &[Seen], v1: &[Seen]) -> bool {
    v1.iter().filter(|seen| seen.presence == Presence::Instance).any(|seen| {
        let mut lines = v0.iter().filter(|line| is_instance_of(&line.key, &seen.key)).peekable();
        lines.peek().is_some() && lines.all(|line| line.presence == Presence::Absent)
    })
}

/// Puts the two listings together. [`Presence`] has the order in which their words are believed.
pub(super) fn join(v0: Vec<Seen>, v1: Vec<Seen>) -> Vec<Seen> {
    let mut all = v0;
    for seen in v1 {
        // An instance with a name of its own is found under its model's key too.
        for line in &mut all {
            if seen.instances.contains(&line.key) && !is_instance_of(&line.key, &seen.key) {
                line.names.push(seen.key.clone());
            }
        }
        all.push(seen);
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adapter::Observation;

    fn v0(lines: Value) -> Vec<Seen> {
        read_v0(&json!({ "data": lines })).unwrap()
    }

    fn v1(lines: Value) -> Vec<Seen> {
        read_v1(&json!({ "models": lines })).unwrap()
    }

    fn found(v0: Vec<Seen>, v1: Vec<Seen>, id: &str) -> (Presence, Vec<String>) {
        let seen = Observation { models: join(v0, v1) }.find(id).unwrap();
        (seen.presence, seen.instances)
    }

    #[test]
    fn the_state_of_v0_is_believed_over_the_early_instance_of_v1() {
        let instance =
            json!([{ "key": "m", "loaded_instances": [{ "id": "m", "config": { "context_length": 8192 } }] }]);
        let loading = v0(json!([{ "id": "m", "state": "loading" }]));
        assert_eq!(found(loading, v1(instance.clone()), "m"), (Presence::Loading, vec!["m".into()]));
        let loaded = v0(json!([{ "id": "m", "state": "loaded" }]));
        assert_eq!(found(loaded, v1(instance.clone()), "m").0, Presence::Loaded);
        // v0 denies it, twice asked: there is something, so no second load.
        let denied = v0(json!([{ "id": "m", "state": "not-loaded" }]));
        assert!(disagree(&denied, &v1(instance.clone())));
        assert_eq!(found(denied, v1(instance.clone()), "m").0, Presence::Instance);
        // A word of a later version.
        let odd = v0(json!([{ "id": "m", "state": "asleep" }]));
        assert_eq!(found(odd, v1(instance), "m").0, Presence::Instance);
    }

    #[test]
    fn a_second_instance_and_a_named_one_count_as_the_model() {
        let second = v0(json!([{ "id": "m", "state": "not-loaded" }, { "id": "m:2", "state": "loaded" }]));
        assert_eq!(found(second, vec![], "m"), (Presence::Loaded, vec!["m:2".into()]));
        let named = json!([{ "key": "m", "loaded_instances": [{ "id": "my-own" }] }]);
        let state = v0(json!([{ "id": "my-own", "state": "loading" }]));
        assert_eq!(found(state, v1(named), "m").0, Presence::Loading);
    }

    #[test]
    fn odd_json_is_no_listing_and_no_panic() {
        for body in [json!(null), json!({"error": "Unexpected endpoint or method."}), json!({"data": 1}), json!([1])] {
            assert_eq!((read_v0(&body), read_v1(&body)), (None, None), "{body}");
        }
        assert_eq!(v0(json!([1, {"id": 5}, {"state": "loaded"}, null])), vec![]);
        let odd =
            v1(json!([{"key": "m", "loaded_instances": "x", "variants": [1, {"key": "m@q4"}], "size_bytes": -1}]));
        assert_eq!((odd[0].presence, odd[0].size_bytes), (Presence::Untold, None));
        assert_eq!(odd[0].names, ["m@q4"]);
    }
}
