//! Whole judgements of generated histories: right ones hold, every proof is confirmed or at least not refuted, planted faults are
//! found, and names and the order of telling change nothing.
//!
//! A failing test prints the seed; `JUDGE_SEED=n cargo test -p quorate-check --test judge` runs it alone.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

use quorate_check::explain::{self, verify::Check};
use quorate_check::generate::{self, Fault, Objects, Rng, Transactions};
use quorate_check::history::{History, OpId, Value};
use quorate_check::judge::{self, Settings, Unlimited};
use quorate_check::level::Level;
use quorate_check::limits::{Budget, Exhausted, InTurn, Limits};
use quorate_check::model::Kind;
use quorate_check::subject::Subject;
use quorate_check::txn;
use quorate_check::verdict::{Answer, Cause, Report, Verdict};

fn seeds(count: u64) -> std::ops::Range<u64> {
    match std::env::var("JUDGE_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("JUDGE_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..count,
    }
}

fn judge(history: &History, subject: Subject) -> Report {
    let settings = Settings { level: None, allowance: &Unlimited, runner: &InTurn };
    judge::judge(history, subject, settings).unwrap()
}

fn answers(report: &Report) -> Vec<(Level, Answer)> {
    report.levels.iter().map(|(level, verdict)| (*level, verdict.answer())).collect()
}

/// No proof is wrong, and no explanation fails.
fn confirm(history: &History, subject: Subject, report: &Report, seed: u64) {
    for (level, check) in judge::confirm(history, subject, report, &Unlimited).unwrap() {
        if let Check::Flawed(flaw) = check {
            panic!("seed {seed}, {level}: {flaw}: {report:#?}\n{history:#?}");
        }
    }
    for (_, verdict) in &report.levels {
        if let Verdict::Violated(violation) = verdict {
            assert!(explain::text(history, violation).contains(violation.anomaly), "seed {seed}");
        }
    }
}

const KINDS: [Kind; 9] = [
    Kind::Register,
    Kind::MultiRegister,
    Kind::Kv,
    Kind::Counter,
    Kind::Set,
    Kind::Queue,
    Kind::Stack,
    Kind::PriorityQueue,
    Kind::Mutex,
];

#[test]
fn right_histories_of_every_model_are_linearizable() {
    for kind in KINDS {
        for seed in seeds(30) {
            let options =
                Objects { ops: 40, info_permille: 50, fail_permille: 50, ..Objects::new(kind, seed) };
            let history = generate::objects(&options);
            let report = judge(&history, Subject::Objects(kind));
            assert_eq!(report.strongest(), [Level::Linearizable], "{kind}, seed {seed}: {history:#?}");
            confirm(&history, Subject::Objects(kind), &report, seed);
        }
    }
}

#[test]
fn spoiled_histories_are_judged_with_proofs() {
    let mut violated = 0;
    for kind in [Kind::Register, Kind::Set, Kind::Queue, Kind::Counter] {
        for seed in seeds(60) {
            let options = Objects { ops: 12, keys: 2, processes: 3, ..Objects::new(kind, seed) };
            let mut history = generate::objects(&options);
            generate::mutate(&mut history, &mut Rng::new(seed));
            let report = judge(&history, Subject::Objects(kind));
            violated += usize::from(report.levels[0].1.answer() == Answer::Violated);
            confirm(&history, Subject::Objects(kind), &report, seed);
        }
    }
    assert!(std::env::var("JUDGE_SEED").is_ok() || violated > 100, "only {violated} were violated");
}

#[test]
fn serial_transactions_are_strictly_serializable() {
    for kind in [txn::Kind::ListAppend, txn::Kind::RwRegister] {
        for seed in seeds(40) {
            let options =
                Transactions { info_permille: 30, fail_permille: 30, ..Transactions::new(kind, seed) };
            let history = generate::transactions(&options);
            let report = judge(&history, Subject::Txns(kind));
            assert_eq!(report.strongest(), [Level::StrictSerializable], "seed {seed}: {report:#?}");
            confirm(&history, Subject::Txns(kind), &report, seed);
        }
    }
}

#[test]
fn planted_faults_break_the_level_that_forbids_them() {
    let check = |fault: Fault, breaks: Level, keeps: Option<Level>| {
        for kind in [txn::Kind::ListAppend, txn::Kind::RwRegister] {
            for seed in seeds(10) {
                let options = Transactions { fault: Some((fault, 1)), ..Transactions::new(kind, seed) };
                let history = generate::transactions(&options);
                let report = judge(&history, Subject::Txns(kind));
                let answer = |level| report.verdict(level).unwrap().answer();
                assert_eq!(answer(breaks), Answer::Violated, "{fault:?} in {kind:?}, seed {seed}");
                if let Some(keeps) = keeps {
                    assert_eq!(answer(keeps), Answer::Holds, "{fault:?} in {kind:?}, seed {seed}");
                }
                confirm(&history, Subject::Txns(kind), &report, seed);
            }
        }
    };
    check(Fault::LostUpdate, Level::SnapshotIsolation, None);
    check(Fault::WriteSkew, Level::Serializable, Some(Level::SnapshotIsolation));
    check(Fault::LongFork, Level::SnapshotIsolation, Some(Level::ReadAtomic));
    check(Fault::DirtyRead, Level::ReadCommitted, None);
    check(Fault::StaleSnapshot, Level::StrictSerializable, None);
}

/// Other values, other processes and other names of keys.
fn renamed(history: &History) -> History {
    fn value(old: &Value) -> Value {
        match old {
            Value::Int(number) => Value::Int(number * 7 + 1_000),
            Value::List(list) => Value::list(list.iter().map(value)),
            other => other.clone(),
        }
    }
    let mut history = history.clone();
    for op in &mut history.ops {
        (op.key, op.input, op.output) = (value(&op.key), value(&op.input), value(&op.output));
    }
    let rename = |names: &mut Vec<std::sync::Arc<str>>| {
        names.iter_mut().for_each(|name| *name = format!("client of {name}").into());
    };
    rename(&mut history.processes);
    rename(&mut history.sessions);
    history
}

#[test]
fn names_change_nothing() {
    for seed in seeds(60) {
        let options = Objects { ops: 20, keys: 2, processes: 3, ..Objects::new(Kind::Register, seed) };
        let mut history = generate::objects(&options);
        generate::mutate(&mut history, &mut Rng::new(seed));
        let subject = Subject::Objects(Kind::Register);
        assert_eq!(
            answers(&judge(&history, subject)),
            answers(&judge(&renamed(&history), subject)),
            "seed {seed}"
        );
    }
}

#[test]
fn keys_are_linearizable_together_exactly_if_each_is() {
    for seed in seeds(60) {
        let options =
            Objects { ops: 30, keys: 3, processes: 4, domain: 3, ..Objects::new(Kind::Register, seed) };
        let mut history = generate::objects(&options);
        generate::mutate(&mut history, &mut Rng::new(seed));
        let subject = Subject::Objects(Kind::Register);
        let linearizable = |history: &History| judge(history, subject).levels[0].1.answer();
        let mut keys: Vec<&Value> = history.ops.iter().map(|op| &op.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let of_key = |key: &&Value| {
            let ids: Vec<OpId> = history.iter().filter(|(_, op)| op.key == **key).map(|(id, _)| id).collect();
            history.restrict(&ids)
        };
        let apart = keys.iter().map(|key| linearizable(&of_key(key))).max().unwrap();
        assert_eq!(linearizable(&history), apart, "seed {seed}");
    }
}

/// Gives every decision the same few steps.
struct Few(u64);

impl judge::Allowance for Few {
    fn budget(&self, _: &str, _: judge::Share) -> Budget<'_> {
        Budget::new(Limits { steps: self.0, ..Limits::default() })
    }
}

#[test]
fn limits_make_answers_unknown_and_never_wrong() {
    let mut unknown = 0;
    for seed in seeds(20) {
        let options = Objects { ops: 60, domain: 2, ..Objects::new(Kind::Queue, seed) };
        let mut history = generate::objects(&options);
        generate::mutate(&mut history, &mut Rng::new(seed));
        let subject = Subject::Objects(Kind::Queue);
        let settings = |few| Settings { level: Some(Level::Linearizable), allowance: few, runner: &InTurn };
        let free = judge::judge(&history, subject, settings(&Unlimited)).unwrap();
        for steps in [1, 30, 1_000] {
            let few = Few(steps);
            let settings = Settings { level: Some(Level::Linearizable), allowance: &few, runner: &InTurn };
            let report = judge::judge(&history, subject, settings).unwrap();
            match &report.levels[0].1 {
                Verdict::Unknown(why) => {
                    assert_eq!(why.cause, Cause::Exhausted(Exhausted::Steps));
                    unknown += 1;
                }
                verdict => assert_eq!(verdict.answer(), free.levels[0].1.answer(), "seed {seed}"),
            }
        }
    }
    assert!(unknown > 0, "the limits were never reached");
}
