//! What every gRPC call is about: a keyspace, how fresh, how long, in which session.
//!
//! A call chooses its keyspace by the metadata `quorate-keyspace`. It may ask for a weaker level than the keyspace declares
//! (`quorate-consistency`), never for a stronger one; a read that is not linearizable is served by this node as it stands or, in
//! a session (`quorate-session`), no older than what the session has seen.

use crate::error;
use crate::grpc::{Reply, Status, timeout};
use crate::numbered::{self, Numbered};
use crate::secure::PeerIdentity;
use crate::server::{Served, Server};
use crate::session;
use http::{Extensions, HeaderMap, HeaderValue};
use prost::Message;
use quorate_driver::{Freshness, RequestError, RequestOptions};
use quorate_kv::{Command, Outcome, Refusal, View};
use quorate_node::declaration::Level;
use quorate_proto::etcdserverpb::ResponseHeader;
use quorate_types::{LogIndex, Revision, SessionId};
use std::sync::Arc;
use std::time::{Duration, Instant};

const KEYSPACE: &str = "quorate-keyspace";
const CONSISTENCY: &str = "quorate-consistency";
const HAS_LEADER: &str = "hasleader";
const API_VERSION: &str = "client-api-version";

/// See the module.
pub(crate) struct Call {
    pub(crate) server: Arc<Server>,
    pub(crate) served: Arc<Served>,
    /// How long it may take, and whether it waits for a leader.
    pub(crate) options: RequestOptions,
    /// The common name of the client's verified certificate, if it had to show one.
    pub(crate) peer_identity: Option<String>,
    started: Instant,
    request_len_bytes: usize,
    /// The level of its reads.
    level: Level,
    /// What its session has seen; `None` if it keeps none.
    session: Option<LogIndex>,
    /// The number of its write, or that it wants a session for such.
    numbered: Option<Numbered>,
}

/// A write that was done.
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) revision: Revision,
    pub(crate) index: LogIndex,
}

impl Call {
    /// Reads a call's metadata.
    pub(crate) fn new(
        server: Arc<Server>,
        headers: &HeaderMap,
        request_len_bytes: usize,
    ) -> Result<Self, Status> {
        let served = match headers.get(KEYSPACE) {
            None => server.default_keyspace().clone(),
            Some(name) => find(&server, name)?,
        };
        if headers.get(API_VERSION).is_some_and(|version| str::from_utf8(version.as_bytes()).is_err()) {
            return Err(error::invalid_api_version());
        }
        let require_leader = headers.get(HAS_LEADER).is_some_and(|value| value == "true");
        if require_leader && !served.has_leader() {
            return Err(error::no_leader());
        }
        let session = headers.get(session::HEADER).map(|token| {
            session::position(token.as_bytes(), server.handle.cluster_id(), served.keyspace.name())
        });
        let session = session.transpose().map_err(|bad| Status::invalid_argument(bad.to_string()))?;
        let level = level(&served, headers.get(CONSISTENCY))?;
        let numbered = headers.get(numbered::HEADER).map(|value| {
            Numbered::parse(value.as_bytes()).ok_or_else(|| {
                Status::invalid_argument(format!(
                    "{}: {value:?} is neither \"open\" nor SESSION/NUMBER/ACKNOWLEDGED",
                    numbered::HEADER
                ))
            })
        });
        let numbered = numbered.transpose()?;
        let options = RequestOptions { timeout: timeout(headers), require_leader };
        let (peer_identity, started) = (None, Instant::now());
        Ok(Call {
            server,
            served,
            options,
            peer_identity,
            started,
            request_len_bytes,
            level,
            session,
            numbered,
        })
    }

    /// The same call, of whom its connection knows to be there.
    pub(crate) fn of_peer(mut self, extensions: &Extensions) -> Self {
        self.peer_identity = extensions.get().and_then(|PeerIdentity(name)| name.clone());
        self
    }

    /// The header that most answers open with.
    pub(crate) fn header(&self, revision: Revision) -> ResponseHeader {
        ResponseHeader {
            cluster_id: self.server.handle.cluster_id().0,
            member_id: self.server.handle.node_id().0,
            revision: revision.0,
            raft_term: self.served.term().0,
        }
    }

    /// A state to read from, as fresh as the call needs.
    pub(crate) async fn view(&self, serializable: bool) -> Result<Arc<View>, Status> {
        let freshness = match (self.level, self.session) {
            (Level::Linearizable, _) if !serializable => Freshness::Linearizable,
            (_, None | Some(LogIndex(0))) => Freshness::Local,
            (_, Some(seen)) => Freshness::Session(seen),
        };
        self.served.keyspace.view(freshness, self.options).await.map_err(|error| self.failed(&error))
    }

    /// Does a write. All that can be checked without the state is checked before.
    pub(crate) async fn execute(&self, command: Command) -> Result<Done, Status> {
        if self.request_len_bytes > self.server.options.max_request_len_bytes {
            return Err(error::refusal(Refusal::TooLarge));
        }
        let command = match self.numbered {
            None => command,
            Some(numbered) => numbered.carry(command).ok_or_else(|| {
                Status::invalid_argument(format!("{}: a session is opened by Status", numbered::HEADER))
            })?,
        };
        let done = self.propose(command).await?;
        if done.outcome == Outcome::DoneBefore {
            return Err(error::answer_not_kept(done.revision));
        }
        Ok(done)
    }

    /// Opens a session for numbered writes, if the call asks for one.
    pub(crate) async fn open_write_session(&self) -> Result<Option<SessionId>, Status> {
        if self.numbered != Some(Numbered::Open) {
            return Ok(None);
        }
        match self.propose(Command::SessionOpen).await?.outcome {
            Outcome::SessionOpened { id } => Ok(Some(id)),
            other => unreachable!("a session is opened, not {other:?}"),
        }
    }

    async fn propose(&self, command: Command) -> Result<Done, Status> {
        quorate_kv::validate(&command).map_err(error::refusal)?;
        self.admit(&command).await?;
        let answer = self.served.keyspace.execute(command, self.options).await.map_err(|error| {
            self.server.counters.write_failed();
            self.failed(&error)
        })?;
        let outcome = answer.outcome.map_err(error::refusal)?;
        Ok(Done { outcome, revision: answer.revision, index: answer.index })
    }

    /// Refuses early what an alarm or the quota refuses; the first that has no room raises the alarm.
    async fn admit(&self, command: &Command) -> Result<(), Status> {
        let view = self.served.keyspace.local_view();
        let quota = self.server.handle.quota();
        let Err(refused) = quota.admit(&view, command) else { return Ok(()) };
        if let Some(alarm) = quota.alarm_after_refusal(&view, self.server.handle.node_id()) {
            self.served.raise_once(alarm, self.options).await;
        }
        Err(error::refusal(refused))
    }

    /// The answer `message`, which shows the state up to `seen`.
    pub(crate) fn reply(&self, message: &impl Message, seen: LogIndex) -> Result<Reply, Status> {
        Ok(Reply { session: self.token(seen), ..Reply::new(message)? })
    }

    /// How long the call may take.
    pub(crate) fn timeout(&self) -> Duration {
        let longest = self.server.handle.timing().request_timeout();
        self.options.timeout.map_or(longest, |timeout| timeout.min(longest))
    }

    /// The status of a request that got no outcome.
    pub(crate) fn failed(&self, failure: &RequestError) -> Status {
        let timed_out = matches!(failure, RequestError::TimedOut | RequestError::TimedOutUnsent);
        if timed_out && self.options.timeout.is_some_and(|timeout| timeout <= self.started.elapsed()) {
            return error::deadline_exceeded();
        }
        error::failure(failure, self.served.leadership.changed_since(self.started))
    }

    fn token(&self, seen: LogIndex) -> Option<HeaderValue> {
        let seen = self.session?.max(seen);
        Some(session::token(self.server.handle.cluster_id(), self.served.keyspace.name(), seen))
    }
}

fn find(server: &Server, name: &HeaderValue) -> Result<Arc<Served>, Status> {
    let found = name.to_str().ok().and_then(|name| server.keyspace(name));
    found.cloned().ok_or_else(|| {
        let declared: Vec<&str> = server.keyspaces().map(|(name, _)| name).collect();
        Status::not_found(format!(
            "{KEYSPACE}: there is no keyspace {name:?}; declared are {}",
            declared.join(", ")
        ))
    })
}

/// The level that a call's reads get: the keyspace's own, or a weaker one that the call asks for.
fn level(served: &Served, asked: Option<&HeaderValue>) -> Result<Level, Status> {
    let declared = served.keyspace.level();
    let Some(text) = asked else { return Ok(declared) };
    let Some(asked) = Level::ALL.into_iter().find(|level| text == level.name()) else {
        let names = Level::ALL.map(Level::name).join(", ");
        return Err(Status::invalid_argument(format!("{CONSISTENCY}: {text:?} is none of {names}")));
    };
    if declared.allows_read_at(asked) {
        return Ok(asked);
    }
    let name = served.keyspace.name();
    Err(Status::failed_precondition(format!(
        "{CONSISTENCY}: keyspace {name:?} is {declared} and cannot give {asked}: a request may weaken its keyspace's level, not strengthen it"
    )))
}
