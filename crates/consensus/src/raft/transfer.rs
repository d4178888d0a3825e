//! Handing leadership over on purpose.
//!
//! Problem: waiting for an election timeout would cost a pause that nobody needs. Idea: the leader takes no more proposals, brings
//! the successor's log up to its own, and tells it to start an election at once, which members answer although they hear
//! from the leader.
//!
//! **Invariant:** once a successor was told, this leadership trusts no lease any more: the message may arrive at any later time.
//!
//! Source: dissertation §3.10.

use super::Raft;
use super::input::{Effect, Role};
use super::marks;
use super::message::Body;
use quorate_types::{NodeId, Term, Time};

/// A transfer under way.
pub(super) struct Transfer {
    to: NodeId,
    /// When it is given up.
    pub(super) deadline: Time,
    /// When the successor was last told.
    told_at: Option<Time>,
}

impl Raft {
    pub(super) fn on_transfer_leadership(&mut self, to: NodeId, out: &mut Vec<Effect>) {
        let is_voter = self.log.configuration().is_voter(to);
        let deadline = self.now + self.config.election_timeout_max;
        let Some(leadership) = &mut self.leadership else { return };
        let is_same = leadership.transfer.as_ref().is_some_and(|transfer| transfer.to == to);
        if is_voter && leadership.progress.contains_key(&to) && !is_same {
            leadership.transfer = Some(Transfer { to, deadline, told_at: None });
            self.replicate_to(to, out);
            self.continue_transfer(to, out);
        }
    }

    /// Tells the successor as soon as `from`, which was just heard, is it and holds the whole log.
    pub(super) fn continue_transfer(&mut self, from: NodeId, out: &mut Vec<Effect>) {
        let (now, last) = (self.now, self.log.last_index());
        let repeat_after = self.config.heartbeat_interval;
        let Some(leadership) = &mut self.leadership else { return };
        let Some(transfer) = leadership.transfer.as_mut().filter(|transfer| transfer.to == from) else {
            return;
        };
        let is_ready = leadership.progress.get(&from).is_some_and(|progress| progress.matched() == last);
        if is_ready && transfer.told_at.is_none_or(|at| now >= at + repeat_after) {
            transfer.told_at = Some(now);
            leadership.reads.void_leases();
            self.send(from, Body::TimeoutNow, out);
        }
    }

    /// Gives up an overdue transfer; repeats what may have been lost.
    pub(super) fn check_transfer(&mut self, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some(leadership) = &mut self.leadership else { return };
        let Some(transfer) = &leadership.transfer else { return };
        if now >= transfer.deadline {
            marks::TRANSFER_GIVEN_UP.reach();
            leadership.transfer = None;
        } else {
            let to = transfer.to;
            self.continue_transfer(to, out);
        }
    }

    /// This member is about to follow in `term`.
    pub(super) fn mark_end_of_leadership(&self, term: Term) {
        let Some(leadership) = self.leadership.as_ref().filter(|_| term > self.hard_state.term) else {
            return;
        };
        marks::HIGHER_TERM_SEEN_BY_LEADER.reach();
        if leadership.transfer.as_ref().is_some_and(|transfer| transfer.told_at.is_some()) {
            marks::TRANSFER_FINISHED.reach();
        }
    }

    /// The leader hands over to this member.
    pub(super) fn on_timeout_now(&mut self, leader: NodeId) {
        if self.role == Role::Follower && self.leader == Some(leader) {
            self.campaign_at_once();
        }
    }
}
