//! Histories written by hand or at random, with what `decide` takes.

use crate::history::{Builder, Call, History, OpId, Order, Outcome, Return, Stamp, Value};
use crate::model::Interner;
use crate::txn::{Kind, Mop, Seen, Txn, TxnId, Txns, Versions};
use quorate_types::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// A read (what was seen, oldest first; of a register the value alone or nothing) or a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Do {
    R(u32, Vec<u32>),
    W(u32, u32),
}

#[derive(Clone, Debug)]
pub struct Step {
    pub process: u32,
    pub outcome: Outcome,
    pub does: Vec<Do>,
}

/// Transactions, and the moments of their calls and returns: each number in `events` calls the transaction when it is there
/// first, and returns it when it is there again.
#[derive(Clone, Debug)]
pub struct Small {
    pub kind: Kind,
    pub order: Order,
    pub steps: Vec<Step>,
    pub events: Vec<usize>,
}

/// What `decide` takes.
pub struct Input {
    pub txns: Txns,
    pub versions: Vec<Versions>,
    pub history: History,
}

impl Small {
    /// One after the other: process, and what it does.
    pub fn in_turn(kind: Kind, steps: &[(u32, &[Do])]) -> Self {
        let step = |(process, does): &(u32, &[Do])| Step {
            process: *process,
            outcome: Outcome::Ok,
            does: does.to_vec(),
        };
        let events = (0..steps.len()).flat_map(|at| [at, at]).collect();
        Small { kind, order: Order::RealTime, steps: steps.iter().map(step).collect(), events }
    }

    /// The same with calls and returns in this order.
    pub fn at(mut self, events: &[usize]) -> Self {
        self.events = events.to_vec();
        self
    }

    fn history(&self) -> (History, Vec<OpId>) {
        let mut builder = Builder::new(self.order);
        let mut called: Vec<usize> = Vec::new();
        for at in self.events.iter().copied() {
            let step = &self.steps[at];
            let process = format!("{}", step.process);
            let line = called.len() as u32 + 1;
            if called.contains(&at) {
                let (outcome, output) = (step.outcome, Value::Nil);
                builder.ret(&process, Return { outcome, output, at: Stamp::Next, line, time: None }).unwrap();
            } else {
                called.push(at);
                let call = Call {
                    process: &process,
                    session: None,
                    node: None,
                    f: "txn".into(),
                    key: Value::Nil,
                    input: Value::Nil,
                    at: Stamp::Next,
                    line,
                    time: None,
                };
                builder.call(call).unwrap();
            }
        }
        let place = |at: usize| OpId(called.iter().position(|other| *other == at).unwrap() as u32);
        (builder.finish().unwrap(), (0..self.steps.len()).map(place).collect())
    }

    /// The steps in the order of their calls; all others here speak of them in that order.
    pub fn sorted(&self) -> Small {
        let (_, ops) = self.history();
        let mut steps: Vec<(OpId, Step)> = ops.iter().copied().zip(self.steps.iter().cloned()).collect();
        steps.sort_by_key(|(op, _)| *op);
        let events = self.events.iter().map(|at| ops[*at].at()).collect();
        Small { steps: steps.into_iter().map(|(_, step)| step).collect(), events, ..*self }
    }

    /// Whether somebody saw a value that the step wrote.
    pub fn is_read(&self, at: usize) -> bool {
        let written: BTreeSet<(u32, u32)> = writes(&self.steps[at].does).collect();
        let readers =
            self.steps.iter().enumerate().filter(|(other, step)| *other != at && step.outcome == Outcome::Ok);
        let mut does = readers.flat_map(|(_, step)| &step.does);
        does.any(|does| matches!(does, Do::R(key, seen) if seen.iter().any(|value| written.contains(&(*key, *value)))))
    }

    /// Who wrote the last value of `seen` that the reader did not write itself.
    pub fn source(&self, reader: usize, key: u32, seen: &[u32]) -> Option<usize> {
        let writer = |value: u32| {
            (0..self.steps.len())
                .find(|at| writes(&self.steps[*at].does).any(|write| write == (key, value)))
                .unwrap()
        };
        seen.iter().rev().map(|value| writer(*value)).find(|writer| *writer != reader)
    }

    /// For `decide`. The steps must be sorted.
    pub fn input(&self) -> Input {
        let (history, ops) = self.history();
        assert!(ops.is_sorted());
        let mut txns = Txns {
            kind: self.kind,
            txns: Vec::new(),
            mops: Vec::new(),
            elements: Vec::new(),
            keys: Interner::default(),
            values: Interner::default(),
            session_count: history.sessions.len() as u32,
        };
        for (op, step) in ops.iter().zip(&self.steps) {
            let start = txns.mops.len() as u32;
            for does in &step.does {
                match does {
                    Do::W(key, value) => {
                        let (key, value) = (number(&mut txns.keys, *key), number(&mut txns.values, *value));
                        txns.mops.push(Mop::Write { key, value });
                    }
                    Do::R(key, seen) if step.outcome == Outcome::Ok => {
                        let key = number(&mut txns.keys, *key);
                        let seen: Vec<u32> =
                            seen.iter().map(|value| number(&mut txns.values, *value)).collect();
                        let seen = match (self.kind, &seen[..]) {
                            (Kind::RwRegister, []) => Seen::Nil,
                            (Kind::RwRegister, values) => Seen::Value(values[values.len() - 1]),
                            (Kind::ListAppend, values) => {
                                let start = txns.elements.len() as u32;
                                txns.elements.extend(values);
                                Seen::List { start, end: txns.elements.len() as u32 }
                            }
                        };
                        txns.mops.push(Mop::Read { key, seen });
                    }
                    Do::R(..) => {}
                }
            }
            let span = history.op(*op);
            txns.txns.push(Txn {
                op: *op,
                session: span.session,
                from: span.call,
                until: span.ret,
                outcome: step.outcome,
                mops: start..txns.mops.len() as u32,
            });
        }
        let versions = self.versions(&mut txns);
        Input { txns, versions, history }
    }

    fn versions(&self, txns: &mut Txns) -> Vec<Versions> {
        let mut of: BTreeMap<u32, Versions> = BTreeMap::new();
        let mut longest: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let id = |at: usize| TxnId(at as u32);
        for (reader, step) in self.steps.iter().enumerate().filter(|(_, step)| step.outcome == Outcome::Ok) {
            for does in &step.does {
                let Do::R(key, seen) = does else { continue };
                let versions = of.entry(*key).or_default();
                let longest = longest.entry(*key).or_default();
                if seen.len() > longest.len() {
                    longest.clone_from(seen);
                }
                let source = self.source(reader, *key, seen);
                if seen.is_empty() || source.is_some() {
                    versions.reads.push((id(reader), source.map(id)));
                }
                let overwrites = writes(&step.does).any(|write| write.0 == *key);
                if let Some(source) = source.filter(|_| overwrites && self.kind == Kind::RwRegister) {
                    versions.known.push((id(source), id(reader)));
                }
            }
        }
        for at in 0..self.steps.len() {
            let takes_part = match self.steps[at].outcome {
                Outcome::Ok => true,
                Outcome::Info => self.is_read(at),
                Outcome::Fail => false,
            };
            for key in writes(&self.steps[at].does)
                .filter(|_| takes_part)
                .map(|write| write.0)
                .collect::<BTreeSet<_>>()
            {
                of.entry(key).or_default().loose.push(id(at));
            }
        }
        for (key, versions) in of.iter_mut().filter(|_| self.kind == Kind::ListAppend) {
            for value in longest.remove(key).unwrap_or_default() {
                let writer = id(self.source(usize::MAX, *key, &[value]).unwrap());
                if versions.chain.last() != Some(&writer) {
                    versions.chain.push(writer);
                }
            }
            versions.loose.retain(|writer| !versions.chain.contains(writer));
            versions.loose_after_chain = true;
        }
        let mut versions = vec![Versions::default(); of.len().max(txns.keys.len())];
        for (key, known) in of {
            let key = number(&mut txns.keys, key);
            if versions.len() <= key as usize {
                versions.resize(key as usize + 1, Versions::default());
            }
            versions[key as usize] = known;
        }
        versions
    }
}

fn number(interner: &mut Interner, value: u32) -> u32 {
    interner.id(&Value::Int(i64::from(value)))
}

pub fn writes(does: &[Do]) -> impl Iterator<Item = (u32, u32)> + '_ {
    does.iter().filter_map(|does| match does {
        Do::W(key, value) => Some((*key, *value)),
        Do::R(..) => None,
    })
}

/// How random histories come about.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    pub kind: Kind,
    pub txns: u64,
    pub keys: u64,
    pub processes: u64,
    /// Of ten reads, how many see something else than their snapshot.
    pub wild: u64,
    /// Of ten transactions, how many have an older snapshot than the moment of their commit.
    pub stale: u64,
    /// Of ten transactions, how many commit out of turn.
    pub shuffled: u64,
}

/// A history by transactions that commit in some order and read from snapshots, or not.
pub fn random(rng: &mut Rng, recipe: Recipe) -> Small {
    let mut small = schedule(rng, recipe);
    // Commits, in the order of returns unless shuffled.
    let mut commits: Vec<usize> = Vec::new();
    for (at, event) in small.events.iter().enumerate() {
        if small.events[..at].contains(event) && small.steps[*event].outcome != Outcome::Fail {
            commits.push(*event);
        }
    }
    for at in 0..commits.len() {
        if rng.chance(recipe.shuffled, 10) {
            let other = rng.below(commits.len() as u64) as usize;
            commits.swap(at, other);
        }
    }
    let shapes: Vec<Vec<Do>> = small.steps.iter().map(|step| step.does.clone()).collect();
    let state = |until: usize, key: u32| -> Vec<u32> {
        let written = commits[..until].iter().flat_map(|at| writes(&shapes[*at]));
        let values: Vec<u32> = written.filter(|write| write.0 == key).map(|write| write.1).collect();
        match recipe.kind {
            Kind::ListAppend => values,
            Kind::RwRegister => values.last().copied().into_iter().collect(),
        }
    };
    for (place, at) in commits.iter().copied().enumerate() {
        let stale = rng.chance(recipe.stale, 10);
        let snapshot = if stale { rng.below(place as u64 + 1) as usize } else { place };
        let mut own: Vec<(u32, u32)> = Vec::new();
        for does in &mut small.steps[at].does {
            match does {
                Do::W(key, value) => own.push((*key, *value)),
                Do::R(key, seen) => {
                    let is_own = own.iter().any(|write| write.0 == *key);
                    let until = match recipe.kind {
                        Kind::ListAppend if is_own => place,
                        // Not from itself before it writes.
                        _ if rng.chance(recipe.wild, 10) => rng.below(place as u64 + 1) as usize,
                        _ => snapshot,
                    };
                    *seen = state(until, *key);
                    seen.extend(own.iter().filter(|write| write.0 == *key).map(|write| write.1));
                    if recipe.kind == Kind::RwRegister {
                        *seen = seen.last().copied().into_iter().collect();
                    }
                }
            }
        }
    }
    small.sorted()
}

/// Who calls when, what is read and written, and how it ends.
fn schedule(rng: &mut Rng, recipe: Recipe) -> Small {
    let mut small =
        Small { kind: recipe.kind, order: Order::RealTime, steps: Vec::new(), events: Vec::new() };
    let mut open: BTreeMap<u32, usize> = BTreeMap::new();
    let mut value = 0;
    loop {
        let process = rng.below(recipe.processes) as u32;
        if let Some(at) = open.remove(&process) {
            small.events.push(at);
        } else if (small.steps.len() as u64) < recipe.txns {
            let mut does: Vec<Do> = Vec::new();
            for _ in 0..rng.between(1, 4) {
                let key = rng.below(recipe.keys) as u32;
                if rng.chance(1, 2) {
                    does.push(Do::R(key, Vec::new()));
                } else if !does.iter().any(|other| matches!(other, Do::W(of, _) if *of == key)) {
                    value += 1;
                    does.push(Do::W(key, value));
                }
            }
            let outcome = match rng.below(12) {
                0 => Outcome::Fail,
                1 => Outcome::Info,
                _ => Outcome::Ok,
            };
            small.events.push(small.steps.len());
            open.insert(process, small.steps.len());
            small.steps.push(Step { process, outcome, does });
        } else if open.is_empty() {
            return small;
        }
    }
}
