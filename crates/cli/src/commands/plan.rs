//! `quorate plan`: what a declaration file promises, before anything runs.

use crate::failure::Failure;
use crate::serving::declarations;
use std::path::PathBuf;

/// Print what each operation on each declared keyspace guarantees, costs, and does in a partition.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  quorate plan quorate.toml
  quorate plan quorate.toml --json

A declaration file:
  [[keyspace]]
  name = \"orders\"
  level = \"linearizable\"

  [[keyspace]]
  name = \"catalogue\"
  level = \"sequential\"")]
pub(crate) struct Args {
    /// The file with the `[[keyspace]]` declarations
    file: PathBuf,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let plan = quorate_node::plan::Plan::of(&declarations(Some(&self.file))?);
        match self.json {
            true => println!("{}", plan.to_json()),
            false => print!("{}", plan.to_table()),
        }
        Ok(())
    }
}
