//! `quorate completions`.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use crate::failure::Failure;

/// Print what a shell needs to complete this program's commands
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  quorate completions bash > /etc/bash_completion.d/quorate
  quorate completions zsh > \"${fpath[1]}/_quorate\"
  quorate completions fish > ~/.config/fish/completions/quorate.fish")]
pub(crate) struct Args {
    /// Which shell
    shell: Shell,
}

impl Args {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "quorate", &mut script);
        Ok(io::Write::write_all(&mut io::stdout().lock(), &script)?)
    }
}
