//! Alarms: what the cluster refuses until somebody has looked, or until there is room again.
//!
//! An alarm is a row that an entry of the log makes and another one deletes, so all replicas refuse the same entries. Who raised it
//! decides who may end it: one that the system raised for lack of room is cleared by the system too, once there is room; one
//! that an operator raised, or took over, stays until it is disarmed.

use crate::alarm::{Alarm, AlarmCommand, AlarmKind, RaisedBy};
use crate::alarm_rows::{Alarms, alarm_key, alarm_row};
use crate::kv::Kv;
use crate::quota::growth_len_bytes;
use crate::request::{Command, Outcome, Refusal};
use crate::row;

/// At most so many alarms stand at once.
pub const ALARMS_MAX: usize = 1024;

impl Alarms {
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
