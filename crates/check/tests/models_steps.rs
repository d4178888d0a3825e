//! What each model takes and what it refuses, step by step.

use quorate_check::generate::{Fault, Transactions, transactions};
use quorate_check::history::{Builder, Call, History, Order, Outcome, Return, Stamp, Value};
use quorate_check::model::{
    self, Access, Algorithm, Kind, Kv, Model, MultiRegister, RateLimiter, Register, Visitor,
};
use quorate_check::txn;

/// Process, function, input, output.
type Step<'a> = (u32, &'a str, Value, Value);

fn history(steps: &[Step<'_>]) -> History {
    let mut builder = Builder::new(Order::RealTime);
    for (process, f, input, output) in steps {
        let process = process.to_string();
        let (session, node, key, at, line, time) = (None, None, Value::Nil, Stamp::Next, 0, None);
        let (f, input) = ((*f).into(), input.clone());
        let call = Call { process: &process, session, node, f, key, input, at, line, time };
        builder.call(call).expect("it is idle");
        let ret = Return { outcome: Outcome::Ok, output: output.clone(), at, line, time };
        builder.ret(&process, ret).expect("it has called");
    }
    builder.finish().expect("nothing overlaps")
}

/// The first step that the model refuses, from 1; 0 if it takes all.
fn refused<M: Model>(mut model: M, steps: &[Step<'_>]) -> usize {
    let items = model::parse(&mut model, &history(steps)).expect("the model has all operations");
    let mut state = model.initial();
    let stuck = items.iter().position(|item| match model.step(&state, &item.call, true) {
        Some(after) => {
            state = after;
            false
        }
        None => true,
    });
    stuck.map_or(0, |at| at + 1)
}

struct Refused<'a>(&'a [Step<'a>]);

impl Visitor for Refused<'_> {
    type Output = usize;

    fn visit<M: Model>(self, model: M) -> usize {
        refused(model, self.0)
    }
}

fn check(kind: Kind, steps: &[Step<'_>], expect: usize) {
    assert_eq!(kind.visit(Refused(steps)), expect, "{kind}: {steps:?}");
}

const NIL: Value = Value::Nil;
const YES: Value = Value::Bool(true);
const NO: Value = Value::Bool(false);

fn n(number: i64) -> Value {
    Value::Int(number)
}

fn t(text: &str) -> Value {
    Value::text(text)
}

fn l<const N: usize>(values: [Value; N]) -> Value {
    Value::list(values)
}

#[test]
fn registers() {
    let write = |value| (0, "write", value, NIL);
    let read = |value| (0, "read", NIL, value);
    let cas = |old, new, done| (0, "cas", l([old, new]), done);
    check(Kind::Register, &[read(NIL), write(n(1)), read(n(1)), write(NIL), read(NIL), read(n(1))], 6);
    check(Kind::Register, &[cas(NIL, n(1), YES), cas(NIL, n(2), NO), read(n(1)), cas(n(1), n(2), NO)], 4);
    check(Kind::Register, &[write(n(1)), cas(n(1), n(2), NIL), read(n(2)), cas(n(1), n(3), NIL)], 4);
}

#[test]
fn what_a_call_says_without_a_state() {
    fn accesses<M: Model>(mut model: M, step: Step<'_>, seen: bool) -> Option<Vec<Access>> {
        let items = model::parse(&mut model, &history(&[step])).expect("the model has the operation");
        let mut out = Vec::new();
        model.accesses(&items[0].call, seen, &mut out).then_some(out)
    }
    let register = |step, seen| accesses(Register::default(), step, seen);
    let (object, one) = (0, Value::Int(1));
    let write = Access::Write { object, value: 0 };
    assert_eq!(register((0, "write", one.clone(), NIL), false), Some(vec![write.clone()]));
    assert_eq!(register((0, "read", NIL, one.clone()), false), Some(vec![]));
    assert_eq!(register((0, "read", NIL, NIL), true), Some(vec![Access::Read { object, value: None }]));
    let read = Access::Read { object, value: None };
    assert_eq!(register((0, "cas", l([NIL, one.clone()]), YES), true), Some(vec![read, write]));
    // In doubt it writes only perhaps; refused it says only what was not there; nil is also the initial value.
    assert_eq!(register((0, "cas", l([NIL, one.clone()]), YES), false), None);
    assert_eq!(register((0, "cas", l([NIL, one]), NO), true), None);
    assert_eq!(register((0, "write", NIL, NIL), true), None);
    assert_eq!(accesses(Kv::default(), (0, "append", t("a"), NIL), true), None);
}

#[test]
fn texts_are_equal_however_they_came_about() {
    let put = |value| (0, "put", value, NIL);
    let append = |value| (0, "append", value, NIL);
    let get = |value| (0, "get", NIL, value);
    check(Kind::Kv, &[get(NIL), get(t("")), put(t("ab")), append(t("c")), get(t("abc")), get(t("acb"))], 6);
    check(Kind::Kv, &[append(n(1)), append(t("2")), get(n(12)), (0, "delete", NIL, NIL), get(t("1"))], 5);
    let mut kv = Kv::default();
    let steps = [put(t("ab")), append(t("c")), put(t("a")), append(t("bc")), append(t("cb"))];
    let items = model::parse(&mut kv, &history(&steps)).expect("puts and appends");
    let after = |state, at: usize| kv.step(&state, &items[at].call, true).expect("writes are legal");
    let start = || kv.initial();
    assert_eq!(after(after(start(), 0), 1), after(after(start(), 2), 3));
    assert_ne!(after(after(start(), 0), 1), after(after(start(), 2), 4));
}

#[test]
fn registers_that_no_transaction_connects_are_apart() {
    let write = |a, b| l([l([t("w"), n(a), n(1)]), l([t("w"), n(b), n(1)])]);
    let mut model = MultiRegister::default();
    let steps = [(0, "txn", write(1, 2), NIL), (0, "txn", write(3, 4), NIL), (0, "txn", write(2, 5), NIL)];
    let items = model::parse(&mut model, &history(&steps)).expect("transactions");
    let objects: Vec<_> = items.iter().map(|item| model.object(&item.call)).collect();
    assert_eq!(objects[0], objects[2]);
    assert_ne!(objects[0], objects[1]);
    let read = |a, b| (0, "txn", NIL, l([l([t("r"), n(1), a]), l([t("r"), n(2), b])]));
    check(Kind::MultiRegister, &[(0, "txn", write(1, 2), NIL), read(n(1), n(1)), read(n(1), NIL)], 3);
}

#[test]
fn counters_and_sets() {
    let (add, inc) = ((0, "add", n(5), n(5)), (0, "inc", NIL, n(6)));
    check(Kind::Counter, &[add.clone(), inc, (0, "read", NIL, n(6)), (0, "fetch-and-add", n(2), n(6))], 0);
    check(Kind::Counter, &[add, (0, "add-and-get", n(2), n(8))], 2);
    let read = |values: &[i64]| (0, "read", NIL, Value::list(values.iter().copied().map(n)));
    check(
        Kind::Set,
        &[(0, "add", n(1), YES), (0, "add", n(1), NO), (0, "add", n(2), n(2)), read(&[2, 1])],
        0,
    );
    check(Kind::Set, &[(0, "add", n(1), NIL), read(&[1]), read(&[1, 1])], 3);
    check(Kind::Set, &[(0, "remove", n(1), NO), (0, "contains", n(1), NO), (0, "remove", n(1), YES)], 3);
}

#[test]
fn queues_and_stacks() {
    let step = |f, input, output| (0, f, input, output);
    let (put, take) = (|value| step("enqueue", n(value), NIL), |value| step("dequeue", NIL, value));
    check(
        Kind::Queue,
        &[put(1), put(2), take(n(1)), put(3), take(n(2)), take(n(3)), take(NIL), take(n(1))],
        8,
    );
    let (push, pop) = (|value| step("push", n(value), NIL), |value| step("pop", NIL, value));
    check(Kind::Stack, &[push(1), push(2), pop(n(2)), pop(n(1)), pop(NIL), pop(n(1))], 6);
    let insert = |priority, value| step("insert", l([n(priority), t(value)]), NIL);
    let least = |value| step("delete-min", NIL, value);
    let ties = [insert(2, "a"), insert(1, "b"), insert(1, "c"), least(t("c")), least(l([n(1), t("b")]))];
    check(Kind::PriorityQueue, &ties, 0);
    check(Kind::PriorityQueue, &[insert(2, "a"), insert(1, "b"), least(t("a"))], 3);
    check(Kind::PriorityQueue, &[step("insert", n(4), NIL), step("insert", n(3), NIL), least(n(3))], 0);
}

#[test]
fn locks() {
    let step = |process, f, output| (process, f, NIL, output);
    check(Kind::Mutex, &[step(0, "acquire", NIL), step(1, "acquire", NO), step(1, "release", NO)], 0);
    check(Kind::Mutex, &[step(0, "acquire", NIL), step(0, "acquire", NIL)], 2);
    check(Kind::Mutex, &[step(0, "acquire", NIL), step(1, "release", NIL)], 2);
    let fence = |token| Value::map([(Value::Keyword("fence".into()), n(token))]);
    let taken = [step(0, "acquire", fence(4)), step(0, "release", NIL), step(1, "acquire", n(5))];
    check(Kind::FencedLock, &taken, 0);
    check(
        Kind::FencedLock,
        &[step(0, "acquire", n(4)), step(0, "release", NIL), step(1, "acquire", n(4))],
        3,
    );
    let guarded = |token, output| (0, "guarded", n(token), output);
    check(Kind::FencedLock, &[guarded(3, YES), guarded(3, YES), guarded(2, NO), guarded(2, YES)], 4);
}

#[test]
fn rates_are_limited() {
    let allow = |now, output| (0, "allow", n(now), output);
    let limiter = |algorithm| RateLimiter::new(algorithm, 2, 10);
    let check = |algorithm, steps: &[Step<'_>], expect| {
        assert_eq!(refused(limiter(algorithm), steps), expect, "{algorithm:?} {steps:?}");
    };
    let two = || [allow(5, YES), allow(9, YES)];
    let then = |last| [&two()[..], &[last]].concat();
    check(Algorithm::SlidingWindow, &then(allow(14, NO)), 0);
    check(Algorithm::SlidingWindow, &then(allow(15, YES)), 0);
    check(Algorithm::SlidingWindow, &then(allow(14, YES)), 3);
    check(Algorithm::SlidingWindow, &then(allow(15, NO)), 3);
    // The clock does not go back.
    check(Algorithm::SlidingWindow, &then(allow(0, YES)), 3);
    check(Algorithm::FixedWindow, &then(allow(10, YES)), 0);
    check(Algorithm::FixedWindow, &then(allow(9, YES)), 3);
    // Two at 5 and 9 leave 0.8 of a token at 9, and a whole one at 10.
    check(Algorithm::TokenBucket, &then(allow(9, NO)), 0);
    check(Algorithm::TokenBucket, &then(allow(10, YES)), 0);
    check(Algorithm::TokenBucket, &then(allow(10, NO)), 3);
}

#[test]
fn leaderboards_break_ties_by_member() {
    let add = |name, score| (0, "add", l([t(name), n(score)]), NIL);
    let rank = |name, rank| (0, "rank", t(name), rank);
    let top = |names| (0, "top", n(2), names);
    let three = || [add("ann", 5), add("bea", 5), add("cy", 9)];
    let then = |last| [&three()[..], &[last]].concat();
    check(Kind::Leaderboard, &then(top(l([t("cy"), t("bea")]))), 0);
    check(Kind::Leaderboard, &then(top(l([t("cy"), t("ann")]))), 4);
    check(Kind::Leaderboard, &then(rank("ann", n(2))), 0);
    check(Kind::Leaderboard, &then(rank("dee", NIL)), 0);
    check(Kind::Leaderboard, &then((0, "incr", l([t("ann"), n(5)]), n(11))), 4);
    check(Kind::Leaderboard, &[add("ann", 1), add("ann", 2), top(l([l([t("ann"), n(2)])]))], 0);
}

#[test]
fn what_a_model_does_not_have_is_named() {
    let wrong = |step| model::parse(&mut Register::default(), &history(&[step])).unwrap_err().to_string();
    assert_eq!(
        wrong((0, "dance", NIL, NIL)),
        "a register has no operation \"dance\"; it has read, write, cas and delete"
    );
    assert_eq!(wrong((0, "cas", n(1), NIL)), "cas of a register wants [old new], not 1");
}

#[test]
fn transactions_are_generated_as_asked() {
    for kind in [txn::Kind::ListAppend, txn::Kind::RwRegister] {
        let options = Transactions { info_permille: 50, fail_permille: 50, ..Transactions::new(kind, 3) };
        let made = transactions(&options);
        assert_eq!(made, transactions(&options));
        assert_eq!(made.ops.len(), 100);
        let faults = [
            (Fault::LostUpdate, 2),
            (Fault::WriteSkew, 2),
            (Fault::LongFork, 4),
            (Fault::StaleSnapshot, 2),
            (Fault::DirtyRead, 2),
        ];
        for (fault, txns) in faults {
            let made = transactions(&Transactions { fault: Some((fault, 3)), ..options });
            assert_eq!(made.ops.len(), 100 + 3 * txns, "{fault:?}");
        }
    }
}
