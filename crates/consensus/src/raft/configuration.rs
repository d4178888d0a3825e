//! Who belongs to a group, and what a majority of it is.
//!
//! Problem: every decision (election, commit, read, lease) needs "a quorum", and while members change there are two
//! majorities to win. Idea: only this file knows how to count; the rest asks with a closure over members. The cost is
//! O(voters²) without allocation, which for the handful of voters that a group has beats sorting.
//!
//! **Invariant:** the three lists are sorted and free of repetition, and a learner is in neither voter list. Any two
//! quorums of one configuration share a voter.
//!
//! Source: Raft §6, dissertation §4.2.1 (learners), §4.3 (joint consensus).

use quorate_types::{Mistake, NodeId};

/// The members of a group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Configuration {
    voters: Vec<NodeId>,
    outgoing: Vec<NodeId>,
    learners: Vec<NodeId>,
}

impl Configuration {
    /// A configuration of `voters`; while members change, also of `outgoing`, the voters before the change, whose majority is
    /// needed too. `learners` receive the log and are not counted; one that is a voter as well is only a voter.
    #[must_use]
    pub fn new(voters: Vec<NodeId>, outgoing: Vec<NodeId>, learners: Vec<NodeId>) -> Self {
        let sorted = |mut ids: Vec<NodeId>| {
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let (voters, outgoing, mut learners) = (sorted(voters), sorted(outgoing), sorted(learners));
        learners.retain(|id| !voters.contains(id) && !outgoing.contains(id));
        Configuration { voters, outgoing, learners }
    }

    /// A configuration of nothing but `voters`.
    #[must_use]
    pub fn of_voters(voters: Vec<NodeId>) -> Self {
        Configuration::new(voters, Vec::new(), Vec::new())
    }

    /// The voters; of a change under way, those after it.
    #[must_use]
    pub fn voters(&self) -> &[NodeId] {
        &self.voters
    }

    /// The voters before the change under way; empty if there is none.
    #[must_use]
    pub fn outgoing(&self) -> &[NodeId] {
        &self.outgoing
    }

    /// The members without a vote.
    #[must_use]
    pub fn learners(&self) -> &[NodeId] {
        &self.learners
    }

    /// Whether two majorities are needed.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether `id` has a vote.
    #[must_use]
    pub fn is_voter(&self, id: NodeId) -> bool {
        self.voters.contains(&id) || self.outgoing.contains(&id)
    }

    /// Whether `id` belongs to the group at all.
    #[must_use]
    pub fn contains(&self, id: NodeId) -> bool {
        self.is_voter(id) || self.learners.contains(&id)
    }

    /// Everyone who has a vote, each once.
    pub fn all_voters(&self) -> impl Iterator<Item = NodeId> + '_ {
        let leaving = self.outgoing.iter().filter(|id| !self.voters.contains(id));
        self.voters.iter().chain(leaving).copied()
    }

    /// Everyone, each once.
    pub fn members(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.all_voters().chain(self.learners.iter().copied())
    }

    /// Whether those voters for whom `holds` is true form a quorum. Never true of a group without voters.
    pub fn has_quorum(&self, holds: impl Fn(NodeId) -> bool) -> bool {
        let majority = |ids: &[NodeId]| is_majority(ids.iter().filter(|id| holds(**id)).count(), ids.len());
        majority(&self.voters) && (self.outgoing.is_empty() || majority(&self.outgoing))
    }

    /// The largest value that a quorum has reached, if each voter's is `value_of` it. `None` of a group without voters.
    pub fn agreed<T: Copy + Ord>(&self, value_of: impl Fn(NodeId) -> T) -> Option<T> {
        let incoming = agreed_by_majority(&self.voters, &value_of)?;
        match agreed_by_majority(&self.outgoing, &value_of) {
            Some(outgoing) => Some(incoming.min(outgoing)),
            None => Some(incoming),
        }
    }
}

fn is_majority(count: usize, of: usize) -> bool {
    if Mistake::QuorumOfHalf.is_planted() {
        return count >= (of / 2).max(1);
    }
    2 * count > of
}

/// The largest value that a majority of `ids` has reached; `None` if there are no ids.
fn agreed_by_majority<T: Copy + Ord>(ids: &[NodeId], value_of: &impl Fn(NodeId) -> T) -> Option<T> {
    let reached_by_majority =
        |value: T| is_majority(ids.iter().filter(|id| value_of(**id) >= value).count(), ids.len());
    ids.iter().map(|id| value_of(*id)).filter(|value| reached_by_majority(*value)).max()
}

#[cfg(test)]
mod tests {
    use super::Configuration;
    use quorate_types::NodeId;

    fn ids(ids: &[u64]) -> Vec<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    #[test]
    fn a_quorum_is_a_majority_of_each_half() {
        let check = |voters: &[u64], outgoing: &[u64], yes: &[u64], expect| {
            let configuration = Configuration::new(ids(voters), ids(outgoing), Vec::new());
            assert_eq!(
                configuration.has_quorum(|id| yes.contains(&id.0)),
                expect,
                "{voters:?} {outgoing:?} {yes:?}"
            );
        };
        check(&[], &[], &[], false);
        check(&[1], &[], &[1], true);
        check(&[1, 2], &[], &[1], false);
        check(&[1, 2, 3], &[], &[1, 3], true);
        check(&[1, 2, 3, 4], &[], &[1, 3], false);
        check(&[1, 2, 3], &[3, 4, 5], &[1, 2], false);
        check(&[1, 2, 3], &[3, 4, 5], &[1, 3, 4], true);
    }

    #[test]
    fn the_agreed_value_is_the_largest_that_a_quorum_reached() {
        let check = |voters: &[u64], outgoing: &[u64], expect| {
            let configuration = Configuration::new(ids(voters), ids(outgoing), Vec::new());
            assert_eq!(configuration.agreed(|id| id.0 * 10), expect, "{voters:?} {outgoing:?}");
        };
        check(&[], &[], None);
        check(&[7], &[], Some(70));
        check(&[1, 2], &[], Some(10));
        check(&[1, 2, 3], &[], Some(20));
        check(&[1, 2, 3, 4], &[], Some(20));
        check(&[1, 2, 3, 4, 5], &[], Some(30));
        check(&[4, 5, 6], &[1, 2, 3], Some(20));
    }

    #[test]
    fn each_member_is_named_once() {
        let configuration = Configuration::new(ids(&[2, 1, 2]), ids(&[2, 3]), ids(&[4, 3]));
        assert_eq!(configuration.members().collect::<Vec<_>>(), ids(&[1, 2, 3, 4]));
        assert!(configuration.is_voter(NodeId(3)) && !configuration.is_voter(NodeId(4)));
    }
}
