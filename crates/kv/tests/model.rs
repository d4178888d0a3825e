//! Random commands, batches, restarts and compactions, against the naive model.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

mod support;

use proptest::prelude::*;
use quorate_kv::{
    Command, Event, History, HistoryError, Kv, RangeRequest, ReadError, Stamped, View, is_read_only, verify,
};
use quorate_table::{Engine, MemoryEngine};
use quorate_types::{LogIndex, Revision, Term};
use support::model::Model;
use support::strategy;

#[derive(Clone, Debug)]
enum Step {
    /// A command, after the group's clock moved on by so many seconds; and whether a new term begins with it.
    Apply(Command, u64, bool),
    /// An entry without a command.
    Empty,
    Commit,
    Slice(usize),
    /// Drops the machine with what it did not commit, and applies those entries again.
    Crash,
    Range(RangeRequest),
    Events(i64, usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => (strategy::command(), 0u64..3, prop::bool::weighted(0.1)).prop_map(|(c, s, t)| Step::Apply(c, s, t)),
        1 => Just(Step::Empty),
        4 => Just(Step::Commit),
        2 => (1usize..6).prop_map(Step::Slice),
        2 => Just(Step::Crash),
        8 => strategy::range_request().prop_map(Step::Range),
        3 => (0i64..30, 1usize..5, 0usize..20).prop_map(|(from, n, len)| Step::Events(from, n, len)),
    ]
}

/// The machine, the model, and the entries since the last commit.
struct Pair {
    engine: MemoryEngine,
    kv: Kv,
    model: Model,
    committed: Model,
    term: u64,
    time_ns: u64,
    uncommitted: Vec<(Term, Option<Stamped>)>,
    unseen_events: usize,
}

impl Pair {
    fn new() -> Self {
        let engine = MemoryEngine::new();
        let kv = Kv::open(engine.open("kv").unwrap()).unwrap();
        Pair {
            engine,
            kv,
            model: Model::default(),
            committed: Model::default(),
            term: 0,
            time_ns: 0,
            uncommitted: Vec::new(),
            unseen_events: 0,
        }
    }

    fn apply(&mut self, command: &Command, seconds: u64, new_term: bool) {
        self.term += u64::from(new_term);
        self.time_ns += seconds * 1_000_000_000;
        let stamped = Stamped { cluster_time_ns: self.time_ns, command: command.clone() };
        let applied = self.kv.apply(self.kv.applied().0.next(), Term(self.term), Some(&stamped)).unwrap();
        let expect = self.model.apply(self.time_ns, self.term, command);
        assert_eq!(applied.outcome, expect, "{command:?}");
        assert_eq!(applied.revision.0, self.model.revision());
        self.uncommitted.push((Term(self.term), Some(stamped)));
    }

    fn commit(&mut self) {
        let committed = self.kv.commit().unwrap();
        assert_eq!(committed.events, self.model.events[self.unseen_events..]);
        self.unseen_events = self.model.events.len();
        self.committed = self.model.clone();
        self.uncommitted.clear();
        check_view(&committed.view, &self.model);
    }

    fn crash(&mut self) {
        let hash = self.kv.state_hash();
        self.kv = Kv::open(self.engine.open("kv").unwrap()).unwrap();
        check_view(&self.kv.view(), &self.committed);
        for (term, stamped) in &self.uncommitted {
            let index = self.kv.applied().0.next();
            self.kv.apply(index, *term, stamped.as_ref()).unwrap();
        }
        assert_eq!(self.kv.state_hash(), hash);
        assert_eq!(self.kv.revision().0, self.model.revision());
    }

    fn range(&self, request: &RangeRequest) {
        match (self.kv.view().range(request), self.committed.range(request)) {
            (Ok(found), expect) => assert_eq!(Ok(found), expect, "{request:?}"),
            (Err(ReadError::Refused(found)), expect) => assert_eq!(Err(found), expect, "{request:?}"),
            (Err(ReadError::Tables(error)), _) => panic!("{error}"),
        }
    }

    fn events(&self, from: i64, max_revisions: usize, max_len_bytes: usize) {
        let view = self.kv.view();
        let mut found = Vec::new();
        if from < self.committed.compacted {
            let refused = view.events(Revision(from), max_revisions, max_len_bytes, &mut found);
            assert!(
                matches!(refused, Err(HistoryError::Compacted { at }) if at.0 == self.committed.compacted)
            );
            return;
        }
        let mut next = Revision(from);
        while next <= History::revision(&*view) {
            let start = found.len();
            let after = view.events(next, max_revisions, max_len_bytes, &mut found).unwrap();
            assert!(after > next);
            check_chunk(&found[start..], next, after, max_revisions, max_len_bytes);
            next = after;
        }
        assert_eq!(found, self.committed.events_from(from));
    }
}

/// One call's events: whole revisions within the limits, where only the last revision may go over the bytes.
fn check_chunk(
    events: &[Event],
    from: Revision,
    after: Revision,
    max_revisions: usize,
    max_len_bytes: usize,
) {
    assert!(events.iter().all(|event| event.revision() >= from && event.revision() < after));
    let mut revisions: Vec<Revision> = events.iter().map(Event::revision).collect();
    revisions.dedup();
    assert!(revisions.is_sorted() && revisions.len() <= max_revisions);
    let size = |pair: &quorate_kv::KeyValue| pair.key.len() + pair.value.len();
    let before_last: usize = events
        .iter()
        .filter(|event| Some(&event.revision()) != revisions.last())
        .map(|event| size(&event.kv) + event.prev_kv.as_ref().map_or(0, size))
        .sum();
    assert!(before_last <= max_len_bytes);
}

fn check_view(view: &View, model: &Model) {
    verify(view).unwrap();
    assert_eq!(view.revision().0, model.revision());
    assert_eq!(view.compacted().0, model.compacted);
    assert_eq!(view.key_count(), model.now().len() as u64);
    assert!(view.alarms().iter().eq(model.alarms.keys()));
    let mut leases: Vec<_> =
        model.leases.iter().map(|(id, lease)| (lease.expiry_ns, *id, lease.renewal)).collect();
    leases.sort_unstable();
    assert_eq!(view.leases(), leases.iter().map(|(_, id, _)| *id).collect::<Vec<_>>());
    assert_eq!(view.next_lease_expiry(), leases.first().map(|(expiry_ns, ..)| *expiry_ns));
    let now_ns = model.cluster_time_ns;
    let due: Vec<_> =
        leases.iter().filter(|l| l.0 <= now_ns).map(|(_, id, renewal)| (*id, *renewal)).collect();
    assert_eq!(view.due_leases(now_ns, usize::MAX), due);
    for (id, lease) in &model.leases {
        let status = view.lease(*id, true, now_ns).unwrap().unwrap();
        let keys: Vec<_> =
            model.now().values().filter(|p| p.lease == Some(*id)).map(|p| p.key.clone()).collect();
        assert_eq!((status.granted_ttl_s, status.keys), (lease.ttl_s, keys));
        assert_eq!(status.remaining_ttl_s, lease.expiry_ns.saturating_sub(now_ns) as i64 / 1_000_000_000);
    }
}

proptest! {
    #[test]
    fn the_machine_matches_the_model(steps in prop::collection::vec(step(), 1..120)) {
        let mut pair = Pair::new();
        for step in &steps {
            match step {
                Step::Apply(command, seconds, new_term) => pair.apply(command, *seconds, *new_term),
                Step::Empty => {
                    let index = pair.kv.applied().0.next();
                    pair.kv.apply(index, Term(pair.term), None).unwrap();
                    pair.uncommitted.push((Term(pair.term), None));
                }
                Step::Commit => pair.commit(),
                Step::Slice(rows) => { pair.kv.compact_slice(*rows).unwrap(); }
                Step::Crash => pair.crash(),
                Step::Range(request) => pair.range(request),
                Step::Events(from, revisions, len) => pair.events(*from, *revisions, *len),
            }
        }
        while pair.kv.compact_slice(3).unwrap() {}
        pair.commit();
        prop_assert!(!pair.kv.has_garbage());
        for from in 0..=pair.model.revision() + 1 {
            pair.events(from, 3, 50);
            for request in [quorate_kv::KeyRange::prefix(b""), quorate_kv::KeyRange::prefix(b"a")] {
                pair.range(&RangeRequest { range: request, revision: from, limit: 2, ..RangeRequest::default() });
            }
        }
        prop_assert_eq!(pair.kv.applied().0, LogIndex(pair.kv.view().applied().0.0));
    }

    #[test]
    fn read_only_transactions_match_the_model(
        commands in prop::collection::vec(strategy::command(), 1..40),
        txns in prop::collection::vec(strategy::txn(), 1..20),
    ) {
        let mut pair = Pair::new();
        commands.iter().for_each(|command| pair.apply(command, 1, false));
        pair.commit();
        // What only reads passes by all alarms.
        pair.model.alarms.clear();
        for txn in txns.iter().filter(|txn| is_read_only(txn)) {
            let found = match pair.kv.view().read_txn(txn) {
                Ok(response) => Ok(quorate_kv::Outcome::Txn(response)),
                Err(ReadError::Refused(refusal)) => Err(refusal),
                Err(ReadError::Tables(error)) => panic!("{error}"),
            };
            prop_assert_eq!(found, pair.model.apply(0, 0, &Command::Txn(txn.clone())));
        }
    }
}
