//! The alarms that stand, and their rows.
//!
//! ```text
//! meta row  "alarm/" | kind u8 (1 no space, 2 corrupt) | member u64 BE   →   raised by u8 (0 operator, 1 system)
//! ```
//!
//! **Invariant.** [`Alarms`] holds exactly the rows, and all of them go into the state hash.

use crate::alarm::{Alarm, AlarmKind, RaisedBy};
use crate::row;
use imbl::OrdMap;
use quorate_table::{Direction, Read, TableError};
use quorate_types::{Bytes, NodeId};
use std::ops::Bound;

const PREFIX: &[u8] = b"alarm/";
/// What follows the last key with the prefix.
const PREFIX_END: &[u8] = b"alarm0";

/// The alarms that stand. Costs O(1) to copy.
#[derive(Clone, Debug)]
pub(crate) struct Alarms {
    pub(crate) raised: OrdMap<Alarm, RaisedBy>,
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
}

pub(crate) fn alarm_key(alarm: Alarm) -> Bytes {
    let mut key = PREFIX.to_vec();
    key.push(alarm.kind.number());
    key.extend_from_slice(&alarm.member.0.to_be_bytes());
    Bytes::from(key)
}

pub(crate) fn alarm_row(by: RaisedBy) -> Bytes {
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
