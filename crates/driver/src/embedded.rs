//! A store inside one's own process: no port, no client, the same guarantees on disk.
//!
//! [`Quorate::open`] starts a cluster of one node on a directory. What it acknowledges has been synced to disk; reads
//! are linearizable unless asked otherwise. The types of requests and answers are those of `quorate-kv`.

use crate::config::{Member, NodeConfig, Timing, node_id};
use crate::handle::{Freshness, Keyspace, RequestError, RequestOptions, WatchStream};
use crate::start::{Running, StartError, start};
use quorate_kv::watch::{EventRef, WatchMessage, WatchRequest, WatchSpec};
use quorate_kv::{
    Command, DeleteRequest, Event, KeyRange, KeyValue, LeaseStatus, Outcome, PutRequest, RangeRequest,
    RangeResponse, ReadError, Refusal, TxnRequest, TxnResponse,
};
use quorate_node::UpkeepOptions;
use quorate_node::declaration::Declarations;
use quorate_types::{Bytes, LeaseId, Revision};
use std::path::{Path, PathBuf};
use std::time::Duration;

const NODE_NAME: &str = "embedded";
/// A lease is renewed so many times before it could run out.
const RENEWALS_PER_TTL: u32 = 3;

/// Why an operation gave no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store refused; it is as if never asked.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// No outcome; says itself whether a write may have been done.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The rows could not be read.
    #[error("the tables cannot be read: {0}")]
    Tables(quorate_table::TableError),
    /// No such keyspace is declared.
    #[error("no keyspace {0:?} is declared")]
    NoKeyspace(String),
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Refused(refusal) => Error::Refused(refusal),
            ReadError::Tables(source) => Error::Tables(source),
        }
    }
}

/// An embedded store. Cheap to use from many tasks by reference.
pub struct Quorate {
    running: Running,
    keyspace: Keyspace,
}

impl Quorate {
    /// Opens the store in `dir`, making it if it is not there. Requests wait until it has elected itself.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Quorate, StartError> {
        Self::open_with(Some(dir.as_ref().to_path_buf()), Declarations::default())
    }

    /// A store that is forgotten when it is dropped.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn in_memory() -> Result<Quorate, StartError> {
        Self::open_with(None, Declarations::default())
    }

    /// As [`Quorate::open`], with declared keyspaces.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn open_with(data_dir: Option<PathBuf>, declarations: Declarations) -> Result<Quorate, StartError> {
        let member = Member {
            id: node_id(NODE_NAME, NODE_NAME),
            name: NODE_NAME.to_owned(),
            peer_address: String::new(),
            client_urls: Vec::new(),
        };
        let running = start(&NodeConfig {
            name: NODE_NAME.to_owned(),
            cluster_token: NODE_NAME.to_owned(),
            members: vec![member],
            data_dir,
            listen_peer: None,
            peer_tls: None,
            declarations,
            timing: Timing::default(),
            upkeep: UpkeepOptions::default(),
        })?;
        let default = quorate_node::declaration::DEFAULT_KEYSPACE;
        let keyspace = running.handle().keyspace(default).expect("the default keyspace always exists");
        Ok(Quorate { running, keyspace })
    }

    /// Goes on with another keyspace of the same store.
    ///
    /// # Errors
    /// [`Error::NoKeyspace`].
    pub fn use_keyspace(&mut self, name: &str) -> Result<(), Error> {
        self.keyspace =
            self.running.handle().keyspace(name).ok_or_else(|| Error::NoKeyspace(name.to_owned()))?;
        Ok(())
    }

    /// Stops the store and makes its tables durable. Dropping it does the same, but blocks its thread.
    pub async fn close(self) {
        self.running.shut_down().await;
    }

    /// The node's handle, for all that is not here.
    #[must_use]
    pub fn handle(&self) -> &crate::Handle {
        self.running.handle()
    }

    /// Writes a pair; returns the revision that did it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<Revision, Error> {
        self.put_with(PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() })
            .await
            .map(|(revision, _)| revision)
    }

    /// Writes a pair as the request says; returns the revision, and the old pair if asked for.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn put_with(&self, request: PutRequest) -> Result<(Revision, Option<KeyValue>), Error> {
        match self.execute(Command::Put(request)).await? {
            (revision, Outcome::Put { prev_kv }) => Ok((revision, prev_kv)),
            other => unreachable!("a put's outcome is a put's, not {other:?}"),
        }
    }

    /// The pair under `key`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get(&self, key: impl Into<Bytes>) -> Result<Option<KeyValue>, Error> {
        let range = KeyRange { key: key.into(), end: Bytes::new() };
        Ok(self.range(RangeRequest { range, ..RangeRequest::default() }).await?.kvs.pop())
    }

    /// Reads a range, linearizably.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn range(&self, request: RangeRequest) -> Result<RangeResponse, Error> {
        let view = self.keyspace.view(Freshness::Linearizable, RequestOptions::default()).await?;
        Ok(view.range(&request)?)
    }

    /// Deletes a range; returns how many pairs there were.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete(&self, range: KeyRange) -> Result<i64, Error> {
        match self.execute(Command::Delete(DeleteRequest { range, prev_kv: false })).await? {
            (_, Outcome::Delete { deleted, .. }) => Ok(deleted),
            other => unreachable!("a delete's outcome is a delete's, not {other:?}"),
        }
    }

    /// Compares and operates, all or nothing, at one revision.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn txn(&self, request: TxnRequest) -> Result<TxnResponse, Error> {
        if quorate_kv::is_read_only(&request) {
            quorate_kv::validate_txn(&request).map_err(Error::Refused)?;
            let view = self.keyspace.view(Freshness::Linearizable, RequestOptions::default()).await?;
            return Ok(view.read_txn(&request)?);
        }
        match self.execute(Command::Txn(request)).await? {
            (_, Outcome::Txn(response)) => Ok(response),
            other => unreachable!("a transaction's outcome is a transaction's, not {other:?}"),
        }
    }

    /// Watches a range from a revision on; 0: from now on.
    #[must_use]
    pub fn watch(&self, range: KeyRange, from: Revision) -> Watcher {
        let stream = self.keyspace.watch();
        let spec = WatchSpec { range, start_revision: from.0, prev_kv: true, ..WatchSpec::default() };
        stream.sender.request(WatchRequest::Create(spec));
        Watcher { stream }
    }

    /// Makes a lease that lives `ttl_s` seconds (at least 2) without a renewal.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn lease_grant(&self, ttl_s: i64) -> Result<LeaseId, Error> {
        let id = LeaseId(((getrandom::u64().unwrap_or_default() >> 1) as i64).max(1));
        match self.execute(Command::LeaseGrant { id, ttl_s }).await? {
            (_, Outcome::LeaseGranted { id, .. }) => Ok(id),
            other => unreachable!("a grant's outcome is a grant's, not {other:?}"),
        }
    }

    /// Starts a lease's life again; returns its seconds, or `None` if it does not exist any more.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn lease_renew(&self, id: LeaseId) -> Result<Option<i64>, Error> {
        match self.execute(Command::LeaseRenew { ids: vec![id] }).await? {
            (_, Outcome::LeaseRenewed { ttls_s }) => Ok(ttls_s.first().copied().flatten()),
            other => unreachable!("a renewal's outcome is a renewal's, not {other:?}"),
        }
    }

    /// Ends a lease and deletes its keys.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn lease_revoke(&self, id: LeaseId) -> Result<(), Error> {
        self.execute(Command::LeaseRevoke { id }).await.map(|_| ())
    }

    /// A lease's state, with its keys; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn lease(&self, id: LeaseId) -> Result<Option<LeaseStatus>, Error> {
        let view = self.keyspace.view(Freshness::Linearizable, RequestOptions::default()).await?;
        view.lease(id, true, self.keyspace.cluster_time_ns()).map_err(Error::Tables)
    }

    /// Renews a lease for as long as the returned keeper is polled; see [`LeaseKeeper::run`].
    #[must_use]
    pub fn keep_alive(&self, id: LeaseId, ttl_s: i64) -> LeaseKeeper<'_> {
        LeaseKeeper { store: self, id, ttl: Duration::from_secs(ttl_s.max(1).unsigned_abs()) }
    }

    async fn execute(&self, command: Command) -> Result<(Revision, Outcome), Error> {
        quorate_kv::validate(&command).map_err(Error::Refused)?;
        let answer = self.keyspace.execute(command, RequestOptions::default()).await?;
        answer.outcome.map(|outcome| (answer.revision, outcome)).map_err(Error::Refused)
    }
}

/// Events of a range, in order, without gaps.
pub struct Watcher {
    stream: WatchStream,
}

/// What a watcher saw last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Watched {
    /// All changes of one or more revisions.
    Events(Vec<Event>),
    /// The next events were given up by a compaction: watch again from this revision, having read the range anew. The watcher has ended.
    Compacted(Revision),
}

impl Watcher {
    /// The next changes; `None` when the store was closed or the watcher could not be made.
    pub async fn next(&mut self) -> Option<Watched> {
        loop {
            let message = self.stream.next().await?;
            self.stream.sender.consumed(message.len_bytes());
            match message {
                WatchMessage::Events { events, .. } => {
                    return Some(Watched::Events(events.iter().map(to_event).collect()));
                }
                WatchMessage::Compacted { compact_revision, .. } => {
                    return Some(Watched::Compacted(compact_revision));
                }
                WatchMessage::Created { .. } | WatchMessage::Progress { .. } => {}
                WatchMessage::Refused { .. } | WatchMessage::Canceled { .. } | WatchMessage::Ended { .. } => {
                    return None;
                }
            }
        }
    }
}

fn to_event(event: EventRef<'_>) -> Event {
    Event { kind: event.kind, kv: event.kv.clone(), prev_kv: event.prev_kv.cloned() }
}

/// Keeps a lease alive.
pub struct LeaseKeeper<'a> {
    store: &'a Quorate,
    id: LeaseId,
    ttl: Duration,
}

impl LeaseKeeper<'_> {
    /// Renews until the lease is found gone. Run it beside the work that the lease protects, and stop that work when this returns.
    ///
    /// # Errors
    /// [`Error`] if a renewal has no outcome; the lease may run out.
    pub async fn run(self) -> Result<(), Error> {
        while self.store.lease_renew(self.id).await?.is_some() {
            tokio::time::sleep(self.ttl / RENEWALS_PER_TTL).await;
        }
        Ok(())
    }
}
