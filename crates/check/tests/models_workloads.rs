//! The workloads, by examples and against naive references.

use quorate_check::generate::{Fault, Rng, Transactions, transactions};
use quorate_check::history::{Builder, Call, History, OpId, Order, Outcome, Return, Stamp, Value};
use quorate_check::level::Level;
use quorate_check::limits::Budget;
use quorate_check::txn;
use quorate_check::verdict::{Answer, Report, Verdict};
use quorate_check::workload::{self, Bank, SetFull, Workload};

/// A client's operation with when it was called and returned.
struct Told<'a>(&'a str, &'a str, Value, Value, Outcome, i64, i64);

use Outcome::{Fail, Info, Ok as Done};

fn history(ops: &[Told<'_>]) -> History {
    let mut builder = Builder::new(Order::RealTime);
    for (at, Told(process, f, input, output, outcome, from, until)) in ops.iter().enumerate() {
        let line = at as u32 + 1;
        let call = Call {
            process,
            session: None,
            node: None,
            f: (*f).into(),
            key: Value::Nil,
            input: input.clone(),
            at: Stamp::At(*from),
            line,
            time: None,
        };
        builder.call(call).expect("each process has one call at a time");
        let (outcome, output, at) = (*outcome, output.clone(), Stamp::At(*until));
        let ret = Return { outcome, output, at, line, time: None };
        builder.ret(process, ret).expect("it has called");
    }
    builder.finish().expect("no two overlap")
}

/// Operations one after the other by one client each.
fn in_turn(ops: &[(&str, Value, Value, Outcome)]) -> History {
    let processes: Vec<String> = (0..ops.len()).map(|at| at.to_string()).collect();
    let told = ops.iter().zip(&processes).enumerate().map(|(at, ((f, input, output, outcome), process))| {
        let at = at as i64 * 10;
        Told(process, f, input.clone(), output.clone(), *outcome, at, at + 5)
    });
    history(&told.collect::<Vec<_>>())
}

fn judge(kind: Workload, history: &History) -> Report {
    workload::check(kind, history, &Budget::unlimited()).expect("the workload has all operations")
}

fn answer(report: &Report) -> Answer {
    report.levels[0].1.answer()
}

fn anomalies(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.violation.anomaly).collect()
}

/// The answer and the anomalies; and each violation's operations violate the invariant alone.
fn check(kind: Workload, history: &History, expect: Answer, names: &[&str]) {
    let report = judge(kind, history);
    assert_eq!((answer(&report), &*anomalies(&report)), (expect, names), "{report:?}");
    confirm(kind, history, &report);
}

fn confirm(kind: Workload, history: &History, report: &Report) {
    for finding in &report.findings {
        let alone = judge(kind, &history.restrict(&finding.violation.ops));
        assert_eq!(answer(&alone), Answer::Violated, "{kind}: {finding:?}");
    }
    assert_eq!(
        report.findings.is_empty(),
        !matches!(report.levels[0], (Level::Invariant, Verdict::Violated(_)))
    );
}

fn int(number: i64) -> Value {
    Value::Int(number)
}

fn ints(numbers: &[i64]) -> Value {
    Value::list(numbers.iter().copied().map(int))
}

const NIL: Value = Value::Nil;

#[test]
fn ids_are_unique() {
    let given = |id| ("generate", NIL, id, Done);
    let check = |ops: &[_], expect, names: &[&str]| check(Workload::UniqueIds, &in_turn(ops), expect, names);
    check(&[given(int(1)), given(int(2))], Answer::Holds, &[]);
    check(&[given(int(1)), given(int(2)), given(int(1))], Answer::Violated, &["duplicate id"]);
    check(&[given(int(1)), ("generate", NIL, NIL, Info)], Answer::Holds, &[]);
    check(&[("generate", NIL, NIL, Fail)], Answer::Unknown, &[]);
}

#[test]
fn a_counter_stays_within_its_bounds() {
    let add = |delta, outcome| ("add", int(delta), NIL, outcome);
    let read = |value| ("read", NIL, int(value), Done);
    let check =
        |ops: &[_], expect, names: &[&str]| check(Workload::CounterBounds, &in_turn(ops), expect, names);
    check(&[add(2, Done), add(3, Info), read(2), read(5)], Answer::Holds, &[]);
    check(&[add(2, Done), add(3, Done), read(4)], Answer::Violated, &["read too low"]);
    check(&[add(2, Done), add(3, Fail), read(5)], Answer::Violated, &["read too high"]);
    check(
        &[add(-2, Done), add(5, Info), add(-1, Info), read(4), read(-3)],
        Answer::Violated,
        &["read too high"],
    );
    check(&[add(-2, Done), add(5, Info), add(-1, Info), read(3), read(-3)], Answer::Holds, &[]);
    check(&[read(1), add(1, Done)], Answer::Violated, &["read too high"]);
    check(&[add(1, Done)], Answer::Unknown, &[]);
}

#[test]
fn a_bank_keeps_its_total() {
    let balances = |pairs: &[(i64, Value)]| Value::map(pairs.iter().map(|(k, v)| (int(*k), v.clone())));
    let read = |pairs: &[(i64, Value)]| ("read", NIL, balances(pairs), Done);
    let good = || read(&[(0, int(4)), (1, int(6))]);
    let check = |ops: &[_], expect, names: &[&str]| check(Workload::Bank, &in_turn(ops), expect, names);
    check(&[good(), ("transfer", NIL, NIL, Info), read(&[(0, int(1)), (1, int(9))])], Answer::Holds, &[]);
    check(&[read(&[(0, int(1)), (1, int(10))]), good(), good()], Answer::Violated, &["wrong total"]);
    check(&[good(), read(&[(0, int(-1)), (1, int(11))])], Answer::Violated, &["negative balance"]);
    check(&[good(), read(&[(0, int(10)), (1, NIL)])], Answer::Violated, &["nil balance"]);
    check(&[("transfer", NIL, NIL, Done)], Answer::Unknown, &[]);

    let history = in_turn(&[good(), read(&[(0, int(-1)), (2, int(11))])]);
    let judge = |bank: &Bank| {
        let report = bank.check(&history, &Budget::unlimited()).expect("reads only");
        anomalies(&report)
    };
    let accounts = Some(vec![int(0), int(1)]);
    assert_eq!(judge(&Bank { accounts, ..Bank::default() }), ["unexpected account"]);
    assert_eq!(judge(&Bank { negative_balances: true, ..Bank::default() }), [""; 0]);
    assert_eq!(judge(&Bank { total: Some(9), negative_balances: true, accounts: None }), ["wrong total"; 2]);
}

#[test]
fn what_goes_into_a_queue_comes_out() {
    let put = |value, outcome| ("enqueue", int(value), NIL, outcome);
    let take = |value| ("dequeue", NIL, value, Done);
    let drain = |values: &[i64]| ("drain", NIL, ints(values), Done);
    let check = |ops: &[_], expect, names: &[&str]| check(Workload::TotalQueue, &in_turn(ops), expect, names);
    check(&[put(1, Done), put(2, Info), take(int(2)), drain(&[1])], Answer::Holds, &[]);
    check(&[put(1, Done), put(2, Done), drain(&[1])], Answer::Violated, &["lost value"]);
    check(&[put(1, Done), take(NIL)], Answer::Violated, &["lost value"]);
    check(&[put(1, Done), take(int(3))], Answer::Violated, &["unexpected value"]);
    check(&[put(1, Fail), take(int(1))], Answer::Violated, &["unexpected value"]);
    // Nobody found the queue empty, or only before.
    check(&[put(1, Done), put(2, Done), take(int(1))], Answer::Unknown, &[]);
    check(&[drain(&[]), put(1, Done), put(2, Done), take(int(1))], Answer::Unknown, &[]);
    // A dequeue in doubt may have taken one, not two.
    let doubt = || ("dequeue", NIL, NIL, Info);
    check(&[put(1, Done), doubt(), drain(&[])], Answer::Unknown, &[]);
    check(&[put(1, Done), put(2, Done), doubt(), drain(&[])], Answer::Violated, &["lost value"]);
    let twice = judge(Workload::TotalQueue, &in_turn(&[put(1, Done), take(int(1)), take(int(1))]));
    assert_eq!(answer(&twice), Answer::Holds);
    assert!(twice.facts.contains(&("duplicated".to_owned(), "1".to_owned())));
}

#[test]
fn an_element_that_was_added_stays() {
    let add = |value, outcome| ("add", int(value), NIL, outcome);
    let read = |values: &[i64]| ("read", NIL, ints(values), Done);
    let check = |ops: &[_], expect, names: &[&str]| check(Workload::SetFull, &in_turn(ops), expect, names);
    check(&[read(&[]), add(1, Done), read(&[1]), add(2, Done), read(&[2, 1])], Answer::Holds, &[]);
    check(&[add(1, Done), read(&[])], Answer::Violated, &["lost element"]);
    check(&[add(1, Info), read(&[1]), read(&[])], Answer::Violated, &["lost element"]);
    check(&[add(1, Info), read(&[])], Answer::Unknown, &[]);
    check(&[add(1, Done), read(&[1, 1])], Answer::Violated, &["duplicate element"]);
    check(&[add(1, Done), add(2, Fail), read(&[1, 2])], Answer::Violated, &["unexpected element"]);
    check(&[read(&[7])], Answer::Violated, &["unexpected element"]);
    // Missing for a while: stale, which only linearizable sets must not be.
    let stale = in_turn(&[add(1, Done), read(&[]), read(&[1])]);
    let report = judge(Workload::SetFull, &stale);
    assert_eq!(answer(&report), Answer::Holds);
    assert!(report.facts.contains(&("stale".to_owned(), "1".to_owned())), "{report:?}");
    let strict = SetFull { linearizable: true }.check(&stale, &Budget::unlimited()).expect("adds and reads");
    assert_eq!(anomalies(&strict), ["stale read"]);
    // Two reads at once: either may have been first.
    let told = [
        Told("0", "add", int(1), NIL, Done, 0, 1),
        Told("1", "read", NIL, ints(&[1]), Done, 10, 20),
        Told("2", "read", NIL, ints(&[]), Done, 12, 14),
    ];
    assert_eq!(answer(&judge(Workload::SetFull, &history(&told))), Answer::Holds);
}

fn write(key: i64) -> (&'static str, Value, Value, Outcome) {
    let mop = Value::list([Value::list([Value::Keyword("w".into()), int(key), int(1)])]);
    ("write", mop.clone(), mop, Done)
}

fn read(seen: &[(i64, Value)]) -> (&'static str, Value, Value, Outcome) {
    let mops = |told: bool| {
        Value::list(seen.iter().map(|(key, value)| {
            Value::list([Value::Keyword("r".into()), int(*key), if told { value.clone() } else { NIL }])
        }))
    };
    ("read", mops(false), mops(true), Done)
}

#[test]
fn reads_do_not_fork() {
    let check = |ops: &[_], expect, names: &[&str]| check(Workload::LongFork, &in_turn(ops), expect, names);
    let (only_x, only_y) = (read(&[(0, int(1)), (1, NIL)]), read(&[(0, NIL), (1, int(1))]));
    let both = read(&[(1, int(1)), (0, int(1))]);
    check(&[write(0), write(1), only_x.clone(), both], Answer::Holds, &[]);
    check(&[write(0), write(1), only_x.clone(), only_y], Answer::Violated, &["long fork"]);
    check(&[write(1), only_x], Answer::Violated, &["garbage read"]);
    check(&[write(0), write(0)], Answer::Unknown, &[]);

    let options = Transactions {
        fault: Some((Fault::LongFork, 1)),
        txns: 0,
        ..Transactions::new(txn::Kind::RwRegister, 1)
    };
    let report =
        judge(Workload::LongFork, &transactions(&Transactions { txns: 1, max_mops_per_txn: 1, ..options }));
    assert_eq!(anomalies(&report), ["long fork"]);
    assert_eq!(report.findings[0].violation.ops.len(), 4);
}

/// Random operations of a few clients.
fn random(rng: &mut Rng, ops: usize, draw: impl Fn(&mut Rng) -> (&'static str, Value, Value)) -> History {
    let mut ends = [0i64; 4];
    let names = ["a", "b", "c", "d"];
    let told = (0..ops).map(|_| {
        let client = rng.index(4);
        let from = ends[client] + 1 + rng.below(6) as i64;
        ends[client] = from + rng.below(12) as i64;
        let (f, input, output) = draw(rng);
        let outcome = [Done, Done, Done, Done, Info, Fail][rng.index(6)];
        Told(names[client], f, input, output, outcome, from, ends[client])
    });
    history(&told.collect::<Vec<_>>())
}

#[test]
fn counter_bounds_are_those_of_the_definition() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let history = random(&mut rng, 14, |rng| match rng.below(2) {
            0 => ("add", int(rng.below(7) as i64 - 2), NIL),
            _ => ("read", NIL, int(rng.below(12) as i64 - 3)),
        });
        let adds = || history.iter().filter(|(_, op)| &*op.f == "add" && op.outcome != Fail);
        let is_wrong = |id: OpId| {
            let read = history.op(id);
            let (mut low, mut high) = (0, 0);
            for (add, op) in adds().filter(|(_, op)| op.call < read.ret) {
                let delta = op.input.as_int().unwrap_or_default();
                let is_sure = history.precedes(add, id);
                low += if is_sure { delta } else { delta.min(0) };
                high += if is_sure { delta } else { delta.max(0) };
            }
            !(low..=high).contains(&read.output.as_int().unwrap_or_default())
        };
        let reads = history.iter().filter(|(_, op)| &*op.f == "read" && op.outcome == Done);
        let wrong: Vec<OpId> = reads.map(|(id, _)| id).filter(|id| is_wrong(*id)).collect();
        let report = judge(Workload::CounterBounds, &history);
        let found = report.findings.iter().map(|finding| {
            let is_read = |id: &&OpId| &*history.op(**id).f == "read";
            *finding.violation.ops.iter().find(is_read).expect("a read is wrong")
        });
        assert_eq!(found.collect::<Vec<_>>(), wrong, "seed {seed}");
        confirm(Workload::CounterBounds, &history, &report);
    }
}

#[test]
fn set_full_counts_what_the_definition_says() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let history = random(&mut rng, 14, |rng| match rng.below(2) {
            0 => ("add", int(rng.below(5) as i64), NIL),
            _ => ("read", NIL, Value::set((0..5).filter(|_| rng.percent(70)).map(int).collect::<Vec<_>>())),
        });
        let certain =
            |f: &'static str| history.ops.iter().filter(move |op| &*op.f == f && op.outcome == Done);
        let has = |op: &quorate_check::history::Op, value: &Value| {
            op.output.elements().is_some_and(|elements| elements.contains(value))
        };
        let (mut lost, mut stable, mut stale, mut never) = (0, 0, 0, 0);
        for value in (0..5).map(int) {
            let mut attempts = history.ops.iter().filter(|op| &*op.f == "add" && op.outcome != Fail);
            if !attempts.any(|op| op.input == value) {
                continue;
            }
            let seen: Vec<_> = certain("read").filter(|op| has(op, &value)).collect();
            let added = certain("add").filter(|op| op.input == value);
            let known = added.chain(seen.iter().copied()).map(|op| op.ret).min();
            let missing: Vec<_> = certain("read")
                .filter(|op| !has(op, &value) && known.is_some_and(|known| known < op.call))
                .collect();
            let is_lost = missing.iter().any(|miss| seen.iter().all(|there| there.ret < miss.call));
            lost += u64::from(is_lost);
            stable += u64::from(!is_lost && !seen.is_empty());
            stale += u64::from(!is_lost && !seen.is_empty() && !missing.is_empty());
            never += u64::from(!is_lost && seen.is_empty());
        }
        let report = judge(Workload::SetFull, &history);
        for (name, expect) in [("lost", lost), ("stable", stable), ("stale", stale), ("never read", never)] {
            let figure = report.facts.iter().find(|(fact, _)| fact == name).map(|(_, figure)| figure.clone());
            assert_eq!(figure, Some(expect.to_string()), "{name}, seed {seed}");
        }
        confirm(Workload::SetFull, &history, &report);
    }
}

#[test]
fn forks_are_found_as_by_comparing_all_pairs() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let mut ops = vec![write(0), write(1), write(2)];
        for _ in 0..4 {
            let mut seen = |key| (key, if rng.percent(50) { int(1) } else { NIL });
            ops.push(read(&[seen(0), seen(1), seen(2)]));
        }
        let values = |op: &(&str, Value, Value, Outcome)| {
            let mops = op.2.as_list().map(<[Value]>::to_vec).unwrap_or_default();
            let is_seen = |mop: &Value| mop.as_list().is_some_and(|mop| !mop[2].is_nil());
            mops.iter().map(is_seen).collect::<Vec<bool>>()
        };
        let reads: Vec<Vec<bool>> = ops[3..].iter().map(values).collect();
        let below = |a: &[bool], b: &[bool]| a.iter().zip(b).all(|(a, b)| a <= b);
        let forks = reads.iter().any(|a| reads.iter().any(|b| !below(a, b) && !below(b, a)));
        let history = in_turn(&ops);
        let report = judge(Workload::LongFork, &history);
        assert_eq!(answer(&report) == Answer::Violated, forks, "seed {seed}");
        confirm(Workload::LongFork, &history, &report);
    }
}

#[test]
fn queue_figures_are_those_of_multisets() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let history = random(&mut rng, 14, |rng| match rng.below(8) {
            0..4 => ("enqueue", int(rng.below(6) as i64), NIL),
            4..7 => ("dequeue", NIL, if rng.percent(90) { int(rng.below(7) as i64) } else { NIL }),
            _ => ("drain", NIL, ints(&[rng.below(6) as i64])),
        });
        let puts = |value: &Value, outcomes: &[Outcome]| {
            let of = history.ops.iter().filter(|op| &*op.f == "enqueue" && outcomes.contains(&op.outcome));
            of.filter(|op| op.input == *value).count()
        };
        let taken = |value: &Value| {
            let of = history.ops.iter().filter(|op| &*op.f != "enqueue" && op.outcome == Done);
            of.filter(|op| op.output == *value || op.output == Value::list([value.clone()])).count()
        };
        let (mut unexpected, mut duplicated, mut recovered, mut not_out) = (0, 0, 0, 0);
        for value in (0..7).map(int) {
            let (sure, tried, out) = (puts(&value, &[Done]), puts(&value, &[Done, Info]), taken(&value));
            unexpected += if tried == 0 { out } else { 0 };
            duplicated += if tried == 0 { 0 } else { out.saturating_sub(tried) };
            recovered += out.min(tried).saturating_sub(sure);
            not_out += sure.saturating_sub(out);
        }
        let report = judge(Workload::TotalQueue, &history);
        let figure = |name: &str| {
            let fact = report.facts.iter().find(|(fact, _)| fact == name);
            fact.and_then(|(_, figure)| figure.parse::<usize>().ok()).unwrap_or(usize::MAX)
        };
        let figures = [figure("unexpected"), figure("duplicated"), figure("recovered")];
        assert_eq!(figures, [unexpected, duplicated, recovered], "seed {seed}");
        assert_eq!(figure("lost") + figure("not dequeued"), not_out, "seed {seed}");
        confirm(Workload::TotalQueue, &history, &report);
    }
}

#[test]
fn a_limit_makes_the_answer_unknown() {
    let history = in_turn(&[("generate", NIL, int(1), Done), ("generate", NIL, int(1), Done)]);
    let report = workload::check(Workload::UniqueIds, &history, &Budget::of_steps(1)).expect("ids only");
    assert_eq!(answer(&report), Answer::Unknown);
    assert!(workload::check(Workload::Bank, &history, &Budget::unlimited()).is_err());
}
