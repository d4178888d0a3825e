//! Linearizability by search, against a reference that tries every order.

mod linear_models;

use linear_models::{Counter, Queue, Switches, random_items, register};
use quorate_check::history::OpId;
use quorate_check::limits::{Budget, InTurn};
use quorate_check::linear::{self, Effort};
use quorate_check::model::{Item, Model};
use quorate_check::verdict::{Answer, Refutation, Verdict, Witness};
use quorate_types::Rng;

/// Whether some order of some of the operations, with all certain ones, is legal and in time.
fn brute_force<M: Model>(model: &M, items: &[Item<M::Call>]) -> bool {
    fn go<M: Model>(model: &M, items: &[Item<M::Call>], placed: u32, state: &M::State) -> bool {
        let is_open = |at: usize| placed & (1 << at) == 0;
        if (0..items.len()).all(|at| !is_open(at) || !items[at].certain) {
            return true;
        }
        (0..items.len()).filter(|at| is_open(*at)).any(|at| {
            let must_wait = (0..items.len())
                .any(|other| is_open(other) && items[other].certain && items[other].until < items[at].from);
            !must_wait
                && model
                    .step(state, &items[at].call, items[at].certain)
                    .is_some_and(|next| go(model, items, placed | 1 << at, &next))
        })
    }
    go(model, items, 0, &model.initial())
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
                let again = linear::decide(model, &core, &Budget::unlimited(), &InTurn);
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
        let efforts = [(usize::MAX, 0), (0, usize::MAX), (2, 3)].map(|(deep, broad)| Effort { deep, broad });
        let [verdict, others @ ..] =
            efforts.map(|effort| linear::decide_with(effort, &model, &items, &Budget::unlimited(), &InTurn));
        for other in others {
            assert_eq!(verdict.answer(), other.answer(), "seed {seed}: {items:#?}");
            confirm(&model, &items, &other);
        }
        let holds = brute_force(&model, &items);
        let expect = if holds { Answer::Holds } else { Answer::Violated };
        assert_eq!(verdict.answer(), expect, "seed {seed}: {items:#?}");
        confirm(&model, &items, &verdict);
        count[usize::from(!holds)] += 1;
    }
    count
}

#[test]
fn small_histories_agree_with_trying_every_order() {
    let counts = [
        compare(0..4000, |rng| random_items(rng, register(3))),
        compare(0..3000, |rng| random_items(rng, Queue)),
        compare(0..3000, |rng| random_items(rng, Counter)),
        compare(0..2000, |rng| random_items(rng, Switches)),
    ];
    for [holds, violated] in counts {
        assert!(holds > 200 && violated > 200, "one-sided: {counts:?}");
    }
}
