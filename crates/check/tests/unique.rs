//! The methods for unique values against brute force: same answers, orders that are executions, and violations that stand alone.

use quorate_check::history::{Op, OpId, Point, SessionId};
use quorate_check::limits::Budget;
use quorate_check::linear::unique;
use quorate_check::model::{Access, Discipline, Item, Misfit, Model};
use quorate_check::verdict::{Refutation, Relation, Verdict, Violation, Witness};
use quorate_types::Rng;

/// What is asked of an object and what it answers; enough for all disciplines.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Call {
    Read(Option<u32>),
    Write(u32),
    Swap(Option<u32>, u32),
    Insert(u32, i64),
    Remove(Option<u32>),
    Add(u32),
    Saw(Vec<u32>),
}

/// Any discipline, over a plain vector of values with priorities: a register has at most one value in it.
#[derive(Clone)]
struct Tiny(Discipline);

impl Model for Tiny {
    type State = Vec<(u32, i64)>;
    type Call = Call;

    const NAME: &'static str = "tiny";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        Err(Misfit::UnknownFunction { model: Self::NAME, f: op.f.to_string(), known: "nothing" })
    }

    fn object(&self, _: &Call) -> Option<u32> {
        Some(0)
    }

    fn object_name(&self, _: u32) -> String {
        "it".to_owned()
    }

    fn initial(&self) -> Self::State {
        Vec::new()
    }

    fn step(&self, state: &Self::State, call: &Call, seen: bool) -> Option<Self::State> {
        let mut next = state.clone();
        let value = state.first().map(|(value, _)| *value);
        let legal = match call {
            Call::Read(saw) => *saw == value,
            Call::Write(value) => {
                next = vec![(*value, 0)];
                true
            }
            Call::Swap(old, new) => {
                if *old == value {
                    next = vec![(*new, 0)];
                }
                *old == value
            }
            Call::Insert(value, priority) => {
                next.push((*value, *priority));
                true
            }
            Call::Remove(None) => state.is_empty(),
            Call::Remove(Some(value)) => {
                let at = self.outgoing(state, *value);
                at.map(|at| next.remove(at)).is_some()
            }
            Call::Add(value) => {
                next.push((*value, 0));
                if self.0 == Discipline::Set {
                    next.sort_unstable();
                }
                true
            }
            Call::Saw(values) => state.iter().map(|(value, _)| *value).eq(values.iter().copied()),
        };
        (legal || !seen).then_some(next)
    }

    fn discipline(&self) -> Discipline {
        self.0
    }

    fn accesses(&self, call: &Call, seen: bool, out: &mut Vec<Access>) -> bool {
        let object = 0;
        match call {
            Call::Read(_) | Call::Saw(_) if !seen => {}
            Call::Swap(..) | Call::Remove(_) if !seen => return false,
            Call::Read(value) => out.push(Access::Read { object, value: *value }),
            Call::Write(value) => out.push(Access::Write { object, value: *value }),
            Call::Swap(old, new) => {
                out.push(Access::Read { object, value: *old });
                out.push(Access::Write { object, value: *new });
            }
            Call::Insert(value, priority) => {
                out.push(Access::Insert { object, value: *value, priority: *priority });
            }
            Call::Remove(Some(value)) => out.push(Access::Remove { object, value: *value }),
            Call::Remove(None) => out.push(Access::Empty { object }),
            Call::Add(value) => out.push(Access::Add { object, value: *value }),
            Call::Saw(values) => {
                let ordered = self.0 == Discipline::List;
                out.push(Access::Saw { object, values: values.clone().into(), ordered });
            }
        }
        true
    }
}

impl Tiny {
    /// Where a value is that may come out now.
    fn outgoing(&self, state: &[(u32, i64)], value: u32) -> Option<usize> {
        let at = state.iter().position(|(other, _)| *other == value)?;
        let may = match self.0 {
            Discipline::Fifo => at == 0,
            Discipline::Lifo => at == state.len() - 1,
            _ => state.iter().all(|(_, priority)| *priority >= state[at].1),
        };
        may.then_some(at)
    }
}

fn value_at(state: &[(u32, i64)], at: usize) -> Option<u32> {
    state.get(at).map(|(value, _)| *value)
}

/// Tries every order.
fn brute(model: &Tiny, items: &[Item<Call>], done: u32, state: &Vec<(u32, i64)>) -> bool {
    let is_left = |at: usize| done & (1 << at) == 0;
    if (0..items.len()).all(|at| !is_left(at) || !items[at].certain) {
        return true;
    }
    (0..items.len()).filter(|at| is_left(*at)).any(|at| {
        let item = &items[at];
        let mut others = items.iter().enumerate();
        let is_next = others.all(|(other, before)| !is_left(other) || before.until >= item.from);
        let next = if is_next { model.step(state, &item.call, item.certain) } else { None };
        next.is_some_and(|next| brute(model, items, done | (1 << at), &next))
    })
}

/// An operation with its interval, before ranks are given out.
struct Draft {
    from: u64,
    until: u64,
    call: Call,
    certain: bool,
}

/// An execution with hidden moments, then perhaps broken.
fn generate(discipline: Discipline, rng: &mut Rng, count: usize) -> Vec<Item<Call>> {
    let spread = [2, 8, 16, 40][rng.below(4) as usize];
    let swaps = rng.chance(1, 3);
    let model = Tiny(discipline);
    let mut state = Vec::new();
    let mut drafts = Vec::new();
    for place in 0..count {
        let at = 1000 + 10 * place as u64;
        let call = next_call(discipline, swaps, rng, place as u32, &state);
        let can_doubt = matches!(call, Call::Write(_) | Call::Insert(..) | Call::Add(_) | Call::Read(_));
        let certain = !(can_doubt && rng.chance(1, 6));
        if certain || rng.chance(1, 2) {
            state = model.step(&state, &call, certain).expect("the call was made for this state");
        }
        drafts.push(Draft {
            from: at - rng.below(spread) - 1,
            until: at + rng.below(spread) + 1,
            call,
            certain,
        });
    }
    if rng.chance(7, 8) {
        (0..=rng.below(4)).for_each(|_| mutate(rng, &mut drafts));
    }
    ranked(rng, drafts)
}

fn next_call(discipline: Discipline, swaps: bool, rng: &mut Rng, place: u32, state: &[(u32, i64)]) -> Call {
    // Neither dense nor ascending.
    let fresh = (place * 5 + 3) % 37;
    let does_change = rng.chance(1, 2);
    match discipline {
        Discipline::Register if does_change && swaps && rng.chance(2, 3) => {
            Call::Swap(value_at(state, 0), fresh)
        }
        Discipline::Register if does_change => Call::Write(fresh),
        Discipline::Register => Call::Read(value_at(state, 0)),
        Discipline::Set | Discipline::List if does_change => Call::Add(fresh),
        Discipline::Set | Discipline::List => Call::Saw(state.iter().map(|(value, _)| *value).collect()),
        _ if does_change => Call::Insert(fresh, rng.below(3) as i64),
        Discipline::Fifo => Call::Remove(value_at(state, 0)),
        Discipline::Lifo => Call::Remove(state.last().map(|(value, _)| *value)),
        _ => Call::Remove(state.iter().min_by_key(|(_, priority)| *priority).map(|(value, _)| *value)),
    }
}

/// Exchanges or changes results, or moves an interval.
fn mutate(rng: &mut Rng, drafts: &mut [Draft]) {
    let [a, b] = [0; 2].map(|_| rng.below(drafts.len() as u64) as usize);
    let shift = rng.below(40);
    let is_result = |call: &Call| matches!(call, Call::Read(_) | Call::Remove(_) | Call::Saw(_));
    match rng.below(6) {
        0 | 1 if drafts[a].certain && drafts[b].certain => {
            let call = drafts[a].call.clone();
            drafts[a].call = std::mem::replace(&mut drafts[b].call, call);
        }
        2 if is_result(&drafts[a].call) && is_result(&drafts[b].call) && drafts[a].certain => {
            drafts[a].call = drafts[b].call.clone();
        }
        3 => {
            drafts[a].from += shift;
            drafts[a].until += shift;
        }
        4 => drafts[a].from -= shift,
        _ => match &mut drafts[a].call {
            Call::Remove(value) | Call::Read(value) => *value = None,
            Call::Saw(values) if !values.is_empty() => {
                values.remove(rng.below(values.len() as u64) as usize);
            }
            _ => {}
        },
    }
}

/// With ranks for moments; of equal ones any order.
fn ranked(rng: &mut Rng, drafts: Vec<Draft>) -> Vec<Item<Call>> {
    let mut points = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        points.push((draft.from, rng.next_u64(), false, at));
        if draft.certain {
            points.push((draft.until.max(draft.from + 1), rng.next_u64(), true, at));
        }
    }
    points.sort_unstable();
    let mut ranks = vec![(Point(0), Point::NEVER); drafts.len()];
    for (rank, (.., is_return, at)) in points.into_iter().enumerate() {
        let rank = Point(rank as u32);
        *(if is_return { &mut ranks[at].1 } else { &mut ranks[at].0 }) = rank;
    }
    let mut items: Vec<Item<Call>> = drafts
        .into_iter()
        .zip(ranks)
        .map(|(draft, (from, until))| {
            let Draft { call, certain, .. } = draft;
            Item { id: OpId(0), call, from, until, session: SessionId(0), certain }
        })
        .collect();
    items.sort_by_key(|item| item.from);
    // Ids need not be places.
    (0..).zip(&mut items).for_each(|(at, item)| item.id = OpId(10 + 2 * at));
    items
}

fn by_id(items: &[Item<Call>], id: OpId) -> &Item<Call> {
    items.iter().find(|item| item.id == id).expect("verdicts name operations of the history")
}

/// The order holds all that is certain, each once, respects real time, and is legal.
fn assert_witness(model: &Tiny, items: &[Item<Call>], witness: &Witness, context: &str) {
    let Witness::Orders(sequences) = witness else { panic!("{witness:?} {context}") };
    assert_eq!((sequences.len(), &*sequences[0].scope), (1, "it"), "{context}");
    let order: Vec<&Item<Call>> = sequences[0].ops.iter().map(|id| by_id(items, *id)).collect();
    let times = |item: &Item<Call>| order.iter().filter(|other| other.id == item.id).count();
    assert!(items.iter().all(|item| times(item) == 1 || !item.certain && times(item) == 0), "{context}");
    let mut state = model.initial();
    let mut latest = Point(0);
    for item in &order {
        assert!(item.until >= latest, "real time at {item:?} of {order:#?} {context}");
        latest = latest.max(item.from);
        let next = model.step(&state, &item.call, item.certain);
        state = next.unwrap_or_else(|| panic!("{item:?} of {order:#?} {context}"));
    }
}

/// The named operations alone have no order, and edges of real time are in the history.
fn assert_violation(model: &Tiny, items: &[Item<Call>], violation: &Violation, context: &str) {
    let ops = &violation.ops;
    assert!(ops.is_sorted_by(|a, b| a < b) && !ops.is_empty(), "{violation:?} {context}");
    let core: Vec<_> = items.iter().filter(|item| ops.contains(&item.id)).cloned().collect();
    assert_eq!(core.len(), ops.len(), "{context}");
    assert!(!brute(model, &core, 0, &Vec::new()), "{violation:#?} {context}");
    if let Refutation::Cycle(edges) = &violation.refutation {
        assert!(edges.len() > 1, "{violation:#?} {context}");
        for (edge, next) in edges.iter().zip(edges.iter().cycle().skip(1)) {
            assert_eq!(edge.to, next.from, "{violation:#?} {context}");
            assert!(ops.contains(&edge.from), "{violation:#?} {context}");
            let [from, to] = [edge.from, edge.to].map(|id| by_id(items, id));
            assert!(edge.relation != Relation::RealTime || from.until < to.from, "{violation:#?} {context}");
        }
    }
}

fn agree(discipline: Discipline) {
    const SEEDS: u64 = 4000;
    let model = Tiny(discipline);
    let (mut held, mut violated, mut declined) = (0, 0, 0);
    // Seed 16,023 once gave a register a core that was no contradiction by itself.
    for seed in (0..SEEDS).chain([16_023]) {
        let mut rng = Rng::new(seed);
        let count = if rng.chance(1, 8) { rng.between(1, 4) } else { rng.between(6, 8) } as usize;
        let items = generate(discipline, &mut rng, count);
        let context = format!("seed {seed} of {discipline:?}: {items:#?}");
        let expect = brute(&model, &items, 0, &Vec::new());
        match unique::decide(&model, &items, &Budget::unlimited()) {
            None => declined += 1,
            Some(Verdict::Holds(witness)) => {
                assert!(expect, "{witness:?} {context}");
                assert_witness(&model, &items, &witness, &context);
                held += 1;
            }
            Some(Verdict::Violated(violation)) => {
                assert!(!expect, "{violation:#?} {context}");
                assert_violation(&model, &items, &violation, &context);
                violated += 1;
            }
            Some(Verdict::Unknown(unknown)) => panic!("{unknown:?} {context}"),
        }
    }
    let counts = format!("{discipline:?}: {held} held, {violated} violated, {declined} declined");
    assert!(held > SEEDS / 5 && violated > SEEDS / 5 && declined < SEEDS / 4, "{counts}");
}

#[test]
fn registers_agree_with_brute_force() {
    agree(Discipline::Register);
}

#[test]
fn queues_agree_with_brute_force() {
    agree(Discipline::Fifo);
}

#[test]
fn stacks_agree_with_brute_force() {
    agree(Discipline::Lifo);
}

#[test]
fn priority_queues_agree_with_brute_force() {
    agree(Discipline::Priority);
}

#[test]
fn sets_agree_with_brute_force() {
    agree(Discipline::Set);
}

#[test]
fn lists_agree_with_brute_force() {
    agree(Discipline::List);
}
