//! The project's habits as one program: `cargo xtask COMMAND`.
//!
//! Continuous integration, the README and people call the same commands, so what passes here passes there. `ci` checks
//! and never writes; `fix` writes.

#![forbid(unsafe_code)]

mod check_speed;
mod cluster;
mod compare;
mod etcd;
mod etcd_diff;
mod etcd_suite;
mod sim;
mod source;
mod steps;
mod tidy;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One command of `cargo xtask`.
pub struct Command {
    /// What the user types.
    pub name: &'static str,
    /// One line for `cargo xtask help`.
    pub about: &'static str,
    run: fn(&Path, &[String]) -> Result<(), String>,
}

/// All commands, in the order of `cargo xtask help`.
pub const COMMANDS: [Command; 9] = [
    Command { name: "ci", about: "check everything, write nothing", run: |root, _| steps::ci(root) },
    Command {
        name: "check-speed",
        about: "measure `quorate check` as histories grow; `--max N` leaves out longer ones",
        run: check_speed::run,
    },
    Command { name: "compare", about: "measure etcd and Quorate side by side", run: compare::run },
    Command {
        name: "sim",
        about: "simulate clusters on all cores; `--smoke` as CI does, `--plant NAME` to see a bug found, `--planted` to find all",
        run: sim::run,
    },
    Command { name: "test", about: "run all tests; arguments go to `cargo test`", run: steps::test },
    Command {
        name: "tidy",
        about: "check the habits that compiler and clippy cannot see",
        run: |root, _| tidy::run(root),
    },
    Command {
        name: "etcd-diff",
        about: "the same calls to etcd and to Quorate; whatever is answered differently is shown",
        run: etcd_diff::run,
    },
    Command {
        name: "etcd-suite",
        about: "an etcd client's own tests against three nodes; `--all` tries the uncovered too",
        run: etcd_suite::run,
    },
    Command {
        name: "fix",
        about: "format, take clippy's suggestions, lower the size ratchet",
        run: |root, _| steps::fix(root),
    },
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        COMMANDS.iter().for_each(|command| eprintln!("cargo xtask {:<12} {}", command.name, command.about));
        return ExitCode::from(u8::from(name != "help"));
    };
    match (command.run)(&repository(), &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask {name}: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// The repository that this program was built from.
fn repository() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().map_or_else(|| own.to_owned(), Path::to_owned)
}
