//! An LM Studio, an Ollama, an OpenAI, an Anthropic and a Google that can be made to fail: for tests, and for a
//! demonstration without a GPU or a key. They listen on real sockets, so that a refused connection is refused and a cut stream is cut.
//!
//! It must not know anything of the rest of this program: what it says is taken from the vendors' documentation and
//! from recorded streams, never from our own types. Otherwise a mistake of ours would confirm itself.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use pilotlight_simulator::{Fault, Kind, Model, Options, Simulator};
//! use std::time::Duration;
//!
//! let models = vec![Model::new("minimax-m2.1-gs32").load_time(Duration::from_secs(30))];
//! let local = Simulator::start(Kind::LmStudio, Options { models, ..Options::default() }).await?;
//! local.control().fault(Fault::status(503).times(2).on_path("/v1/responses"));
//! println!("{}", local.base_url());
//! # Ok(()) }
//! ```

mod answer;
mod api;
mod control;
mod control_http;
mod door;
mod fault;
mod google;
mod hosted;
mod lm_studio;
mod ollama;
mod options;
mod play;
mod request;
mod server;
mod wants;

pub use control::{Control, ControlError, InstanceView, ModelView, State};
pub use fault::{After, Fault, FaultId, Malformed, Rule, RuleError};
pub use lm_studio::shelf::{LoadState, UnloadCause};
pub use options::{
    Die, Kind, LmStudioOptions, Model, ModelType, OllamaOptions, Options, Preloaded, Reasoning, ReasoningForm,
};
pub use request::SeenRequest;
pub use server::Simulator;
