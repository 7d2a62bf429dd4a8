//! The engine's side of the Models page: the configuration as an editor has it, drafts, tests of a provider.
//!
//! Must not know: HTTP, Tauri, how a page looks.

mod mask;
pub mod types;
