//! What a translation left out, for the response header `x-pilotlight-dropped`.

/// Something of a request or an answer that the other API has no place for. Dropping it does not change the meaning;
/// what would is refused with an error instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Note(String);

impl Note {
    /// A note on a key or a kind of item, as its API names it: `top_k`, `web_search`, `reasoning.encrypted_content`.
    /// Only names of ours and of the APIs: never content.
    #[must_use]
    pub fn dropped(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}
