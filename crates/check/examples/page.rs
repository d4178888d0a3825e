//! Writes the page of a small history to standard output, for looking at in a browser.
//!
//! `cargo run -p quorate-check --example page -- stale > stale.html`
//!
//! | sample | what it shows |
//! |---|---|
//! | `stale` | a read of an old value: where the search got stuck |
//! | `passes` | a register with an order |
//! | `circle` | two transactions that each missed the other, and faults |
//! | `long [COUNT]` | many operations, one of which is wrong |

use quorate_check::explain;
use quorate_check::history::{Builder, Call, History, OpId, Order, Outcome, Return, Stamp, Value};
use quorate_check::level::{Level, OBJECT_LEVELS, TXN_LEVELS};
use quorate_check::limits::Exhausted;
use quorate_check::verdict::{
    Cause, Edge, Finding, Refutation, Relation, Report, Sequence, Stuck, Unknown, Verdict, Violation, Witness,
};
use quorate_types::Rng;
use std::error::Error;
use std::io::Write;

/// A history, line after line.
struct Lines {
    builder: Builder,
    line: u32,
}

impl Lines {
    fn new() -> Self {
        Lines { builder: Builder::new(Order::RealTime), line: 0 }
    }

    fn next(&mut self) -> (u32, Option<i64>) {
        self.line += 1;
        (self.line, Some(i64::from(self.line) * 1_370_000))
    }

    fn call(&mut self, process: &str, f: &str, input: Value) -> Result<(), Box<dyn Error>> {
        let (line, time) = self.next();
        let node = Some(format!("n{}", process.len() % 3 + 1).into());
        let (key, at) = (Value::Nil, Stamp::Next);
        let call = Call { process, session: None, node, f: f.into(), key, input, at, line, time };
        Ok(self.builder.call(call)?)
    }

    fn ret(&mut self, process: &str, outcome: Outcome, output: Value) -> Result<(), Box<dyn Error>> {
        let (line, time) = self.next();
        Ok(self.builder.ret(process, Return { outcome, output, at: Stamp::Next, line, time })?)
    }

    fn fault(&mut self, f: &str, value: &str) -> usize {
        let (line, _) = self.next();
        self.builder.fault(f.into(), value.into(), Stamp::Next, line)
    }

    fn heal(&mut self, fault: usize) {
        let (line, _) = self.next();
        self.builder.end_fault(fault, Stamp::Next, line);
    }
}

fn report(model: &'static str, levels: Vec<(Level, Verdict)>) -> Report {
    Report { model, levels, findings: Vec::new(), facts: Vec::new() }
}

fn holds(by: Level) -> Verdict {
    Verdict::Holds(Witness::Implied(by))
}

fn violated(by: Level) -> Verdict {
    let (ops, reason) = (Vec::new(), String::new());
    let refutation = Refutation::Implied(by);
    Verdict::Violated(Box::new(Violation { anomaly: "implied", ops, reason, refutation }))
}

fn stale() -> Result<(History, Report), Box<dyn Error>> {
    let mut lines = Lines::new();
    lines.call("0", "write", 1.into())?;
    lines.ret("0", Outcome::Ok, 1.into())?;
    lines.call("1", "write", 2.into())?;
    lines.call("2", "read", Value::Nil)?;
    lines.ret("1", Outcome::Ok, 2.into())?;
    lines.ret("2", Outcome::Ok, 1.into())?;
    lines.call("0", "cas", Value::list([7.into(), 8.into()]))?;
    lines.call("3", "read", Value::Nil)?;
    lines.ret("0", Outcome::Fail, Value::Nil)?;
    lines.call("2", "write", "</script><b>&\"'".into())?;
    lines.ret("3", Outcome::Ok, 1.into())?;
    lines.ret("2", Outcome::Info, Value::Nil)?;
    lines.call("1", "read", Value::Nil)?;
    lines.ret("1", Outcome::Ok, 2.into())?;
    let history = lines.builder.finish()?;
    let [first, second, old] = [0, 1, 4].map(OpId);
    let stuck = Stuck {
        scope: String::new(),
        order: vec![first, second],
        state: "2".to_owned(),
        blocked: vec![(old, "a read of 1 while the register holds 2".to_owned())],
    };
    let reason = "no order of the three operations respects real time".to_owned();
    let ops = vec![first, second, old];
    let violation = Violation { anomaly: "stale read", ops, reason, refutation: Refutation::Stuck(stuck) };
    let levels = OBJECT_LEVELS.iter().map(|level| {
        let verdict = match level {
            Level::Linearizable => Verdict::Violated(Box::new(violation.clone())),
            Level::Sequential => {
                let ops = [0, 2, 4, 1, 6].map(OpId).to_vec();
                Verdict::Holds(Witness::Orders(vec![Sequence { scope: String::new(), ops }]))
            }
            _ => holds(Level::Sequential),
        };
        (*level, verdict)
    });
    Ok((history, report("register", levels.collect())))
}

/// A register that `processes` clients write and read; each operation takes effect at a moment between its call and its return.
fn run(rng: &mut Rng, count: usize, processes: u64) -> Result<(History, Vec<OpId>), Box<dyn Error>> {
    let mut lines = Lines::new();
    let (mut value, mut written, mut effects) = (Value::Nil, 0, Vec::new());
    // By process: what it has called, whether it took effect, and what it saw.
    let mut open: Vec<Option<(usize, bool, Value)>> = vec![None; processes as usize];
    let mut called = 0;
    let mut fault = None;
    while called < count || open.iter().any(Option::is_some) {
        let at = rng.below(processes) as usize;
        let process = at.to_string();
        if called % 40 == 20 && fault.is_none() && processes > 3 {
            fault = Some(lines.fault("start-partition", "n1 | n2 n3"));
        } else if called % 40 == 30
            && let Some(fault) = fault.take()
        {
            lines.heal(fault);
        }
        match open[at].take() {
            None if called < count => {
                let is_write = rng.chance(1, 3);
                written += i64::from(is_write);
                let input = if is_write { Value::Int(written) } else { Value::Nil };
                lines.call(&process, if is_write { "write" } else { "read" }, input.clone())?;
                open[at] = Some((called, false, input));
                called += 1;
            }
            Some((op, false, input)) => {
                if !input.is_nil() {
                    value = input;
                }
                effects.push(OpId(op as u32));
                open[at] = Some((op, true, value.clone()));
            }
            Some((_, true, seen)) => lines.ret(&process, Outcome::Ok, seen)?,
            None => {}
        }
    }
    Ok((lines.builder.finish()?, effects))
}

fn passes() -> Result<(History, Report), Box<dyn Error>> {
    let (history, ops) = run(&mut Rng::new(3), 24, 4)?;
    let order = Witness::Orders(vec![Sequence { scope: String::new(), ops }]);
    let levels = OBJECT_LEVELS.iter().map(|level| {
        let is_top = *level == Level::Linearizable;
        (*level, if is_top { Verdict::Holds(order.clone()) } else { holds(Level::Linearizable) })
    });
    Ok((history, report("register", levels.collect())))
}

fn long(count: usize) -> Result<(History, Report), Box<dyn Error>> {
    let (mut history, _) = run(&mut Rng::new(5), count, 20)?;
    let wrong = history.ops.iter().rposition(|op| &*op.f == "read").ok_or("no read")?;
    history.ops[wrong].output = 1.into();
    let writes: Vec<usize> = (0..wrong)
        .filter(|at| history.ops[*at].input != Value::Nil)
        .filter(|at| {
            let (first, second) = (&history.ops[*at], &history.ops[wrong]);
            first.ret < second.call
        })
        .collect();
    let (old, new) = (writes[0], writes[writes.len() - 1]);
    let ops: Vec<OpId> = [old, new, wrong].map(|at| OpId(at as u32)).to_vec();
    let edge = |from: usize, to: usize, relation, why: &str| Edge {
        from: ops[from],
        to: ops[to],
        relation,
        why: why.to_owned(),
    };
    let edges = vec![
        edge(1, 2, Relation::RealTime, "that write had returned before the read was called"),
        edge(2, 1, Relation::ReadWrite, "the read saw 1, which that write replaced"),
    ];
    let reason = "a value is read after it was overwritten".to_owned();
    let violation = Violation { anomaly: "stale read", ops, reason, refutation: Refutation::Cycle(edges) };
    let levels = OBJECT_LEVELS.iter().map(|level| {
        let progress = "4000 of 5000 operations placed".to_owned();
        let verdict = match level {
            Level::Linearizable => Verdict::Violated(Box::new(violation.clone())),
            Level::Sequential => {
                Verdict::Unknown(Unknown { cause: Cause::Exhausted(Exhausted::Time), progress })
            }
            _ => Verdict::Holds(Witness::Argument("the graph of causes has no circle")),
        };
        (*level, verdict)
    });
    Ok((history, report("register", levels.collect())))
}

fn txn(mops: &[(&str, &str, Value)]) -> Value {
    Value::list(mops.iter().map(|(f, key, value)| {
        Value::list([Value::Keyword((*f).into()), Value::Keyword((*key).into()), value.clone()])
    }))
}

fn circle() -> Result<(History, Report), Box<dyn Error>> {
    let list = |values: &[i64]| Value::list(values.iter().map(|value| (*value).into()));
    let mut lines = Lines::new();
    let both =
        |lines: &mut Lines, process: &str, input: Value, output: Value| -> Result<(), Box<dyn Error>> {
            lines.call(process, "txn", input)?;
            lines.ret(process, Outcome::Ok, output)
        };
    let first = txn(&[("append", "x", 1.into()), ("append", "y", 1.into())]);
    both(&mut lines, "0", first.clone(), first)?;
    let partition = lines.fault("start-partition", "[n1] [n2 n3]");
    lines.call("0", "txn", txn(&[("r", "x", Value::Nil), ("append", "y", 2.into())]))?;
    lines.call("1", "txn", txn(&[("r", "y", Value::Nil), ("append", "x", 2.into())]))?;
    let clock = lines.fault("bump-clock", "n2 +288 s");
    lines.ret("1", Outcome::Ok, txn(&[("r", "y", list(&[1])), ("append", "x", 2.into())]))?;
    lines.call("2", "txn", txn(&[("append", "z", 9.into())]))?;
    lines.ret("0", Outcome::Ok, txn(&[("r", "x", list(&[1])), ("append", "y", 2.into())]))?;
    lines.heal(partition);
    lines.ret("2", Outcome::Info, Value::Nil)?;
    let last = |x: Value, y: Value| txn(&[("r", "x", x), ("r", "y", y)]);
    lines.call("1", "txn", last(Value::Nil, Value::Nil))?;
    lines.heal(clock);
    lines.ret("1", Outcome::Ok, last(list(&[1, 2]), list(&[1, 2])))?;
    lines.call("2", "txn", txn(&[("append", "z", 10.into())]))?;
    lines.ret("2", Outcome::Fail, Value::Nil)?;
    let history = lines.builder.finish()?;
    let [first, second] = [1, 2].map(OpId);
    let edge = |from, to, why: &str| Edge { from, to, relation: Relation::ReadWrite, why: why.to_owned() };
    let edges = vec![
        edge(first, second, "T1 read x = [1] and T2 appended 2 to it"),
        edge(second, first, "T2 read y = [1] and T1 appended 2 to it"),
    ];
    let skew = Violation {
        anomaly: "write skew",
        ops: vec![first, second],
        reason: "each read what the other was about to write".to_owned(),
        refutation: Refutation::Cycle(edges),
    };
    let levels = TXN_LEVELS.iter().map(|level| {
        let verdict = match level {
            Level::Serializable => Verdict::Violated(Box::new(skew.clone())),
            Level::StrictSerializable | Level::StrongSessionSerializable => violated(Level::Serializable),
            Level::StrongSnapshotIsolation => {
                let ops = [0, 1, 2, 4].map(OpId).to_vec();
                Verdict::Holds(Witness::Orders(vec![Sequence { scope: String::new(), ops }]))
            }
            _ => holds(Level::StrongSnapshotIsolation),
        };
        (*level, verdict)
    });
    let mut report = report("list-append", levels.collect());
    report.findings.push(Finding { violation: skew, rules_out: vec![Level::Serializable] });
    Ok((history, report))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let sample = arguments.next().unwrap_or_else(|| "stale".to_owned());
    let (history, report) = match sample.as_str() {
        "stale" => stale()?,
        "passes" => passes()?,
        "circle" => circle()?,
        "long" => long(arguments.next().map_or(Ok(5000), |count| count.parse())?)?,
        other => return Err(format!("no sample is called {other}").into()),
    };
    let page = explain::html(&history, &report, &format!("Sample: {sample}"));
    Ok(std::io::stdout().write_all(page.as_bytes())?)
}
