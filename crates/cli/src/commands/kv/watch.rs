//! `quorate kv watch`.

use std::io::{self, Write};

use quorate_client::mvccpb::Event;
use quorate_client::{Client, WatchOptions};

use super::KeysArgs;
use crate::failure::Failure;
use crate::output::{event_json, event_name, print_json, text};

/// Print what happens to keys, as it happens
///
/// Goes on through restarts of servers without leaving anything out. Ends when the wanted history is compacted away.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  quorate kv watch --prefix config/
  quorate kv watch --prefix \"\" --rev 1 --json
  quorate kv watch greeting --prev --count 1")]
pub(crate) struct Args {
    #[command(flatten)]
    keys: KeysArgs,
    /// Begin with this revision; without it, with what happens from now on
    #[arg(long, value_name = "REVISION", default_value = "0", hide_default_value = true)]
    rev: i64,
    /// Print what was there before
    #[arg(long)]
    prev: bool,
    /// Leave out writes
    #[arg(long, conflicts_with = "no_delete")]
    no_put: bool,
    /// Leave out deletions
    #[arg(long)]
    no_delete: bool,
    /// Stop after so many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

impl Args {
    pub(super) async fn run(self, client: &Client, json: bool) -> Result<(), Failure> {
        let options = WatchOptions {
            start_revision: self.rev,
            prev_kv: self.prev,
            without_puts: self.no_put,
            without_deletes: self.no_delete,
            ..Default::default()
        };
        let mut watcher = client.watch(self.keys.keys(), options);
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            for event in watcher.next().await?.events {
                print(&event, json)?;
                left -= 1;
                if left == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

fn print(event: &Event, json: bool) -> io::Result<()> {
    if json {
        return print_json(&event_json(event));
    }
    let kv = event.kv.clone().unwrap_or_default();
    let mut out = io::stdout().lock();
    write!(out, "{}\t{}\t{}", kv.mod_revision, event_name(event), text(&kv.key))?;
    if !kv.value.is_empty() {
        write!(out, "\t{}", text(&kv.value))?;
    }
    if let Some(prev) = &event.prev_kv {
        write!(out, "\t[before: {}]", text(&prev.value))?;
    }
    writeln!(out)
}
