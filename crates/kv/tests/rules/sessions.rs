//! Numbered writes: done once, answered as often as they are asked for, within bounds.

use super::*;
use proptest::prelude::*;
use quorate_kv::{
    InSession, KEPT_LEN_MAX_BYTES, SESSION_WINDOW, SESSIONS_MAX, SnapshotCursor, SnapshotWriter, verify,
};
use quorate_table::MemoryTables;
use quorate_types::SessionId;
use std::collections::BTreeSet;

fn open(kv: &mut Kv) -> SessionId {
    match apply(kv, Command::SessionOpen) {
        Ok(Outcome::SessionOpened { id }) => id,
        other => panic!("{other:?}"),
    }
}

fn numbered(session: SessionId, sequence: u64, acknowledged: u64, command: Command) -> Command {
    Command::InSession(InSession { session, sequence, acknowledged, command: Box::new(command) })
}

fn value(value: &str) -> Command {
    Command::Put(put("k", value))
}

#[test]
fn a_number_is_done_once_and_answered_as_before() {
    let mut kv = empty();
    let session = open(&mut kv);
    do_put(&mut kv, "k", "old").unwrap();
    let first = apply_at(&mut kv, 0, numbered(session, 1, 0, value("new")));
    do_put(&mut kv, "k", "newest").unwrap();
    let again = apply_at(&mut kv, 0, numbered(session, 1, 0, value("new")));
    assert_eq!(first, again, "outcome and revision");
    assert_eq!(kv.revision(), Revision(4), "nothing was done again");
    let other = open(&mut kv);
    let fresh = apply_at(&mut kv, 0, numbered(other, 1, 0, value("new")));
    assert_eq!(fresh.revision, Revision(5), "another session's number is another number");
}

#[test]
fn numbers_need_not_come_in_order() {
    let mut kv = empty();
    let session = open(&mut kv);
    for sequence in [3, 1, 2, 1, 3] {
        apply(&mut kv, numbered(session, sequence, 0, value("v"))).unwrap();
    }
    assert_eq!(kv.revision(), Revision(4));
}

#[test]
fn a_refused_write_is_tried_anew() {
    let mut kv = empty();
    let session = open(&mut kv);
    let with_lease = || numbered(session, 1, 0, Command::Put(leased("k", 7)));
    assert_eq!(apply(&mut kv, with_lease()), Err(Refusal::LeaseNotFound));
    grant(&mut kv, 7, 60).unwrap();
    apply(&mut kv, with_lease()).unwrap();
    assert_eq!(kv.revision(), Revision(2));
}

#[test]
fn a_number_that_was_acknowledged_or_is_too_far_is_refused() {
    let mut kv = empty();
    let session = open(&mut kv);
    let mut check = |sequence, acknowledged, expect: Result<(), u64>| {
        let done = apply(&mut kv, numbered(session, sequence, acknowledged, value("v")));
        let expect = expect.map_err(|acknowledged| Refusal::SessionSequence { acknowledged });
        assert_eq!(done.map(drop), expect, "{sequence} with {acknowledged}");
    };
    check(0, 0, Err(0));
    check(SESSION_WINDOW, 0, Ok(()));
    check(SESSION_WINDOW + 1, 0, Err(0));
    check(2, 1, Ok(()));
    check(1, 0, Err(1));
    check(3, 3, Err(3));
    check(3 + SESSION_WINDOW, 3, Ok(()));
    check(2, 0, Err(3));
    check(SESSION_WINDOW, 3, Ok(()));
}

#[test]
fn a_session_that_is_not_there_does_nothing() {
    let mut kv = empty();
    let nobody = numbered(SessionId(9), 1, 0, value("v"));
    assert_eq!(apply(&mut kv, nobody), Err(Refusal::SessionNotFound));
    let session = open(&mut kv);
    apply(&mut kv, numbered(session, 1, 0, value("v"))).unwrap();
    apply(&mut kv, Command::SessionClose { id: session }).unwrap();
    assert_eq!(apply(&mut kv, numbered(session, 1, 0, value("v"))), Err(Refusal::SessionNotFound));
    assert_eq!(apply(&mut kv, Command::SessionClose { id: session }), Err(Refusal::SessionNotFound));
    assert_eq!(kv.revision(), Revision(2));
}

#[test]
fn the_session_that_was_idle_longest_makes_room() {
    let mut kv = empty();
    let hour_ns = 3_600 * SECOND_NS;
    let sessions: Vec<SessionId> = (0..SESSIONS_MAX).map(|_| open(&mut kv)).collect();
    apply_at(&mut kv, hour_ns, numbered(sessions[0], 1, 0, value("v"))).outcome.unwrap();
    open(&mut kv);
    assert_eq!(apply(&mut kv, numbered(sessions[1], 1, 0, value("v"))), Err(Refusal::SessionNotFound));
    for alive in [sessions[0], sessions[2]] {
        apply(&mut kv, numbered(alive, 2, 0, value("v"))).unwrap();
    }
}

#[test]
fn answers_beyond_the_bound_are_not_kept() {
    let mut kv = empty();
    let session = open(&mut kv);
    let large = "x".repeat(KEPT_LEN_MAX_BYTES as usize / 2);
    do_put(&mut kv, "k", &large).unwrap();
    let write = |sequence, acknowledged| numbered(session, sequence, acknowledged, value(&large));
    let kept = apply(&mut kv, write(1, 0)).unwrap();
    assert!(matches!(apply(&mut kv, write(2, 0)), Ok(Outcome::Put { prev_kv: Some(_) })), "told once");
    assert_eq!(apply(&mut kv, write(2, 0)), Ok(Outcome::DoneBefore));
    assert_eq!(apply(&mut kv, write(1, 0)), Ok(kept));
    assert!(matches!(apply(&mut kv, write(3, 2)), Ok(Outcome::Put { .. })));
    assert!(matches!(apply(&mut kv, write(3, 2)), Ok(Outcome::Put { .. })), "there is room again");
}

#[test]
fn what_no_client_asks_for_is_not_for_sessions() {
    let mut kv = empty();
    let session = open(&mut kv);
    let inner = [
        Command::Tick,
        Command::SessionOpen,
        Command::SessionClose { id: session },
        numbered(session, 2, 0, value("v")),
        Command::LeaseExpire { leases: Vec::new(), term: 0 },
    ];
    for command in inner {
        assert_eq!(apply(&mut kv, numbered(session, 1, 0, command)), Err(Refusal::NotForSessions));
    }
}

fn copy(kv: &mut Kv) -> Kv {
    let view = kv.commit().unwrap().view;
    verify(&view).unwrap();
    let mut writer = SnapshotWriter::new(Box::new(MemoryTables::new()));
    let mut cursor = Some(SnapshotCursor::default());
    while let Some(at) = cursor {
        let (chunk, next) = view.snapshot_chunk(&at, 64).unwrap();
        writer.store(&chunk).unwrap();
        cursor = next;
    }
    Kv::open(writer.finish().unwrap()).unwrap()
}

proptest! {
    /// Asked for again at any later moment, of whichever replica and also after a snapshot: as if asked for once.
    #[test]
    fn repetitions_change_nothing(
        writes in prop::collection::vec((support::strategy::command(), prop::option::of(any::<prop::sample::Index>()), any::<bool>()), 1..60),
    ) {
        let (mut once, mut often) = (empty(), empty());
        let session = open(&mut once);
        prop_assert_eq!(open(&mut often), session);
        let mut asked: Vec<(Command, Result<Outcome, Refusal>)> = Vec::new();
        let mut done = BTreeSet::new();
        for (command, again, snapshot) in writes {
            let sequence = asked.len() as u64 + 1;
            let command = numbered(session, sequence, 0, command);
            let outcome = apply(&mut once, command.clone());
            prop_assert_eq!(&apply(&mut often, command.clone()), &outcome);
            if outcome.is_ok() {
                done.insert(asked.len());
            }
            asked.push((command, outcome));
            let again = again.map(|index| index.index(asked.len())).filter(|at| done.contains(at));
            if let Some((command, outcome)) = again.map(|at| &asked[at]) {
                prop_assert_eq!(&apply(&mut often, command.clone()), outcome);
            }
            if snapshot {
                often = copy(&mut often);
            }
            prop_assert_eq!(once.state_hash(), often.state_hash());
            prop_assert_eq!(once.revision(), often.revision());
        }
    }
}
