//! What a leader does by itself to keep its store in shape.
//!
//! Raises the alarm for lack of room when writes that were under way have filled the store, and ends it when there is room
//! again (see [`Quota`]). Gives up old history (see [`AutoCompaction`]).
//!
//! **Invariant.** Only proposes, and so changes nothing by itself: a proposal that gets lost is made again, and one that comes twice or too
//! late does no harm.

use crate::auto_compaction::{AutoCompaction, Compactor};
use quorate_kv::{Command, Quota, View};
use quorate_types::{NodeId, Time};
use std::time::Duration;

/// How long a proposal for the quota is waited for before it is made again.
const RETRY: Duration = Duration::from_millis(500);

/// See the module. By default a leader does nothing of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UpkeepOptions {
    /// How much room a keyspace may take.
    pub quota: Quota,
    /// How much history is kept.
    pub auto_compaction: AutoCompaction,
}

/// See the module.
pub(crate) struct Upkeep {
    me: NodeId,
    quota: Quota,
    /// When what was proposed for the quota is proposed again.
    quota_again_at: Option<Time>,
    compactor: Compactor,
}

impl Upkeep {
    pub(crate) fn new(me: NodeId, options: &UpkeepOptions) -> Self {
        let compactor = Compactor::new(options.auto_compaction);
        Upkeep { me, quota: options.quota, quota_again_at: None, compactor }
    }

    /// When the next [`Upkeep::step`] is due whatever else happens.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        [self.quota_again_at, self.compactor.next_deadline()].into_iter().flatten().min()
    }

    /// What is to be proposed now; without leading, nothing. To be asked whenever the view may have changed.
    pub(crate) fn step(&mut self, now: Time, view: &View, leads: bool) -> Option<Command> {
        let compaction = self.compactor.step(now, view.revision()).filter(|to| *to > view.compacted());
        if !leads {
            self.quota_again_at = None;
            return None;
        }
        // What loses to a compaction is asked for again with the next view.
        compaction.map(|revision| Command::Compact { revision }).or_else(|| self.for_quota(now, view))
    }

    fn for_quota(&mut self, now: Time, view: &View) -> Option<Command> {
        let Some(due) = self.quota.due_command(view, self.me) else {
            self.quota_again_at = None;
            return None;
        };
        if self.quota_again_at.is_some_and(|again| now < again) {
            return None;
        }
        self.quota_again_at = Some(now + RETRY);
        Some(due)
    }
}
