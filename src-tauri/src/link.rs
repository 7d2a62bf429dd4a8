//! What the tray's process and the window's process say to each other: JSON, a line each, down the window's standard
//! input and up its standard output. No token is ever in it, and no key but one on its way from a person's hands to
//! where it is kept.

use std::fmt;
use std::sync::Arc;

use pilotlight_engine::state::AppState;
use pilotlight_engine::{CommandError, ContextMend, NoticeActionKind, NoticeKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// From the tray to the window.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum ToWindow {
    /// Everything there is to show, anew.
    State {
        /// It.
        state: Arc<AppState>,
    },
    /// What the window has asked for is done, or refused.
    Done {
        /// Which.
        ask: u64,
        /// What it gave; `null` where it gives nothing.
        #[serde(default)]
        answer: Value,
        /// Why it was refused.
        error: Option<CommandError>,
    },
    /// Come to the front.
    Raise,
}

/// From the window to the tray: something to be done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// Its number; [`ToWindow::Done`] names it.
    pub(crate) ask: u64,
    /// What.
    pub(crate) what: What,
}

/// What a window may ask for. Every effect takes place in the tray's process.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub(crate) enum What {
    /// Make a model the primary.
    UseModel {
        /// A ref or an alias.
        model: String,
    },
    /// Load it into memory.
    Load {
        /// A ref or an alias.
        model: String,
    },
    /// Take it out of memory.
    Unload {
        /// A ref or an alias.
        model: String,
    },
    /// Make a model's loaded context and the configuration's agree.
    MendContext {
        /// A ref or an alias.
        model: String,
        /// In which way.
        mend: ContextMend,
    },
    /// Ask again whoever is passed over after failures.
    Retry {
        /// A provider's id, or all of them.
        provider: Option<String>,
    },
    /// Do what a notice offers.
    NoticeAction {
        /// The notice.
        id: u64,
        /// What.
        action: NoticeActionKind,
    },
    /// Show notices of a kind again.
    Unmute {
        /// Which.
        kind: NoticeKind,
    },
    /// Put the endpoint on the clipboard, which outlives the window.
    CopyEndpoint,
    /// Ask the editor for something.
    Edit {
        /// As `pilotlight_engine::Engine::edit` names it.
        name: String,
        /// What it asks.
        body: Body,
    },
}

/// What the editor is asked. It is not printed: a key may be in it, that a person has just entered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body(pub(crate) Value);

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<body>")
    }
}

/// A message as its line.
pub(crate) fn line<T: Serialize>(message: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_and_means_the_same_on_the_other_side() {
        let mut state = crate::samples::warm();
        state.status = "two\nlines".to_owned();
        let sent = line(&ToWindow::State { state: Arc::new(state.clone()) }).unwrap();
        assert_eq!(sent.iter().filter(|byte| **byte == b'\n').count(), 1);
        let ToWindow::State { state: got } = serde_json::from_slice(&sent).unwrap() else { panic!("another message") };
        assert_eq!(*got, state);

        let asked = Ask { ask: 7, what: What::Load { model: "lmstudio/a\u{2028}b".to_owned() } };
        let got: Ask = serde_json::from_slice(&line(&asked).unwrap()).unwrap();
        assert_eq!((got.ask, got.what), (7, asked.what));
    }

    #[test]
    fn what_the_editor_is_asked_is_sent_whole_and_not_printed() {
        let body = serde_json::json!({ "provider": "x", "value": "sk-entered-just-now" });
        let asked = Ask { ask: 8, what: What::Edit { name: "provider/key".to_owned(), body: Body(body.clone()) } };
        assert!(!format!("{asked:?}").contains("sk-entered"));
        let got: Ask = serde_json::from_slice(&line(&asked).unwrap()).unwrap();
        let What::Edit { name, body: Body(got) } = got.what else { panic!("another command") };
        assert_eq!((name.as_str(), got), ("provider/key", body));
    }
}
