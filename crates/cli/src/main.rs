//! The `quorate` binary: reads the command line, runs one command, reports how it ended.

#![forbid(unsafe_code)]

mod args;
mod children;
mod client_tls;
mod commands;
mod connection;
mod failure;
mod http;
mod output;
mod ports;
mod server_tls;
mod serving;
mod upkeep;

use std::process::ExitCode;

/// Many small buffers are made on one thread and freed on another; the system's allocator takes locks for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::Cli::read().run().unwrap_or_else(|failure| failure.report())
}
