//! Who leads.
//!
//! Problem: at most one leader in a term, one soon after the last is gone, and no needless change. Idea: a member that hears
//! nothing for a random time first asks whether it could win (pre-vote), and only then raises the term and asks for votes. Members
//! that hear a leader refuse, so a member that was cut off disturbs nobody.
//!
//! **Invariant:** a vote leaves this member, and counts for itself, only after it is durable; within a term it never changes.
//!
//! Source: Raft §5.2, §5.4.1; dissertation §4.2.3 (refusal while a leader is heard), §9.6 (pre-vote), §3.10 (transfer).

use super::Raft;
use super::input::{Effect, Role, WriteId};
use super::marks;
use super::message::{Body, Message};
use quorate_types::{LogIndex, Mistake, NodeId, Term, Time};
use std::collections::BTreeSet;

pub(super) struct Election {
    /// When this member, hearing nothing, stops following or starts over.
    pub(super) deadline: Time,
    /// When any leader was last heard. A new term does not undo it: that leader's lease counts on it.
    contact: Option<Time>,
    /// Who said yes to this candidacy.
    votes: BTreeSet<NodeId>,
    /// The write that makes the candidate's vote for itself durable.
    own_vote: Option<WriteId>,
}

impl Election {
    /// Leases outlive a restart, the memory of them does not: with `respects_unknown_lease` a member behaves at first
    /// as if it had just heard a leader.
    pub(super) fn new(now: Time, deadline: Time, respects_unknown_lease: bool) -> Self {
        Election {
            deadline,
            contact: respects_unknown_lease.then_some(now),
            votes: BTreeSet::new(),
            own_vote: None,
        }
    }
}

impl Raft {
    pub(super) fn restart_election_timer(&mut self) {
        let (min, max) = (self.config.election_timeout_min, self.config.election_timeout_max);
        let nanos = self.rng.between(min.as_nanos() as u64, max.as_nanos() as u64);
        self.election.deadline = Time(self.now.0.saturating_add(nanos));
    }

    /// Whether a leader was heard so lately that no other may be elected.
    fn hears_leader(&self) -> bool {
        self.leadership.is_some()
            || self.election.contact.is_some_and(|at| self.now < at + self.config.election_timeout_min)
    }

    fn is_up_to_date(&self, last_index: LogIndex, last_term: Term) -> bool {
        (last_term, last_index) >= (self.log.last_term(), self.log.last_index())
            || Mistake::VoteForShorterLog.is_planted()
    }

    /// Whether this member may ask for votes.
    fn is_promotable(&self) -> bool {
        self.log.configuration().is_voter(self.config.id)
            && !self.disk.has_failed()
            && !self.disk.is_stalled(self.now, self.config.disk_stall_timeout)
            && !self.is_installing()
    }

    /// What this member is when it neither leads nor asks to.
    pub(super) fn passive_role(&self) -> Role {
        let configuration = self.log.configuration();
        if configuration.is_voter(self.config.id) || !configuration.contains(self.config.id) {
            Role::Follower
        } else {
            Role::Learner
        }
    }

    /// Enters `term`, or stays in it, as a follower of nobody yet.
    pub(super) fn become_follower(&mut self, term: Term) {
        assert!(term >= self.hard_state.term, "terms never fall");
        self.mark_end_of_leadership(term);
        self.step_down();
        if term > self.hard_state.term {
            self.enter_term(term, None);
        }
        self.role = self.passive_role();
        self.election.votes.clear();
        self.set_leader(None);
    }

    fn enter_term(&mut self, term: Term, vote: Option<NodeId>) {
        self.hard_state.term = term;
        self.hard_state.vote = vote;
        self.disk.stage_hard_state();
        self.election.own_vote = None;
        self.following.reset(self.commit);
        self.forwards.on_new_term();
    }

    fn set_leader(&mut self, leader: Option<NodeId>) {
        if self.leader.is_some() && leader.is_none() {
            self.reads.leaderless_since = self.now;
        }
        self.leader = leader;
    }

    /// `leader` leads the present term and was just heard.
    pub(super) fn follow(&mut self, leader: NodeId, out: &mut Vec<Effect>) {
        if Mistake::AcceptStaleTerm.is_planted() && self.leader.is_some_and(|known| known != leader) {
            // What a former leader says reaches the log, as far as the log's own checks let it.
            return;
        }
        assert!(
            self.leadership.is_none(),
            "one leader in a term: {leader} claims {} too",
            self.hard_state.term
        );
        assert!(self.leader.is_none_or(|known| known == leader), "one leader in a term");
        self.role = self.passive_role();
        self.election.contact = Some(self.now);
        self.restart_election_timer();
        if self.leader.is_none() {
            self.election.votes.clear();
            self.set_leader(Some(leader));
            self.ask_reads_again(out);
        }
    }

    /// Nobody was heard for an election timeout.
    pub(super) fn on_election_timeout(&mut self, out: &mut Vec<Effect>) {
        if self.role == Role::Candidate {
            marks::ELECTION_TIMED_OUT.reach();
        }
        self.restart_election_timer();
        self.set_leader(None);
        self.election.votes.clear();
        if self.is_promotable() {
            self.campaign_for_pre_votes(out);
        } else {
            if self.log.configuration().is_voter(self.config.id) && !self.is_installing() {
                marks::SLOW_DISK_KEPT_FROM_ELECTION.reach();
            }
            self.role = self.passive_role();
        }
    }

    fn campaign_for_pre_votes(&mut self, out: &mut Vec<Effect>) {
        self.role = Role::PreCandidate;
        self.election.votes.insert(self.config.id);
        if self.has_votes() {
            return self.campaign(false);
        }
        let term = self.hard_state.term.next();
        let body = Body::PreVote { last_index: self.log.last_index(), last_term: self.log.last_term() };
        for to in self.other_voters() {
            out.push(Effect::Send { to, message: Message { term, body: body.clone() } });
        }
    }

    /// Asks for votes in a new term. The requests leave once this member's vote for itself is durable.
    fn campaign(&mut self, transfer: bool) {
        assert!(self.is_promotable(), "only a voter with a working disk asks for votes");
        self.set_leader(None);
        self.enter_term(self.hard_state.term.next(), Some(self.config.id));
        self.role = Role::Candidate;
        self.election.votes.clear();
        self.election.own_vote = Some(self.disk.next_write());
        self.restart_election_timer();
        let body =
            Body::Vote { last_index: self.log.last_index(), last_term: self.log.last_term(), transfer };
        for to in self.other_voters() {
            let message = Message { term: self.hard_state.term, body: body.clone() };
            self.disk.stage_then(to, message);
        }
    }

    /// The leader hands over: no pre-vote, which members that hear the leader would refuse.
    pub(super) fn campaign_at_once(&mut self) {
        if self.is_promotable() {
            self.campaign(true);
        }
    }

    fn other_voters(&self) -> Vec<NodeId> {
        self.log.configuration().all_voters().filter(|id| *id != self.config.id).collect()
    }

    fn has_votes(&self) -> bool {
        self.log.configuration().has_quorum(|id| self.election.votes.contains(&id))
    }

    /// Counts a candidate's vote for itself once it is durable.
    pub(super) fn on_own_vote_persisted(&mut self, out: &mut Vec<Effect>) {
        let is_durable = self.election.own_vote.is_some_and(|write| self.disk.is_persisted(write));
        if self.role == Role::Candidate && is_durable {
            self.election.own_vote = None;
            self.on_vote_reply(self.config.id, true, out);
        }
    }

    /// Would this member vote for `from` in `term`? Changes nothing.
    pub(super) fn on_pre_vote(
        &mut self,
        from: NodeId,
        term: Term,
        last: (LogIndex, Term),
        out: &mut Vec<Effect>,
    ) {
        let granted = term > self.hard_state.term
            && !self.hears_leader()
            && self.is_up_to_date(last.0, last.1)
            && !self.disk.has_failed();
        if self.hears_leader() {
            marks::PRE_VOTE_REFUSED_FOR_LEADER.reach();
        } else if !self.is_up_to_date(last.0, last.1) {
            marks::PRE_VOTE_REFUSED_FOR_SHORTER_LOG.reach();
        }
        self.send(from, Body::PreVoteReply { granted }, out);
    }

    pub(super) fn on_pre_vote_reply(&mut self, from: NodeId, granted: bool) {
        if self.role == Role::PreCandidate && granted {
            self.election.votes.insert(from);
            if self.has_votes() && self.is_promotable() {
                self.campaign(false);
            }
        }
    }

    /// Whether a vote request is to be met with silence, its term left alone: this member still hears a leader.
    pub(super) fn ignores_vote(&self, term: Term, transfer: bool) -> bool {
        term > self.hard_state.term && !transfer && self.hears_leader()
    }

    pub(super) fn on_vote(&mut self, from: NodeId, last: (LogIndex, Term), out: &mut Vec<Effect>) {
        let is_free = self.hard_state.vote.is_none_or(|vote| vote == from || Mistake::VoteTwice.is_planted())
            && self.leader.is_none();
        let is_voted = self.hard_state.vote == Some(from);
        let may_vote = is_free && self.is_up_to_date(last.0, last.1) && !self.disk.has_failed();
        if !may_vote && !is_voted {
            if self.hard_state.vote.is_some() {
                marks::VOTE_REFUSED_AS_GIVEN.reach();
            } else if !self.is_up_to_date(last.0, last.1) {
                marks::VOTE_REFUSED_FOR_SHORTER_LOG.reach();
            }
            return self.send(from, Body::VoteReply { granted: false }, out);
        }
        if !is_voted {
            self.hard_state.vote = Some(from);
            self.disk.stage_hard_state();
            self.restart_election_timer();
        }
        let message = Message { term: self.hard_state.term, body: Body::VoteReply { granted: true } };
        if Mistake::VoteWithoutPersisting.is_planted() {
            out.push(Effect::Send { to: from, message });
        } else if self.disk.has_staged() {
            self.disk.stage_then(from, message);
        } else if self.disk.has_hard_state() {
            out.push(Effect::Send { to: from, message });
        }
        // Else the vote is being written, and its answer leaves with it.
    }

    pub(super) fn on_vote_reply(&mut self, from: NodeId, granted: bool, out: &mut Vec<Effect>) {
        if self.role == Role::Candidate && granted {
            self.election.votes.insert(from);
            // The candidate's own vote may still be on its way to the disk: a quorum without it is a quorum too.
            if self.has_votes() {
                if self.election.own_vote.is_some() {
                    marks::ELECTED_BEFORE_OWN_VOTE.reach();
                }
                self.become_leader(out);
            }
        }
    }

    fn become_leader(&mut self, out: &mut Vec<Effect>) {
        assert!(self.role == Role::Candidate && self.has_votes(), "a leader was elected");
        self.role = Role::Leader;
        self.set_leader(Some(self.config.id));
        self.election.votes.clear();
        self.election.own_vote = None;
        self.start_leadership(out);
    }
}
