//! One test for each claim about what goes beyond the log: leadership, reads, members, and bounds. Named by section of the Raft
//! paper ("raft") or the dissertation.

mod support;

use quorate_consensus::raft::{
    Body, Configuration, Effect, ForwardId, Input, Message, Proposal, ProposalId, ReadId, Rejection, Role,
};
use quorate_types::{Bytes, LogIndex, Term};
use std::time::Duration;
use support::lone::Lone;
use support::{Cluster, id};

fn answers(lone: &Lone) -> Vec<Effect> {
    let is_answer = |effect: &&Effect| {
        matches!(effect, Effect::ReadReady { .. } | Effect::ReadRejected { .. } | Effect::Rejected { .. })
    };
    lone.effects.iter().filter(is_answer).cloned().collect()
}

/// The round of the last heartbeat that asks for an answer.
fn last_round(lone: &Lone) -> Option<u64> {
    lone.sent_to(2).iter().rev().find_map(|body| match body {
        Body::Heartbeat { round, .. } => Some(*round),
        _ => None,
    })
}

/// A leader whose first entry is committed and applied.
fn settled_leader(change: impl Fn(&mut quorate_consensus::raft::Config)) -> Lone {
    let mut leader = Lone::leader_with(&[], change);
    leader.hear(2, Body::AppendAccepted { matched: LogIndex(1) });
    leader.step(Input::Applied { index: LogIndex(1) });
    leader.effects.clear();
    leader
}

#[test]
fn dissertation_9_6_a_returning_member_does_not_disturb_the_leader() {
    let mut cluster = Cluster::of_voters(3);
    cluster.elect(id(1));
    cluster.isolate(id(3));
    for _ in 0..5 {
        cluster.wait(Duration::from_millis(50));
        cluster.tick(id(1));
        cluster.deliver();
    }
    cluster.tick(id(3));
    cluster.deliver();
    cluster.cut.clear();
    cluster.tick(id(1));
    cluster.deliver();
    assert_eq!(cluster.leader(), Some(id(1)));
    assert_eq!(cluster.raft(id(3)).term(), Term(1), "it asked before it raised its term");
}

#[test]
fn dissertation_4_2_3_members_that_hear_a_leader_refuse_to_vote() {
    let mut cluster = Cluster::of_voters(3);
    cluster.elect(id(1));
    let vote = |transfer| Body::Vote { last_index: LogIndex(9), last_term: Term(9), transfer };
    let ask = |cluster: &mut Cluster, transfer| {
        let message = Message { term: Term(9), body: vote(transfer) };
        cluster.step(id(2), Input::Message { from: id(3), message });
        cluster.raft(id(2)).term()
    };
    assert_eq!(ask(&mut cluster, false), Term(1));
    assert_eq!(ask(&mut cluster, true), Term(9), "unless the leader itself wants the election");
}

#[test]
fn dissertation_6_2_a_leader_without_a_quorum_steps_down() {
    let mut cluster = Cluster::of_voters(3);
    cluster.elect(id(1));
    cluster.isolate(id(1));
    cluster.wait(Duration::from_millis(300));
    cluster.tick(id(1));
    assert_eq!(cluster.raft(id(1)).role(), Role::Follower);
    cluster.propose(id(1), "a");
    let refused = "1 refuses 1 proposals: NotLeader { leader: None }";
    assert_eq!(cluster.members[&id(1)].answers, [refused]);
}

#[test]
fn dissertation_3_10_leadership_goes_to_the_chosen_member() {
    let mut cluster = Cluster::of_voters(3);
    cluster.elect(id(1));
    cluster.propose(id(1), "a");
    cluster.step(id(1), Input::TransferLeadership { to: id(3) });
    cluster.deliver();
    assert_eq!(cluster.leader(), Some(id(3)));
    assert_eq!(cluster.commands(id(3)), ["a"]);
}

#[test]
fn dissertation_3_10_a_transfer_that_does_not_happen_is_given_up() {
    let mut leader = settled_leader(|_| ());
    leader.step(Input::TransferLeadership { to: id(3) });
    leader.propose(1);
    let ids = vec![ProposalId { origin: id(1), sequence: 1 }];
    assert_eq!(answers(&leader), [Effect::Rejected { ids, reason: Rejection::Transferring }]);
    leader.effects.clear();
    leader.hear(2, Body::HeartbeatReply { round: 0 });
    leader.now = leader.now + Duration::from_millis(299);
    leader.hear(2, Body::HeartbeatReply { round: 0 });
    leader.now = leader.now + Duration::from_millis(1);
    leader.step(Input::Tick);
    leader.propose(2);
    assert_eq!(answers(&leader), []);
}

#[test]
fn dissertation_4_2_1_a_learner_has_no_vote() {
    let configuration = Configuration::new(vec![id(1), id(2)], Vec::new(), vec![id(3)]);
    let mut cluster = Cluster::new(&configuration, |_| ());
    cluster.elect(id(1));
    assert_eq!(cluster.raft(id(3)).role(), Role::Learner);
    cluster.isolate(id(2));
    cluster.propose(id(1), "a");
    cluster.deliver();
    assert_eq!(cluster.raft(id(3)).last_index(), LogIndex(2), "it receives the log");
    assert_eq!(cluster.raft(id(1)).commit(), LogIndex(1), "and is not counted");
    cluster.wait(Duration::from_millis(400));
    cluster.tick(id(3));
    assert_eq!(cluster.raft(id(3)).role(), Role::Learner, "and does not stand");
}

#[test]
fn dissertation_4_3_both_majorities_elect_and_commit() {
    let configuration = Configuration::new(vec![id(1), id(2), id(3)], vec![id(3), id(4), id(5)], Vec::new());
    let mut cluster = Cluster::new(&configuration, |_| ());
    cluster.isolate(id(4));
    cluster.isolate(id(5));
    cluster.wait(Duration::from_millis(400));
    cluster.tick(id(1));
    cluster.deliver();
    assert_eq!(cluster.leader(), None, "three of five, but one of the outgoing three");
    cluster.cut.clear();
    cluster.elect(id(1));
}

#[test]
fn raft_8_a_new_leader_answers_no_read_before_its_first_commit() {
    let mut leader = Lone::leader(&[1]);
    leader.step(Input::Read { id: ReadId(1) });
    assert_eq!((answers(&leader), last_round(&leader)), (Vec::new(), None));
    leader.hear(2, Body::AppendAccepted { matched: LogIndex(2) });
    let round = last_round(&leader).expect("the first commit starts a round");
    leader.step(Input::Applied { index: LogIndex(2) });
    leader.hear(2, Body::HeartbeatReply { round });
    assert_eq!(answers(&leader), [Effect::ReadReady { id: ReadId(1), index: LogIndex(2) }]);
}

#[test]
fn dissertation_6_4_a_read_is_not_served_by_a_round_that_began_before_it() {
    let mut leader = settled_leader(|_| ());
    leader.step(Input::Read { id: ReadId(1) });
    let first = last_round(&leader).expect("a read starts a round");
    leader.step(Input::Read { id: ReadId(2) });
    leader.step(Input::Read { id: ReadId(3) });
    assert_eq!(last_round(&leader), Some(first), "the next round waits for this one");
    leader.hear(2, Body::HeartbeatReply { round: first });
    assert_eq!(answers(&leader), [Effect::ReadReady { id: ReadId(1), index: LogIndex(1) }]);
    let second = last_round(&leader).expect("and starts at once");
    assert!(second > first);
    leader.hear(3, Body::HeartbeatReply { round: second });
    assert_eq!(answers(&leader).len(), 3);
}

#[test]
fn dissertation_6_4_a_lone_voter_serves_reads_at_once() {
    let mut cluster = Cluster::of_voters(1);
    cluster.wait(Duration::from_millis(400));
    cluster.tick(id(1));
    cluster.read(id(1), 7);
    assert_eq!(cluster.members[&id(1)].answers, ["1 serves read 7 at 1"]);
}

#[test]
fn dissertation_6_4_a_follower_asks_again_and_gives_up_without_a_leader() {
    let mut follower = Lone::follower(&[]);
    let heartbeat = Body::Heartbeat { commit: LogIndex(0), round: 1 };
    follower.step(Input::Message { from: id(2), message: Message { term: Term(1), body: heartbeat } });
    follower.step(Input::Read { id: ReadId(1) });
    follower.now = follower.now + Duration::from_millis(50);
    follower.step(Input::Tick);
    let asked: Vec<Body> =
        follower.sent_to(2).into_iter().filter(|body| matches!(body, Body::ReadIndex { .. })).collect();
    assert!(asked.len() == 2 && asked[0] == asked[1], "the same question twice");
    for _ in 0..4 {
        follower.now = follower.now + Duration::from_millis(300);
        follower.step(Input::Tick);
    }
    let reason = Rejection::NotLeader { leader: None };
    assert_eq!(answers(&follower), [Effect::ReadRejected { id: ReadId(1), reason }]);
}

#[test]
fn dissertation_6_4_1_a_lease_serves_reads_until_it_runs_out() {
    let mut leader = settled_leader(|config| config.lease_reads = Some(50_000));
    leader.now = leader.now + Duration::from_millis(50);
    leader.step(Input::Tick);
    let round = last_round(&leader).expect("heartbeats are sent");
    leader.now = leader.now + Duration::from_millis(20);
    leader.hear(2, Body::HeartbeatReply { round });
    leader.effects.clear();
    // Counted from the moment of sending: 150 ms less twice 5 %.
    leader.now = leader.now + Duration::from_millis(114);
    leader.step(Input::Read { id: ReadId(1) });
    assert_eq!(answers(&leader).len(), 1);
    leader.now = leader.now + Duration::from_millis(1);
    leader.step(Input::Read { id: ReadId(2) });
    assert_eq!((answers(&leader).len(), last_round(&leader)), (1, Some(round + 1)));
}

#[test]
fn dissertation_6_4_1_a_transfer_ends_all_leases() {
    let mut leader = settled_leader(|config| config.lease_reads = Some(0));
    leader.now = leader.now + Duration::from_millis(50);
    leader.step(Input::Tick);
    let round = last_round(&leader).expect("heartbeats are sent");
    leader.hear(2, Body::HeartbeatReply { round });
    leader.effects.clear();
    leader.step(Input::TransferLeadership { to: id(2) });
    assert_eq!(leader.sent_to(2), [Body::TimeoutNow]);
    leader.step(Input::Read { id: ReadId(1) });
    assert_eq!(answers(&leader), []);
}

#[test]
fn dissertation_6_4_1_a_restarted_member_keeps_the_promise_it_forgot() {
    let check = |lease_reads, expect| {
        let mut member = Lone::with(&[], |config| config.lease_reads = lease_reads);
        member.now = member.now + Duration::from_millis(100);
        let body = Body::Vote { last_index: LogIndex(0), last_term: Term(0), transfer: false };
        member.step(Input::Message { from: id(2), message: Message { term: Term(1), body } });
        assert_eq!(member.raft.term(), Term(expect));
    };
    check(None, 1);
    check(Some(0), 0);
}

#[test]
fn dissertation_6_4_1_a_newer_term_does_not_release_from_the_promise() {
    let mut member = Lone::follower(&[]);
    let heartbeat = Body::Heartbeat { commit: LogIndex(0), round: 1 };
    member.step(Input::Message { from: id(2), message: Message { term: Term(1), body: heartbeat } });
    let late = Message { term: Term(2), body: Body::PreVoteReply { granted: false } };
    member.step(Input::Message { from: id(3), message: late });
    assert_eq!(member.raft.term(), Term(2));
    let body = Body::Vote { last_index: LogIndex(9), last_term: Term(2), transfer: false };
    member.step(Input::Message { from: id(3), message: Message { term: Term(3), body } });
    assert_eq!(member.raft.term(), Term(2), "the leader of term 1 may still trust its lease");
}

#[test]
fn dissertation_10_2_1_the_leader_writes_and_sends_at_once() {
    let mut leader = settled_leader(|_| ());
    leader.propose(1);
    let is_write = matches!(leader.effects.first(), Some(Effect::Append { then, .. }) if then.is_empty());
    assert!(is_write && leader.sent_to(2).len() == 1);
    leader.hear(2, Body::AppendAccepted { matched: LogIndex(2) });
    assert_eq!(leader.raft.commit(), LogIndex(1), "its own copy does not count yet");
    leader.persist();
    assert_eq!(leader.raft.commit(), LogIndex(2));
}

#[test]
fn a_leader_answers_overloaded_when_too_much_is_uncommitted() {
    let mut leader = settled_leader(|config| config.max_uncommitted_bytes = 60);
    for sequence in 1..=4 {
        leader.propose(sequence);
    }
    let refused: Vec<u64> = answers(&leader)
        .iter()
        .map(|effect| match effect {
            Effect::Rejected { ids, reason: Rejection::Overloaded } => ids[0].sequence,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(refused, [3, 4]);
    leader.hear(2, Body::AppendAccepted { matched: LogIndex(3) });
    leader.persist();
    assert_eq!(leader.raft.uncommitted_bytes(), 0);
}

#[test]
fn reads_beyond_the_bound_are_refused() {
    let mut leader = settled_leader(|config| config.max_pending_reads = 2);
    for read in 1..=3 {
        leader.step(Input::Read { id: ReadId(read) });
    }
    assert_eq!(answers(&leader), [Effect::ReadRejected { id: ReadId(3), reason: Rejection::Overloaded }]);
    leader.hear(3, Body::ReadIndex { id: ReadId(99) });
    assert!(leader.sent_to(3).contains(&Body::ReadIndexReply { id: ReadId(99), index: None }));
}

fn forward(number: u64) -> Body {
    let id = ProposalId { origin: id(2), sequence: 1 };
    let proposals = vec![Proposal { id, command: Bytes::from_static(b"x") }];
    Body::Forward { forward: ForwardId { life: 1, number }, proposals }
}

#[test]
fn a_repeated_forward_is_taken_once_and_only_in_its_term() {
    let mut leader = settled_leader(|_| ());
    leader.hear(2, forward(0));
    leader.hear(2, forward(0));
    assert_eq!(leader.raft.last_index(), LogIndex(2));
    let old = Message { term: Term(0), body: forward(1) };
    leader.step(Input::Message { from: id(2), message: old });
    assert_eq!(leader.raft.last_index(), LogIndex(2));
    assert!(!leader.sent_to(2).iter().any(|body| matches!(body, Body::ForwardRejected { .. })));
}

#[test]
fn a_member_that_may_have_led_in_this_term_says_nothing_about_a_forward() {
    let mut former = settled_leader(|_| ());
    former.now = former.now + Duration::from_millis(300);
    former.step(Input::Tick);
    assert_eq!(former.raft.role(), Role::Follower);
    former.effects.clear();
    former.hear(2, forward(0));
    assert_eq!(former.sent_to(2), []);
    let mut other = Lone::follower(&[1]);
    other.hear(2, forward(0));
    assert_eq!(other.sent_to(2).len(), 1, "one that never led can refuse");
}

#[test]
fn a_refusal_is_heeded_once() {
    let mut follower = Lone::follower(&[]);
    let heartbeat = Body::Heartbeat { commit: LogIndex(0), round: 1 };
    follower.step(Input::Message { from: id(2), message: Message { term: Term(1), body: heartbeat } });
    follower.propose(1);
    let forward = follower.sent_to(2).iter().find_map(|body| match body {
        Body::Forward { forward, .. } => Some(*forward),
        _ => None,
    });
    let forward = forward.expect("it is forwarded to the leader");
    let ids = vec![ProposalId { origin: id(1), sequence: 1 }];
    for _ in 0..2 {
        let reason = Rejection::Overloaded;
        follower.hear(2, Body::ForwardRejected { forward, ids: ids.clone(), reason });
    }
    assert_eq!(answers(&follower).len(), 1);
}

#[test]
fn a_leader_whose_disk_stalls_hands_over_and_else_steps_down() {
    let mut leader = settled_leader(|_| ());
    leader.propose(1);
    leader.hear(2, Body::AppendAccepted { matched: LogIndex(2) });
    leader.effects.clear();
    let step = |leader: &mut Lone, ms| {
        for _ in 0..ms / 50 {
            leader.now = leader.now + Duration::from_millis(50);
            leader.hear(2, Body::HeartbeatReply { round: 0 });
            leader.step(Input::Tick);
        }
    };
    step(&mut leader, 550);
    assert!(!leader.sent_to(2).contains(&Body::TimeoutNow));
    step(&mut leader, 50);
    assert!(leader.sent_to(2).contains(&Body::TimeoutNow), "600 ms without an answer from the disk");
    step(&mut leader, 250);
    assert_eq!(leader.raft.role(), Role::Leader);
    step(&mut leader, 50);
    assert_eq!(leader.raft.role(), Role::Follower, "the successor did not take over");
}

#[test]
fn a_member_whose_disk_failed_promises_nothing() {
    let mut member = Lone::follower(&[1]);
    member.step(Input::DiskFailed);
    let vote = Body::Vote { last_index: LogIndex(9), last_term: Term(9), transfer: false };
    member.step(Input::Message { from: id(2), message: Message { term: Term(9), body: vote } });
    let append = Body::Append {
        previous_index: LogIndex(1),
        previous_term: Term(1),
        entries: Vec::new(),
        commit: LogIndex(1),
    };
    member.step(Input::Message { from: id(3), message: Message { term: Term(9), body: append } });
    let heartbeat = Body::Heartbeat { commit: LogIndex(0), round: 4 };
    member.step(Input::Message { from: id(3), message: Message { term: Term(9), body: heartbeat } });
    assert_eq!(member.sent_to(2), [Body::VoteReply { granted: false }]);
    assert_eq!(member.sent_to(3), [Body::HeartbeatReply { round: 4 }]);
    assert!(!member.effects.iter().any(|effect| matches!(effect, Effect::Append { .. })));
    member.propose(1);
    member.step(Input::Read { id: ReadId(1) });
    assert_eq!(answers(&member).len(), 2, "it says that it cannot");
}
