//! Connecting other tools, as the engine has it: whether a connection works, found out by one small request.
//!
//! What is written, and where, is the configuration's.

mod verify;

pub use verify::{Verification, base_for_clients, verify};
