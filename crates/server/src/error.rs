//! etcd's codes and texts, which its clients compare character by character.

use crate::grpc::{Code, Status};
use quorate_driver::RequestError;
use quorate_kv::{ReadError, Refusal};
use quorate_types::Revision;

/// A status with etcd's prefix.
fn status(code: Code, text: &str) -> Status {
    Status::new(code, format!("etcdserver: {text}"))
}

/// The status of a refused request. Nothing was changed.
pub(crate) fn refusal(refusal: Refusal) -> Status {
    let (code, text) = match refusal {
        Refusal::EmptyKey => (Code::InvalidArgument, "key is not provided"),
        Refusal::KeyNotFound => (Code::InvalidArgument, "key not found"),
        Refusal::ValueProvided => (Code::InvalidArgument, "value is provided"),
        Refusal::LeaseProvided => (Code::InvalidArgument, "lease is provided"),
        Refusal::TooManyOperations => (Code::InvalidArgument, "too many operations in txn request"),
        Refusal::DuplicateKey => (Code::InvalidArgument, "duplicate key given in txn request"),
        Refusal::InvalidSort => (Code::InvalidArgument, "invalid sort option"),
        Refusal::TooLarge => (Code::InvalidArgument, "request is too large"),
        Refusal::NoSpace => (Code::ResourceExhausted, "mvcc: database space exceeded"),
        Refusal::TooManyAlarms => (Code::ResourceExhausted, "too many alarms are raised: disarm some first"),
        Refusal::Corrupt => (Code::DataLoss, "corrupt cluster"),
        Refusal::Compacted { .. } => (Code::OutOfRange, "mvcc: required revision has been compacted"),
        Refusal::FutureRevision => (Code::OutOfRange, "mvcc: required revision is a future revision"),
        Refusal::LeaseTtlTooLarge => (Code::OutOfRange, "too large lease TTL"),
        Refusal::LeaseNotFound => (Code::NotFound, "requested lease not found"),
        Refusal::LeaseExists => (Code::FailedPrecondition, "lease already exists"),
        Refusal::SessionNotFound => {
            (Code::FailedPrecondition, "no such write session; whether the write was done before is unknown")
        }
        Refusal::SessionSequence { .. } => {
            (Code::OutOfRange, "the write's number is acknowledged already or too far above that")
        }
        Refusal::NotForSessions => (Code::InvalidArgument, "a write session cannot carry this call"),
    };
    status(code, text)
}

/// The status of a numbered write that was done when it was asked for the first time, and whose answer was too large to keep.
pub(crate) fn answer_not_kept(revision: Revision) -> Status {
    let text = format!(
        "the write was done before; its answer was too large to keep; the store was at revision {revision} then"
    );
    Status::new(Code::AlreadyExists, text)
}

/// The status of a request that got no outcome; `leader_changed`: while it waited.
pub(crate) fn failure(failure: &RequestError, leader_changed: bool) -> Status {
    let (code, text) = match failure {
        RequestError::NoLeader => return no_leader(),
        RequestError::TimedOut | RequestError::TimedOutUnsent if leader_changed => {
            (Code::Unavailable, "request timed out, possibly due to previous leader failure")
        }
        RequestError::TimedOut | RequestError::TimedOutUnsent => (Code::Unavailable, "request timed out"),
        RequestError::Overloaded => return overloaded(),
        RequestError::DiskFailed => (Code::Unavailable, "this member's disk takes no more writes"),
        RequestError::Corrupt => (Code::DataLoss, "corrupt cluster"),
        RequestError::Stopped => return stopped(),
    };
    status(code, text)
}

/// The status of a failed read.
pub(crate) fn read(error: &ReadError) -> Status {
    match error {
        ReadError::Refused(refused) => refusal(*refused),
        ReadError::Tables(source) => tables(source),
    }
}

/// This node cannot read what it has; another one may.
pub(crate) fn tables(source: &impl std::fmt::Display) -> Status {
    status(Code::Unavailable, &format!("this member cannot read its data: {source}"))
}

/// No leader is known, and the client does not want to wait for one.
pub(crate) fn no_leader() -> Status {
    status(Code::Unavailable, "no leader")
}

/// The node or its front end is being stopped.
pub(crate) fn stopped() -> Status {
    status(Code::Unavailable, "server stopped")
}

/// A bounded queue is full.
pub(crate) fn overloaded() -> Status {
    status(Code::ResourceExhausted, "too many requests")
}

/// The client's own deadline has passed.
pub(crate) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

/// The client's version is not text.
pub(crate) fn invalid_api_version() -> Status {
    status(Code::InvalidArgument, "invalid client api version")
}

/// A compare's target or result is none of those defined. etcd has no text for it: it takes such a compare for true.
pub(crate) fn invalid_compare() -> Status {
    status(Code::InvalidArgument, "invalid compare option")
}

/// This member does not lead.
pub(crate) fn not_leader() -> Status {
    status(Code::FailedPrecondition, "not leader")
}

/// Whom leadership should go to is no voting member.
pub(crate) fn bad_transferee() -> Status {
    status(Code::FailedPrecondition, "bad leader transferee")
}

/// The version that a downgrade should go to is no version.
pub(crate) fn wrong_downgrade_version() -> Status {
    status(Code::InvalidArgument, "wrong downgrade target version format")
}

/// A downgrade cannot go to this version.
pub(crate) fn invalid_downgrade_version() -> Status {
    status(Code::InvalidArgument, "invalid downgrade target version")
}

/// There is no downgrade to cancel.
pub(crate) fn no_inflight_downgrade() -> Status {
    status(Code::FailedPrecondition, "no inflight downgrade job")
}

/// There are no users.
pub(crate) fn auth_not_enabled() -> Status {
    status(Code::FailedPrecondition, "authentication is not enabled")
}

#[cfg(test)]
mod tests {
    use super::{failure, read, refusal};
    use crate::grpc::{Code, Status};
    use quorate_driver::RequestError;
    use quorate_kv::{ReadError, Refusal};
    use quorate_types::Revision;

    fn check(status: &Status, code: Code, text: &str) {
        assert_eq!((status.code(), status.message()), (code, text));
    }

    #[test]
    fn refusals_have_etcds_texts() {
        let compacted = Refusal::Compacted { at: Revision(5) };
        check(&refusal(Refusal::EmptyKey), Code::InvalidArgument, "etcdserver: key is not provided");
        check(
            &refusal(compacted),
            Code::OutOfRange,
            "etcdserver: mvcc: required revision has been compacted",
        );
        check(&refusal(Refusal::LeaseNotFound), Code::NotFound, "etcdserver: requested lease not found");
        check(&refusal(Refusal::LeaseExists), Code::FailedPrecondition, "etcdserver: lease already exists");
        check(&refusal(Refusal::TooLarge), Code::InvalidArgument, "etcdserver: request is too large");
        let future = ReadError::Refused(Refusal::FutureRevision);
        check(&read(&future), Code::OutOfRange, "etcdserver: mvcc: required revision is a future revision");
    }

    #[test]
    fn an_unknown_outcome_never_looks_like_a_refusal() {
        let timed_out = failure(&RequestError::TimedOut, false);
        check(&timed_out, Code::Unavailable, "etcdserver: request timed out");
        let text = "etcdserver: request timed out, possibly due to previous leader failure";
        check(&failure(&RequestError::TimedOut, true), Code::Unavailable, text);
        check(&failure(&RequestError::Stopped, false), Code::Unavailable, "etcdserver: server stopped");
        check(&failure(&RequestError::NoLeader, true), Code::Unavailable, "etcdserver: no leader");
        check(
            &failure(&RequestError::Overloaded, false),
            Code::ResourceExhausted,
            "etcdserver: too many requests",
        );
        check(&failure(&RequestError::Corrupt, false), Code::DataLoss, "etcdserver: corrupt cluster");
    }
}
