//! `pilotlight-desktop`: the tray application.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

use std::process::ExitCode;

use clap::Parser;

/// As in the command line: the proxy makes and drops much that is small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pilotlight_desktop::run(pilotlight_desktop::Options::parse())
}
