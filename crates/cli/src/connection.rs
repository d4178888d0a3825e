//! The options of every command that talks to a cluster.

use std::time::Duration;

use clap::Args;
use quorate_client::{Client, Config, User};

use crate::args::duration;
use crate::client_tls::ClientTlsArgs;
use crate::failure::Failure;

/// Where the cluster is, and who asks.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The servers; any of them will do, the others are for when it fails
    #[arg(
        long,
        global = true,
        env = "QUORATE_ENDPOINTS",
        value_name = "HOST:PORT,...",
        value_delimiter = ',',
        default_value = "127.0.0.1:2379"
    )]
    pub(crate) endpoints: Vec<String>,
    /// The longest that a call may take, its retries included
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, default_value = "5s")]
    timeout: Duration,
    /// The keyspace to work in; without it, the default one
    #[arg(long, global = true, env = "QUORATE_KEYSPACE", value_name = "NAME")]
    keyspace: Option<String>,
    /// Log in as this user
    #[arg(long, global = true, env = "QUORATE_USER", value_name = "NAME:PASSWORD", hide_env_values = true)]
    user: Option<String>,
    #[command(flatten)]
    pub(crate) tls: ClientTlsArgs,
}

impl ConnectionArgs {
    /// A client of all endpoints; connections are opened by its first calls.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.connect(&self.endpoints)
    }

    /// A client of this endpoint alone.
    pub(crate) fn client_of(&self, endpoint: &str) -> Result<Client, Failure> {
        self.connect(&[endpoint.to_owned()])
    }

    fn connect(&self, endpoints: &[String]) -> Result<Client, Failure> {
        let mut config = Config::new(endpoints.iter().cloned());
        config.timeout = self.timeout;
        // A session for the one write of a command would cost more than it gives.
        config.exactly_once = false;
        config.tls = self.tls.options();
        config.keyspace.clone_from(&self.keyspace);
        if let Some(user) = &self.user {
            let (name, password) = user
                .split_once(':')
                .ok_or_else(|| Failure::Usage("write --user NAME:PASSWORD".to_owned()))?;
            config.user = Some(User { name: name.to_owned(), password: password.to_owned() });
        }
        Ok(Client::connect(config)?)
    }
}

/// Runs a command's calls on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
