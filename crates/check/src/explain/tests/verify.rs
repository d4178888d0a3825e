//! Right certificates are confirmed, and every kind of tampering is told.

use super::{edges, fact, free, history, ids, order, register, stuck, violated};
use crate::explain::verify::{Check, Flaw, Txns, Why};
use crate::history::OpId;
use crate::level::Level;
use crate::verdict::{Refutation, Relation, Report, Sequence, Verdict, View, Witness};
use Relation::{ReadWrite, RealTime, Session, WriteRead, WriteWrite};

fn objects(text: &str, level: Level, verdict: &Verdict) -> Check {
    register(&history(text)).verdict(level, verdict, &free())
}

fn txns(text: &str, level: Level, verdict: &Verdict) -> Check {
    Txns::new(&history(text)).verdict(level, verdict, &free())
}

#[track_caller]
fn flawed(check: Check) -> Flaw {
    match check {
        Check::Flawed(flaw) => flaw,
        other => panic!("{other:?} is no flaw"),
    }
}

const REGISTER: &str = "0 1-4 w1; 1 2-3 r; 1 5-8 r1; 2 6-? w2; 0 9-10 r2; 2x 1-3! w7";

#[test]
fn a_linearization_is_replayed() {
    // By call: 0 writes 1, the failed write of 7, 1 reads nil, 1 reads 1, the write of 2 in doubt, 0 reads 2.
    let h = history(REGISTER);
    let f: Vec<_> = h.ops.iter().map(|op| op.outcome).collect();
    assert_eq!(f[1], crate::history::Outcome::Fail, "{f:?}");
    let check = |numbers: &[u32]| objects(REGISTER, Level::Linearizable, &order(numbers));
    assert_eq!(check(&[2, 0, 3, 4, 5]), Check::Confirmed);
    assert_eq!(flawed(check(&[0, 2, 3, 4, 5])), Flaw::Illegal(OpId(2)));
    assert_eq!(flawed(check(&[2, 0, 3, 4])), Flaw::Missing(OpId(5)));
    assert_eq!(flawed(check(&[2, 0, 3, 4, 5, 5])), Flaw::Twice(OpId(5)));
    assert_eq!(flawed(check(&[2, 0, 3, 5])), Flaw::Illegal(OpId(5)));
    assert_eq!(flawed(check(&[2, 1, 0, 3, 4, 5])), Flaw::Failed(OpId(1)));
    assert_eq!(flawed(check(&[2, 0, 3, 4, 5, 9])), Flaw::NoSuchOp(OpId(9)));
    let (first, second) = (OpId(3), OpId(2));
    let flaw = flawed(check(&[3, 2, 0, 4, 5]));
    assert_eq!(flaw, Flaw::OutOfOrder { first, second, relation: RealTime });
}

#[test]
fn objects_are_replayed_apart_for_linearizability_only() {
    let text = "0 1-2 x:w1; 1 3-4 y:w5; 0 5-6 x:r1; 1 7-8 y:r5";
    let sequence = |ops: &[u32]| Sequence { scope: "x".to_owned(), ops: ids(ops) };
    let apart = Verdict::Holds(Witness::Orders(vec![sequence(&[0, 2]), sequence(&[1, 3])]));
    assert_eq!(objects(text, Level::Linearizable, &apart), Check::Confirmed);
    assert_eq!(flawed(objects(text, Level::Sequential, &apart)), Flaw::Apart(OpId(1)));
    let torn = Verdict::Holds(Witness::Orders(vec![sequence(&[0]), sequence(&[2, 1, 3])]));
    assert_eq!(flawed(objects(text, Level::Linearizable, &torn)), Flaw::Apart(OpId(2)));
}

#[test]
fn a_sequential_order_keeps_sessions_and_not_time() {
    let text = "0 1-2 w1; 1 3-4 r; 1 5-6 r1";
    assert_eq!(objects(text, Level::Sequential, &order(&[1, 0, 2])), Check::Confirmed);
    let (first, second) = (OpId(2), OpId(1));
    let flaw = flawed(objects(text, Level::Sequential, &order(&[0, 2, 1])));
    assert_eq!(flaw, Flaw::OutOfOrder { first, second, relation: Session });
    let flaw = flawed(objects(text, Level::Linearizable, &order(&[1, 0, 2])));
    assert!(matches!(flaw, Flaw::OutOfOrder { relation: RealTime, .. }), "{flaw:?}");
}

const STALE: &str = "0 1-2 w1; 0 3-4 w2; 1 5-6 r1";

#[test]
fn a_small_violation_is_repeated() {
    for refutation in [Refutation::Fact, stuck(&[0, 1], "2", &[2])] {
        let verdict = violated(&[0, 1, 2], refutation);
        assert_eq!(objects(STALE, Level::Linearizable, &verdict), Check::Confirmed);
        assert_eq!(flawed(objects(STALE, Level::Sequential, &verdict)), Flaw::OrderExists);
    }
    assert_eq!(flawed(objects(STALE, Level::Linearizable, &fact(&[0, 2]))), Flaw::OrderExists);
    // The write that was read is taken in.
    assert_eq!(objects(STALE, Level::Linearizable, &fact(&[1, 2])), Check::Confirmed);
    // Without it the read violates anything, and that says nothing about the whole.
    let torn = objects("0 1-2 w1; 1 3-4 r1", Level::Linearizable, &fact(&[1]));
    assert_eq!(torn, Check::Unconfirmed(Why::NotClosed));
    let with_reads = "0 1-2 w1; 0 3-4 w2; 2 3-4 w7; 2 5-6 r7; 1 5-6 r1";
    assert_eq!(objects(with_reads, Level::Linearizable, &fact(&[0, 1, 4])), Check::Confirmed);
}

#[test]
fn what_other_operations_may_have_done_is_not_left_out() {
    // A compare-and-set in doubt may have brought 1 back.
    let text = "0 1-2 w1; 0 3-4 w2; 2 4-? c21; 1 5-6 r1";
    let verdict = fact(&[0, 1, 3]);
    assert_eq!(objects(text, Level::Linearizable, &verdict), Check::Unconfirmed(Why::NotClosed));
    assert_eq!(flawed(objects(text, Level::Linearizable, &fact(&[0, 1, 2, 3]))), Flaw::OrderExists);
}

#[test]
fn too_much_to_try_is_said() {
    let ops: Vec<String> = (1..=40).map(|at| format!("{at} 1-2 w{at}")).collect();
    let text = ops.join(";") + "; 0 3-4 r99";
    let all: Vec<u32> = (0..41).collect();
    let check = objects(&text, Level::Linearizable, &fact(&all));
    assert_eq!(check, Check::Unconfirmed(Why::TooMany));
}

#[test]
fn edges_between_operations_are_derived_again() {
    // 1 reads 2, and then its session's write of 3 is read by whoever wrote 2 before that.
    let text = "0 1-2 r3; 0 3-4 w2; 1 5-6 r2; 1 7-8 w3; 2 9-10 r2";
    let circle = [(0, 1, Session), (1, 2, WriteRead), (2, 3, Session), (3, 0, WriteRead)];
    let with = |at: usize, edge: (u32, u32, Relation)| {
        let mut circle = circle;
        circle[at] = edge;
        violated(&[0, 1, 2, 3], edges(&circle))
    };
    let right = with(0, circle[0]);
    for level in [Level::Causal, Level::Sequential, Level::Linearizable] {
        assert_eq!(objects(text, level, &right), Check::Confirmed, "{level}");
    }
    let wrong = [
        (0, (0, 1, WriteRead), Level::Causal),
        (2, (2, 3, WriteRead), Level::Sequential),
        (1, (1, 2, Session), Level::Sequential),
    ];
    for (at, edge, level) in wrong {
        let (from, to, relation) = (OpId(edge.0), OpId(edge.1), edge.2);
        assert_eq!(flawed(objects(text, level, &with(at, edge))), Flaw::NoSuchEdge { from, to, relation });
    }
    let timed = with(0, (0, 1, RealTime));
    assert_eq!(objects(text, Level::Linearizable, &timed), Check::Confirmed);
    assert_eq!(flawed(objects(text, Level::Sequential, &timed)), Flaw::Permitted(Level::Sequential));
    let reversed = violated(&[0, 1], edges(&[(0, 1, Session), (1, 0, Session)]));
    assert!(matches!(flawed(objects(text, Level::Sequential, &reversed)), Flaw::NoSuchEdge { .. }));
    let open = violated(&[0, 1, 2, 3], edges(&circle[..3]));
    assert_eq!(flawed(objects(text, Level::Sequential, &open)), Flaw::NotClosed(OpId(3)));
    let unnamed = violated(&[0, 1, 2], edges(&circle));
    assert_eq!(flawed(objects(text, Level::Sequential, &unnamed)), Flaw::NotNamed(OpId(3)));
    // PRAM lets each session have its own order, and here they do.
    assert_eq!(flawed(objects(text, Level::Pram, &right)), Flaw::OrderExists);
}

fn views(views: &[(u32, &[u32])]) -> Verdict {
    let view = |(session, order): &(u32, &[u32])| View {
        session: crate::history::SessionId(*session),
        op: None,
        order: ids(order),
    };
    Verdict::Holds(Witness::Views(views.iter().map(view).collect()))
}

#[test]
fn views_are_replayed() {
    // Two writers, and two readers that see their writes in different orders.
    let text = "0 1-2 w1; 1 1-2 w2; 2 3-4 r1; 2 5-6 r2; 3 3-4 r2; 3 5-6 r1";
    let right: [(u32, &[u32]); 4] = [(0, &[0]), (1, &[1]), (2, &[0, 2, 1, 4]), (3, &[1, 3, 0, 5])];
    let h = history(text);
    let sessions: Vec<_> = h.ops.iter().map(|op| op.session.0).collect();
    assert_eq!(sessions, [0, 1, 2, 3, 2, 3]);
    for level in [Level::Pram, Level::CausalMemory] {
        assert_eq!(objects(text, level, &views(&right)), Check::Confirmed, "{level}");
        let swapped = views(&[right[0], right[1], (2, &[1, 2, 0, 4]), right[3]]);
        assert_eq!(flawed(objects(text, level, &swapped)), Flaw::Illegal(OpId(2)));
        let short = views(&[right[0], right[1], (2, &[0, 2]), right[3]]);
        assert_eq!(flawed(objects(text, level, &short)), Flaw::Missing(OpId(4)));
        let twice = views(&[right[0], right[1], (2, &[0, 0, 2, 1, 4]), right[3]]);
        assert_eq!(flawed(objects(text, level, &twice)), Flaw::Twice(OpId(0)));
        let missing = views(&right[..3]);
        assert_eq!(flawed(objects(text, level, &missing)), Flaw::Illegal(OpId(3)));
    }
    assert_eq!(flawed(objects(text, Level::Sequential, &views(&right))), Flaw::WrongForm(Level::Sequential));
}

#[test]
fn a_view_of_causal_memory_holds_causes() {
    // 1 writes 2 after it read 1; 2 sees the 2 before the 1.
    let text = "0 1-2 w1; 1 3-4 r1; 1 5-6 w2; 2 7-8 r2; 2 9-10 r1";
    let verdict = views(&[(0, &[0]), (1, &[0, 1, 2]), (2, &[2, 3, 0, 4])]);
    assert_eq!(objects(text, Level::Pram, &verdict), Check::Confirmed);
    let flaw = flawed(objects(text, Level::CausalMemory, &verdict));
    assert!(matches!(flaw, Flaw::OutOfOrder { relation: Relation::Derived, .. }), "{flaw:?}");
    // A write that nobody's reads depend on may stand before an own write without being its cause.
    let text = "0 1-2 w1; 1 3-4 w2; 2 5-6 r2; 2 7-8 r1";
    let loose = views(&[(0, &[0]), (1, &[0, 1]), (2, &[1, 2, 0, 3])]);
    assert_eq!(objects(text, Level::CausalMemory, &loose), Check::Confirmed);
}

const LISTS: &str = "0 1-2 ax1; 0 3-4 rx=1. ax2; 1 3-5 rx=1. ay1; 1 6-7 rx=1.2 ry=1.; 2 6-? ax9";

#[test]
fn a_serial_order_is_replayed() {
    let check = |level, numbers: &[u32]| txns(LISTS, level, &order(numbers));
    for level in [Level::Serializable, Level::StrictSerializable, Level::StrongSnapshotIsolation] {
        assert_eq!(check(level, &[0, 2, 1, 3]), Check::Confirmed, "{level}");
        assert_eq!(check(level, &[0, 2, 1, 3, 4]), Check::Confirmed, "{level}");
        assert_eq!(flawed(check(level, &[0, 2, 1])), Flaw::Missing(OpId(3)));
        assert_eq!(flawed(check(level, &[0, 2, 1, 3, 3])), Flaw::Twice(OpId(3)));
        assert_eq!(flawed(check(level, &[1, 0, 2, 3])), Flaw::Illegal(OpId(1)));
    }
    assert_eq!(flawed(check(Level::Serializable, &[0, 1, 2, 3])), Flaw::Illegal(OpId(2)));
    // A snapshot may be older than the commits before it.
    assert_eq!(check(Level::SnapshotIsolation, &[0, 1, 2, 3]), Check::Confirmed);
    let late = "0 1-2 ax1; 1 3-4 rx=";
    assert_eq!(txns(late, Level::Serializable, &order(&[1, 0])), Check::Confirmed);
    let flaw = flawed(txns(late, Level::StrictSerializable, &order(&[1, 0])));
    assert_eq!(flaw, Flaw::OutOfOrder { first: OpId(1), second: OpId(0), relation: RealTime });
    assert_eq!(txns(late, Level::SnapshotIsolation, &order(&[0, 1])), Check::Confirmed);
    assert_eq!(flawed(txns(late, Level::StrongSnapshotIsolation, &order(&[0, 1]))), Flaw::Illegal(OpId(1)));
}

#[test]
fn snapshots_let_the_first_committer_win() {
    let skew = "0 1-2 wx1 wy1; 0 3-6 rx=1 wy2; 1 3-6 ry=1 wx2";
    for numbers in [[0, 1, 2], [0, 2, 1]] {
        assert_eq!(txns(skew, Level::StrongSnapshotIsolation, &order(&numbers)), Check::Confirmed);
        assert!(matches!(txns(skew, Level::Serializable, &order(&numbers)), Check::Flawed(_)));
    }
    let lost = "0 1-2 wx1; 0 3-6 rx=1 wx2; 1 3-6 rx=1 wx3";
    assert_eq!(flawed(txns(lost, Level::SnapshotIsolation, &order(&[0, 1, 2]))), Flaw::Illegal(OpId(2)));
    assert_eq!(txns(lost, Level::ReadAtomic, &order(&[0, 1, 2])), Check::Confirmed);
    let own = "0 1-2 wx1 rx=1 wx2 rx=2; 1 3-4 rx=2";
    assert_eq!(txns(own, Level::StrictSerializable, &order(&[0, 1])), Check::Confirmed);
    let torn = "0 1-2 wx1 wx2; 1 3-4 rx=1";
    for level in crate::level::TXN_LEVELS {
        assert_eq!(flawed(txns(torn, level, &order(&[0, 1]))), Flaw::Illegal(OpId(1)), "{level}");
        assert_eq!(txns(torn, level, &fact(&[0, 1])), Check::Confirmed, "{level}");
    }
}

#[test]
fn weak_levels_ask_what_was_seen() {
    // 1 sees the second transaction's y and the first one's x.
    let fractured = "0 1-2 wx1 wy1; 0 3-4 wx2 wy2; 1 5-6 rx=1 ry=2; 2 7-8 rx=2";
    let check = |text, level, numbers: &[u32]| txns(text, level, &order(numbers));
    assert_eq!(flawed(check(fractured, Level::ReadAtomic, &[0, 1, 2, 3])), Flaw::Illegal(OpId(2)));
    assert_eq!(check(fractured, Level::ReadCommitted, &[0, 1, 2, 3]), Check::Confirmed);
    let backward = "0 1-2 wx1 wy1; 0 3-4 wx2 wy2; 1 5-6 ry=2 rx=1";
    assert_eq!(flawed(check(backward, Level::ReadCommitted, &[0, 1, 2])), Flaw::Illegal(OpId(2)));
    // 2 sees an effect and not its cause.
    let cause = "0 1-2 wx1; 1 3-4 rx=1 wy1; 2 5-6 ry=1; 2 7-8 rx=";
    assert_eq!(check(cause, Level::ReadAtomic, &[0, 1, 2, 3]), Check::Confirmed);
    assert_eq!(flawed(check(cause, Level::TransactionalCausal, &[0, 1, 2, 3])), Flaw::Illegal(OpId(3)));
    assert_eq!(txns(cause, Level::TransactionalCausal, &fact(&[0, 1, 2, 3])), Check::Confirmed);
    assert_eq!(flawed(txns(cause, Level::ReadAtomic, &fact(&[0, 1, 2, 3]))), Flaw::OrderExists);
}

#[test]
fn edges_between_transactions_are_derived_again() {
    let skew = "0 1-2 ax1 ay1; 0 3-6 rx=1. ay2; 1 3-6 ry=1. ax2; 1 7-8 rx=1.2 ry=1.2";
    let circle = |list: &[(u32, u32, Relation)]| violated(&[0, 1, 2, 3], edges(list));
    let right = circle(&[(1, 2, ReadWrite), (2, 1, ReadWrite)]);
    assert_eq!(txns(skew, Level::Serializable, &right), Check::Confirmed);
    assert_eq!(flawed(txns(skew, Level::SnapshotIsolation, &right)), Flaw::OrderExists);
    let wrong = [(1, 2, WriteRead), (1, 2, Session), (1, 2, RealTime), (1, 2, WriteWrite)];
    for (from, to, relation) in wrong {
        let verdict = circle(&[(from, to, relation), (2, 1, ReadWrite)]);
        let (from, to) = (OpId(from), OpId(to));
        let flaw = flawed(txns(skew, Level::StrictSerializable, &verdict));
        assert_eq!(flaw, Flaw::NoSuchEdge { from, to, relation });
    }
    let reversed = circle(&[(0, 3, WriteRead), (3, 0, WriteRead)]);
    assert!(matches!(flawed(txns(skew, Level::Serializable, &reversed)), Flaw::NoSuchEdge { .. }));
    let timed = circle(&[(0, 1, RealTime), (1, 0, ReadWrite)]);
    assert_eq!(flawed(txns(skew, Level::Serializable, &timed)), Flaw::Permitted(Level::Serializable));
    // A transaction that contradicts itself needs no other one.
    let internal = "0 1-2 ax1; 1 3-4 rx=1. ax2 rx=1.";
    assert_eq!(txns(internal, Level::ReadCommitted, &fact(&[1])), Check::Confirmed);
    // Writes in the order of a list, and an order of sessions against it.
    let order = "0 1-2 ax1; 0 3-4 ax2; 1 5-6 rx=2.1";
    let circle = violated(&[0, 1, 2], edges(&[(1, 0, WriteWrite), (0, 1, Session)]));
    assert_eq!(txns(order, Level::StrongSessionSerializable, &circle), Check::Confirmed);
    assert_eq!(flawed(txns(order, Level::Serializable, &circle)), Flaw::Permitted(Level::Serializable));
}

#[test]
fn versions_of_registers_follow_from_who_read_and_wrote() {
    // 0 → 1 → 2 write x; 3 reads what 0 wrote and what 2 wrote to y.
    let text = "0 1-2 wx1; 1 3-4 rx=1 wx2; 2 5-6 rx=2 wx3 wy1; 3 7-8 ry=1 rx=1";
    let circle = [(3, 2, ReadWrite), (2, 3, WriteRead)];
    let right = violated(&[2, 3], edges(&circle));
    for level in [Level::Serializable, Level::SnapshotIsolation] {
        assert_eq!(txns(text, level, &right), Check::Confirmed, "{level}");
    }
    let nil = "0 1-2 wx1 wy1; 1 3-4 ry=1 rx=";
    let right = violated(&[0, 1], edges(&[(1, 0, ReadWrite), (0, 1, WriteRead)]));
    assert_eq!(txns(nil, Level::SnapshotIsolation, &right), Check::Confirmed);
    // Who appended after its own read began with what was there before, and a list that lacks what was appended later.
    let own = "0 1-3 ax1 rx=1.; 1 1-5 rx= ax2; 1 6-7 rx=1.; 2 1-2 ay1; 0 8-9 ay2; 1 8-9 ry=1.";
    let lost = violated(&[0, 1], edges(&[(0, 1, ReadWrite), (1, 0, ReadWrite)]));
    assert_eq!(txns(own, Level::Serializable, &lost), Check::Confirmed);
    let unseen = "0 1-2 ax4; 1 5-7 ax1; 1 8-12 rx=1.";
    let circle = violated(&[0, 1], edges(&[(0, 1, RealTime), (1, 0, WriteWrite)]));
    assert_eq!(txns(unseen, Level::StrictSerializable, &circle), Check::Confirmed);
    // What nothing orders is tried out.
    let loose = "0 1-2 wx1; 1 1-2 wx2; 2 3-4 rx=1; 2 5-6 rx=2; 3 3-4 rx=2; 3 5-6 rx=1";
    let guess = violated(&[0, 1, 2, 3, 4, 5], edges(&[(2, 1, ReadWrite), (1, 2, Relation::Derived)]));
    assert_eq!(txns(loose, Level::StrongSessionSerializable, &guess), Check::Confirmed);
    assert_eq!(flawed(txns(loose, Level::Serializable, &guess)), Flaw::OrderExists);
}

#[test]
fn verdicts_that_rest_on_others_are_as_good_as_those() {
    let h = history(STALE);
    let implied = |by| Verdict::Holds(Witness::Implied(by));
    let mut report = Report {
        model: "register",
        levels: vec![
            (Level::Linearizable, fact(&[0, 1, 2])),
            (Level::Sequential, order(&[0, 2, 1])),
            (Level::CausalMemory, implied(Level::Sequential)),
            (Level::Causal, implied(Level::CausalMemory)),
        ],
        findings: Vec::new(),
        facts: Vec::new(),
    };
    let all = |report: &Report| -> Vec<Check> {
        register(&h).report(report, &free()).into_iter().map(|(_, check)| check).collect()
    };
    assert_eq!(all(&report), vec![Check::Confirmed; 4]);
    report.levels[1].1 = order(&[0, 1, 2]);
    assert_eq!(all(&report)[3], Check::Flawed(Flaw::Illegal(OpId(2))));
    report.levels[2].1 = implied(Level::Linearizable);
    assert_eq!(all(&report)[2], Check::Flawed(Flaw::NoSuchVerdict(Level::Linearizable)));
    report.levels[1].1 = implied(Level::Causal);
    let (level, by) = (Level::Sequential, Level::Causal);
    assert_eq!(all(&report)[1], Check::Flawed(Flaw::NotImplied { level, by }));
}

#[test]
fn causal_levels_are_decided_anew() {
    // 1 reads 1, writes 2; 2 reads 2 and then nil.
    let text = "0 1-2 x:w1; 1 3-4 x:r1; 1 5-6 y:w2; 2 7-8 y:r2; 2 9-10 x:r";
    let all = fact(&[0, 1, 2, 3, 4]);
    let argument = Verdict::Holds(Witness::Argument("no circle"));
    for level in [Level::Causal, Level::CausalConvergence, Level::CausalMemory] {
        assert_eq!(objects(text, level, &all), Check::Confirmed, "{level}");
    }
    assert_eq!(flawed(objects(text, Level::Causal, &argument)), Flaw::Illegal(OpId(4)));
    assert_eq!(objects(text, Level::Pram, &argument), Check::Unconfirmed(Why::Argument));
    let right = "0 1-2 x:w1; 1 3-4 x:r1; 1 5-6 y:w2; 2 7-8 y:r2; 2 9-10 x:r1";
    assert_eq!(objects(right, Level::Causal, &argument), Check::Confirmed);
    let convergent = order(&[0, 1, 2, 3, 4]);
    assert_eq!(objects(right, Level::CausalConvergence, &convergent), Check::Confirmed);
    let flaw = flawed(objects(right, Level::CausalConvergence, &order(&[0, 1, 3, 2, 4])));
    assert!(matches!(flaw, Flaw::OutOfOrder { relation: Relation::Derived, .. }), "{flaw:?}");
    let missing = objects(right, Level::CausalConvergence, &order(&[0, 1, 2, 3]));
    assert_eq!(flawed(missing), Flaw::Missing(OpId(4)));
    // Two readers that see two writes in different orders.
    let apart = "0 1-2 w1; 1 1-2 w2; 2 3-4 r1; 2 5-6 r2; 3 3-4 r2; 3 5-6 r1";
    assert_eq!(objects(apart, Level::CausalConvergence, &fact(&[0, 1, 2, 3, 4, 5])), Check::Confirmed);
    assert_eq!(flawed(objects(apart, Level::Causal, &fact(&[0, 1, 2, 3, 4, 5]))), Flaw::OrderExists);
    let flaw = flawed(objects(apart, Level::CausalConvergence, &order(&[0, 1, 2, 3, 4, 5])));
    assert!(matches!(flaw, Flaw::Illegal(_)), "{flaw:?}");
}

#[test]
fn guarantees_are_replayed() {
    let text = "0 1-2 w1; 0 3-4 w2; 1 5-6 r2; 1 7-8 r1";
    let both = |order: &[u32]| views(&[(0, order), (1, order)]);
    let check = |level, order: &[u32]| objects(text, level, &both(order));
    assert_eq!(check(Level::MonotonicReads, &[1, 0]), Check::Confirmed);
    assert_eq!(flawed(check(Level::MonotonicReads, &[0, 1])), Flaw::Illegal(OpId(3)));
    assert_eq!(check(Level::MonotonicWrites, &[0, 1]), Check::Confirmed);
    let (first, second) = (OpId(1), OpId(0));
    let flaw = Flaw::OutOfOrder { first, second, relation: Session };
    assert_eq!(flawed(check(Level::MonotonicWrites, &[1, 0])), flaw);
    assert_eq!(flawed(check(Level::MonotonicReads, &[1])), Flaw::Missing(OpId(0)));
    assert_eq!(flawed(check(Level::MonotonicReads, &[1, 0, 0])), Flaw::Twice(OpId(0)));
    let one = views(&[(1, &[1, 0])]);
    assert_eq!(flawed(objects(text, Level::MonotonicReads, &one)), Flaw::Missing(OpId(0)));
    let own = "0 1-2 w1; 0 3-4 w2; 0 5-6 r1";
    let backward = views(&[(0, &[1, 0])]);
    let (first, second) = (OpId(1), OpId(0));
    let flaw = Flaw::OutOfOrder { first, second, relation: Session };
    assert_eq!(flawed(objects(own, Level::ReadYourWrites, &backward)), flaw);
    assert_eq!(objects(own, Level::ReadYourWrites, &fact(&[0, 1, 2])), Check::Confirmed);
    let right = views(&[(0, &[0, 1])]);
    assert_eq!(objects("0 1-2 w1; 0 3-4 w2; 0 5-6 r2", Level::ReadYourWrites, &right), Check::Confirmed);
    let follow = "0 1-2 x:w1; 1 3-4 x:r1; 1 5-6 x:w2";
    let wrong = views(&[(0, &[2, 0]), (1, &[2, 0])]);
    let (first, second) = (OpId(2), OpId(0));
    let flaw = Flaw::OutOfOrder { first, second, relation: WriteRead };
    assert_eq!(flawed(objects(follow, Level::WritesFollowReads, &wrong)), flaw);
    let right = views(&[(0, &[0, 2]), (1, &[0, 2])]);
    assert_eq!(objects(follow, Level::WritesFollowReads, &right), Check::Confirmed);
}
