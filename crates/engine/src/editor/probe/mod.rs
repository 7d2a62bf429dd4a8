//! Asking a provider whether it works and what it has. Nothing that is asked costs anything: listings, and requests
//! that are refused for being empty.
//!
//! Must not know: files, the store, the page.

mod http;
mod listing;
mod test;

pub use http::Target;
pub use listing::{FetchError, fetch};
pub use test::test;
