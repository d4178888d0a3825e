//! `quorate kv del`.

use std::io::{self, Write};

use quorate_client::{Client, Keys, pb};

use super::KeysArgs;
use crate::failure::Failure;
use crate::output::{delete_json, print_json, text};

/// Delete keys, and print how many there were
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  quorate kv del greeting
  quorate kv del --prefix config/
  quorate kv del a m          delete the keys of [a, m)")]
pub(crate) struct Args {
    #[command(flatten)]
    keys: KeysArgs,
    /// Print what was there before
    #[arg(long)]
    prev: bool,
}

impl Args {
    pub(super) async fn run(self, client: &Client, json: bool) -> Result<(), Failure> {
        let answer = client.delete_with(self.request()).await?;
        if json {
            return Ok(print_json(&delete_json(&answer))?);
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{} deleted", answer.deleted)?;
        for prev in answer.prev_kvs {
            writeln!(out, "before: {}\t{}", text(&prev.key), text(&prev.value))?;
        }
        Ok(())
    }

    pub(super) fn request(&self) -> pb::DeleteRangeRequest {
        let Keys { key, range_end } = self.keys.keys();
        pb::DeleteRangeRequest { key, range_end, prev_kv: self.prev }
    }
}
