//! How much room a store may take.
//!
//! **Problem.** A quota on what the files hold makes an operator compact, wait and reorganise before a full store takes
//! writes again. **Idea.** It bounds the keys and their newest values alone: deleting makes room at once. What would exceed it is
//! refused, and an alarm is raised so that everybody is told the same; the leader ends that alarm when the store has
//! shrunk below 95 % of the quota.
//!
//! A quota is a setting of each member and not part of the state: replicas agree by the alarm, which stands in the log. So writes that
//! are under way when the quota is reached may still go a little beyond it.
//!
//! **Source.** What counts as growth, and how much, is etcd's rule.

use crate::alarm::{Alarm, AlarmCommand, AlarmKind, RaisedBy};
use crate::request::{Command, Operation, PutRequest, Refusal, TxnRequest};
use crate::view::View;
use quorate_types::NodeId;

/// What a pair takes beside key and value.
const PAIR_LEN_BYTES: u64 = 256;
/// What a lease takes.
const LEASE_LEN_BYTES: u64 = 64;

/// By how much `command` may make the store grow, in bytes; 0 for what cannot. Of a transaction the larger branch counts.
#[must_use]
pub fn growth_len_bytes(command: &Command) -> u64 {
    match command {
        Command::Put(put) => put_len_bytes(put),
        Command::Txn(txn) => txn_len_bytes(txn),
        Command::LeaseGrant { .. } => LEASE_LEN_BYTES,
        Command::InSession(asked) => growth_len_bytes(&asked.command),
        _ => 0,
    }
}

fn put_len_bytes(put: &PutRequest) -> u64 {
    PAIR_LEN_BYTES + (put.key.len() + put.value.len()) as u64
}

fn txn_len_bytes(txn: &TxnRequest) -> u64 {
    let of_branch = |operations: &[Operation]| {
        operations.iter().fold(0, |sum: u64, operation| {
            sum.saturating_add(match operation {
                Operation::Put(put) => put_len_bytes(put),
                Operation::Txn(nested) => txn_len_bytes(nested),
                Operation::Range(_) | Operation::Delete(_) => 0,
            })
        })
    };
    of_branch(&txn.success).max(of_branch(&txn.failure))
}

/// A bound on the live bytes of a store; 0: none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quota {
    /// See above.
    pub len_bytes: u64,
}

impl Quota {
    /// Whether the store has room again: less than 95 % of the quota.
    fn has_room(self, view: &View) -> bool {
        self.len_bytes == 0 || view.live_len_bytes() < self.len_bytes - self.len_bytes / 20
    }

    /// Checks `command` before it is proposed, against the alarms and the quota as `view` shows them.
    ///
    /// # Errors
    /// [`Refusal::NoSpace`] or [`Refusal::Corrupt`].
    pub fn admit(self, view: &View, command: &Command) -> Result<(), Refusal> {
        view.alarms.admit(command)?;
        if self.len_bytes == 0 {
            return Ok(());
        }
        let growth = growth_len_bytes(command);
        if growth > 0 && view.live_len_bytes().saturating_add(growth) >= self.len_bytes {
            return Err(Refusal::NoSpace);
        }
        Ok(())
    }

    /// The alarm that `member` has to raise because it refused a write for lack of room. `None` if one stands, or if smaller writes still
    /// have room: then it would be ended at once.
    #[must_use]
    pub fn alarm_after_refusal(self, view: &View, member: NodeId) -> Option<Command> {
        let is_full = !self.has_room(view) && !view.has_alarm(AlarmKind::NoSpace);
        is_full.then(|| raise(member))
    }

    /// What the leader, which is `member`, has to propose for the state that `view` shows: an alarm because writes that were under way
    /// filled the store, or the end of one.
    #[must_use]
    pub fn due_command(self, view: &View, member: NodeId) -> Option<Command> {
        if view.alarms.has_system_no_space() && self.has_room(view) {
            return Some(Command::Alarm(AlarmCommand::Clear));
        }
        let is_full = self.len_bytes > 0 && view.live_len_bytes() >= self.len_bytes;
        (is_full && !view.has_alarm(AlarmKind::NoSpace)).then(|| raise(member))
    }
}

fn raise(member: NodeId) -> Command {
    let alarm = Alarm { kind: AlarmKind::NoSpace, member };
    Command::Alarm(AlarmCommand::Raise { alarm, by: RaisedBy::System })
}
