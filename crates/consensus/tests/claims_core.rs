//! One test for each claim of the Raft paper ("Raft") and the dissertation that can be shown by a short story; named by its section.

mod support;

use quorate_consensus::raft::{
    Body, Config, Configuration, Effect, Entry, HardState, Input, LogWrite, Message, Payload, ProgressState,
    Raft, Restored, Role, SnapshotMeta,
};
use quorate_types::{Bytes, LogIndex, NodeId, Term, Time};
use std::time::Duration;
use support::lone::Lone;
use support::{Cluster, id};

fn command(text: &'static str) -> Payload {
    Payload::Command(Bytes::from_static(text.as_bytes()))
}

/// A log whose n-th entry is of the n-th term given.
fn entries(terms: &[u64]) -> Vec<Entry> {
    let entry = |(at, term): (usize, &u64)| Entry {
        term: Term(*term),
        index: LogIndex(at as u64 + 1),
        payload: command("x"),
    };
    terms.iter().enumerate().map(entry).collect()
}

/// Gives a member of `cluster` a past.
fn give_log(cluster: &mut Cluster, of: NodeId, term: u64, terms: &[u64]) {
    cluster.crash(of);
    let disk = &mut cluster.member(of).disk;
    disk.entries = entries(terms);
    disk.hard_state = HardState { term: Term(term), vote: None };
    cluster.restart(of);
}

fn log_terms(cluster: &Cluster, of: NodeId) -> Vec<u64> {
    cluster.members[&of].disk.entries.iter().map(|entry| entry.term.0).collect()
}

#[test]
fn raft_5_2_a_majority_elects_and_a_minority_does_not() {
    let mut cluster = Cluster::of_voters(5);
    for dead in [3, 4, 5] {
        cluster.crash(id(dead));
    }
    cluster.wait(Duration::from_millis(400));
    cluster.tick(id(1));
    cluster.deliver();
    assert_eq!(cluster.leader(), None);
    cluster.restart(id(3));
    cluster.elect(id(1));
}

#[test]
fn raft_5_2_a_vote_is_given_once_in_a_term_even_over_a_restart() {
    let mut cluster = Cluster::of_voters(3);
    let vote = Body::Vote { last_index: LogIndex(0), last_term: Term(0), transfer: false };
    let ask = |cluster: &mut Cluster, from| {
        cluster.step(id(1), Input::Message { from, message: Message { term: Term(5), body: vote.clone() } });
        cluster.network.pop_back().expect("a vote request is answered").2.body
    };
    assert_eq!(ask(&mut cluster, id(2)), Body::VoteReply { granted: true });
    assert_eq!(ask(&mut cluster, id(3)), Body::VoteReply { granted: false });
    cluster.crash(id(1));
    cluster.restart(id(1));
    assert_eq!(ask(&mut cluster, id(3)), Body::VoteReply { granted: false });
    assert_eq!(ask(&mut cluster, id(2)), Body::VoteReply { granted: true });
}

#[test]
fn raft_5_2_election_timeouts_differ_from_member_to_member() {
    let deadlines: Vec<Time> = (1..=20)
        .map(|seed| {
            let configuration = Configuration::of_voters(vec![id(1), id(2), id(3)]);
            let snapshot = SnapshotMeta { configuration, ..SnapshotMeta::default() };
            let raft =
                Raft::new(Config::new(id(1)), Restored { snapshot, ..Restored::default() }, Time(0), seed);
            raft.next_deadline().expect("there is always a timer")
        })
        .collect();
    let (first, last) = (deadlines.iter().min().copied(), deadlines.iter().max().copied());
    assert!(first >= Some(Time::from_millis(150)) && last <= Some(Time::from_millis(300)));
    assert!(
        last.expect("twenty").since(first.expect("twenty")) > Duration::from_millis(75),
        "they are spread out"
    );
}

#[test]
fn raft_5_3_figure_7_a_leader_repairs_every_kind_of_follower_log() {
    let leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    let followers: [&[u64]; 6] = [
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    let mut cluster = Cluster::of_voters(7);
    give_log(&mut cluster, id(1), 7, &leader);
    for (follower, terms) in (2..).zip(followers) {
        give_log(&mut cluster, id(follower), 7, terms);
    }
    cluster.elect(id(1));
    cluster.tick(id(1));
    cluster.deliver();
    for follower in 2..=7 {
        assert_eq!(
            log_terms(&cluster, id(follower)),
            [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8],
            "follower {follower}"
        );
    }
}

#[test]
fn raft_5_3_conflicts_are_skipped_a_term_at_a_time() {
    let mut cluster = Cluster::of_voters(3);
    let (mut old, mut new) = (vec![1; 1], vec![1; 1]);
    old.extend([2; 200]);
    new.extend([3; 200]);
    give_log(&mut cluster, id(1), 3, &new);
    give_log(&mut cluster, id(2), 3, &old);
    cluster.crash(id(3));
    cluster.take_trace();
    cluster.elect(id(1));
    let rejections = cluster.take_trace().lines().filter(|line| line.contains("rejected")).count();
    assert!(rejections <= 2, "{rejections} rejections for 200 conflicting entries of one term");
    assert_eq!(log_terms(&cluster, id(2)), log_terms(&cluster, id(1)));
}

#[test]
fn raft_5_3_a_late_append_does_not_shorten_the_log() {
    let mut cluster = Cluster::of_voters(3);
    cluster.elect(id(1));
    cluster.propose(id(1), "a");
    let late = cluster.network.iter().find(|(_, to, _)| *to == id(2)).cloned().expect("it was sent");
    cluster.propose(id(1), "b");
    cluster.deliver();
    cluster.step(id(2), Input::Message { from: id(1), message: late.2 });
    assert_eq!(cluster.raft(id(2)).last_index(), LogIndex(3));
}

#[test]
fn raft_5_3_a_follower_commits_only_what_the_leader_vouched_for() {
    let mut follower = Lone::follower(&[1, 1, 1, 1]);
    let append = |previous, commit| Body::Append {
        previous_index: LogIndex(previous),
        previous_term: Term(1),
        entries: Vec::new(),
        commit: LogIndex(commit),
    };
    let mut hear = |body| {
        follower.step(Input::Message { from: id(2), message: Message { term: Term(2), body } });
        follower.raft.commit()
    };
    assert_eq!(hear(append(2, 4)), LogIndex(2), "what follows may differ from the leader's log");
    assert_eq!(hear(append(4, 3)), LogIndex(3));
}

#[test]
fn raft_5_4_1_a_candidate_with_an_older_log_is_refused() {
    let check = |candidate: &[u64], voter: &[u64], expect| {
        let mut cluster = Cluster::of_voters(2);
        give_log(&mut cluster, id(1), 9, candidate);
        give_log(&mut cluster, id(2), 9, voter);
        cluster.wait(Duration::from_millis(400));
        cluster.tick(id(1));
        cluster.deliver();
        assert_eq!(cluster.leader() == Some(id(1)), expect, "candidate {candidate:?}, voter {voter:?}");
    };
    check(&[1, 2], &[1, 2], true);
    check(&[1], &[1, 2], false);
    check(&[1, 3], &[1, 2, 2, 2], true);
    check(&[1, 2, 2, 2], &[1, 3], false);
}

#[test]
fn raft_5_4_2_figure_8_an_entry_of_an_older_term_is_not_committed_by_counting() {
    let mut leader = Lone::leader(&[1, 2]);
    for follower in [2, 3] {
        leader.hear(follower, Body::AppendAccepted { matched: LogIndex(2) });
    }
    assert_eq!(
        leader.raft.commit(),
        LogIndex(0),
        "every member holds the entry of term 2, yet it is not committed"
    );
    leader.hear(2, Body::AppendAccepted { matched: LogIndex(3) });
    assert_eq!(leader.raft.commit(), LogIndex(3), "with an entry of the own term all before it is committed");
}

#[test]
fn raft_figure_2_answers_leave_only_after_the_disk() {
    let mut cluster = Cluster::of_voters(3);
    cluster.elect(id(1));
    cluster.member(id(2)).disk.is_held = true;
    cluster.isolate(id(3));
    cluster.propose(id(1), "a");
    cluster.deliver();
    assert_eq!((cluster.raft(id(2)).last_index(), cluster.raft(id(1)).commit()), (LogIndex(2), LogIndex(1)));
    // A repeated message finds the entry in memory; it must not be acknowledged either.
    cluster.tick(id(1));
    cluster.deliver();
    assert_eq!(cluster.raft(id(1)).commit(), LogIndex(1));
    cluster.persist(id(2));
    cluster.deliver();
    assert_eq!(cluster.raft(id(1)).commit(), LogIndex(2));
}

#[test]
fn raft_figure_2_a_candidate_asks_only_after_its_own_vote_is_durable() {
    let mut cluster = Cluster::of_voters(3);
    cluster.member(id(1)).disk.is_held = true;
    cluster.wait(Duration::from_millis(400));
    cluster.tick(id(1));
    cluster.deliver();
    assert_eq!(cluster.raft(id(1)).role(), Role::Candidate);
    assert_eq!(cluster.raft(id(2)).term(), Term(0), "no request has left");
    cluster.persist(id(1));
    cluster.deliver();
    assert_eq!(cluster.leader(), Some(id(1)));
}

#[test]
fn raft_figure_2_a_repeated_vote_request_waits_for_the_disk_too() {
    let mut voter = Lone::follower(&[]);
    let ask = |voter: &mut Lone| {
        let body = Body::Vote { last_index: LogIndex(0), last_term: Term(0), transfer: false };
        voter.step(Input::Message { from: id(2), message: Message { term: Term(5), body } });
        voter.sent_to(2)
    };
    assert_eq!(ask(&mut voter), []);
    assert_eq!(ask(&mut voter), []);
    voter.persist();
    assert_eq!(ask(&mut voter), [Body::VoteReply { granted: true }]);
}

#[test]
fn raft_5_1_a_leader_of_an_older_term_learns_of_the_newer_one() {
    let mut leader = Lone::leader(&[]);
    let term = leader.raft.term().next();
    leader.step(Input::Message {
        from: id(2),
        message: Message { term, body: Body::HeartbeatReply { round: 0 } },
    });
    assert_eq!((leader.raft.role(), leader.raft.term()), (Role::Follower, term));
    leader.effects.clear();
    let old = Message { term: Term(1), body: Body::Heartbeat { commit: LogIndex(0), round: 1 } };
    leader.step(Input::Message { from: id(3), message: old });
    assert_eq!(leader.sent_to(3), [Body::HeartbeatReply { round: 0 }], "and tells those of older terms");
}

#[test]
fn raft_7_a_snapshot_keeps_what_follows_an_entry_equal_to_its_last() {
    let mut follower = Lone::follower(&[1, 1, 1]);
    let meta = SnapshotMeta {
        index: LogIndex(2),
        term: Term(1),
        configuration: follower.raft.configuration().clone(),
    };
    let chunk = Body::SnapshotChunk { meta, sequence: 0, data: Bytes::new(), last: true };
    follower.step(Input::Message { from: id(2), message: Message { term: Term(1), body: chunk } });
    follower.step(Input::SnapshotStored { index: LogIndex(2), sequence: 0 });
    assert_eq!((follower.raft.last_index(), follower.raft.commit()), (LogIndex(3), LogIndex(2)));
    assert!(
        follower.sent_to(2).contains(&Body::AppendAccepted { matched: LogIndex(2) }),
        "the leader is told"
    );
}

#[test]
fn found_a_failed_disk_acknowledges_nothing_though_a_snapshot_is_installed() {
    let mut follower = Lone::follower(&[1]);
    let entry = |index| Entry { term: Term(1), index: LogIndex(index), payload: Payload::NoOp };
    let append = Body::Append {
        previous_index: LogIndex(1),
        previous_term: Term(1),
        entries: vec![entry(2), entry(3)],
        commit: LogIndex(1),
    };
    follower.hear(2, append);
    let meta = SnapshotMeta {
        index: LogIndex(2),
        term: Term(1),
        configuration: follower.raft.configuration().clone(),
    };
    follower.hear(2, Body::SnapshotChunk { meta, sequence: 0, data: Bytes::new(), last: true });
    follower.step(Input::DiskFailed);
    follower.effects.clear();
    follower.step(Input::SnapshotStored { index: LogIndex(2), sequence: 0 });
    assert_eq!(follower.raft.commit(), LogIndex(2), "the machine stands there");
    assert_eq!(follower.sent_to(2), [], "entry 3 was never on disk");
}

#[test]
fn raft_7_a_snapshot_replaces_a_log_that_differs() {
    let mut follower = Lone::follower(&[1, 1, 1]);
    let meta = SnapshotMeta {
        index: LogIndex(2),
        term: Term(2),
        configuration: follower.raft.configuration().clone(),
    };
    let chunk = Body::SnapshotChunk { meta: meta.clone(), sequence: 0, data: Bytes::new(), last: true };
    follower.step(Input::Message { from: id(2), message: Message { term: Term(3), body: chunk } });
    // While the machine is being replaced, nothing else is taken and no election is started.
    let entries = vec![Entry { term: Term(3), index: LogIndex(1), payload: Payload::NoOp }];
    let append =
        Body::Append { previous_index: LogIndex(0), previous_term: Term(0), entries, commit: LogIndex(1) };
    follower.step(Input::Message { from: id(2), message: Message { term: Term(3), body: append } });
    follower.effects.clear();
    follower.step(Input::SnapshotStored { index: LogIndex(2), sequence: 0 });
    assert_eq!((follower.raft.first_index(), follower.raft.last_index()), (LogIndex(3), LogIndex(2)));
    let write = follower.effects.iter().find_map(|effect| match effect {
        Effect::Append { log, then, .. } => Some((log.clone(), then.clone())),
        _ => None,
    });
    let (log, then) = write.expect("the log on disk is reset");
    assert_eq!(log, LogWrite { reset: Some(meta), hard_state: None, entries: Vec::new() });
    let installed = Body::SnapshotProgress { index: LogIndex(2), next: u64::MAX };
    assert_eq!(then, [(id(2), Message { term: Term(3), body: installed })], "and then the leader is told");
}

#[test]
fn a_machine_ahead_of_its_log_applies_nothing_twice() {
    // Entries may be applied before they are durable; after a crash the log on disk can be shorter, or different at the end.
    let configuration = Configuration::of_voters(vec![id(1), id(2), id(3)]);
    let snapshot = SnapshotMeta { configuration, ..SnapshotMeta::default() };
    let hard_state = HardState { term: Term(2), vote: None };
    let restored = Restored { hard_state, snapshot, entries: entries(&[1, 1]), applied: LogIndex(3) };
    let mut follower = Lone::new(restored);
    let entry = |index, term| Entry { term: Term(term), index: LogIndex(index), payload: Payload::NoOp };
    let append = Body::Append {
        previous_index: LogIndex(1),
        previous_term: Term(1),
        entries: vec![entry(2, 2), entry(3, 2), entry(4, 2)],
        commit: LogIndex(4),
    };
    follower.step(Input::Message { from: id(2), message: Message { term: Term(2), body: append } });
    let applied = follower.effects.iter().find_map(|effect| match effect {
        Effect::Apply { entries } => Some(entries.clone()),
        _ => None,
    });
    assert_eq!(applied, Some(vec![entry(4, 2)]));
    assert_eq!(
        follower.raft.term_at(LogIndex(2)),
        Some(Term(2)),
        "the log's end was wrong though its index is applied"
    );
}

#[test]
fn a_log_that_does_not_reach_the_machines_snapshot_is_reset() {
    let configuration = Configuration::of_voters(vec![id(1), id(2), id(3)]);
    let check = |terms: &[u64], expect_last, expect_reset| {
        let meta = SnapshotMeta { index: LogIndex(2), term: Term(5), configuration: configuration.clone() };
        let hard_state = HardState { term: Term(6), vote: None };
        let restored = Restored { hard_state, snapshot: meta, entries: entries(terms), applied: LogIndex(2) };
        let mut raft = Lone::new(restored);
        raft.step(Input::Tick);
        let is_reset = raft
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Append { log, .. } if log.reset.is_some()));
        assert_eq!((raft.raft.last_index(), is_reset), (LogIndex(expect_last), expect_reset), "{terms:?}");
    };
    check(&[5, 5, 6], 3, false);
    check(&[5, 5], 2, false);
    check(&[5], 2, true);
    check(&[5, 4, 4], 2, true);
}

#[test]
fn entries_are_applied_within_a_budget() {
    let mut follower = Lone::with(&[1; 40], |config| {
        config.max_apply_entries = 4;
        config.max_unapplied_bytes = 200;
    });
    let body = Body::Append {
        previous_index: LogIndex(40),
        previous_term: Term(1),
        entries: Vec::new(),
        commit: LogIndex(40),
    };
    follower.step(Input::Message { from: id(2), message: Message { term: Term(1), body } });
    let batches =
        |lone: &Lone| lone.effects.iter().filter(|effect| matches!(effect, Effect::Apply { .. })).count();
    assert_eq!(batches(&follower), 2, "25 bytes each, four at a time, until 200 are under way");
    follower.step(Input::Applied { index: LogIndex(4) });
    assert_eq!(batches(&follower), 3);
}

#[test]
fn a_leader_keeps_its_window_to_each_follower() {
    let mut leader = Lone::leader_with(&[], |config| config.max_inflight_appends = 3);
    leader.hear(2, Body::AppendAccepted { matched: LogIndex(1) });
    leader.effects.clear();
    for sequence in 0..10 {
        leader.propose(sequence);
    }
    assert_eq!(leader.sent_to(2).len(), 3);
    let state = leader.raft.progress().map(|(_, progress)| (progress.state(), progress.in_flight_appends()));
    assert_eq!(state.collect::<Vec<_>>(), [(ProgressState::Replicate, 3), (ProgressState::Probe, 0)]);
    leader.effects.clear();
    leader.hear(2, Body::AppendAccepted { matched: LogIndex(2) });
    let sizes: Vec<usize> = leader
        .sent_to(2)
        .iter()
        .map(|body| match body {
            Body::Append { entries, .. } => entries.len(),
            _ => 0,
        })
        .filter(|len| *len > 0)
        .collect();
    assert_eq!(sizes, [7], "what gathered meanwhile goes in one message");
}

/// A leader at entry 3, its log compacted, that has sent member 3 the only piece of a snapshot at 3.
fn leader_that_sent_a_snapshot() -> Lone {
    let mut leader = Lone::leader_with(&[1, 1], |config| config.max_log_tail_entries = 0);
    leader.hear(2, Body::AppendAccepted { matched: LogIndex(3) });
    leader.step(Input::Applied { index: LogIndex(3) });
    leader.step(Input::Compactable { index: LogIndex(3) });
    let (hint_index, hint_term) = (LogIndex(0), Term(0));
    leader.hear(3, Body::AppendRejected { rejected: LogIndex(2), hint_index, hint_term });
    assert!(leader.effects.contains(&Effect::ReadSnapshot { to: id(3), index: None, sequence: 0 }));
    let configuration = leader.raft.configuration().clone();
    let meta = SnapshotMeta { index: LogIndex(3), term: leader.raft.term(), configuration };
    leader.step(Input::SnapshotRead { to: id(3), meta, sequence: 0, data: Bytes::new(), last: true });
    leader.effects.clear();
    leader
}

#[test]
fn found_a_snapshot_that_the_log_has_outrun_is_followed_by_a_newer_one() {
    let mut leader = leader_that_sent_a_snapshot();
    leader.propose(1);
    leader.persist();
    leader.hear(2, Body::AppendAccepted { matched: LogIndex(4) });
    leader.step(Input::Applied { index: LogIndex(4) });
    leader.step(Input::Compactable { index: LogIndex(4) });
    leader.effects.clear();
    leader.hear(3, Body::SnapshotProgress { index: LogIndex(3), next: u64::MAX });
    assert_eq!(leader.effects, [Effect::ReadSnapshot { to: id(3), index: None, sequence: 0 }]);
}

#[test]
fn found_a_late_answer_during_a_snapshot_moves_what_comes_next() {
    let mut leader = leader_that_sent_a_snapshot();
    leader.hear(3, Body::AppendAccepted { matched: LogIndex(2) });
    let state = leader.raft.progress().map(|(_, progress)| (progress.state(), progress.next())).last();
    assert_eq!(state, Some((ProgressState::Snapshot, LogIndex(3))));
}

#[test]
fn found_entries_that_are_not_durable_are_not_compacted() {
    let mut follower = Lone::with(&[1], |config| config.max_log_tail_entries = 0);
    let entries = vec![Entry { term: Term(1), index: LogIndex(2), payload: Payload::NoOp }];
    let append =
        Body::Append { previous_index: LogIndex(1), previous_term: Term(1), entries, commit: LogIndex(2) };
    follower.hear(2, append);
    follower.step(Input::Applied { index: LogIndex(2) });
    follower.step(Input::Compactable { index: LogIndex(2) });
    assert_eq!(follower.raft.first_index(), LogIndex(2));
    follower.persist();
    follower.step(Input::Compactable { index: LogIndex(2) });
    assert_eq!(follower.raft.first_index(), LogIndex(3));
}

#[test]
fn found_the_commit_index_may_pass_a_snapshot_that_is_being_installed() {
    let mut follower = Lone::follower(&[1, 1, 1]);
    let configuration = follower.raft.configuration().clone();
    let meta = SnapshotMeta { index: LogIndex(2), term: Term(1), configuration };
    follower.hear(2, Body::SnapshotChunk { meta, sequence: 0, data: Bytes::new(), last: true });
    follower.hear(2, Body::Heartbeat { commit: LogIndex(3), round: 1 });
    assert_eq!(follower.raft.commit(), LogIndex(3));
    follower.effects.clear();
    follower.step(Input::SnapshotStored { index: LogIndex(2), sequence: 0 });
    let applied: Vec<LogIndex> = follower
        .effects
        .iter()
        .flat_map(|effect| match effect {
            Effect::Apply { entries } => entries.iter().map(|entry| entry.index).collect(),
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(applied, [LogIndex(3)], "only what the snapshot does not hold");
}
