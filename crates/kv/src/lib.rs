//! The linearizable key-value machine: etcd's data model on ordered tables.
//!
//! A replicated log feeds [`Kv`] one entry at a time. Entries stage their changes in a pending batch that later entries see;
//! [`Kv::commit`] makes the batch, with the applied index in it, visible at once and gives out an immutable [`View`] that any
//! thread may read, and the [`Event`]s that watchers are waiting for.
//!
//! Every write of a client makes a new revision of the whole store. The newest pairs stand in one table, so that reading
//! them is one scan; beside it a history keeps what each change replaced, so that any revision since the last compaction
//! can be read back, and a compaction only ever deletes the history's oldest rows. `row` draws all the tables.
//!
//! **Invariant:** applying is deterministic and cannot fail after an entry's checks: replicas that applied the same entries
//! hold the same rows, whatever their batches were, and a refused entry changes nothing but the applied index and the clock.

#![forbid(unsafe_code)]

mod alarm;
mod alarm_rows;
mod alarm_rule;
mod apply;
mod codec;
mod compact;
mod compare;
mod count;
mod count_tree;
mod event;
mod hash;
mod history;
mod import;
mod key_range;
mod kv;
mod lease;
mod marks;
mod meta;
mod past;
#[cfg(test)]
#[cfg(feature = "mistakes")]
mod planted;
mod quota;
mod range;
mod request;
mod row;
mod session;
mod session_rows;
mod snapshot;
mod state;
mod txn;
mod validate;
mod verify;
mod view;
pub mod watch;
mod write;

pub use alarm::{Alarm, AlarmCommand, AlarmKind, RaisedBy};
pub use alarm_rule::ALARMS_MAX;
pub use event::{Event, EventKind, History, HistoryError};
pub use hash::HistoryHash;
pub use import::{Import, ImportError, ImportedLease, Record};
pub use kv::{Applied, Committed, Kv, KvOptions, OpenError};
pub use marks::MARKS;
pub use quota::{Quota, growth_len_bytes};
pub use request::{
    Command, Compare, CompareResult, CompareTarget, DeleteRequest, InSession, KeyRange, KeyValue,
    LeaseStatus, Operation, OperationResponse, Outcome, PutRequest, RangeRequest, RangeResponse, Refusal,
    SortOrder, SortTarget, Stamped, TxnRequest, TxnResponse,
};
pub use session::{KEPT_LEN_MAX_BYTES, SESSIONS_MAX, WINDOW as SESSION_WINDOW};
pub use snapshot::{SnapshotCursor, SnapshotError, SnapshotWriter};
pub use state::ReadError;
pub use validate::{
    KEY_LEN_MAX_BYTES, LEASE_TTL_MAX_S, OPERATIONS_MAX, is_read_only, validate, validate_range, validate_txn,
};
pub use verify::{Damage, VerifyError, verify};
pub use view::View;
