//! The commands, one file each.

mod bench;
mod check;
mod completions;
mod etcd;
mod kv;
mod man;
mod plan;
mod serve;
mod sim;
mod snapshot;
mod status;
mod up;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

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
    Etcd(etcd::Args),
    Plan(plan::Args),
    Status(status::Args),
    Kv(kv::Args),
    Snapshot(snapshot::Args),
    Bench(bench::Args),
    Check(check::Args),
    Sim(sim::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Cli {
    /// Reads the command line, or prints what is wrong with it and ends the process.
    pub(crate) fn read() -> Self {
        let mut arguments: Vec<OsString> = std::env::args_os().collect();
        // Under the name of etcd, by a link for example, it takes etcd's command line.
        if arguments.first().is_some_and(|program| Path::new(program).file_name() == Some(OsStr::new("etcd")))
        {
            arguments.insert(1, "etcd".into());
        }
        Cli::try_parse_from(arguments).unwrap_or_else(|error| {
            // Their exit code 2 has a meaning of its own.
            let codes = [("check", check::BAD_INPUT), ("sim", sim::BAD_INPUT)];
            let command = std::env::args_os().nth(1).unwrap_or_default();
            let own = codes.iter().find(|(name, _)| command == *name);
            if let Some((_, code)) = own.filter(|_| error.use_stderr()) {
                drop(error.print());
                std::process::exit(i32::from(*code));
            }
            error.exit()
        })
    }

    /// Runs the command that was asked for.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let done = match self.command {
            Command::Check(args) => return args.run(),
            Command::Sim(args) => return args.run(),
            Command::Up(args) => args.run(),
            Command::Serve(args) => args.run(),
            Command::Etcd(args) => args.run(),
            Command::Plan(args) => args.run(),
            Command::Status(args) => args.run(),
            Command::Kv(args) => args.run(),
            Command::Snapshot(args) => args.run(),
            Command::Bench(args) => args.run(),
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
        };
        done.map(|()| ExitCode::SUCCESS)
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
