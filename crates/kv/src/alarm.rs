//! Alarms: what the cluster refuses until somebody has looked, or until there is room again.
//!
//! An alarm is a row that an entry of the log makes and another one deletes, so all replicas refuse the same entries. Who raised it
//! decides who may end it: one that the system raised for lack of room is cleared by the system too, once there is room; one
//! that an operator raised, or took over, stays until it is disarmed.
//!
//! ```text
//! meta row  "alarm/" | kind u8 (1 no space, 2 corrupt) | member u64 BE   →   raised by u8 (0 operator, 1 system)
//! ```
//!
//! **Invariant.** [`Alarms`] holds exactly the rows, and all of them go into the state hash.

use crate::kv::Kv;
use crate::quota::growth_len_bytes;
use crate::request::{Command, Outcome, Refusal};
use crate::row;
use imbl::OrdMap;
use quorate_table::{Direction, Read, TableError};
use quorate_types::{Bytes, NodeId};
use std::ops::Bound;

/// At most so many alarms stand at once.
pub const ALARMS_MAX: usize = 1024;

const PREFIX: &[u8] = b"alarm/";
/// What follows the last key with the prefix.
const PREFIX_END: &[u8] = b"alarm0";

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AlarmKind {
    /// There is no room: what makes the store grow is refused; deletions, compactions and reads go on.
    NoSpace,
    /// Replicas differ: every write is refused.
    Corrupt,
}

impl AlarmKind {
    pub(crate) fn number(self) -> u8 {
        match self {
            AlarmKind::NoSpace => 1,
            AlarmKind::Corrupt => 2,
        }
    }

    pub(crate) fn of(number: u8) -> Option<Self> {
        [AlarmKind::NoSpace, AlarmKind::Corrupt].into_iter().find(|kind| kind.number() == number)
    }
}

/// One alarm. Ordered by kind, then member.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Alarm {
    /// What is wrong.
    pub kind: AlarmKind,
    /// Where; any number that an operator names.
    pub member: NodeId,
}

/// Who raised an alarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RaisedBy {
    /// Somebody, by a call: stays until it is disarmed.
    Operator,
    /// The quota's rule: ends when there is room again.
    System,
}

impl RaisedBy {
    pub(crate) fn number(self) -> u8 {
        match self {
            RaisedBy::Operator => 0,
            RaisedBy::System => 1,
        }
    }

    pub(crate) fn of(number: u8) -> Option<Self> {
        [RaisedBy::Operator, RaisedBy::System].into_iter().find(|by| by.number() == number)
    }
}

/// What the log does with alarms. Raising one that stands, and ending one that does not, changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AlarmCommand {
    /// Raise one. An operator takes over one that the system raised.
    Raise {
        /// Which.
        alarm: Alarm,
        /// See above.
        by: RaisedBy,
    },
    /// End one, whoever raised it.
    Disarm {
        /// Which.
        alarm: Alarm,
    },
    /// End all for lack of room that the system raised.
    Clear,
}

/// The alarms that stand. Costs O(1) to copy.
#[derive(Clone, Debug)]
pub(crate) struct Alarms {
    raised: OrdMap<Alarm, RaisedBy>,
}

impl Alarms {
    /// Reads all alarms.
    pub(crate) fn open(rows: &dyn Read) -> Result<Self, TableError> {
        let mut raised = OrdMap::new();
        let (from, to) = (Bound::Included(PREFIX), Bound::Excluded(PREFIX_END));
        for item in rows.range(row::META, from, to, Direction::Forward) {
            let (key, value) = item?;
            let (alarm, by) = alarm_of(&key, &value).ok_or_else(|| row::corrupt("alarm row", &key))?;
            raised.insert(alarm, by);
        }
        Ok(Alarms { raised })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Alarm, RaisedBy)> + '_ {
        self.raised.iter().map(|(alarm, by)| (*alarm, *by))
    }

    pub(crate) fn has(&self, kind: AlarmKind) -> bool {
        self.iter().any(|(alarm, _)| alarm.kind == kind)
    }

    /// Whether the system raised one for lack of room.
    pub(crate) fn has_system_no_space(&self) -> bool {
        self.iter().any(|(alarm, by)| alarm.kind == AlarmKind::NoSpace && by == RaisedBy::System)
    }

    /// Checks a command against the alarms that stand.
    pub(crate) fn admit(&self, command: &Command) -> Result<(), Refusal> {
        if self.raised.is_empty() {
            Ok(())
        } else if self.has(AlarmKind::Corrupt) && writes(command) {
            Err(Refusal::Corrupt)
        } else if self.has(AlarmKind::NoSpace) && growth_len_bytes(command) > 0 {
            Err(Refusal::NoSpace)
        } else {
            Ok(())
        }
    }
}

/// Whether a store whose replicas differ refuses it.
fn writes(command: &Command) -> bool {
    matches!(
        command,
        Command::Put(_)
            | Command::Delete(_)
            | Command::Txn(_)
            | Command::Compact { .. }
            | Command::LeaseGrant { .. }
            | Command::LeaseRevoke { .. }
            | Command::LeaseExpire { .. }
    )
}

fn alarm_key(alarm: Alarm) -> Bytes {
    let mut key = PREFIX.to_vec();
    key.push(alarm.kind.number());
    key.extend_from_slice(&alarm.member.0.to_be_bytes());
    Bytes::from(key)
}

fn alarm_row(by: RaisedBy) -> Bytes {
    Bytes::copy_from_slice(&[by.number()])
}

fn alarm_of(key: &[u8], value: &[u8]) -> Option<(Alarm, RaisedBy)> {
    let (kind, member) = key.strip_prefix(PREFIX)?.split_first()?;
    let member = NodeId(u64::from_be_bytes(member.try_into().ok()?));
    let [by] = value else { return None };
    Some((Alarm { kind: AlarmKind::of(*kind)?, member }, RaisedBy::of(*by)?))
}

/// Whether the row of `meta` under `key` is an alarm's, and so is part of the state hash.
pub(crate) fn is_alarm_row(key: &[u8]) -> bool {
    key.starts_with(PREFIX)
}

impl Kv {
    pub(crate) fn apply_alarm(&mut self, command: AlarmCommand) -> Result<Outcome, Refusal> {
        let mut alarms = Vec::new();
        match command {
            AlarmCommand::Raise { alarm, by } => {
                let stands = self.alarms.raised.get(&alarm).copied();
                if stands.is_none() && self.alarms.raised.len() >= ALARMS_MAX {
                    return Err(Refusal::TooManyAlarms);
                }
                if stands.is_none_or(|stands| stands == RaisedBy::System && by == RaisedBy::Operator) {
                    self.set_alarm(alarm, Some(by));
                }
                alarms.push(alarm);
            }
            AlarmCommand::Disarm { alarm } if self.alarms.raised.contains_key(&alarm) => alarms.push(alarm),
            AlarmCommand::Disarm { .. } => {}
            AlarmCommand::Clear => {
                let is_cleared = |(alarm, by): &(Alarm, RaisedBy)| {
                    alarm.kind == AlarmKind::NoSpace && *by == RaisedBy::System
                };
                alarms.extend(self.alarms.iter().filter(is_cleared).map(|(alarm, _)| alarm));
            }
        }
        if !matches!(command, AlarmCommand::Raise { .. }) {
            alarms.iter().for_each(|alarm| self.set_alarm(*alarm, None));
        }
        Ok(Outcome::Alarms { alarms })
    }

    /// Replaces an alarm's row and its share of the hash.
    fn set_alarm(&mut self, alarm: Alarm, to: Option<RaisedBy>) {
        let key = alarm_key(alarm);
        if let Some(from) = self.alarms.raised.remove(&alarm) {
            self.meta.hash.remove(&row::hash(row::META, &key, &alarm_row(from)));
        }
        let Some(to) = to else { return self.overlay.delete(row::META, key) };
        let row = alarm_row(to);
        self.meta.hash.add(&row::hash(row::META, &key, &row));
        self.alarms.raised.insert(alarm, to);
        self.overlay.put(row::META, key, row);
    }
}
