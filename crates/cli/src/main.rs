//! The `quorate` binary: reads the command line, runs one command, reports how it ended.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod connection;
mod failure;
mod http;
mod output;
mod ports;
mod serving;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match commands::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
