//! What clients ask of the machine and what it answers, in the field's (etcd's) terms.

use crate::alarm::{Alarm, AlarmCommand};
use quorate_types::{Bytes, LeaseId, Revision, SessionId};

/// A key with its value and versions, as of some revision.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyValue {
    /// The key; in a deletion's event the only field set beside `mod_revision`.
    pub key: Bytes,
    /// When this life of the key began.
    pub create_revision: Revision,
    /// When it was last written.
    pub mod_revision: Revision,
    /// How often it was written in this life; 1 at creation.
    pub version: i64,
    /// Its value.
    pub value: Bytes,
    /// The lease that it dies with.
    pub lease: Option<LeaseId>,
}

/// Which keys. `end` empty: the one key. `end` = one zero byte: all keys not below `key`. Otherwise `key <= k < end`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash, PartialOrd, Ord)]
pub struct KeyRange {
    /// The first key.
    pub key: Bytes,
    /// See above.
    pub end: Bytes,
}

/// In which order a range's answer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SortOrder {
    /// By key, or ascending by another target if one is named.
    #[default]
    None,
    /// Lowest first.
    Ascend,
    /// Highest first.
    Descend,
}

/// What a range's answer is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SortTarget {
    /// The key.
    #[default]
    Key,
    /// Its version.
    Version,
    /// Its create revision.
    Create,
    /// Its mod revision.
    Mod,
    /// Its value.
    Value,
}

/// Read a range. Filters and sort come before `limit`; `count` ignores both filters and limit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RangeRequest {
    /// Which keys.
    pub range: KeyRange,
    /// At most so many; 0 or less: all.
    pub limit: i64,
    /// As of when; 0 or less: now. (Inside a transaction a negative one is compared literally.)
    pub revision: i64,
    /// Order.
    pub sort_order: SortOrder,
    /// By what.
    pub sort_target: SortTarget,
    /// Leave the values out.
    pub keys_only: bool,
    /// Only count.
    pub count_only: bool,
    /// Inclusive bounds on the versions; 0: unset.
    pub min_mod_revision: i64,
    /// See above.
    pub max_mod_revision: i64,
    /// See above.
    pub min_create_revision: i64,
    /// See above.
    pub max_create_revision: i64,
}

/// Answer to [`RangeRequest`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RangeResponse {
    /// The pairs.
    pub kvs: Vec<KeyValue>,
    /// Whether `limit` cut something off.
    pub more: bool,
    /// All keys in the range at that revision.
    pub count: i64,
}

/// Write one key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PutRequest {
    /// The key; not empty.
    pub key: Bytes,
    /// Its new value.
    pub value: Bytes,
    /// The lease to attach; `None` detaches.
    pub lease: Option<LeaseId>,
    /// Answer with the old pair.
    pub prev_kv: bool,
    /// Keep the old value; the key must exist and `value` be empty.
    pub ignore_value: bool,
    /// Keep the old lease; the key must exist and `lease` be `None`.
    pub ignore_lease: bool,
}

/// Delete a range.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeleteRequest {
    /// Which keys.
    pub range: KeyRange,
    /// Answer with the old pairs.
    pub prev_kv: bool,
}

/// How a compare compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompareResult {
    /// `=`
    Equal,
    /// `>`
    Greater,
    /// `<`
    Less,
    /// `!=`
    NotEqual,
}

/// What a compare compares with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CompareTarget {
    /// The version; 0 for a missing key.
    Version(i64),
    /// The create revision; 0 for a missing key.
    Create(i64),
    /// The mod revision; 0 for a missing key.
    Mod(i64),
    /// The value; never true for a missing key.
    Value(Bytes),
    /// The lease's id; 0 for none or a missing key.
    Lease(i64),
}

/// One condition: holds for every key in the range; an empty range is one missing key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compare {
    /// Which keys.
    pub range: KeyRange,
    /// How.
    pub result: CompareResult,
    /// With what.
    pub target: CompareTarget,
}

/// One operation of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Read.
    Range(RangeRequest),
    /// Write.
    Put(PutRequest),
    /// Delete.
    Delete(DeleteRequest),
    /// Decide again, inside.
    Txn(TxnRequest),
}

/// If all of `compare` holds do `success`, else `failure`; all or nothing, at one revision.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TxnRequest {
    /// Conditions.
    pub compare: Vec<Compare>,
    /// In order, each seeing the ones before.
    pub success: Vec<Operation>,
    /// See above.
    pub failure: Vec<Operation>,
}

/// Answer to one operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OperationResponse {
    /// To a range.
    Range(RangeResponse),
    /// To a put: the old pair if asked for.
    Put {
        /// See above.
        prev_kv: Option<KeyValue>,
    },
    /// To a delete.
    Delete {
        /// How many keys.
        deleted: i64,
        /// The old pairs if asked for.
        prev_kvs: Vec<KeyValue>,
    },
    /// To a nested transaction.
    Txn(TxnResponse),
}

/// Answer to [`TxnRequest`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TxnResponse {
    /// Whether all compares held.
    pub succeeded: bool,
    /// One answer per operation of the branch that ran.
    pub responses: Vec<OperationResponse>,
}

/// What the replicated log carries for this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Write one key.
    Put(PutRequest),
    /// Delete a range.
    Delete(DeleteRequest),
    /// A transaction with at least one write in it.
    Txn(TxnRequest),
    /// Give up the history before `revision`.
    Compact {
        /// See above.
        revision: Revision,
    },
    /// Make a lease. `id` was drawn by the proposer if the client named none.
    LeaseGrant {
        /// Its id.
        id: LeaseId,
        /// Seconds that it lives without a renewal.
        ttl_s: i64,
    },
    /// End a lease and delete its keys.
    LeaseRevoke {
        /// Which.
        id: LeaseId,
    },
    /// Start the lives of these leases again.
    LeaseRenew {
        /// Which.
        ids: Vec<LeaseId>,
    },
    /// The leader of `term` found these run out. Applies only if the entry itself stands in that term, and to each lease only
    /// if it was not renewed since: a paused old leader's verdict or a late one does nothing.
    LeaseExpire {
        /// Lease and its renewal number as the leader saw it.
        leases: Vec<(LeaseId, u64)>,
        /// See above.
        term: u64,
    },
    /// Only carries the leader's clock forward (see [`Stamped`]).
    Tick,
    /// Begin a client's session, of which the writes are numbered and done once.
    SessionOpen,
    /// End a session: its numbers are refused from now on.
    SessionClose {
        /// Which.
        id: SessionId,
    },
    /// A numbered write of a session.
    InSession(InSession),
    /// Raise or end an alarm.
    Alarm(AlarmCommand),
}

/// A write that is done once, however often it is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InSession {
    /// Whose.
    pub session: SessionId,
    /// Its number, from 1 on. The numbers of a session need not come in order.
    pub sequence: u64,
    /// The client has the answers up to this number and will not ask for them again.
    pub acknowledged: u64,
    /// The write.
    pub command: Box<Command>,
}

/// A command with the group's clock: nanoseconds that the group has been led, as measured by its leaders. It never runs
/// backward: the machine takes the larger of this and what it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamped {
    /// See above.
    pub cluster_time_ns: u64,
    /// What to do.
    pub command: Command,
}

/// What a command did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Of [`Command::Put`].
    Put {
        /// The old pair if asked for.
        prev_kv: Option<KeyValue>,
    },
    /// Of [`Command::Delete`].
    Delete {
        /// How many keys.
        deleted: i64,
        /// The old pairs if asked for.
        prev_kvs: Vec<KeyValue>,
    },
    /// Of [`Command::Txn`].
    Txn(TxnResponse),
    /// Of [`Command::Compact`].
    Compacted,
    /// Of [`Command::LeaseGrant`].
    LeaseGranted {
        /// Its id.
        id: LeaseId,
        /// Seconds that it lives without a renewal.
        ttl_s: i64,
    },
    /// Of [`Command::LeaseRevoke`].
    LeaseRevoked,
    /// Of [`Command::LeaseRenew`]: the granted seconds of each, in order; `None` for those that do not exist.
    LeaseRenewed {
        /// See above.
        ttls_s: Vec<Option<i64>>,
    },
    /// Of [`Command::LeaseExpire`], [`Command::Tick`] and [`Command::SessionClose`].
    Done,
    /// Of [`Command::SessionOpen`].
    SessionOpened {
        /// Its id.
        id: SessionId,
    },
    /// Of [`Command::InSession`] when the write was done before and its answer was too large to keep.
    DoneBefore,
    /// Of [`Command::Alarm`].
    Alarms {
        /// What was raised, also if it stood before, or what was ended.
        alarms: Vec<Alarm>,
    },
}

/// Why a request was refused. The store is as if it had never been asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The key is empty.
    EmptyKey,
    /// `ignore_value` or `ignore_lease` on a missing key; or an empty operation.
    KeyNotFound,
    /// `ignore_value` with a value.
    ValueProvided,
    /// `ignore_lease` with a lease.
    LeaseProvided,
    /// More than 128 compares or operations.
    TooManyOperations,
    /// The same key is written twice on one path.
    DuplicateKey,
    /// The sort order or target is none of those defined.
    InvalidSort,
    /// The revision's history is gone.
    Compacted {
        /// The oldest revision that can still be read.
        at: Revision,
    },
    /// The revision is not there yet.
    FutureRevision,
    /// The lease does not exist.
    LeaseNotFound,
    /// The lease id is taken.
    LeaseExists,
    /// The seconds to live are over the limit of 9,000,000,000.
    LeaseTtlTooLarge,
    /// The request is over the size limit.
    TooLarge,
    /// The session was never opened, was closed, or made room for another one after it had been idle longest.
    SessionNotFound,
    /// The number is one that the client has acknowledged, or too far above it.
    SessionSequence {
        /// Up to where the client has acknowledged.
        acknowledged: u64,
    },
    /// A session cannot carry such a command.
    NotForSessions,
    /// There is no room for more; see [`crate::AlarmKind::NoSpace`].
    NoSpace,
    /// Replicas differ; see [`crate::AlarmKind::Corrupt`].
    Corrupt,
    /// [`crate::ALARMS_MAX`] alarms stand.
    TooManyAlarms,
}

/// A lease, as of some revision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseStatus {
    /// Its id.
    pub id: LeaseId,
    /// Seconds that it lives without a renewal.
    pub granted_ttl_s: i64,
    /// Seconds left.
    pub remaining_ttl_s: i64,
    /// Its keys, if asked for.
    pub keys: Vec<Bytes>,
}
