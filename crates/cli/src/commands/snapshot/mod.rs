//! `quorate snapshot`: backups of a running cluster, and new clusters from backups.

mod restore;
mod save;
mod status;

use crate::failure::Failure;
use clap::Subcommand;

/// Save a backup, look at one, or make a new cluster of one
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Save(save::Args),
    Status(status::Args),
    Restore(restore::Args),
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Save(args) => args.run(),
            Command::Status(args) => args.run(),
            Command::Restore(args) => args.run(),
        }
    }
}

/// What a backup that is not read by its checksum is worth saying, on standard error.
fn say_origin(backup: &quorate_snapshot::Backup) {
    match backup.origin() {
        quorate_snapshot::Origin::Snapshot => {}
        quorate_snapshot::Origin::Unchecked => {
            eprintln!("quorate: the file's checksum was not checked");
        }
        quorate_snapshot::Origin::DataDir => {
            eprintln!(
                "quorate: reads the directory's database; writes that are only in its write-ahead log are not included"
            );
        }
    }
}
