//! `pilotlight-bench`: what Pilot Light adds to a request, as ratios within one run, on loopback, beside a bare proxy,
//! nginx and, where they are installed, others. Nothing here is a test: a busy machine makes no figure wrong, only
//! less telling.
//!
//! Knows Pilot Light as anybody else does: by its command line and its files.
#![allow(clippy::print_stdout, reason = "a program that prints a table")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times here are far below what a float holds exactly"
)]

mod bare;
mod client;
mod contestant;
mod measure;
mod mock;
mod process;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use http::uri::Authority;
use tokio::net::TcpListener;

use contestant::{BARE, PASSING, Programs};
use measure::{Effort, Figures};

#[derive(Parser)]
#[command(about = "Measures what Pilot Light adds to a request")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// The program to measure; built for release, beside this one
    #[arg(long)]
    pilotlight: Option<PathBuf>,
    /// LiteLLM's program, to measure it too
    #[arg(long)]
    litellm: Option<PathBuf>,
    /// Portkey's build/start-server.js, to measure it too
    #[arg(long)]
    portkey: Option<PathBuf>,
    /// Only these measures: single, at-once, paced, open
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A tenth of the effort, to see that it works
    #[arg(long)]
    quick: bool,
    /// Only these contestants, besides direct
    #[arg(long, value_delimiter = ',')]
    among: Vec<String>,
}

#[derive(Subcommand)]
enum Part {
    /// The upstream, in a process of its own
    Mock,
    /// The bare proxy, in a process of its own
    Bare {
        /// Its upstream
        #[arg(long)]
        upstream: Authority,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        None => run(arguments).await,
        Some(part) => {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("{}", listener.local_addr()?);
            match part {
                Part::Mock => mock::serve(listener).await,
                Part::Bare { upstream } => bare::serve(listener, upstream).await,
            }
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let beside = std::env::current_exe()?.with_file_name(format!("pilotlight{}", std::env::consts::EXE_SUFFIX));
    let pilotlight = arguments.pilotlight.unwrap_or(beside);
    let programs = Programs { pilotlight, litellm: arguments.litellm, portkey: arguments.portkey };
    let part = if arguments.quick { 10 } else { 1 };
    let effort = Effort {
        single: 400 / part,
        think: Duration::from_millis(5),
        bursts: 200 / part,
        rounds: if arguments.quick { 1 } else { 7 },
        round: Duration::from_secs(1),
        at_once: 64,
        open: 2000 / part,
    };
    let mut field = contestant::start(&programs).await.context("starting what is measured")?;
    if !arguments.among.is_empty() {
        field.contestants.retain(|one| one.name == "direct" || arguments.among.iter().any(|name| name == one.name));
    }
    // Pilot Light has a look at its upstreams first, and so has every runtime at its code.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let contestants = &field.contestants;
    let mut figures = vec![Figures::default(); contestants.len()];
    let asked = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    if asked("single") {
        measure::one_at_a_time(contestants, &effort, &mut figures).await;
    }
    if asked("at-once") {
        measure::at_once(contestants, &effort, &mut figures).await;
    }
    if asked("paced") {
        measure::paced(contestants, &effort, &mut figures).await;
    }
    if asked("open") {
        measure::open_streams(contestants, &["direct", BARE, PASSING, "nginx"], &effort, &mut figures).await;
    }
    print!("{}", report::report(contestants, &figures, &field.skipped));
    Ok(())
}
