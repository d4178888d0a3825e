//! Linearizability by search, against a reference that tries every order.

mod linear_models;

use linear_models::{Counter, Few, Plan, Queue, Switches, random_items, random_run, register};
use quorate_check::history::{OpId, Point, SessionId};
use quorate_check::limits::{Budget, Exhausted, InTurn, Limits, Runner};
use quorate_check::linear::{self, Effort};
use quorate_check::model::{Item, Model};
use quorate_check::verdict::{Answer, Cause, Refutation, Verdict, Witness};
use quorate_types::Rng;
use rustc_hash::FxHashSet;

/// Whether some order of some of the operations, with all certain ones, is legal and in time.
fn try_all<M: Model>(model: &M, items: &[Item<M::Call>]) -> bool {
    let mut failed = FxHashSet::default();
    try_from(model, items, (0, model.initial()), &mut failed)
}

fn try_from<M: Model>(
    model: &M,
    items: &[Item<M::Call>],
    config: (u32, M::State),
    failed: &mut FxHashSet<(u32, M::State)>,
) -> bool {
    let is_open = |at: usize| config.0 & (1 << at) == 0;
    if (0..items.len()).all(|at| !is_open(at) || !items[at].certain) {
        return true;
    }
    if failed.contains(&config) {
        return false;
    }
    for (at, item) in items.iter().enumerate().filter(|(at, _)| is_open(*at)) {
        let waits_for = |other: usize| items[other].certain && items[other].until < item.from;
        if (0..items.len()).any(|other| is_open(other) && waits_for(other)) {
            continue;
        }
        let next = model.step(&config.1, &item.call, item.certain);
        if next.is_some_and(|next| try_from(model, items, (config.0 | 1 << at, next), failed)) {
            return true;
        }
    }
    failed.insert(config);
    false
}

/// The verdict by search alone. What methods without search say is compared with it in [`compare`], and confirmed in their own tests.
fn search<M: Model>(model: &M, items: &[Item<M::Call>], budget: &Budget<'_>, runner: &dyn Runner) -> Verdict {
    linear::decide_with(Effort { direct: false, ..Effort::default() }, model, items, budget, runner)
}

/// Confirms what proves a verdict, from the items alone.
fn confirm<M: Model>(model: &M, items: &[Item<M::Call>], verdict: &Verdict) {
    match verdict {
        Verdict::Holds(Witness::Orders(orders)) => {
            let mut ids: Vec<_> = orders.iter().flat_map(|order| order.ops.clone()).collect();
            for order in orders {
                confirm_order(model, items, &order.ops);
            }
            ids.sort_unstable();
            assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "an operation is placed twice");
            let certain = items.iter().filter(|item| item.certain);
            assert!(certain.clone().all(|item| ids.binary_search(&item.id).is_ok()), "one is missing");
        }
        Verdict::Violated(violation) => {
            let Refutation::Stuck(stuck) = &violation.refutation else { panic!("{violation:?}") };
            confirm_order(model, items, &stuck.order);
            assert!(!stuck.blocked.is_empty() && violation.ops.is_sorted());
            let state = replay(model, items, &stuck.order).expect("it is legal");
            for (id, _) in &stuck.blocked {
                let item = find(items, *id);
                assert!(model.step(&state, &item.call, item.certain).is_none(), "{id:?} is legal");
            }
            let core: Vec<_> =
                items.iter().filter(|item| violation.ops.contains(&item.id)).cloned().collect();
            if core.len() < items.len() {
                let again = search(model, &core, &Budget::unlimited(), &InTurn);
                assert_eq!(again.answer(), Answer::Violated, "the operations alone violate it too");
            }
        }
        other => panic!("nothing to confirm in {other:?}"),
    }
}

fn find<C>(items: &[Item<C>], id: OpId) -> &Item<C> {
    items.iter().find(|item| item.id == id).expect("a certificate names what there is")
}

fn replay<M: Model>(model: &M, items: &[Item<M::Call>], ops: &[OpId]) -> Option<M::State> {
    ops.iter().try_fold(model.initial(), |state, id| {
        let item = find(items, *id);
        model.step(&state, &item.call, item.certain)
    })
}

fn confirm_order<M: Model>(model: &M, items: &[Item<M::Call>], ops: &[OpId]) {
    assert!(replay(model, items, ops).is_some(), "{ops:?} is not legal");
    let items: Vec<_> = ops.iter().map(|id| find(items, *id)).collect();
    for (at, item) in items.iter().enumerate() {
        assert!(items[at..].iter().all(|later| later.until >= item.from), "{ops:?} is not in time");
    }
}

/// Decides many random histories and compares. Gives how many held and how many did not.
fn compare<M: Model>(
    seeds: std::ops::Range<u64>,
    make: impl Fn(&mut Rng) -> (M, Vec<Item<M::Call>>),
) -> [u32; 2] {
    let mut count = [0, 0];
    for seed in seeds {
        let (model, items) = make(&mut Rng::new(seed));
        let efforts = [(usize::MAX, 0), (0, usize::MAX), (0, 0), (2, 3)].map(|(deep, broad)| Effort {
            deep,
            broad,
            direct: false,
        });
        let [verdict, others @ ..] =
            efforts.map(|effort| linear::decide_with(effort, &model, &items, &Budget::unlimited(), &InTurn));
        for other in others {
            assert_eq!(verdict.answer(), other.answer(), "seed {seed}: {items:#?}");
            confirm(&model, &items, &other);
        }
        let direct = linear::decide(&model, &items, &Budget::unlimited(), &InTurn);
        assert_eq!(verdict.answer(), direct.answer(), "seed {seed}, without a search: {items:#?}");
        let holds = try_all(&model, &items);
        let expect = if holds { Answer::Holds } else { Answer::Violated };
        assert_eq!(verdict.answer(), expect, "seed {seed}: {items:#?}");
        confirm(&model, &items, &verdict);
        count[usize::from(!holds)] += 1;
    }
    count
}

fn compare_all(seeds: u64, size: (u64, u64)) {
    let counts = [
        compare(0..seeds, |rng| random_items(rng, register(3), size)),
        compare(0..seeds, |rng| random_items(rng, Queue, size)),
        compare(0..seeds, |rng| random_items(rng, Counter, size)),
        compare(0..seeds, |rng| random_items(rng, Switches, size)),
    ];
    for [holds, violated] in counts {
        let few = seeds as u32 / 20;
        assert!(holds > few && violated > few, "one-sided: {counts:?}");
    }
}

#[test]
fn small_histories_agree_with_trying_every_order() {
    compare_all(2500, (7, 4));
}

#[test]
fn busy_histories_agree_with_trying_every_order() {
    compare_all(400, (14, 8));
    // Once a broad search that took a second turn placed reads twice.
    compare(4573..4574, |rng| random_items(rng, register(3), (15, 9)));
}

fn answer<M: Model>(model: &M, items: &[Item<M::Call>]) -> Answer {
    search(model, items, &Budget::unlimited(), &InTurn).answer()
}

#[test]
fn names_of_values_and_sessions_do_not_matter() {
    for seed in 0..300 {
        let rng = &mut Rng::new(seed);
        let plan = Plan { ops: 12, processes: 4, keys: 1, doubtful: 100, garbled: 60 };
        let (mut plain, mut renamed) = (register(4), register(4));
        renamed.rename(vec![2, 0, 3, 1]);
        let items = random_run(&mut plain, &mut rng.clone(), plan);
        let mut others = random_run(&mut renamed, rng, plan);
        for item in &mut others {
            item.session = SessionId(1000 - item.session.0);
        }
        assert_eq!(answer(&plain, &items), answer(&renamed, &others), "seed {seed}");
    }
}

/// Two calls in a row, and two returns in a row, may come in either order.
#[test]
fn the_order_of_neighbours_of_a_kind_does_not_matter() {
    for seed in 0..300 {
        let mut model = register(3);
        let plan = Plan { ops: 12, processes: 5, keys: 1, doubtful: 100, garbled: 60 };
        let items = random_run(&mut model, &mut Rng::new(seed), plan);
        let mut points: Vec<(Point, bool, usize)> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            points.push((item.from, true, at));
            points.extend(item.certain.then_some((item.until, false, at)));
        }
        points.sort_unstable();
        let mut rank = 0;
        let mut last = None;
        let mut equal = items.clone();
        for (_, is_call, at) in points {
            rank += u32::from(last != Some(is_call));
            last = Some(is_call);
            *(if is_call { &mut equal[at].from } else { &mut equal[at].until }) = Point(rank);
        }
        // The same ranks for neighbours, and the items of equal rank the other way round.
        equal.reverse();
        equal.sort_by_key(|item| item.from);
        assert_eq!(answer(&model, &items), answer(&model, &equal), "seed {seed}");
    }
}

/// Runs jobs backward, on threads.
struct Backward;

impl Runner for Backward {
    fn run(&self, count: usize, job: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            for half in [0, 1] {
                scope.spawn(move || (0..count).rev().filter(|at| at % 2 == half).for_each(job));
            }
        });
    }
}

#[test]
fn keys_are_decided_apart_and_always_alike() {
    let mut seen = [0, 0];
    for seed in 0..200 {
        let mut model = register(3);
        let plan = Plan { ops: 60, processes: 4, keys: 5, doubtful: 50, garbled: 10 };
        let items = random_run(&mut model, &mut Rng::new(seed), plan);
        let whole = search(&model, &items, &Budget::unlimited(), &InTurn);
        confirm_parts(&model, &items, &whole);
        let parts = (0..5).map(|key| {
            let part = items.iter().filter(|item| model.object(&item.call) == Some(key)).cloned();
            answer(&model, &part.collect::<Vec<_>>())
        });
        let holds = parts.into_iter().all(|answer| answer == Answer::Holds);
        assert_eq!(whole.answer() == Answer::Holds, holds, "seed {seed}");
        seen[usize::from(holds)] += 1;
        for runner in [&InTurn as &dyn Runner, &Backward] {
            assert_eq!(search(&model, &items, &Budget::unlimited(), runner), whole, "seed {seed}");
        }
    }
    assert!(seen[0] > 20 && seen[1] > 20, "one-sided: {seen:?}");
}

/// As [`confirm`], for a history of several objects.
fn confirm_parts(model: &Few, items: &[Item<<Few as Model>::Call>], verdict: &Verdict) {
    let of = |ids: &[OpId]| {
        let object = ids.first().and_then(|id| model.object(&find(items, *id).call));
        items.iter().filter(|item| model.object(&item.call) == object).cloned().collect::<Vec<_>>()
    };
    match verdict {
        Verdict::Holds(Witness::Orders(orders)) => {
            let placed: usize = orders.iter().map(|order| order.ops.len()).sum();
            assert!(placed >= items.iter().filter(|item| item.certain).count());
            for order in orders.iter().filter(|order| !order.ops.is_empty()) {
                let one = Verdict::Holds(Witness::Orders(vec![order.clone()]));
                confirm(model, &of(&order.ops), &one);
            }
        }
        Verdict::Violated(violation) => confirm(model, &of(&violation.ops), verdict),
        other => panic!("nothing to confirm in {other:?}"),
    }
}

#[test]
fn limits_give_unknown_and_never_a_wrong_answer() {
    let mut unknowns = 0;
    for seed in 0..40 {
        let mut model = register(5);
        let plan =
            Plan { ops: 300, processes: 12, keys: 1, doubtful: 20, garbled: [0, 5][seed as usize % 2] };
        let items = random_run(&mut model, &mut Rng::new(seed), plan);
        let truth = answer(&model, &items);
        let tight = (0..14).map(|power| Limits { steps: 1 << power, ..Limits::default() });
        let small = (8..20).map(|power| Limits { memory_bytes: 1 << power, ..Limits::default() });
        for limits in tight.chain(small) {
            let budget = Budget::new(limits);
            let verdict = search(&model, &items, &budget, &InTurn);
            assert!(budget.bytes_peak() <= limits.memory_bytes);
            match &verdict {
                Verdict::Unknown(unknown) => {
                    let wanted = if limits.steps < u64::MAX { Exhausted::Steps } else { Exhausted::Memory };
                    assert_eq!(unknown.cause, Cause::Exhausted(wanted));
                    assert!(unknown.progress.ends_with("of 300 operations placed"), "{unknown}");
                    unknowns += 1;
                }
                _ => assert_eq!(verdict.answer(), truth, "seed {seed}"),
            }
            let again = search(&model, &items, &Budget::new(limits), &InTurn);
            assert_eq!(verdict, again, "seed {seed}: the same limits give the same answer");
        }
    }
    assert!(unknowns > 200, "{unknowns} of 1040");
}

/// One operation: its call and times, and whether it is certain.
type Told = (<Few as Model>::Call, u32, u32);

fn items(told: &[Told]) -> Vec<Item<<Few as Model>::Call>> {
    let item = |(at, (call, from, until)): (usize, &Told)| Item {
        id: OpId(at as u32),
        call: *call,
        from: Point(*from),
        until: if *until == 0 { Point::NEVER } else { Point(*until) },
        session: SessionId(at as u32),
        certain: *until != 0,
    };
    told.iter().enumerate().map(item).collect()
}

#[test]
fn anomalies_have_names() {
    let check = |told: &[Told], expect: &str| {
        let model = register(5);
        let Verdict::Violated(violation) = search(&model, &items(told), &Budget::unlimited(), &InTurn) else {
            panic!("{expect}: not violated")
        };
        assert_eq!(violation.anomaly, expect);
        let Refutation::Stuck(stuck) = &violation.refutation else { panic!("{violation:?}") };
        assert!(violation.reason.contains(&format!("the state is {}", stuck.state)), "{}", violation.reason);
    };
    let m = &mut register(5);
    check(&[(m.write(0, 1), 1, 2), (m.write(0, 2), 3, 4), (m.read(0, Some(1)), 5, 6)], "stale read");
    check(&[(m.write(0, 1), 1, 2), (m.read(0, None), 3, 4)], "stale read");
    let inversion = [(m.write(0, 1), 1, 9), (m.read(0, Some(1)), 2, 3), (m.read(0, None), 4, 5)];
    check(&inversion, "stale read");
    check(&[(m.write(0, 1), 1, 2), (m.read(0, Some(4)), 3, 4)], "read of a value that nobody wrote");
    let late = [(m.read(0, Some(1)), 1, 2), (m.write(0, 1), 3, 4)];
    check(&late, "not linearizable");
}

#[test]
fn operations_of_unknown_outcome_may_take_effect_late_or_never() {
    let check = |told: &[Told], expect| assert_eq!(answer(&register(5), &items(told)), expect);
    let m = &mut register(5);
    let [w1, w2, r1, r2] = [m.write(0, 1), m.write(0, 2), m.read(0, Some(1)), m.read(0, Some(2))];
    check(&[(w1, 1, 0), (w2, 2, 3), (r2, 4, 5), (r1, 6, 7)], Answer::Holds);
    check(&[(w1, 1, 0), (w2, 2, 3), (r2, 4, 5), (r2, 6, 7)], Answer::Holds);
    check(&[(w1, 1, 0), (w2, 2, 3), (r1, 4, 5), (r2, 6, 7)], Answer::Violated);
    check(&[(w1, 1, 0), (w1, 2, 0), (w2, 3, 4), (r1, 5, 6), (r1, 7, 8)], Answer::Holds);
    check(&[], Answer::Holds);
    check(&[(w1, 1, 0)], Answer::Holds);
}

#[test]
fn a_long_history_is_decided() {
    let mut model = register(5);
    let plan = Plan { ops: 20_000, processes: 70, keys: 1, doubtful: 0, garbled: 0 };
    let items = random_run(&mut model, &mut Rng::new(7), plan);
    let verdict = search(&model, &items, &Budget::unlimited(), &InTurn);
    let Verdict::Holds(Witness::Orders(orders)) = &verdict else { panic!("{verdict:?}") };
    let mut latest = Point(0);
    let mut state = model.initial();
    assert_eq!(orders[0].ops.len(), items.len());
    for id in &orders[0].ops {
        let item = &items[id.0 as usize];
        assert!(item.id == *id && item.until >= latest, "not in time");
        latest = latest.max(item.from);
        state = model.step(&state, &item.call, true).expect("the order is legal");
    }
}
