//! **Leases:** a lease lives at least as long as it was granted for after its last renewal was asked, and ends some time after (ADR 0005; leases are
//! those of Gray and Cheriton: "Leases: An Efficient Fault-Tolerant Mechanism for Distributed File Cache Consistency").
//!
//! A lower bound in true time holds only while clocks are true, and one clock may run faster than another. What holds with any clock is that a lease is
//! ended only by an expiry that was proposed in its entry's own term, and that saw its last renewal. The upper bound is looked at when the
//! run is over: group time counts only while the group is led, so it begins with the last leader.

use super::broken::{Check, broken};
use crate::violation::Invariant;
use quorate_kv::{Command, Outcome, View};
use quorate_types::{LeaseId, LogIndex, Term, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// How much later than its time a lease may end while the group is led: a new leader lets some pass uncounted, and an expiry that was lost
/// is proposed again after some.
const GRACE: Duration = Duration::from_secs(3);
/// What rounding may take off a lease.
const ROUNDING: Duration = Duration::from_micros(1);

struct Lease {
    ttl: Duration,
    /// When its last renewal, or its grant, was asked for.
    since: Time,
    /// When that was applied first.
    applied_at: Time,
    renewal: u64,
}

/// An entry as this file needs it.
pub(super) struct Done<'a> {
    pub(super) index: LogIndex,
    pub(super) term: Term,
    pub(super) command: &'a Command,
    pub(super) outcome: Option<&'a Outcome>,
    /// When its client asked.
    pub(super) asked_at: Option<Time>,
}

/// See the module.
pub(super) struct Leases {
    leases: BTreeMap<LeaseId, Lease>,
    clocks_are_true: bool,
    drift_ppm: u64,
}

impl Leases {
    /// The leases of `view` count as granted when the run begins.
    pub(super) fn new(view: &View, clocks_are_true: bool, drift_ppm: u64) -> Self {
        let mut leases = BTreeMap::new();
        for (id, renewal) in view.due_leases(u64::MAX, usize::MAX) {
            if let Ok(Some(status)) = view.lease(id, false, 0) {
                let ttl = Duration::from_secs(status.granted_ttl_s.unsigned_abs());
                leases.insert(id, Lease { ttl, since: Time(0), applied_at: Time(0), renewal });
            }
        }
        Leases { leases, clocks_are_true, drift_ppm }
    }

    /// Some node is the first to apply an entry; `view` is the state after it.
    pub(super) fn on_done(&mut self, now: Time, done: &Done<'_>, view: &View) -> Check {
        let since = done.asked_at.unwrap_or(now);
        match (done.command, done.outcome) {
            (_, Some(Outcome::LeaseGranted { id, ttl_s })) => {
                let ttl = Duration::from_secs(ttl_s.unsigned_abs());
                self.leases.insert(*id, Lease { ttl, since, applied_at: now, renewal: 0 });
            }
            (Command::LeaseRenew { ids }, Some(Outcome::LeaseRenewed { ttls_s })) => {
                for (id, ttl_s) in ids.iter().zip(ttls_s) {
                    self.on_renewed(now, *id, (ttl_s.is_some(), since, done.index))?;
                }
            }
            (Command::LeaseRevoke { id }, Some(Outcome::LeaseRevoked)) => {
                self.leases.remove(id);
            }
            (Command::LeaseExpire { leases, term }, _) => {
                for (id, renewal) in leases {
                    let lives = !matches!(view.lease(*id, false, 0), Ok(None));
                    if !lives && let Some(lease) = self.leases.remove(id) {
                        self.check_end(now, *id, &lease, (done, Term(*term), *renewal))?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn on_renewed(&mut self, now: Time, id: LeaseId, (lives, since, index): (bool, Time, LogIndex)) -> Check {
        match self.leases.get_mut(&id) {
            Some(lease) if lives => {
                lease.since = lease.since.max(since);
                lease.applied_at = now;
                lease.renewal += 1;
                Ok(())
            }
            None if !lives => Ok(()),
            known => {
                let words = format!(
                    "Renewing lease {id} at position {index} found it {}, but it was {}.",
                    if lives { "alive" } else { "ended" },
                    if known.is_some() { "alive" } else { "ended" }
                );
                broken(Invariant::Leases, words)
            }
        }
    }

    fn check_end(
        &self,
        now: Time,
        id: LeaseId,
        lease: &Lease,
        (done, proposed_in, seen): (&Done<'_>, Term, u64),
    ) -> Check {
        let index = done.index;
        if proposed_in != done.term {
            let words = format!(
                "Lease {id} ends at position {index} of term {} by an expiry that was proposed in term {proposed_in}.",
                done.term
            );
            return broken(Invariant::Leases, words);
        }
        if seen != lease.renewal {
            let words = format!(
                "Lease {id} ends at position {index} by an expiry that had seen its renewal {seen}, but it was renewed {} times.",
                lease.renewal
            );
            return broken(Invariant::Leases, words);
        }
        let age = now.since(lease.since);
        if self.clocks_are_true && age + self.slack(lease.ttl) < lease.ttl {
            let words = format!(
                "Lease {id} ends at position {index}, {age:?} after it was last asked for at {}, but was granted for {:?}.",
                lease.since, lease.ttl
            );
            return broken(Invariant::Leases, words);
        }
        Ok(())
    }

    /// What clocks that run apart may add to or take off `ttl`.
    fn slack(&self, ttl: Duration) -> Duration {
        let ns = ttl.as_nanos().saturating_mul(u128::from(self.drift_ppm)) / 1_000_000;
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)) + ROUNDING
    }

    /// The run is over, and one node led from `led_since` on.
    pub(super) fn check_ended(&self, now: Time, led_since: Time) -> Check {
        if !self.clocks_are_true {
            return Ok(());
        }
        for (id, lease) in &self.leases {
            let counted = now.since(lease.applied_at.max(led_since));
            let limit = lease.ttl.saturating_add(self.slack(lease.ttl) * 2).saturating_add(GRACE);
            if counted > limit {
                let words = format!(
                    "Lease {id} was granted for {:?} and last renewed at {}, but lives on at {now}, after {counted:?} under one leader.",
                    lease.ttl, lease.applied_at
                );
                return broken(Invariant::Leases, words);
            }
        }
        Ok(())
    }
}
