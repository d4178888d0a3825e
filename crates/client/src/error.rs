//! What can become of a call, sorted by what the caller may do next.

use std::error::Error as _;

use tonic::{Code, ConnectError, Status};

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The list of endpoints is empty.
    #[error("no endpoint was given")]
    NoEndpoint,
    /// An endpoint is not of the form `host:port`, `http://host:port` or `https://host:port`.
    #[error("'{endpoint}' is not an endpoint; write host:port, http://host:port or https://host:port")]
    BadEndpoint {
        /// The text as given.
        endpoint: String,
    },
    /// The files or options for TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] quorate_tls::TlsError),
    /// A keyspace, session or token holds characters that a header cannot carry.
    #[error("the {name} holds characters that a header cannot carry")]
    BadHeader {
        /// Which setting it is.
        name: &'static str,
    },
    /// No endpoint answered before the deadline. **Nothing was changed**: the call only reads, or it never left
    /// this process.
    #[error("{call}: no endpoint can be reached: {}", reason(source))]
    Unavailable {
        /// The call's name.
        call: &'static str,
        /// How the last attempt ended.
        #[source]
        source: Status,
    },
    /// A write was sent and its answer was lost. **It may or may not have happened**, now or shortly: read before
    /// writing again, or make the write conditional.
    #[error("{call}: sent, but the answer was lost; it may or may not have happened: {}", reason(source))]
    OutcomeUnknown {
        /// The call's name.
        call: &'static str,
        /// How the attempt ended.
        #[source]
        source: Status,
    },
    /// A write was sent again and **was done** the first time; what it answered then is lost.
    #[error("{call}: {}", source.message())]
    AnswerLost {
        /// The call's name.
        call: &'static str,
        /// When it was done.
        #[source]
        source: Status,
    },
    /// The cluster refused. **Nothing was changed.**
    #[error("{call}: {}", source.message())]
    Refused {
        /// The call's name.
        call: &'static str,
        /// Its reason.
        #[source]
        source: Status,
    },
    /// The wanted revision is compacted away; `oldest` is the oldest one that can still be watched. Nothing was
    /// changed.
    #[error("the revision is compacted away; the oldest that can be watched is {oldest}")]
    Compacted {
        /// The oldest revision that is left.
        oldest: i64,
    },
    /// The server ended a watch for good. Nothing was changed.
    #[error("the watch was ended by the server: {reason}")]
    WatchEnded {
        /// Its words.
        reason: String,
    },
    /// The lease has expired or was revoked, and its keys are gone.
    #[error("the lease {id:x} is gone")]
    LeaseGone {
        /// The lease's number.
        id: i64,
    },
}

impl Error {
    /// Whether a write that ended like this may have happened nevertheless.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Error::OutcomeUnknown { .. })
    }

    /// The gRPC code that the server or the transport gave, if any.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::Unavailable { source, .. }
            | Error::OutcomeUnknown { source, .. }
            | Error::Refused { source, .. } => Some(source.code()),
            _ => None,
        }
    }
}

/// A transport's own message is often just "transport error"; what lies at the bottom of it says more.
fn reason(status: &Status) -> String {
    let mut deepest = status.source();
    while let Some(next) = deepest.and_then(|error| error.source()) {
        deepest = Some(next);
    }
    deepest.map_or_else(|| status.message().to_owned(), ToString::to_string)
}

/// How far an attempt got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It never left this process.
    NeverSent,
    /// It may have been done, and may yet be.
    Unanswered,
    /// The server says that it did not and will not do it.
    Refused,
}

/// Sorts a failed attempt. A code alone does not tell: the transport invents codes too, and those say nothing about
/// what the server did. A status that the server sent has no source; one that the transport made has.
pub(crate) fn fate(status: &Status) -> Fate {
    let mut cause = status.source();
    if cause.is_some() {
        while let Some(error) = cause {
            if error.is::<ConnectError>() {
                return Fate::NeverSent;
            }
            cause = error.source();
        }
        return Fate::Unanswered;
    }
    match status.code() {
        // etcd refuses this before it proposes anything, but under the code of the unexpected.
        Code::Unknown if status.message().ends_with("too many requests") => Fate::Refused,
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Unknown
        | Code::Internal
        | Code::Aborted => Fate::Unanswered,
        _ => Fate::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, ConnectError, Fate, Status, fate};

    fn check(status: &Status, expect: Fate) {
        assert_eq!(fate(status), expect, "{status:?}");
    }

    #[test]
    fn only_what_the_server_says_is_a_refusal() {
        check(&Status::unavailable("etcdserver: request timed out"), Fate::Unanswered);
        check(&Status::unknown("raft proposal dropped"), Fate::Unanswered);
        check(&Status::unknown("etcdserver: too many requests"), Fate::Refused);
        check(&Status::out_of_range("etcdserver: mvcc: required revision has been compacted"), Fate::Refused);
        check(&Status::resource_exhausted("etcdserver: mvcc: database space exceeded"), Fate::Refused);
    }

    #[test]
    fn a_code_made_by_the_transport_proves_nothing() {
        let mut broken = Status::new(Code::ResourceExhausted, "enhance your calm");
        broken.set_source(std::sync::Arc::new(std::io::Error::other("connection reset")));
        check(&broken, Fate::Unanswered);
        let mut unconnected = Status::unavailable("tcp connect error");
        unconnected.set_source(std::sync::Arc::new(ConnectError("refused".into())));
        check(&unconnected, Fate::NeverSent);
    }
}
