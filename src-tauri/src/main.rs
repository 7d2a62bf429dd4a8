//! `pilotlight-desktop`: the tray application.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    pilotlight_desktop::run(pilotlight_desktop::Options::parse())
}
