//! `quorate kv`: keys, transactions, watches and leases.

mod del;
mod get;
mod lease;
mod put;
mod status;
mod txn;
mod txn_text;
mod watch;

use clap::Subcommand;
use quorate_client::Keys;

use crate::connection::{ConnectionArgs, block_on};
use crate::failure::Failure;

/// Read, write and watch keys; any etcd v3 server will do
#[derive(clap::Args, Debug)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Print JSON; bytes that are not text are base64 under names that end in _base64
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    Put(put::Args),
    Get(get::Args),
    Del(del::Args),
    Txn(txn::Args),
    Watch(watch::Args),
    Lease(lease::Args),
    Status(status::Args),
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let json = self.json;
        block_on(async {
            let client = self.connection.client()?;
            match self.command {
                Command::Put(args) => args.run(&client, json).await,
                Command::Get(args) => args.run(&client, json).await,
                Command::Del(args) => args.run(&client, json).await,
                Command::Txn(args) => args.run(&client, json).await,
                Command::Watch(args) => args.run(&client, json).await,
                Command::Lease(args) => args.run(&client, json).await,
                Command::Status(args) => args.run(&self.connection, json).await,
            }
        })
    }
}

/// Which keys a command is about.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct KeysArgs {
    /// The key; with --prefix, what keys begin with
    key: String,
    /// The first key after those that are meant
    #[arg(conflicts_with_all = ["prefix", "from_key"])]
    range_end: Option<String>,
    /// All keys that begin with KEY; an empty KEY means all keys
    #[arg(long, short)]
    prefix: bool,
    /// All keys from KEY on
    #[arg(long, conflicts_with = "prefix")]
    from_key: bool,
}

impl KeysArgs {
    pub(crate) fn keys(&self) -> Keys {
        let key = self.key.clone();
        match &self.range_end {
            Some(end) => Keys::range(key, end.clone()),
            None if self.prefix => Keys::prefix(key),
            None if self.from_key => Keys::from(key),
            None => Keys::one(key),
        }
    }

    /// The one key that is meant, if it is one.
    pub(crate) fn single(&self) -> Option<&str> {
        let is_single = self.range_end.is_none() && !self.prefix && !self.from_key;
        is_single.then_some(&self.key)
    }
}
