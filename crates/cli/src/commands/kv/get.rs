//! `quorate kv get`.

use std::io::{self, Write};

use clap::ValueEnum;
use quorate_client::mvccpb::KeyValue;
use quorate_client::pb::range_request::{SortOrder, SortTarget};
use quorate_client::{Client, Keys, pb};

use super::KeysArgs;
use crate::failure::Failure;
use crate::output::{print_json, range_json, text};

/// Read keys
///
/// One key: prints its value as it is. Several: a line for each, key and value with a tab between.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  quorate kv get greeting
  quorate kv get --prefix config/ --long
  quorate kv get --prefix \"\" --keys-only --limit 10
  quorate kv get --prefix jobs/ --count
  quorate kv get greeting --rev 42 --json")]
pub(crate) struct Args {
    #[command(flatten)]
    keys: KeysArgs,
    /// At most so many keys
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    limit: i64,
    /// As of this revision
    #[arg(long, value_name = "REVISION", default_value = "0", hide_default_value = true)]
    rev: i64,
    /// Print no values
    #[arg(long, conflicts_with_all = ["count", "long"])]
    keys_only: bool,
    /// Print only how many keys there are
    #[arg(long)]
    count: bool,
    /// Print revisions, version and lease, too
    #[arg(long, short)]
    long: bool,
    /// Ask one server alone: fast, and possibly stale
    #[arg(long)]
    serializable: bool,
    /// What to sort by
    #[arg(long, value_name = "FIELD")]
    sort_by: Option<Field>,
    /// Greatest first
    #[arg(long)]
    descending: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Field {
    Key,
    Version,
    Create,
    Mod,
    Value,
}

impl Args {
    pub(super) async fn run(self, client: &Client, json: bool) -> Result<(), Failure> {
        let answer = client.range(self.request()).await?;
        if json {
            return Ok(print_json(&range_json(&answer))?);
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.count {
            writeln!(out, "{}", answer.count)?;
        } else if let Some(key) = self.keys.single()
            && !self.keys_only
            && !self.long
        {
            let kv = answer.kvs.first().ok_or_else(|| Failure::NoSuchKey(key.to_owned()))?;
            out.write_all(&kv.value)?;
            writeln!(out)?;
        } else {
            for kv in &answer.kvs {
                writeln!(out, "{}", self.line(kv))?;
            }
        }
        out.flush()?;
        if answer.more {
            eprintln!("quorate: {} of {} keys shown", answer.kvs.len(), answer.count);
        }
        Ok(())
    }

    pub(super) fn request(&self) -> pb::RangeRequest {
        let Keys { key, range_end } = self.keys.keys();
        let target = match self.sort_by {
            None | Some(Field::Key) => SortTarget::Key,
            Some(Field::Version) => SortTarget::Version,
            Some(Field::Create) => SortTarget::Create,
            Some(Field::Mod) => SortTarget::Mod,
            Some(Field::Value) => SortTarget::Value,
        };
        let order = match (self.sort_by, self.descending) {
            (_, true) => SortOrder::Descend,
            (Some(_), false) => SortOrder::Ascend,
            (None, false) => SortOrder::None,
        };
        pb::RangeRequest {
            key,
            range_end,
            limit: self.limit,
            revision: self.rev,
            sort_order: order.into(),
            sort_target: target.into(),
            serializable: self.serializable,
            keys_only: self.keys_only,
            count_only: self.count,
            ..Default::default()
        }
    }

    fn line(&self, kv: &KeyValue) -> String {
        let key = text(&kv.key);
        if self.keys_only {
            return key.into_owned();
        }
        let value = text(&kv.value);
        if !self.long {
            return format!("{key}\t{value}");
        }
        let KeyValue { create_revision, mod_revision, version, lease, .. } = kv;
        let lease = if *lease == 0 { String::new() } else { format!(" lease {lease:x}") };
        format!(
            "{key}\t{value}\t[created {create_revision}, changed {mod_revision}, version {version}{lease}]"
        )
    }
}
