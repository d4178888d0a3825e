//! Gives up old history without being asked.
//!
//! Each member notes now and then which revision its store was at; the one that leads proposes to compact to what was noted long enough ago,
//! or so many revisions back. The others' notes let whoever leads next go on at once.
//!
//! **Source.** etcd's two modes, with its intervals.

use quorate_types::{Revision, Time};
use std::collections::VecDeque;
use std::time::Duration;

/// In periodic mode it compacts at least so often.
const PERIOD_MAX: Duration = Duration::from_secs(60 * 60);
/// So many notes are made in each such period.
const NOTES_PER_PERIOD: u32 = 10;
/// So many notes are kept at most: over a very long retention they are made less often.
const NOTES_MAX: u32 = 10_000;
const NOTE_INTERVAL_MIN: Duration = Duration::from_millis(1);
/// How often it compacts in revision mode.
const REVISION_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How much history is kept. A retention of nothing turns it off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AutoCompaction {
    /// All of it.
    #[default]
    Off,
    /// What was the newest state within this time.
    Periodic {
        /// See above.
        retention: Duration,
    },
    /// So many revisions.
    Revision {
        /// See above.
        retention: u64,
    },
}

impl AutoCompaction {
    /// How often [`Compactor::step`] has something to do; `None` if never.
    fn interval(self) -> Option<Duration> {
        match self {
            AutoCompaction::Periodic { retention } if !retention.is_zero() => {
                let interval = retention.min(PERIOD_MAX) / NOTES_PER_PERIOD;
                Some(interval.max(retention / NOTES_MAX).max(NOTE_INTERVAL_MIN))
            }
            AutoCompaction::Revision { retention } if retention > 0 => Some(REVISION_INTERVAL),
            _ => None,
        }
    }
}

/// See the module.
pub(crate) struct Compactor {
    mode: AutoCompaction,
    /// When the store was at which revision, the oldest first. At most [`NOTES_MAX`] and a few.
    notes: VecDeque<(Time, Revision)>,
    next_at: Time,
    /// When it last compacted, or would have if it had led.
    compacted_at: Option<Time>,
}

impl Compactor {
    pub(crate) fn new(mode: AutoCompaction) -> Self {
        Compactor { mode, notes: VecDeque::new(), next_at: Time(0), compacted_at: None }
    }

    /// When the next [`Compactor::step`] is due; `None` if never.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.mode.interval().map(|_| self.next_at)
    }

    /// Takes note of the store's `revision`. Returns what it is time to compact to.
    pub(crate) fn step(&mut self, now: Time, revision: Revision) -> Option<Revision> {
        let interval = self.mode.interval()?;
        if now < self.next_at {
            return None;
        }
        self.next_at = now + interval;
        match self.mode {
            AutoCompaction::Off => None,
            AutoCompaction::Periodic { retention } => self.periodic(now, revision, retention),
            AutoCompaction::Revision { retention } => {
                let kept = i64::try_from(retention).unwrap_or(i64::MAX);
                Some(Revision(revision.0.saturating_sub(kept))).filter(|to| to.0 > 0)
            }
        }
    }

    fn periodic(&mut self, now: Time, revision: Revision, retention: Duration) -> Option<Revision> {
        self.notes.push_back((now, revision));
        let is_old = |note: &(Time, Revision)| now.since(note.0) >= retention;
        while self.notes.get(1).is_some_and(is_old) {
            self.notes.pop_front();
        }
        let to = self.notes.front().filter(|note| is_old(note))?.1;
        if self.compacted_at.is_some_and(|at| now.since(at) < retention.min(PERIOD_MAX)) {
            return None;
        }
        self.compacted_at = Some(now);
        Some(to)
    }
}

#[cfg(test)]
mod tests {
    use super::{AutoCompaction, Compactor, NOTES_MAX};
    use quorate_types::{Revision, Time};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    /// Lets `seconds` pass, one by one, while the store makes a revision a second. Returns when it compacts to what.
    fn run(mode: AutoCompaction, seconds: u32) -> Vec<(u32, i64)> {
        let mut compactor = Compactor::new(mode);
        let mut compacted = Vec::new();
        for second in 0..=seconds {
            let now = Time(7) + SECOND * second;
            if compactor.next_deadline().is_some_and(|at| at <= now) {
                let to = compactor.step(now, Revision(i64::from(second) + 1));
                compacted.extend(to.map(|to| (second, to.0)));
            }
            assert!(compactor.notes.len() <= NOTES_MAX as usize + 2);
        }
        compacted
    }

    #[test]
    fn periodic() {
        let check = |seconds: u64, run_for: u32, expect: &[(u32, i64)]| {
            let retention = Duration::from_secs(seconds);
            assert_eq!(run(AutoCompaction::Periodic { retention }, run_for), expect);
        };
        check(10, 9, &[]);
        check(10, 31, &[(10, 1), (20, 11), (30, 21)]);
        check(7200, 7199, &[]);
        check(7200, 14_400, &[(7200, 1), (10_800, 3601), (14_400, 7201)]);
        check(0, 100, &[]);
        check(1_000_000_000, 200_000, &[]);
    }

    #[test]
    fn by_revision() {
        let check = |retention: u64, expect: &[(u32, i64)]| {
            assert_eq!(run(AutoCompaction::Revision { retention }, 900), expect);
        };
        check(500, &[(600, 101), (900, 401)]);
        check(0, &[]);
        check(u64::MAX, &[]);
        assert_eq!(run(AutoCompaction::Off, 900), []);
    }
}
