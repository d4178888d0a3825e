//! Checks while streaming agree with definitions on whole histories, and their memory does not grow with the history.

use quorate_check::format::{events, read};
use quorate_check::history::{History, Op, Outcome, Value};
use quorate_check::level::Level;
use quorate_check::limits::{Budget, Exhausted, Limits};
use quorate_check::stream::{Check, CounterCheck, RegisterCheck, Sessions, SetCheck, Stop, Versions, run};
use quorate_check::verdict::{Answer, Cause, Report, Verdict};
use quorate_types::Rng;
use std::collections::BTreeSet;
use std::fmt::Write;

fn judge<C: Check>(text: &str, check: Result<C, Stop>, budget: &Budget<'_>) -> Report {
    let events = events("h", text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let check = check.unwrap_or_else(|stop| panic!("{stop}"));
    run(events, "h", check, budget).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn answer(report: &Report, level: Level) -> Answer {
    let verdict = report.levels.iter().find(|(known, _)| *known == level);
    verdict.map_or_else(|| panic!("no {level} in {report:?}"), |(_, verdict)| verdict.answer())
}

fn whole(text: &str) -> History {
    read("h", text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}")).history
}

/// Clients that call and return at random; `call` gives function and argument, `result` a result.
fn random(
    rng: &mut Rng,
    op_count: usize,
    mut call: impl FnMut(&mut Rng) -> (&'static str, String),
    mut result: impl FnMut(&mut Rng, &str, &str) -> String,
) -> String {
    let mut open: Vec<Option<(&str, String)>> = vec![None; 3];
    let (mut text, mut called) = (String::new(), 0);
    loop {
        let process = rng.below(3) as usize;
        if let Some((f, input)) = open[process].take() {
            let (kind, value) = match rng.below(8) {
                0 => ("info", input),
                1 => ("fail", input),
                _ => ("ok", result(rng, f, &input)),
            };
            let _ = writeln!(text, "{{:type :{kind}, :process {process}, :f :{f}, :value {value}}}");
        } else if called < op_count {
            called += 1;
            let (f, input) = call(rng);
            let _ = writeln!(text, "{{:type :invoke, :process {process}, :f :{f}, :value {input}}}");
            open[process] = Some((f, input));
        } else if open.iter().all(Option::is_none) || rng.below(4) == 0 {
            return text;
        }
    }
}

fn is_ok(op: &Op) -> bool {
    op.outcome == Outcome::Ok
}

// ---- register

/// Whether some order explains the operations from `done` on: tries all.
fn can_follow(history: &History, done: u32, state: &Value) -> bool {
    let is_left = |at: usize| done & (1 << at) == 0 && history.ops[at].outcome != Outcome::Fail;
    let left: Vec<usize> = (0..history.ops.len()).filter(|at| is_left(*at)).collect();
    if left.iter().all(|at| !is_ok(&history.ops[*at])) {
        return true;
    }
    let first_return = left.iter().map(|at| history.ops[*at].ret).min();
    left.iter().any(|at| {
        let op = &history.ops[*at];
        let next = match (&*op.f, op.input.as_pair()) {
            ("read", _) => (!is_ok(op) || op.output == *state).then(|| state.clone()),
            ("cas", Some((old, new))) => {
                let fits = old == state;
                let claims = op.output != Value::Bool(false);
                (!is_ok(op) || claims == fits).then(|| if fits { new.clone() } else { state.clone() })
            }
            _ => Some(op.input.clone()),
        };
        first_return.is_none_or(|ret| op.call < ret)
            && next.is_some_and(|next| can_follow(history, done | 1 << at, &next))
    })
}

#[test]
fn registers_agree_with_every_order_tried() {
    let mut counts = [0; 2];
    for seed in 0..1500 {
        let mut rng = Rng::new(seed);
        let text = random(
            &mut rng,
            7,
            |rng| match rng.below(5) {
                0 | 1 => ("write", rng.below(3).to_string()),
                2 => ("cas", format!("[{} {}]", rng.below(3), rng.below(3))),
                _ => ("read", "nil".to_owned()),
            },
            |rng, f, input| match f {
                "read" => ["nil", "0", "1", "2"][rng.below(4) as usize].to_owned(),
                "cas" if rng.below(2) == 0 => "false".to_owned(),
                _ => input.to_owned(),
            },
        );
        let budget = Budget::unlimited();
        let report = judge(&text, RegisterCheck::new(&budget), &budget);
        let expect = can_follow(&whole(&text), 0, &Value::Nil);
        let expect = if expect { Answer::Holds } else { Answer::Violated };
        assert_eq!(answer(&report, Level::Linearizable), expect, "seed {seed}\n{text}\n{report:?}");
        counts[usize::from(expect == Answer::Holds)] += 1;
    }
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}

#[test]
fn registers_of_many_keys_are_judged_one_by_one() {
    let good = "{:type :invoke, :process 0, :f :write, :key :x, :value 1}
        {:type :invoke, :process 1, :f :read, :key :y}
        {:type :ok, :process 1, :f :read, :key :y}
        {:type :ok, :process 0, :f :write, :key :x}
        {:type :invoke, :process 1, :f :read, :key :x}\n";
    let budget = Budget::unlimited();
    for (end, expect) in [("1", Answer::Holds), ("nil", Answer::Violated)] {
        let text = format!("{good}{{:type :ok, :process 1, :f :read, :value {end}}}");
        let report = judge(&text, RegisterCheck::new(&budget), &budget);
        assert_eq!(answer(&report, Level::Linearizable), expect);
        let violations: Vec<&str> = report.findings.iter().map(|found| &*found.violation.reason).collect();
        let reason = "operation 2 read nil, which no order of the operations of :x allows (found on line 5)";
        assert_eq!(violations, if expect == Answer::Violated { vec![reason] } else { vec![] });
    }
}

// ---- set

/// By the definition: lost, unexpected and stale.
fn set_by_definition(history: &History) -> Option<[bool; 3]> {
    let adds: Vec<&Op> = history.ops.iter().filter(|op| &*op.f == "add").collect();
    let reads: Vec<&Op> = history.ops.iter().filter(|op| &*op.f == "read" && is_ok(op)).collect();
    let has = |read: &Op, element: &Value| read.output.elements().is_some_and(|all| all.contains(element));
    let lacks =
        |read: &Op| adds.iter().any(|add| is_ok(add) && add.ret < read.call && !has(read, &add.input));
    let explained = |read: &Op, element: &Value| {
        adds.iter().any(|add| add.input == *element && add.outcome != Outcome::Fail && add.call < read.ret)
    };
    let is_unexpected = |read: &Op| {
        read.output.elements().is_some_and(|all| all.iter().any(|element| !explained(read, element)))
    };
    let last = reads.last()?;
    Some([lacks(last), reads.iter().any(|read| is_unexpected(read)), reads.iter().any(|read| lacks(read))])
}

#[test]
fn sets_agree_with_the_definition() {
    let mut counts = [0; 4];
    for seed in 0..2000 {
        let mut rng = Rng::new(seed);
        let text = random(
            &mut rng,
            8,
            |rng| match rng.below(3) {
                0 => ("read", "nil".to_owned()),
                _ => ("add", ["1", "2", "3", "\"a\""][rng.below(4) as usize].to_owned()),
            },
            |rng, f, input| match f {
                "read" => {
                    let has = |element| if rng.below(2) == 0 { element } else { "" };
                    format!("#{{{}}}", ["1 ", "2 ", "3 ", "\"a\""].map(has).concat())
                }
                _ => input.to_owned(),
            },
        );
        let budget = Budget::unlimited();
        let report = judge(&text, SetCheck::new(&budget), &budget);
        let (invariant, linearizable) = match set_by_definition(&whole(&text)) {
            None => (Answer::Unknown, Answer::Unknown),
            Some([lost, unexpected, stale]) => {
                let bad = |is_bad, otherwise| if is_bad { Answer::Violated } else { otherwise };
                (bad(lost || unexpected, Answer::Holds), bad(unexpected || stale, Answer::Unknown))
            }
        };
        assert_eq!(answer(&report, Level::Invariant), invariant, "seed {seed}\n{text}\n{report:?}");
        assert_eq!(answer(&report, Level::Linearizable), linearizable, "seed {seed}\n{text}\n{report:?}");
        counts[invariant as usize] += 1;
    }
    assert!(counts[..3].iter().all(|count| *count > 20), "{counts:?}");
}

// ---- counter

#[test]
fn counters_agree_with_the_definition() {
    let mut counts = [0; 2];
    for seed in 0..2000 {
        let mut rng = Rng::new(seed);
        let text = random(
            &mut rng,
            8,
            |rng| match rng.below(3) {
                0 => ("read", "nil".to_owned()),
                1 => ("add", "1".to_owned()),
                _ => ("add", (rng.below(9) as i64 - 4).to_string()),
            },
            |rng, f, input| {
                if f == "read" { (rng.below(9) as i64 - 3).to_string() } else { input.to_owned() }
            },
        );
        let history = whole(&text);
        let adds = || history.ops.iter().filter(|op| &*op.f == "add" && op.outcome != Outcome::Fail);
        let mut reads = history.ops.iter().filter(|op| &*op.f == "read" && is_ok(op));
        let is_fine = reads.all(|read| {
            let (mut low, mut high) = (0, 0);
            for add in adds().filter(|add| add.call < read.ret) {
                let delta = add.input.as_int().unwrap_or(0);
                let must = is_ok(add) && add.ret < read.call;
                low += if must { delta } else { delta.min(0) };
                high += if must { delta } else { delta.max(0) };
            }
            read.output.as_int().is_some_and(|value| low <= value && value <= high)
        });
        let budget = Budget::unlimited();
        let report = judge(&text, CounterCheck::new(&budget), &budget);
        let expect = if is_fine { Answer::Holds } else { Answer::Violated };
        assert_eq!(answer(&report, Level::Invariant), expect, "seed {seed}\n{text}\n{report:?}");
        counts[usize::from(is_fine)] += 1;
    }
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}

// ---- sessions

/// Whether each session has an order of the writes that explains its reads of one key, for the given guarantee; tries all.
fn session_holds(history: &History, level: Level) -> bool {
    let writes: Vec<&Op> =
        history.ops.iter().filter(|op| &*op.f == "write" && op.outcome != Outcome::Fail).collect();
    let written: BTreeSet<&Value> = writes.iter().map(|write| &write.input).collect();
    let reads = || history.ops.iter().filter(|op| &*op.f == "read" && is_ok(op));
    if reads().any(|read| !read.output.is_nil() && !written.contains(&read.output)) {
        return false;
    }
    let orders = permutations(writes.len());
    (0..history.sessions.len()).all(|session| {
        orders.iter().any(|order| {
            let rank = |value: &Value| {
                let rank = order.iter().position(|at| writes[*at].input == *value);
                rank.map_or(-1, |rank| rank as i64)
            };
            let mut floor = -1;
            history.ops.iter().filter(|op| op.session.0 as usize == session).all(|op| match (&*op.f, level) {
                ("read", _) if is_ok(op) => {
                    let fits = rank(&op.output) >= floor;
                    if level == Level::MonotonicReads {
                        floor = floor.max(rank(&op.output));
                    }
                    fits
                }
                ("write", Level::ReadYourWrites) if op.outcome != Outcome::Fail => {
                    floor = floor.max(rank(&op.input));
                    true
                }
                _ => true,
            })
        })
    })
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    (0..count).fold(vec![vec![]], |orders, next| {
        let longer = orders.iter().flat_map(|order| {
            (0..=order.len()).map(move |at| {
                let mut order = order.clone();
                order.insert(at, next);
                order
            })
        });
        longer.collect()
    })
}

#[test]
fn sessions_never_contradict_the_definition() {
    let mut counts = [[0; 3]; 2];
    for seed in 0..1500 {
        let mut rng = Rng::new(seed);
        let mut next = 0;
        let text = random(
            &mut rng,
            8,
            |rng| match rng.below(5) {
                0 | 1 if next < 4 => {
                    next += 1;
                    ("write", next.to_string())
                }
                _ => ("read", "nil".to_owned()),
            },
            |rng, f, input| match f {
                "read" => ["nil", "1", "2", "3", "4"][rng.below(5) as usize].to_owned(),
                _ => input.to_owned(),
            },
        );
        let history = whole(&text);
        let budget = Budget::unlimited();
        let report = judge(&text, Sessions::new(Versions::Unordered, &budget), &budget);
        for (at, level) in [Level::ReadYourWrites, Level::MonotonicReads].into_iter().enumerate() {
            let found = answer(&report, level);
            let expect = if session_holds(&history, level) { Answer::Holds } else { Answer::Violated };
            assert!(
                found == expect || found == Answer::Unknown,
                "seed {seed}: {level} {found}\n{text}\n{report:?}"
            );
            counts[at][found as usize] += 1;
        }
        let growing = judge(&text, Sessions::new(Versions::Growing, &budget), &budget);
        for level in [Level::ReadYourWrites, Level::MonotonicReads] {
            // Who vouches for the order of versions gets an answer.
            assert_ne!(answer(&growing, level), Answer::Unknown, "seed {seed}\n{text}");
        }
    }
    assert!(counts.iter().flatten().all(|count| *count > 20), "{counts:?}");
}

#[test]
fn session_guarantees_one_by_one() {
    use Answer::{Holds, Unknown, Violated};
    let op = |process: u32, f: &str, value: &str| {
        format!(
            "{{:type :invoke, :process {process}, :f :{f}, :value {value}}}\n{{:type :ok, :process {process}, :f :{f}, :value {value}}}\n"
        )
    };
    let check = |ops: &[(u32, &str, &str)], versions: Versions, expect: [Answer; 4]| {
        let text: String = ops.iter().map(|(process, f, value)| op(*process, f, value)).collect();
        let budget = Budget::unlimited();
        let report = judge(&text, Sessions::new(versions, &budget), &budget);
        let found: Vec<Answer> = report.levels.iter().map(|(_, verdict)| verdict.answer()).collect();
        assert_eq!(found, expect, "{text}\n{report:?}");
    };
    let all_fine =
        [(0, "write", "1"), (0, "read", "1"), (1, "read", "1"), (1, "write", "2"), (0, "read", "2")];
    check(&all_fine, Versions::Unordered, [Holds; 4]);
    check(&[(0, "read", "9")], Versions::Unordered, [Violated; 4]);
    check(&[(0, "read", "9"), (1, "write", "9")], Versions::Unordered, [Holds, Holds, Holds, Unknown]);
    check(&[(0, "write", "1"), (0, "read", "nil")], Versions::Unordered, [Violated, Holds, Holds, Holds]);
    let back = [(0, "write", "1"), (0, "write", "2"), (1, "read", "2"), (1, "read", "1")];
    check(&back, Versions::Unordered, [Holds, Unknown, Holds, Holds]);
    check(&back, Versions::Growing, [Holds, Violated, Holds, Holds]);
    let again = [(0, "write", "1"), (0, "write", "2"), (1, "read", "1"), (1, "read", "2"), (1, "read", "1")];
    check(&again, Versions::Unordered, [Holds, Violated, Holds, Holds]);
    check(&[(0, "write", "2"), (0, "write", "1")], Versions::Unordered, [Holds, Holds, Unknown, Unknown]);
    check(&[(0, "write", "2"), (0, "write", "1")], Versions::Growing, [Holds, Holds, Violated, Unknown]);
    let follow = [(0, "write", "2"), (1, "read", "2"), (1, "write", "1")];
    check(&follow, Versions::Growing, [Holds, Holds, Unknown, Violated]);
    check(&[(0, "write", "1"), (1, "write", "1")], Versions::Unordered, [Unknown; 4]);
    check(&[(0, "write", "1"), (0, "cas", "[1 2]")], Versions::Unordered, [Unknown; 4]);
}

// ---- all

/// Rounds in which three clients write and read what a correct server gives, some at the same time.
fn rounds(kind: &str, count: u64) -> String {
    let mut text = String::new();
    let mut line = |kind: &str, process: u64, f: &str, value: &str| {
        let _ = writeln!(text, "{{:type :{kind}, :process {process}, :f :{f}, :value {value}}}");
    };
    for round in 1..=count {
        let number = round.to_string();
        let (write, read) = match kind {
            "set" => (
                "add",
                if round == count {
                    (1..=count).map(|n| n.to_string() + " ").collect()
                } else {
                    String::new()
                },
            ),
            "counter" => ("add", (0..=round).sum::<u64>().to_string()),
            _ => ("write", number.clone()),
        };
        line("invoke", 0, write, &number);
        if kind != "set" {
            line("invoke", 1, "read", "nil");
        }
        line("ok", 0, write, &number);
        if kind != "set" {
            line("ok", 1, "read", &read);
        } else if round == count {
            line("invoke", 2, "read", "nil");
            line("ok", 2, "read", &format!("[{read}]"));
        }
    }
    text
}

#[test]
fn memory_does_not_grow_with_the_history() {
    fn peak(kind: &str, count: u64) -> u64 {
        let (text, budget) = (rounds(kind, count), Budget::unlimited());
        let report = match kind {
            "set" => judge(&text, SetCheck::new(&budget), &budget),
            "counter" => judge(&text, CounterCheck::new(&budget), &budget),
            "register" => judge(&text, RegisterCheck::new(&budget), &budget),
            _ => judge(&text, Sessions::new(Versions::Unordered, &budget), &budget),
        };
        let holds = report.levels.iter().any(|(_, verdict)| verdict.answer() == Answer::Holds);
        assert!(holds && report.findings.is_empty(), "{report:?}");
        budget.bytes_peak()
    }
    for kind in ["set", "counter", "register", "sessions"] {
        assert_eq!(peak(kind, 30), peak(kind, 3000), "{kind}");
        assert!(peak(kind, 30) > 0);
    }
}

#[test]
fn what_exceeds_the_memory_is_unknown() {
    // Writes of unknown outcome, any of which may show up in a later read, and a call that never returns.
    let mut text = "{:type :invoke, :process 5000, :f :write, :value -1}\n".to_owned();
    for number in 0..2000 {
        let _ = writeln!(text, "{{:type :invoke, :process {number}, :f :write, :value {number}}}");
        let _ = writeln!(text, "{{:type :info, :process {number}, :f :write, :value {number}}}");
    }
    let limits = Limits { memory_bytes: 20_000, ..Limits::default() };
    let budget = Budget::new(limits);
    let report = judge(&text, RegisterCheck::new(&budget), &budget);
    let (_, verdict) = &report.levels[0];
    let Verdict::Unknown(unknown) = verdict else { panic!("{report:?}") };
    assert_eq!(unknown.cause, Cause::Exhausted(Exhausted::Memory));
    assert!(unknown.progress.ends_with("operations seen"), "{}", unknown.progress);
}

#[test]
fn what_cannot_be_judged_is_refused_or_unknown() {
    let budget = Budget::unlimited();
    let report = judge("{:type :ok, :process 0, :f :read}", RegisterCheck::new(&budget), &budget);
    assert!(matches!(&report.levels[0].1, Verdict::Unknown(unknown) if unknown.cause == Cause::NoRealTime));
    let report = judge("{:type :invoke, :process 0, :f :pop}", SetCheck::new(&budget), &budget);
    assert!(report.levels.iter().all(|(_, verdict)| verdict.answer() == Answer::Unknown));

    let sessions = |text: &str| {
        let report = judge(text, Sessions::new(Versions::Growing, &budget), &budget);
        answer(&report, Level::ReadYourWrites)
    };
    // Operations of nobody, and those before and after doubt, are of different sessions.
    let nobody = "{:type :invoke, :f :write, :value 1}\n{:type :ok, :f :write}\n{:type :invoke, :f :read}\n{:type :ok, :f :read}";
    assert_eq!(sessions(nobody), Answer::Holds);
    assert_eq!(sessions(&nobody.replace(":type", ":process 1, :type")), Answer::Violated);
    for who in [":process 1", ":process 1, :session 5", ":session 5"] {
        let text = nobody.replace(":type", &format!("{who}, :type"));
        assert_eq!(sessions(&text), Answer::Violated, "{who}");
        let doubt = text.replacen(":ok", ":info", 1);
        assert_eq!(sessions(&doubt), Answer::Holds, "{who}");
    }

    let fails = |text: &str| {
        let events = events("h", text.as_bytes(), None).expect("it begins like a history");
        let check = SetCheck::new(&budget).expect("nothing is limited");
        run(events, "h", check, &budget).expect_err("it is bad").to_string()
    };
    let stamps =
        "h:1: an operation with `start`: what is judged while it streams must come as calls and returns";
    assert_eq!(fails("{\"f\":\"add\",\"start\":1,\"end\":2,\"input\":1}"), stamps);
    assert_eq!(
        fails("{:type :invoke, :process 0, :f :add, :value 1}\n{:type :ok, :process 1, :f :add}"),
        "h:2: process 1 returns, and has nothing called"
    );
    assert_eq!(
        fails("{:type :invoke, :f :read, :index 2}\n{:type :ok, :f :read, :index 1}"),
        "h:2: index 1 follows index 2: sort the events by index"
    );
}
