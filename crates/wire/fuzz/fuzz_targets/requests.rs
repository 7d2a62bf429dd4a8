//! Arbitrary bytes as a request of every client API. Run from `crates/wire`: `cargo +nightly fuzz run requests`.
#![no_main]

#[path = "../../tests/requests/mod.rs"]
mod requests;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| requests::check(body));
