//! `quorate man`.

use std::fs;
use std::path::PathBuf;

use clap::CommandFactory;

use super::Cli;
use crate::failure::Failure;

/// Write manual pages, one for each command
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  quorate man --dir ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// The directory to write to; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

impl Args {
    pub(super) fn run(&self) -> Result<(), Failure> {
        fs::create_dir_all(&self.dir)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &self.dir))
            .map_err(|source| Failure::File { path: self.dir.clone(), source })
    }
}
