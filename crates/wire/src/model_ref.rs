//! `provider/model`: the name by which one model of one provider is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;

/// `provider/model`, split at the first `/`. The provider is lower-cased, the model keeps its slashes and case, as
/// OpenClaw reads it (`openrouter/minimax/minimax-m2.1` is the model `minimax/minimax-m2.1` of `openrouter`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, TS)]
#[ts(type = "string")]
pub struct ModelRef {
    provider: String,
    model: String,
}

/// A text that is no model ref.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no model ref: write provider/model, such as lmstudio/minimax-m2.1-gs32")]
pub struct ModelRefError(pub String);

impl ModelRef {
    /// Makes a ref of its two halves.
    ///
    /// # Errors
    /// When a half is empty or the provider holds a `/`.
    pub fn new(provider: &str, model: &str) -> Result<Self, ModelRefError> {
        let (provider, model) = (provider.trim(), model.trim());
        if provider.is_empty() || model.is_empty() || provider.contains('/') {
            return Err(ModelRefError(format!("{provider}/{model}")));
        }
        Ok(Self { provider: provider.to_lowercase(), model: model.to_owned() })
    }

    /// The provider's id, in lower case.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The model's id as its provider knows it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }
}

impl FromStr for ModelRef {
    type Err = ModelRefError;

    fn from_str(text: &str) -> Result<Self, ModelRefError> {
        let (provider, model) = text.split_once('/').ok_or_else(|| ModelRefError(text.to_owned()))?;
        Self::new(provider, model).map_err(|_| ModelRefError(text.to_owned()))
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl Serialize for ModelRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ModelRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_slash_and_lowers_the_provider_only() {
        let model: ModelRef = "OpenRouter/minimax/MiniMax-M2.1".parse().unwrap();
        assert_eq!((model.provider(), model.model()), ("openrouter", "minimax/MiniMax-M2.1"));
        assert_eq!(model.to_string(), "openrouter/minimax/MiniMax-M2.1");
    }

    #[test]
    fn refuses_what_has_an_empty_half() {
        for text in ["", "opus", "/opus", "anthropic/", " / "] {
            assert!(text.parse::<ModelRef>().is_err(), "{text:?}");
        }
    }
}
