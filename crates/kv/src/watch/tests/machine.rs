//! The hub on the real machine: who is told at once and who reads the history see the same.

use crate::kv::Kv;
use crate::request::{Command, DeleteRequest, KeyRange, Operation, PutRequest, Stamped, TxnRequest};
use crate::watch::{HubInput, HubOptions, StreamId, WatchHub, WatchMessage, WatchRequest, WatchSpec};
use quorate_table::MemoryTables;
use quorate_types::{Bytes, Revision, Rng, Time};

const COMMANDS: usize = 300;
const COMPACTED: Revision = Revision(40);

fn put(rng: &mut Rng) -> PutRequest {
    let value = Bytes::from(vec![b'v'; rng.below(20) as usize]);
    PutRequest { key: Bytes::from(vec![b'a' + rng.below(6) as u8]), value, ..PutRequest::default() }
}

fn delete(rng: &mut Rng) -> DeleteRequest {
    let first = b'a' + rng.below(6) as u8;
    let range = KeyRange { key: Bytes::from(vec![first]), end: Bytes::from(vec![first + 2]) };
    DeleteRequest { range, ..DeleteRequest::default() }
}

fn command(rng: &mut Rng, revision: Revision) -> Command {
    if revision > COMPACTED && rng.chance(1, 20) {
        return Command::Compact { revision: COMPACTED };
    }
    match rng.below(4) {
        0 => Command::Delete(delete(rng)),
        1 => {
            let success = vec![
                Operation::Put(PutRequest { key: Bytes::from_static(b"x"), ..put(rng) }),
                Operation::Delete(delete(rng)),
            ];
            Command::Txn(TxnRequest { success, ..TxnRequest::default() })
        }
        _ => Command::Put(put(rng)),
    }
}

/// What each of two watchers was sent.
type Told = [Vec<String>; 2];

fn step(hub: &mut WatchHub, kv: &Kv, input: HubInput<'_>, told: &mut Told) {
    let mut out = Vec::new();
    hub.step(Time::default(), &*kv.view(), input, &mut out).unwrap();
    for (_, message) in out {
        match message {
            WatchMessage::Created { .. } => {}
            WatchMessage::Events { id, events, .. } => {
                told[usize::try_from(id).unwrap()].extend(events.iter().map(|event| format!("{event:?}")));
            }
            other => panic!("nobody asked for {other:?}"),
        }
    }
}

fn watch(hub: &mut WatchHub, kv: &Kv, start_revision: i64, told: &mut Told) {
    let range = KeyRange { key: Bytes::from_static(b"b"), end: Bytes::from_static(&[0]) };
    let spec = WatchSpec { range, start_revision, prev_kv: true, ..WatchSpec::default() };
    let request = WatchRequest::Create(spec);
    step(hub, kv, HubInput::Request { stream: StreamId(1), request }, told);
}

fn run(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut kv = Kv::open(Box::new(MemoryTables::new())).unwrap();
    let mut hub =
        WatchHub::new(HubOptions { window_len_bytes: usize::MAX / 4, ..HubOptions::default() }, rng.fork());
    let mut told = Told::default();
    step(&mut hub, &kv, HubInput::Open { stream: StreamId(1) }, &mut told);
    // The first watcher parks until the compaction is behind it, and then is told everything at once.
    watch(&mut hub, &kv, COMPACTED.next().0, &mut told);
    for _ in 0..COMMANDS {
        let (index, term) = kv.applied();
        let command = command(&mut rng, kv.revision());
        // A refused command is one like any other here.
        let _ = kv.apply(index.next(), term, Some(&Stamped { cluster_time_ns: 0, command })).unwrap();
        if rng.chance(1, 3) {
            let committed = kv.commit().unwrap();
            step(&mut hub, &kv, HubInput::Applied { events: &committed.events }, &mut told);
        }
    }
    let committed = kv.commit().unwrap();
    step(&mut hub, &kv, HubInput::Applied { events: &committed.events }, &mut told);
    assert_eq!(hub.slow_watchers(), 0, "what is committed leaves nothing to be read back");
    watch(&mut hub, &kv, COMPACTED.next().0, &mut told);
    while hub.slow_watchers() > 0 {
        step(&mut hub, &kv, HubInput::Tick, &mut told);
    }
    assert!(told[0].len() > 100, "the runs miss something");
    assert_eq!(told[0], told[1], "seed {seed}");
}

#[test]
fn history_gives_what_was_told_at_once() {
    for seed in 0..20 {
        run(seed);
    }
}
