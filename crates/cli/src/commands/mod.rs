//! The commands, one file each.

mod bench;
mod completions;
mod kv;
mod man;
mod plan;
mod serve;
mod status;
mod up;

use clap::{Parser, Subcommand};

use crate::failure::{EXIT_CODES, Failure};

/// Shared state whose consistency is declared, kept, and proved
#[derive(Parser, Debug)]
#[command(name = "quorate", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Up(up::Args),
    Serve(serve::Args),
    Plan(plan::Args),
    Status(status::Args),
    Kv(kv::Args),
    Bench(bench::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Cli {
    /// Runs the command that was asked for.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Up(args) => args.run(),
            Command::Serve(args) => args.run(),
            Command::Plan(args) => args.run(),
            Command::Status(args) => args.run(),
            Command::Kv(args) => args.run(),
            Command::Bench(args) => args.run(),
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let is_leaf = command.get_subcommands().next().is_none();
            assert!(!is_leaf || help.contains("quorate "), "{path} shows no example");
            command
                .get_subcommands()
                .filter(|sub| sub.get_name() != "help")
                .for_each(|sub| check(sub, &path));
        }
        check(&Cli::command(), "");
    }
}
