//! Sets, queues, stacks, priority queues and leaderboards.

use super::object::{Draw, Object, Request};
use super::rng::Rng;
use crate::history::Value;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) struct Sets {
    draw: Draw,
    elements: FxHashMap<u32, BTreeSet<Value>>,
}

impl Sets {
    pub fn new(draw: Draw) -> Self {
        Sets { draw, elements: FxHashMap::default() }
    }
}

impl Object for Sets {
    fn choose(&mut self, _: u32, key: u32, _: u64, rng: &mut Rng) -> Request {
        if self.draw.is_read(rng) {
            return Request { f: "read", key, input: Value::Nil };
        }
        let is_other = self.draw.is_special(40, rng);
        let present = self.elements.get(&key).and_then(BTreeSet::first).filter(|_| is_other).cloned();
        let input = present.unwrap_or_else(|| self.draw.value(rng));
        let f = match rng.below(2) {
            _ if !is_other => "add",
            0 => "remove",
            _ => "contains",
        };
        Request { f, key, input }
    }

    fn apply(&mut self, _: u32, request: &Request, _: bool) -> Value {
        let set = self.elements.entry(request.key).or_default();
        match request.f {
            "read" => Value::set(set.iter().cloned()),
            "add" => {
                let was_new = set.insert(request.input.clone());
                if self.draw.plain { Value::Nil } else { Value::Bool(was_new) }
            }
            "remove" => Value::Bool(set.remove(&request.input)),
            _ => Value::Bool(set.contains(&request.input)),
        }
    }
}

pub(super) struct Queues {
    draw: Draw,
    values: FxHashMap<u32, VecDeque<Value>>,
}

impl Queues {
    pub fn new(draw: Draw) -> Self {
        Queues { draw, values: FxHashMap::default() }
    }
}

impl Object for Queues {
    fn choose(&mut self, _: u32, key: u32, _: u64, rng: &mut Rng) -> Request {
        if self.draw.is_read(rng) {
            return Request { f: "dequeue", key, input: Value::Nil };
        }
        Request { f: "enqueue", key, input: self.draw.value(rng) }
    }

    fn apply(&mut self, _: u32, request: &Request, _: bool) -> Value {
        let queue = self.values.entry(request.key).or_default();
        if request.f == "dequeue" {
            return queue.pop_front().unwrap_or_default();
        }
        queue.push_back(request.input.clone());
        Value::Nil
    }
}

pub(super) struct Stacks {
    draw: Draw,
    values: FxHashMap<u32, Vec<Value>>,
}

impl Stacks {
    pub fn new(draw: Draw) -> Self {
        Stacks { draw, values: FxHashMap::default() }
    }
}

impl Object for Stacks {
    fn choose(&mut self, _: u32, key: u32, _: u64, rng: &mut Rng) -> Request {
        if self.draw.is_read(rng) {
            return Request { f: "pop", key, input: Value::Nil };
        }
        Request { f: "push", key, input: self.draw.value(rng) }
    }

    fn apply(&mut self, _: u32, request: &Request, _: bool) -> Value {
        let stack = self.values.entry(request.key).or_default();
        if request.f == "pop" {
            return stack.pop().unwrap_or_default();
        }
        stack.push(request.input.clone());
        Value::Nil
    }
}

pub(super) struct PriorityQueues {
    draw: Draw,
    values: FxHashMap<u32, BTreeMap<(i64, Value), u32>>,
}

impl PriorityQueues {
    pub fn new(draw: Draw) -> Self {
        PriorityQueues { draw, values: FxHashMap::default() }
    }
}

impl Object for PriorityQueues {
    fn choose(&mut self, _: u32, key: u32, _: u64, rng: &mut Rng) -> Request {
        if self.draw.is_read(rng) {
            return Request { f: "delete-min", key, input: Value::Nil };
        }
        let priority = Value::Int(rng.below(20) as i64);
        Request { f: "insert", key, input: Value::list([priority, self.draw.value(rng)]) }
    }

    fn apply(&mut self, _: u32, request: &Request, _: bool) -> Value {
        let queue = self.values.entry(request.key).or_default();
        if request.f == "delete-min" {
            let Some(mut least) = queue.first_entry() else { return Value::Nil };
            let (priority, value) = least.key().clone();
            *least.get_mut() -= 1;
            if *least.get() == 0 {
                least.remove();
            }
            return Value::list([Value::Int(priority), value]);
        }
        if let Some((Value::Int(priority), value)) = request.input.as_pair() {
            *queue.entry((*priority, value.clone())).or_default() += 1;
        }
        Value::Nil
    }
}

pub(super) struct Leaderboards {
    draw: Draw,
    scores: FxHashMap<u32, BTreeMap<String, i64>>,
}

impl Leaderboards {
    pub fn new(draw: Draw) -> Self {
        Leaderboards { draw, scores: FxHashMap::default() }
    }
}

fn member(rng: &mut Rng) -> Value {
    Value::text(["ann", "bea", "cy", "dee", "eve", "flo"][rng.index(6)])
}

impl Object for Leaderboards {
    fn choose(&mut self, _: u32, key: u32, _: u64, rng: &mut Rng) -> Request {
        let (f, input) = if self.draw.is_read(rng) {
            match rng.below(3) {
                0 => ("score", member(rng)),
                1 => ("rank", member(rng)),
                _ => ("top", Value::Int(rng.below(4) as i64)),
            }
        } else {
            let score = Value::Int(rng.below(5) as i64);
            match rng.below(4) {
                0 => ("remove", member(rng)),
                1 => ("incr", Value::list([member(rng), score])),
                _ => ("add", Value::list([member(rng), score])),
            }
        };
        Request { f, key, input }
    }

    fn apply(&mut self, _: u32, request: &Request, _: bool) -> Value {
        let scores = self.scores.entry(request.key).or_default();
        let (name, number) = match &request.input {
            Value::List(pair) => {
                (pair[0].as_word().unwrap_or_default(), pair[1].as_int().unwrap_or_default())
            }
            input => (input.as_word().unwrap_or_default(), input.as_int().unwrap_or_default()),
        };
        match request.f {
            "add" => Value::Bool(scores.insert(name.to_owned(), number).is_none()),
            "incr" => {
                let score = scores.entry(name.to_owned()).or_default();
                *score += number;
                Value::Int(*score)
            }
            "remove" => Value::Bool(scores.remove(name).is_some()),
            "score" => scores.get(name).map_or(Value::Nil, |score| Value::Int(*score)),
            f => {
                let mut best: Vec<(&String, &i64)> = scores.iter().collect();
                best.sort_by_key(|(name, score)| Reverse((**score, (*name).clone())));
                if f == "rank" {
                    let rank = best.iter().position(|(other, _)| *other == name);
                    return rank.map_or(Value::Nil, |rank| Value::Int(rank as i64));
                }
                let top = best.iter().take(number as usize);
                Value::list(top.map(|(name, score)| Value::list([Value::text(name), Value::Int(**score)])))
            }
        }
    }
}
