//! Answers of Chat and Ollama upstreams, with the ways in which servers really differ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chat;
mod fragments;
mod ollama;
mod told;
