//! What a node has seen of a group's leaders: how often they changed, and whether there has been none for too long.

use crate::flag::Flag;
use quorate_node::GroupStatus;
use quorate_types::NodeId;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Elections may fail so often before streams that require a leader are cut.
const PATIENCE_ELECTIONS: u32 = 3;

/// See the module. One task writes, by [`Leadership::follow`].
pub(crate) struct Leadership {
    since: Instant,
    changes: AtomicU64,
    /// In microseconds since `since`, so 0 if there was none.
    last_change_us: AtomicU64,
    leaderless: watch::Sender<bool>,
}

impl Leadership {
    pub(crate) fn new() -> Self {
        Leadership {
            since: Instant::now(),
            changes: AtomicU64::new(0),
            last_change_us: AtomicU64::new(0),
            leaderless: watch::Sender::new(false),
        }
    }

    /// How often a new leader was seen.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Whether a leader came or went since `moment`.
    pub(crate) fn changed_since(&self, moment: Instant) -> bool {
        let moment = moment.saturating_duration_since(self.since);
        let last = self.last_change_us.load(Ordering::Relaxed);
        last > 0 && u128::from(last) >= moment.as_micros()
    }

    /// Turns true when there has been no leader for three election timeouts, and false when there is one again.
    pub(crate) fn leaderless(&self) -> Flag {
        Flag::of(&self.leaderless)
    }

    /// Follows a group until its node stops.
    pub(crate) async fn follow(&self, mut status: watch::Receiver<GroupStatus>, election: Duration) {
        let mut leader = status.borrow_and_update().leader;
        loop {
            let changed = if leader.is_none() && !*self.leaderless.borrow() {
                tokio::time::timeout(PATIENCE_ELECTIONS * election, next_leader(&mut status, leader)).await
            } else {
                Ok(next_leader(&mut status, leader).await)
            };
            match changed {
                Ok(Some(next)) => {
                    self.note(next);
                    leader = next;
                }
                Ok(None) => return,
                Err(_) => {
                    self.leaderless.send_replace(true);
                }
            }
        }
    }

    fn note(&self, leader: Option<NodeId>) {
        let since_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_change_us.store(since_us.max(1), Ordering::Relaxed);
        if leader.is_some() {
            self.changes.fetch_add(1, Ordering::Relaxed);
            self.leaderless.send_replace(false);
        }
    }
}

/// Waits until the leader is another than `leader`; `None` if the node stops.
async fn next_leader(
    status: &mut watch::Receiver<GroupStatus>,
    leader: Option<NodeId>,
) -> Option<Option<NodeId>> {
    let status = status.wait_for(|status| status.leader != leader).await.ok()?;
    Some(status.leader)
}

#[cfg(test)]
mod tests {
    use super::Leadership;
    use quorate_consensus::raft::Role;
    use quorate_node::GroupStatus;
    use quorate_types::{GroupId, LogIndex, NodeId, Term};
    use std::sync::Arc;
    use std::time::{Duration, Instant};
    use tokio::sync::watch;

    fn led_by(leader: Option<NodeId>) -> GroupStatus {
        GroupStatus {
            group: GroupId(1),
            role: Role::Follower,
            term: Term(1),
            leader,
            last_index: LogIndex(0),
            commit: LogIndex(0),
            applied: LogIndex(0),
            pending_requests: 0,
            agreed: LogIndex(0),
        }
    }

    #[tokio::test]
    async fn a_missing_leader_is_noticed_and_so_is_a_new_one() {
        let status = watch::Sender::new(led_by(Some(NodeId(1))));
        let leadership = Arc::new(Leadership::new());
        let (following, receiver) = (leadership.clone(), status.subscribe());
        let task = tokio::spawn(async move { following.follow(receiver, Duration::from_millis(5)).await });
        let start = Instant::now();
        assert!(!leadership.changed_since(start));
        let mut leaderless = leadership.leaderless();
        tokio::task::yield_now().await;
        status.send_replace(led_by(None));
        leaderless.raised().await;
        assert!(start.elapsed() >= Duration::from_millis(15));
        assert!(leadership.changed_since(start) && leadership.changes() == 0);
        status.send_replace(led_by(Some(NodeId(2))));
        leaderless.lowered().await;
        assert_eq!(leadership.changes(), 1);
        drop(status);
        task.await.unwrap();
    }
}
