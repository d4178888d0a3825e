//! What an alarm is, and what the log does with alarms. `alarm_rows` keeps them, `alarm_rule` makes, ends and heeds them.

use quorate_types::NodeId;

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
