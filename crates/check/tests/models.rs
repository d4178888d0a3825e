//! The models, held against simulated objects that share no code with them.

use quorate_check::generate::{Objects, Rng, mutate, objects};
use quorate_check::history::{History, Outcome};
use quorate_check::model::{self, Item, Kind, Model, Visitor};
use std::collections::BTreeSet;

/// Whether the model takes all operations in the order of their calls; for histories of one client.
struct InTurn<'a>(&'a History);

impl Visitor for InTurn<'_> {
    type Output = bool;

    fn visit<M: Model>(self, mut model: M) -> bool {
        let items = model::parse(&mut model, self.0).expect("the model has all operations");
        let mut states: Vec<(u32, M::State)> = Vec::new();
        items.iter().all(|item| {
            let object = model.object(&item.call).expect("every model here splits");
            let at = states.iter().position(|(other, _)| *other == object).unwrap_or_else(|| {
                states.push((object, model.initial()));
                states.len() - 1
            });
            let after = model.step(&states[at].1, &item.call, item.certain);
            after.map(|after| states[at].1 = after).is_some()
        })
    }
}

/// Whether some order of the operations is legal and respects real time: all orders are tried.
struct Linearizable<'a>(&'a History);

impl Visitor for Linearizable<'_> {
    type Output = bool;

    fn visit<M: Model>(self, mut model: M) -> bool {
        let items = model::parse(&mut model, self.0).expect("the model has all operations");
        let objects: BTreeSet<_> = items.iter().map(|item| model.object(&item.call)).collect();
        objects.into_iter().all(|object| {
            let items: Vec<_> = items.iter().filter(|item| model.object(&item.call) == object).collect();
            let mut seen = rustc_hash::FxHashSet::default();
            search(&model, &items, 0, &model.initial(), &mut seen)
        })
    }
}

fn search<M: Model>(
    model: &M,
    items: &[&Item<M::Call>],
    done: u128,
    state: &M::State,
    seen: &mut rustc_hash::FxHashSet<(u128, M::State)>,
) -> bool {
    if !seen.insert((done, state.clone())) {
        return false;
    }
    let open = || (0..items.len()).filter(|at| done >> at & 1 == 0);
    if open().all(|at| !items[at].certain) {
        return true;
    }
    let first_return = open().map(|at| items[at].until).min();
    open().filter(|at| Some(items[*at].from) < first_return).any(|at| {
        let after = model.step(state, &items[at].call, items[at].certain);
        after.is_some_and(|after| search(model, items, done | 1 << at, &after, seen))
    })
}

#[test]
fn what_one_client_does_is_legal_step_by_step_and_spoiled_results_are_not() {
    for kind in Kind::ALL {
        let (mut spoiled, mut found) = (0, 0);
        for seed in 0..60 {
            for (keys, domain) in [(1, 0), (3, 3)] {
                let options = Objects { processes: 1, keys, domain, ..Objects::new(kind, seed) };
                let history = objects(&options);
                assert!(kind.visit(InTurn(&history)), "{options:?}");
                let mut bad = history.clone();
                if !mutate(&mut bad, &mut Rng::new(seed)).is_empty() {
                    spoiled += 1;
                    found += usize::from(!kind.visit(InTurn(&bad)));
                }
            }
        }
        // Some spoiled results are as good as the right ones: of equal priorities any may come out.
        assert!(spoiled >= 60 && found * 100 >= spoiled * 90, "{kind}: {found} of {spoiled}");
    }
}

#[test]
fn what_concurrent_clients_see_can_be_put_in_order() {
    for kind in Kind::ALL {
        let mut found = 0;
        for seed in 0..20 {
            for (keys, domain) in [(1, 0), (2, 3)] {
                let options = Objects {
                    ops: 24,
                    processes: 3,
                    keys,
                    domain,
                    info_permille: 60,
                    fail_permille: 60,
                    ..Objects::new(kind, seed)
                };
                let history = objects(&options);
                assert!(kind.visit(Linearizable(&history)), "{options:?}");
                let mut bad = history;
                mutate(&mut bad, &mut Rng::new(seed));
                found += usize::from(!kind.visit(Linearizable(&bad)));
            }
        }
        assert!(found >= 10, "{kind}: only {found} of 40");
    }
}

#[test]
fn calls_in_doubt_are_legal_in_every_state() {
    struct Doubt<'a>(&'a History);
    impl Visitor for Doubt<'_> {
        type Output = bool;

        fn visit<M: Model>(self, mut model: M) -> bool {
            let items = model::parse(&mut model, self.0).expect("the model has all operations");
            let object = items.first().map(|item| model.object(&item.call));
            let items = items.iter().filter(|item| Some(model.object(&item.call)) == object);
            let items: Vec<_> = items.collect();
            let mut state = model.initial();
            for item in &items {
                // Before each step every call of the history is tried.
                if !items.iter().all(|other| model.step(&state, &other.call, false).is_some()) {
                    return false;
                }
                state = model.step(&state, &item.call, false).unwrap();
            }
            true
        }
    }
    for kind in Kind::ALL {
        for seed in 0..5 {
            let history = objects(&Objects { ops: 40, domain: 4, ..Objects::new(kind, seed) });
            assert!(kind.visit(Doubt(&history)), "{kind} {seed}");
        }
    }
}

#[test]
fn generation_is_decided_by_its_options() {
    for kind in Kind::ALL {
        let options = Objects { info_permille: 50, ..Objects::new(kind, 7) };
        let history = objects(&options);
        assert_eq!(history, objects(&options));
        assert_eq!(history.ops.len(), 100);
        assert_ne!(history, objects(&Objects { seed: 8, ..options }));
        assert!(history.ops.iter().any(|op| op.outcome == Outcome::Info), "{kind}");
    }
}
