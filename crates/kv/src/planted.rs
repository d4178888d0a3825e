//! What the mistakes do that can be planted here: each breaks its promise, and without it the promise is kept.

use crate::watch::{HubInput, HubOptions, StreamId, WatchHub, WatchMessage, WatchRequest, WatchSpec};
use crate::{
    Command, InSession, KeyRange, Kv, PutRequest, RangeRequest, SnapshotCursor, SnapshotWriter, Stamped, View,
};
use quorate_table::{MemoryTables, Tables};
use quorate_types::mistake::{Mistake, plant};
use quorate_types::{Bytes, LeaseId, LogIndex, Revision, Rng, SessionId, Term, Time};

const STREAM: StreamId = StreamId(1);
const LEASE: LeaseId = LeaseId(7);

/// `run` without the mistake and with it.
fn compare<T>(mistake: Mistake, run: impl Fn() -> T) -> (T, T) {
    assert!(plant(None));
    let right = run();
    assert!(plant(Some(mistake)));
    let wrong = run();
    assert!(plant(None));
    (right, wrong)
}

fn empty() -> Kv {
    Kv::open(Box::new(MemoryTables::new())).unwrap()
}

fn apply(kv: &mut Kv, command: Command) {
    let index = kv.applied().0.next();
    kv.apply(index, Term(1), Some(&Stamped { cluster_time_ns: 0, command })).unwrap().outcome.unwrap();
}

fn put(kv: &mut Kv, key: &str, value: &str) {
    let (key, value) = (Bytes::from(key.to_owned()), Bytes::from(value.to_owned()));
    apply(kv, Command::Put(PutRequest { key, value, ..PutRequest::default() }));
}

/// Revisions 2 to 6.
fn five_values() -> Kv {
    let mut kv = empty();
    for value in ["2", "3", "4", "5", "6"] {
        put(&mut kv, "k", value);
    }
    kv
}

fn copy_of(view: &View) -> Box<dyn Tables> {
    let mut writer = SnapshotWriter::new(Box::new(MemoryTables::new()));
    let mut cursor = Some(SnapshotCursor::default());
    while let Some(at) = cursor {
        let (piece, next) = view.snapshot_chunk(&at, 1).unwrap();
        writer.store(&piece).unwrap();
        cursor = next;
    }
    writer.finish().unwrap()
}

fn value_at(view: &View, revision: i64) -> Option<Bytes> {
    let range = KeyRange::one("k");
    let request = RangeRequest { range, revision, ..RangeRequest::default() };
    view.range(&request).unwrap().kvs.pop().map(|pair| pair.value)
}

#[test]
fn an_entry_that_is_applied_again_changes_the_state_again() {
    let (_, again) = compare(Mistake::ApplyTwiceAfterRestart, || {
        let mut kv = empty();
        put(&mut kv, "k", "v");
        let once = (kv.state_hash(), kv.revision());
        if Mistake::ApplyTwiceAfterRestart.is_planted() {
            let put = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
            let command = Stamped { cluster_time_ns: 0, command: Command::Put(put) };
            kv.apply(LogIndex(1), Term(1), Some(&command)).unwrap().outcome.unwrap();
        }
        (once, (kv.state_hash(), kv.revision()))
    });
    assert_ne!(again.0, again.1);
}

#[test]
fn a_snapshot_without_leases_installs_and_hashes_as_if_it_had_them() {
    let (right, wrong) = compare(Mistake::SnapshotWithoutLeases, || {
        let mut kv = empty();
        apply(&mut kv, Command::LeaseGrant { id: LEASE, ttl_s: 5 });
        put(&mut kv, "k", "v");
        let view = kv.commit().unwrap().view;
        let copy = Kv::open(copy_of(&view)).unwrap().view();
        assert_eq!((copy.state_hash(), copy.applied()), (view.state_hash(), view.applied()));
        copy.leases()
    });
    assert_eq!((right, wrong), (vec![LEASE], vec![]));
}

#[test]
fn without_its_session_a_repeated_write_is_done_again() {
    for mistake in [Mistake::SessionForgotten, Mistake::SnapshotWithoutSessions] {
        let (right, wrong) = compare(mistake, || {
            let mut kv = empty();
            apply(&mut kv, Command::SessionOpen);
            let put = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
            let command = Box::new(Command::Put(put));
            let asked = InSession { session: SessionId(1), sequence: 1, acknowledged: 0, command };
            apply(&mut kv, Command::InSession(asked.clone()));
            let mut kv = Kv::open(copy_of(&kv.commit().unwrap().view)).unwrap();
            let again = Stamped { cluster_time_ns: 0, command: Command::InSession(asked) };
            let index = kv.applied().0.next();
            let outcome = kv.apply(index, Term(1), Some(&again)).unwrap().outcome;
            outcome.map(|_| kv.revision())
        });
        assert_eq!(right, Ok(Revision(2)));
        assert_ne!(wrong, right, "{}", mistake.name());
    }
}

#[test]
fn compacting_one_too_many_changes_the_oldest_readable_revision() {
    let (right, wrong) = compare(Mistake::CompactOneTooMany, || {
        let mut kv = five_values();
        apply(&mut kv, Command::Compact { revision: Revision(4) });
        assert!(!kv.compact_slice(100).unwrap());
        value_at(&kv.commit().unwrap().view, 4)
    });
    assert_eq!((right, wrong), (Some("4".into()), Some("5".into())));
}

#[test]
fn an_unfenced_expiry_ends_a_lease_that_was_just_renewed() {
    let (right, wrong) = compare(Mistake::LeaseExpiryUnfenced, || {
        let mut kv = empty();
        apply(&mut kv, Command::LeaseGrant { id: LEASE, ttl_s: 5 });
        let due = kv.commit().unwrap().view.due_leases(u64::MAX, 1);
        apply(&mut kv, Command::LeaseRenew { ids: vec![LEASE] });
        apply(&mut kv, Command::LeaseExpire { leases: due, term: 1 });
        kv.commit().unwrap().view.leases()
    });
    assert_eq!((right, wrong), (vec![LEASE], vec![]));
}

/// What a watcher of everything from revision 3 on is told, in words, if it asks for progress before the hub had time to read, and then two
/// more writes come.
fn told(progress: bool) -> Vec<String> {
    let mut kv = five_values();
    let mut view = kv.commit().unwrap().view;
    let mut hub = WatchHub::new(HubOptions::default(), Rng::new(1));
    let mut out = Vec::new();
    let range = KeyRange { key: "a".into(), end: "z".into() };
    let create = WatchRequest::Create(WatchSpec { range, start_revision: 3, ..WatchSpec::default() });
    hub.step(Time(1), &*view, HubInput::Open { stream: STREAM }, &mut out).unwrap();
    hub.step(Time(1), &*view, HubInput::Request { stream: STREAM, request: create }, &mut out).unwrap();
    if progress {
        let request = WatchRequest::Progress;
        hub.step(Time(1), &*view, HubInput::Request { stream: STREAM, request }, &mut out).unwrap();
    }
    hub.step(Time(2), &*view, HubInput::Tick, &mut out).unwrap();
    for value in ["7", "8"] {
        put(&mut kv, "k", value);
        let committed = kv.commit().unwrap();
        view = committed.view;
        hub.step(Time(3), &*view, HubInput::Applied { events: &committed.events }, &mut out).unwrap();
        hub.check_invariants();
    }
    let word = |message: WatchMessage| match message {
        WatchMessage::Events { events, .. } => {
            Some(events.iter().map(|event| event.kv.mod_revision.to_string()).collect::<Vec<_>>().join(" "))
        }
        WatchMessage::Progress { revision, .. } => Some(format!("progress {revision}")),
        _ => None,
    };
    out.into_iter().filter_map(|(_, message)| word(message)).collect()
}

#[test]
fn progress_is_told_before_the_events_that_it_promises() {
    let (right, wrong) = compare(Mistake::WatchProgressEarly, || told(true));
    assert_eq!(right, ["3 4 5 6", "progress 6", "7", "8"]);
    assert_eq!(wrong, ["progress 6", "3 4 5 6", "7", "8"]);
}

#[test]
fn a_watcher_that_caught_up_misses_the_next_event() {
    let (right, wrong) = compare(Mistake::WatchSkipsAtCatchUp, || told(false));
    assert_eq!(right, ["3 4 5 6", "7", "8"]);
    assert_eq!(wrong, ["3 4 5 6", "8"]);
}
