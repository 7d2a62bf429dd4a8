//! What a provider gives to prove or to hold thoughts, which only that provider can read: signatures, encrypted items,
//! redacted blocks. They are carried through clients of other APIs in an envelope that says whose they are.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// A provider's own, to be given back to it byte for byte, and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opaque {
    /// The provider that wrote it, by its id in the configuration; none: not known, since a client of the same API gave
    /// it back without an envelope.
    pub provider: Option<String>,
    /// What it is.
    pub kind: OpaqueKind,
    /// Its bytes as text.
    pub value: String,
    /// The id of the item that it stood in (Responses' reasoning items must come back under their own).
    pub id: Option<String>,
}

/// What a provider's own is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpaqueKind {
    /// Responses' `encrypted_content`.
    Encrypted,
    /// Anthropic's `signature` of a thinking block.
    Signature,
    /// Anthropic's `redacted_thinking`.
    Redacted,
    /// Gemini's `thoughtSignature`.
    ThoughtSignature,
    /// An entry of the `reasoning_details` that some Chat upstreams have, as JSON; of a `reasoning.text` without its
    /// text, of a `reasoning.summary` without its summary, which are the thought's own.
    Detail,
}

/// What an envelope begins with.
const MARK: &str = "pl1.";

#[derive(Serialize, Deserialize)]
struct Envelope {
    p: Option<String>,
    k: OpaqueKind,
    v: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    i: Option<String>,
}

impl Opaque {
    /// The envelope: text of the characters that every API's clients carry (`A–Z a–z 0–9 - _ .`).
    #[must_use]
    pub fn seal(&self) -> String {
        let envelope = Envelope { p: self.provider.clone(), k: self.kind, v: self.value.clone(), i: self.id.clone() };
        let json = serde_json::to_vec(&envelope).unwrap_or_default();
        format!("{MARK}{}", URL_SAFE_NO_PAD.encode(json))
    }

    /// What a client gave back: an envelope of ours, or something of its own API's, which is then of this kind.
    #[must_use]
    pub fn open(text: &str, kind: OpaqueKind) -> Self {
        text.strip_prefix(MARK)
            .and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok())
            .and_then(|json| serde_json::from_slice::<Envelope>(&json).ok())
            .map(|envelope| Self { provider: envelope.p, kind: envelope.k, value: envelope.v, id: envelope.i })
            .unwrap_or_else(|| Self { provider: None, kind, value: text.to_owned(), id: None })
    }

    /// A tool call's id that carries this to the result and back, through clients that keep nothing else of a call.
    #[must_use]
    pub fn on_id(&self, id: &str) -> String {
        format!("{id}~{}", self.seal())
    }

    /// A tool call's id without what [`Opaque::on_id`] put on it, and that.
    #[must_use]
    pub fn split_id(id: &str) -> (&str, Option<Self>) {
        // The id itself may have a tilde.
        let found = id.match_indices('~').find_map(|(at, _)| {
            let (bare, seal) = (id.get(..at)?, id.get(at + 1..)?);
            seal.starts_with(MARK).then_some((bare, seal))
        });
        let Some((bare, seal)) = found else { return (id, None) };
        let opaque = Self::open(seal, OpaqueKind::ThoughtSignature);
        (bare, (opaque.value != seal).then_some(opaque))
    }

    /// Whether this provider may be given it back. What has no name on it came through untouched from a provider of
    /// this kind: its own API may have it.
    #[must_use]
    pub fn is_for(&self, provider: &str, kind: OpaqueKind) -> bool {
        self.kind == kind && self.provider.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(provider))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_envelope_gives_back_what_was_put_in(provider in proptest::option::of(".{0,9}"), value in ".{0,99}", id in proptest::option::of(".{0,9}")) {
            let opaque = Opaque { provider, kind: OpaqueKind::Redacted, value, id };
            prop_assert_eq!(Opaque::open(&opaque.seal(), OpaqueKind::Signature), opaque);
        }

        #[test]
        fn anything_else_is_of_the_api_that_it_came_in(text in "\\PC{0,40}") {
            prop_assume!(!text.starts_with(MARK));
            let opaque = Opaque::open(&text, OpaqueKind::Signature);
            prop_assert_eq!((opaque.provider, opaque.value), (None, text));
        }
    }

    #[test]
    fn an_id_with_a_tilde_carries_it_too() {
        let opaque = Opaque { provider: None, kind: OpaqueKind::ThoughtSignature, value: "v".into(), id: None };
        assert_eq!(Opaque::split_id(&opaque.on_id("a~b")), ("a~b", Some(opaque)));
        assert_eq!(Opaque::split_id("a~b~pl1.c"), ("a~b", None));
    }

    #[test]
    fn a_call_carries_it_in_its_id() {
        let opaque = Opaque {
            provider: Some("google".into()),
            kind: OpaqueKind::ThoughtSignature,
            value: "x/+=".into(),
            id: None,
        };
        let id = opaque.on_id("call_1");
        assert_eq!(Opaque::split_id(&id), ("call_1", Some(opaque)));
        assert_eq!(Opaque::split_id("call_1"), ("call_1", None));
        assert_eq!(Opaque::split_id("a~b"), ("a~b", None));
        assert_eq!(Opaque::split_id("a~pl1.!"), ("a", None), "broken on its way");
    }

    #[test]
    fn nobody_else_gets_it() {
        let opaque =
            Opaque { provider: Some("anthropic".into()), kind: OpaqueKind::Signature, value: "x".into(), id: None };
        assert!(opaque.is_for("Anthropic", OpaqueKind::Signature));
        assert!(!opaque.is_for("minimax", OpaqueKind::Signature));
        assert!(!opaque.is_for("anthropic", OpaqueKind::Encrypted));
    }
}
