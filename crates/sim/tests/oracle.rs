//! The oracle finds each broken promise, and finds nothing where all are kept.

use quorate_consensus::raft::{
    Body, Config, Configuration, Entry, HardState, LogWrite, Message, Payload, ProposalId, Raft, Restored,
    Role, SnapshotMeta,
};
use quorate_kv::watch::{HubInput, HubOptions, StreamId, WatchHub, WatchMessage, WatchRequest, WatchSpec};
use quorate_kv::{Applied, Command, KeyRange, Kv, Outcome, PutRequest, Stamped};
use quorate_node::declaration::DEFAULT_GROUP;
use quorate_node::envelope::Envelope;
use quorate_node::{Answer, Effect, Group, Input, Node, PeerMessage, RequestFailure};
use quorate_sim::Invariant;
use quorate_sim::oracle::Oracle;
use quorate_table::MemoryTables;
use quorate_types::{LeaseId, LogIndex, NodeId, Revision, Rng, Term, Time};

const S: u64 = 1_000_000_000;
const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

fn empty() -> Kv {
    Kv::open(Box::new(MemoryTables::new())).expect("memory")
}

/// Runs `script`, which must break just `expect`.
#[track_caller]
fn check(expect: Option<Invariant>, script: impl FnOnce(&mut Oracle)) {
    let mut oracle = Oracle::new(empty(), true, 1000);
    script(&mut oracle);
    let found = oracle.violation();
    assert_eq!(found.map(|violation| violation.invariant), expect, "{found:?}");
}

fn no_op((index, term): (u64, u64)) -> Entry {
    Entry { term: Term(term), index: LogIndex(index), payload: Payload::NoOp }
}

fn no_ops(terms: &[u64]) -> Vec<Entry> {
    (1..).zip(terms.iter().copied()).map(no_op).collect()
}

/// A node with a log of these terms, which knows `term` and has voted.
fn node_in(id: NodeId, voters: u64, terms: &[u64], (term, vote): (u64, u64)) -> Node {
    let configuration = Configuration::of_voters((1..=voters).map(NodeId).collect());
    let restored = Restored {
        hard_state: HardState { term: Term(term), vote: (vote > 0).then_some(NodeId(vote)) },
        snapshot: SnapshotMeta { configuration, ..SnapshotMeta::default() },
        entries: no_ops(terms),
        applied: LogIndex(0),
    };
    let mut node = Node::new();
    node.add(Group::new(DEFAULT_GROUP, Raft::new(Config::new(id), restored, Time(0), id.0)));
    node
}

fn node(id: NodeId, terms: &[u64]) -> Node {
    node_in(id, 3, terms, (terms.last().copied().unwrap_or_default(), 0))
}

/// Its leader, node 3, sends it entries after `previous`.
fn append(node: &mut Node, term: u64, (index, previous): (u64, u64), terms: &[u64], commit: u64) {
    let entries = (index + 1..).zip(terms.iter().copied()).map(no_op).collect();
    let (previous_index, previous_term) = (LogIndex(index), Term(previous));
    let body = Body::Append { previous_index, previous_term, entries, commit: LogIndex(commit) };
    let message = PeerMessage::Raft(Message { term: Term(term), body });
    let input = Input::Peer { from: NodeId(3), group: DEFAULT_GROUP, message };
    node.step(Time(0), input, &mut Vec::new());
}

fn start(oracle: &mut Oracle, id: NodeId, node: &Node) {
    oracle.on_started(Time(0), id, node, &empty().view());
}

fn request(index: u64, sequence: u64, command: &Command) -> Entry {
    let id = ProposalId { origin: ONE, sequence };
    let command = Stamped { cluster_time_ns: 0, command: command.clone() };
    let payload = Payload::Command(Envelope { id, command }.encode());
    Entry { term: Term(1), index: LogIndex(index), payload }
}

fn put(key: &'static str, value: &'static str) -> Command {
    Command::Put(PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() })
}

fn apply(kv: &mut Kv, entry: &Entry) -> Applied {
    let Payload::Command(bytes) = &entry.payload else { panic!("a request") };
    let envelope = Envelope::decode(bytes.clone()).expect("memory");
    let applied = kv.apply(entry.index, entry.term, Some(&envelope.command)).expect("memory");
    kv.commit().expect("memory");
    applied
}

/// Asks node 1 for a put, which then stands at position 1.
fn ask_and_apply(oracle: &mut Oracle) -> Answer {
    oracle.on_asked(Time(0), ONE, 7, (&put("k", "v"), Time(S)));
    let entry = request(1, 7, &put("k", "v"));
    oracle.on_apply(Time(0), ONE, &entry);
    let Applied { outcome, revision } = apply(&mut empty(), &entry);
    Answer { outcome, revision, term: Term(1), index: LogIndex(1) }
}

/// `node` has these entries on its disk.
fn persist(oracle: &mut Oracle, id: NodeId, hard_state: Option<HardState>, entries: Vec<Entry>) {
    oracle.on_persisted(Time(0), id, &LogWrite { reset: None, hard_state, entries });
}

#[test]
fn a_term_has_one_leader() {
    let run = |second: (NodeId, u64), restarts: bool| {
        move |oracle: &mut Oracle| {
            let node = node(ONE, &[]);
            start(oracle, ONE, &node);
            start(oracle, TWO, &node);
            oracle.on_became(Time(1), ONE, (Role::Leader, Term(1)), &node);
            if restarts {
                oracle.on_crashed(Time(2), ONE);
                start(oracle, ONE, &node);
            }
            oracle.on_became(Time(2), second.0, (Role::Leader, Term(second.1)), &node);
        }
    };
    check(None, run((TWO, 2), false));
    check(None, run((ONE, 1), false));
    check(None, run((ONE, 2), true));
    check(Some(Invariant::ElectionSafety), run((TWO, 1), false));
    check(Some(Invariant::ElectionSafety), run((ONE, 1), true));
}

#[test]
fn logs_that_share_an_entry_share_all_before_it() {
    let run = |first: &'static [u64], second: &'static [u64]| {
        move |oracle: &mut Oracle| {
            start(oracle, ONE, &node(ONE, first));
            let mut other = node(TWO, &second[..1]);
            start(oracle, TWO, &other);
            append(&mut other, 3, (1, second[0]), &second[1..], 0);
            oracle.on_stepped(Time(1), TWO, &[(TWO, &other)]);
        }
    };
    check(None, run(&[1, 1, 3], &[1, 1, 3]));
    check(None, run(&[1, 1, 2], &[1, 2, 3]));
    check(Some(Invariant::LogMatching), run(&[1, 1, 3], &[1, 2, 3]));
    let same_place = |key: &'static str| {
        move |oracle: &mut Oracle| {
            persist(oracle, ONE, None, vec![request(1, 7, &put("k", "v"))]);
            persist(oracle, TWO, None, vec![request(1, 7, &put(key, "v"))]);
        }
    };
    check(None, same_place("k"));
    check(Some(Invariant::LogMatching), same_place("other"));
}

#[test]
fn a_leader_has_what_was_committed_before_its_term() {
    let run = |log: &'static [u64], term: u64| {
        move |oracle: &mut Oracle| {
            let mut first = node(ONE, &[1, 1]);
            start(oracle, ONE, &first);
            append(&mut first, 2, (2, 1), &[], 2);
            oracle.on_stepped(Time(1), ONE, &[(ONE, &first)]);
            let leader = node(TWO, log);
            start(oracle, TWO, &leader);
            oracle.on_became(Time(2), TWO, (Role::Leader, Term(term)), &leader);
        }
    };
    check(None, run(&[1, 1], 3));
    check(None, run(&[1], 2));
    check(Some(Invariant::LeaderCompleteness), run(&[1], 3));
    check(Some(Invariant::LeaderCompleteness), run(&[1, 2], 3));
}

#[test]
fn nobody_commits_or_applies_something_else() {
    let committed = |second: &'static [u64]| {
        move |oracle: &mut Oracle| {
            for (id, log) in [(ONE, &[1, 1][..]), (TWO, second)] {
                let mut node = node(id, log);
                start(oracle, id, &node);
                append(&mut node, 2, (2, log[1]), &[], 2);
                oracle.on_stepped(Time(1), id, &[(id, &node)]);
            }
        }
    };
    check(None, committed(&[1, 1]));
    check(Some(Invariant::StateMachineSafety), committed(&[1, 2]));
    let applied = |entries: [Entry; 2]| {
        move |oracle: &mut Oracle| {
            oracle.on_apply(Time(0), ONE, &no_op((1, 1)));
            oracle.on_apply(Time(0), ONE, &no_op((2, 1)));
            start(oracle, TWO, &node(TWO, &[1, 1]));
            entries.iter().for_each(|entry| oracle.on_apply(Time(1), TWO, entry));
        }
    };
    check(None, applied([no_op((1, 1)), no_op((2, 1))]));
    check(Some(Invariant::StateMachineSafety), applied([no_op((1, 1)), no_op((2, 2))]));
    check(Some(Invariant::StateMachineSafety), applied([no_op((1, 1)), no_op((1, 1))]));
    check(Some(Invariant::StateMachineSafety), applied([no_op((2, 1)), no_op((3, 1))]));
}

#[test]
fn a_disk_gives_back_what_was_synced() {
    let run = |log: &'static [u64], hard_state: (u64, u64)| {
        move |oracle: &mut Oracle| {
            start(oracle, ONE, &node_in(ONE, 3, &[], (0, 0)));
            let synced = HardState { term: Term(2), vote: Some(TWO) };
            persist(oracle, ONE, Some(synced), no_ops(&[1, 2]));
            oracle.on_crashed(Time(1), ONE);
            start(oracle, ONE, &node_in(ONE, 3, log, hard_state));
        }
    };
    let broken = Some(Invariant::DiskDurability);
    check(None, run(&[1, 2], (2, 2)));
    check(None, run(&[1, 2, 2], (3, 0)));
    check(broken, run(&[1], (2, 2)));
    check(broken, run(&[1, 1], (2, 2)));
    check(broken, run(&[1, 2], (2, 3)));
    check(broken, run(&[1], (1, 2)));
    let mut oracle = Oracle::new(empty(), true, 0);
    start(&mut oracle, ONE, &node(ONE, &[1, 2]));
    oracle.on_harmed(Time(0), ONE);
    start(&mut oracle, ONE, &node(ONE, &[1]));
    assert!(oracle.violation().unwrap().words.contains("must refuse"));
}

#[test]
fn a_write_that_cuts_entries_off_may_survive_a_crash() {
    let run = |is_cut: bool, found: &'static [u64]| {
        move |oracle: &mut Oracle| {
            let mut node = node(ONE, &[1, 1, 1]);
            start(oracle, ONE, &node);
            if is_cut {
                append(&mut node, 2, (1, 1), &[2], 0);
            }
            oracle.on_stepped(Time(1), ONE, &[(ONE, &node)]);
            oracle.on_crashed(Time(1), ONE);
            start(oracle, ONE, &node_in(ONE, 3, found, (2, 0)));
        }
    };
    check(None, run(true, &[1, 2]));
    check(None, run(true, &[1, 1, 1]));
    check(Some(Invariant::DiskDurability), run(true, &[]));
    check(Some(Invariant::DiskDurability), run(false, &[1, 2]));
}

#[test]
fn replicas_are_equal_after_the_same_entry() {
    let run = |value: &'static str, views: &'static [usize]| {
        move |oracle: &mut Oracle| {
            let mut kv = empty();
            oracle.on_asked(Time(0), ONE, 7, (&put("k", "v"), Time(S)));
            let entry = request(1, 7, &put("k", "v"));
            start(oracle, TWO, &node(TWO, &[]));
            oracle.on_apply(Time(0), TWO, &entry);
            let before = kv.view();
            apply(&mut kv, &request(1, 7, &put("k", value)));
            let states = [before, kv.view()];
            views.iter().for_each(|at| oracle.on_published(Time(1), TWO, &states[*at]));
            oracle.on_looked(Time(2), TWO, &states[0]);
        }
    };
    check(None, run("v", &[1, 1]));
    check(Some(Invariant::ReplicaEquality), run("other", &[1]));
    check(Some(Invariant::StateMachineSafety), run("v", &[1, 0]));
    check(Some(Invariant::ReplicaEquality), |oracle| {
        let mut kv = empty();
        apply(&mut kv, &request(1, 7, &put("k", "v")));
        oracle.on_looked(Time(0), TWO, &kv.view());
    });
}

#[test]
fn a_request_is_done_once_or_not_at_all() {
    let broken = Some(Invariant::ExactlyOnce);
    check(None, |oracle| {
        ask_and_apply(oracle);
        oracle.on_failed(Time(S), 7, RequestFailure::TimedOut);
    });
    check(broken, |oracle| {
        ask_and_apply(oracle);
        oracle.on_apply(Time(1), ONE, &request(2, 7, &put("k", "v")));
    });
    check(broken, |oracle| {
        ask_and_apply(oracle);
        oracle.on_failed(Time(S), 7, RequestFailure::TimedOutUnsent);
    });
    check(broken, |oracle| {
        oracle.on_asked(Time(0), ONE, 7, (&put("k", "v"), Time(S)));
        oracle.on_failed(Time(S), 7, RequestFailure::Overloaded);
        oracle.on_apply(Time(1), ONE, &request(1, 7, &put("k", "v")));
    });
    check(broken, |oracle| oracle.on_apply(Time(1), ONE, &request(1, 7, &put("k", "v"))));
    check(broken, |oracle| {
        oracle.on_asked(Time(0), ONE, 7, (&put("k", "v"), Time(S)));
        oracle.on_apply(Time(1), ONE, &request(1, 7, &put("k", "other")));
    });
}

#[test]
fn an_answer_is_true_and_on_the_disks_of_a_quorum() {
    let run = |disks: u64, by: NodeId, change: fn(&mut Answer)| {
        move |oracle: &mut Oracle| {
            for id in (1..=3).map(NodeId) {
                start(oracle, id, &node(id, &[]));
                if id.0 <= disks {
                    persist(oracle, id, None, vec![request(1, 7, &put("k", "v"))]);
                }
            }
            let mut answer = ask_and_apply(oracle);
            change(&mut answer);
            oracle.on_answered(Time(1), by, 7, &answer);
        }
    };
    let broken = Some(Invariant::TrueAnswers);
    check(None, run(2, ONE, |_| ()));
    check(Some(Invariant::Durability), run(1, ONE, |_| ()));
    check(broken, run(2, TWO, |_| ()));
    check(broken, run(2, ONE, |answer| answer.revision = Revision(9)));
    check(broken, run(2, ONE, |answer| answer.index = LogIndex(2)));
    check(broken, run(2, ONE, |answer| answer.outcome = Ok(Outcome::Done)));
}

#[test]
fn a_read_misses_nothing() {
    let run = |asked_first: bool, sees: bool| {
        move |oracle: &mut Oracle| {
            let mut kv = empty();
            if asked_first {
                oracle.on_read_asked(Time(0), TWO, 8, Time(S));
            }
            ask_and_apply(oracle);
            if !asked_first {
                oracle.on_read_asked(Time(0), TWO, 8, Time(S));
            }
            if sees {
                apply(&mut kv, &request(1, 7, &put("k", "v")));
            }
            oracle.on_read(Time(1), 8, &kv.view());
        }
    };
    check(None, run(false, true));
    check(None, run(true, false));
    check(Some(Invariant::FreshReads), run(false, false));
}

#[test]
fn a_lease_lives_its_time() {
    let id = LeaseId(5);
    let run = |renewed_at: u64, ends_at: u64| {
        move |oracle: &mut Oracle| {
            let renew = Command::LeaseRenew { ids: vec![id] };
            oracle.on_asked(Time(0), ONE, 1, (&Command::LeaseGrant { id, ttl_s: 10 }, Time(S)));
            oracle.on_apply(Time(1), ONE, &request(1, 1, &Command::LeaseGrant { id, ttl_s: 10 }));
            oracle.on_asked(Time(renewed_at), ONE, 2, (&renew, Time(renewed_at + S)));
            oracle.on_apply(Time(renewed_at + S), ONE, &request(2, 2, &renew));
            let expire = Command::LeaseExpire { leases: vec![(id, 1)], term: 1 };
            oracle.on_apply(Time(ends_at), ONE, &request(3, 0, &expire));
        }
    };
    check(None, run(4 * S, 14 * S));
    // Clocks may differ by a thousandth.
    check(None, run(4 * S, 14 * S - S / 100));
    check(Some(Invariant::Leases), run(4 * S, 13 * S));
    check(Some(Invariant::Leases), run(4 * S, 10 * S));
}

/// A watcher at node 1 of keys that begin with `a`, and what it is told of four puts and a compaction.
fn watch(oracle: &mut Oracle) -> Vec<WatchMessage> {
    let spec = WatchSpec { range: KeyRange::prefix(b"a"), prev_kv: true, ..WatchSpec::default() };
    let (mut kv, stream, mut out) = (empty(), StreamId(1), Vec::new());
    let mut hub = WatchHub::new(HubOptions::default(), Rng::new(1));
    hub.step(Time(0), &*kv.view(), HubInput::Open { stream }, &mut out).expect("memory");
    for request in [WatchRequest::Create(spec), WatchRequest::Progress] {
        oracle.on_watch_asked(Time(0), ONE, 4, &request);
        hub.step(Time(0), &*kv.view(), HubInput::Request { stream, request }, &mut out).expect("memory");
    }
    for (index, key) in (1..).zip(["a", "b", "ab", "a"]) {
        oracle.on_asked(Time(0), ONE, index, (&put(key, "v"), Time(S)));
        let entry = request(index, index, &put(key, "v"));
        oracle.on_apply(Time(0), ONE, &entry);
        let Payload::Command(bytes) = entry.payload else { panic!("a request") };
        let envelope = Envelope::decode(bytes).expect("memory");
        kv.apply(entry.index, entry.term, Some(&envelope.command)).expect("memory");
        let events = kv.commit().expect("memory").events;
        hub.step(Time(0), &*kv.view(), HubInput::Applied { events: &events }, &mut out).expect("memory");
    }
    out.into_iter().map(|(_, message)| message).collect()
}

#[test]
fn a_watcher_gets_everything_once_and_in_order() {
    // Created, progress 1, revisions 2, 4 and 5.
    let run = |order: &'static [usize], extra: Option<WatchMessage>| {
        move |oracle: &mut Oracle| {
            let messages = watch(oracle);
            assert_eq!(messages.len(), 5, "{messages:?}");
            order.iter().for_each(|at| oracle.on_watch_told(Time(1), 4, &messages[*at]));
            extra.iter().for_each(|message| oracle.on_watch_told(Time(1), 4, message));
        }
    };
    let progress = |revision| Some(WatchMessage::Progress { id: None, revision: Revision(revision) });
    let compacted = WatchMessage::Compacted { id: 0, compact_revision: Revision(5) };
    let broken = Some(Invariant::Watches);
    check(None, run(&[0, 1, 2, 3, 4], None));
    check(None, run(&[0, 2, 3], progress(4)));
    check(broken, run(&[0, 1, 3], None));
    check(broken, run(&[0, 1, 2, 2], None));
    check(broken, run(&[0, 1, 3, 2], None));
    check(broken, run(&[0, 2, 3], progress(5)));
    check(broken, run(&[0, 1, 2, 3, 4], progress(5)));
    check(broken, run(&[0, 0], None));
    check(broken, run(&[0, 1, 2], Some(compacted)));
    check(broken, run(&[0], Some(WatchMessage::Canceled { id: 0, revision: Revision(1) })));
    check(None, |oracle| {
        let messages = watch(oracle);
        oracle.on_crashed(Time(1), ONE);
        oracle.on_watch_told(Time(1), 4, &messages[4]);
    });
}

#[test]
fn a_request_ends_while_its_node_runs() {
    let run = |ends: bool, steps_at: &'static [u64]| {
        move |oracle: &mut Oracle| {
            let node = node(ONE, &[]);
            start(oracle, ONE, &node);
            oracle.on_read_asked(Time(0), ONE, 7, Time(2 * S));
            if ends {
                oracle.on_failed(Time(S), 7, RequestFailure::TimedOutUnsent);
            }
            steps_at.iter().for_each(|at| oracle.on_stepped(Time(at * S / 2), ONE, &[(ONE, &node)]));
        }
    };
    check(None, run(true, &[0, 1, 2, 3, 4, 5, 6]));
    check(None, run(false, &[0, 1, 2, 3, 4]));
    check(None, run(false, &[0, 1, 20, 21, 22]));
    check(Some(Invariant::Liveness), run(false, &[0, 1, 2, 3, 4, 5]));
    check(Some(Invariant::Liveness), run(false, &[0, 1, 20, 21, 22, 23]));
}

/// A group of one node that was elected at 1 s, and the positions that it applied, shown to the oracle.
fn lead(oracle: &mut Oracle) -> (Node, Kv) {
    let (mut node, mut kv, mut inputs) = (node_in(ONE, 1, &[], (0, 0)), empty(), vec![Input::Tick]);
    start(oracle, ONE, &node);
    while let Some(input) = inputs.pop() {
        let mut out = Vec::new();
        node.step(Time(S), input, &mut out);
        for effect in out {
            match effect {
                Effect::Append { group, write, log, .. } => {
                    oracle.on_persisted(Time(S), ONE, &log);
                    inputs.push(Input::Persisted { group, write });
                }
                Effect::Became { role, term, .. } => oracle.on_became(Time(S), ONE, (role, term), &node),
                Effect::Apply { group, entries } => {
                    let last = entries.last().map(|entry| (entry.index, entry.term)).expect("entries");
                    for entry in &entries {
                        oracle.on_apply(Time(S), ONE, entry);
                        kv.apply(entry.index, entry.term, None).expect("memory");
                    }
                    let (index, term) = last;
                    let applied = Input::Applied { group, index, term, answered: vec![], clock_offset_ns: 0 };
                    inputs.push(applied);
                    oracle.on_published(Time(S), ONE, &kv.commit().expect("memory").view);
                }
                _ => {}
            }
        }
        oracle.on_stepped(Time(S), ONE, &[(ONE, &node)]);
    }
    (node, kv)
}

#[test]
fn in_the_end_a_healed_core_leads_stands_together_and_owes_nothing() {
    let run = |change: fn(&mut Oracle, &mut Kv), at: u64| {
        move |oracle: &mut Oracle| {
            let (node, mut kv) = lead(oracle);
            change(oracle, &mut kv);
            oracle.on_end(Time(at), Time(S), &[(ONE, &node, &kv.view())]);
        }
    };
    let broken = Some(Invariant::Liveness);
    check(None, run(|_, _| (), 9 * S));
    check(broken, |oracle| oracle.on_end(Time(S), Time(0), &[(ONE, &node(ONE, &[]), &empty().view())]));
    // Nobody answers.
    check(broken, run(|oracle, _| oracle.on_read_asked(Time(S), ONE, 8, Time(2 * S)), 9 * S));
    // The tables lag behind, or differ.
    let another = |oracle: &mut Oracle, _: &mut Kv| oracle.on_apply(Time(S), ONE, &no_op((2, 1)));
    check(None, run(another, S + S / 2));
    check(broken, run(another, 9 * S));
    // A watcher waits for its first word.
    let create = |oracle: &mut Oracle, _: &mut Kv| {
        oracle.on_watch_asked(Time(S), ONE, 4, &WatchRequest::Create(WatchSpec::default()));
    };
    check(Some(Invariant::Watches), run(create, 9 * S));
    // A lease should have ended.
    let grant = |oracle: &mut Oracle, kv: &mut Kv| {
        let grant = Command::LeaseGrant { id: LeaseId(5), ttl_s: 10 };
        oracle.on_asked(Time(S), ONE, 1, (&grant, Time(2 * S)));
        oracle.on_failed(Time(2 * S), 1, RequestFailure::TimedOut);
        oracle.on_apply(Time(2 * S), ONE, &request(2, 1, &grant));
        apply(kv, &request(2, 1, &grant));
    };
    check(None, run(grant, 12 * S));
    check(Some(Invariant::Leases), run(grant, 20 * S));
}

#[test]
fn in_the_end_what_clients_were_told_is_in_a_log() {
    check(Some(Invariant::Durability), |oracle| {
        start(oracle, ONE, &node_in(ONE, 1, &[], (0, 0)));
        persist(oracle, ONE, None, vec![request(1, 7, &put("k", "v"))]);
        let answer = ask_and_apply(oracle);
        oracle.on_answered(Time(1), ONE, 7, &answer);
        oracle.on_crashed(Time(2), ONE);
        oracle.on_end(Time(3), Time(2), &[(ONE, &node_in(ONE, 1, &[], (0, 0)), &empty().view())]);
    });
}

#[test]
fn the_first_broken_promise_is_kept() {
    let mut oracle = Oracle::new(empty(), true, 0);
    let node = node(ONE, &[]);
    oracle.on_became(Time(1), ONE, (Role::Leader, Term(1)), &node);
    oracle.on_became(Time(2), TWO, (Role::Leader, Term(1)), &node);
    oracle.on_apply(Time(3), ONE, &request(1, 7, &put("k", "v")));
    let found = oracle.violation().unwrap();
    assert_eq!((found.invariant, found.at), (Invariant::ElectionSafety, Time(2)));
    assert_eq!(found.words, "Nodes 1 and 2 both lead in term 1.");
}
