//! Counters, locks and rate limiters.

use super::object::{Draw, Object, Request};
use super::rng::Rng;
use crate::history::Value;
use rustc_hash::FxHashMap;

pub(super) struct Counters {
    draw: Draw,
    values: FxHashMap<u32, i64>,
}

impl Counters {
    pub fn new(draw: Draw) -> Self {
        Counters { draw, values: FxHashMap::default() }
    }
}

impl Object for Counters {
    fn choose(&mut self, _: u32, key: u32, _: u64, rng: &mut Rng) -> Request {
        if self.draw.is_read(rng) {
            return Request { f: "read", key, input: Value::Nil };
        }
        let delta = Value::Int(1 + rng.below(5) as i64);
        match rng.below(6) {
            0 if !self.draw.plain => Request { f: "inc", key, input: Value::Nil },
            1 if !self.draw.plain => Request { f: "dec", key, input: delta },
            2 if !self.draw.plain => Request { f: "add-and-get", key, input: delta },
            3 if !self.draw.plain => Request { f: "fetch-and-add", key, input: delta },
            _ => Request { f: "add", key, input: delta },
        }
    }

    fn apply(&mut self, _: u32, request: &Request, _: bool) -> Value {
        let value = self.values.entry(request.key).or_default();
        let before = *value;
        let delta = request.input.as_int().unwrap_or(1);
        match request.f {
            "read" => {}
            "dec" => *value -= delta,
            _ => *value += delta,
        }
        match request.f {
            "read" | "inc" | "add-and-get" => Value::Int(*value),
            "fetch-and-add" => Value::Int(before),
            _ => Value::Nil,
        }
    }
}

#[derive(Default)]
pub(super) struct Mutexes {
    owners: FxHashMap<u32, u32>,
}

impl Object for Mutexes {
    fn choose(&mut self, process: u32, key: u32, _: u64, rng: &mut Rng) -> Request {
        let holds = self.owners.get(&key) == Some(&process);
        let f = if holds != rng.percent(10) { "release" } else { "acquire" };
        Request { f, key, input: Value::Nil }
    }

    fn apply(&mut self, process: u32, request: &Request, _: bool) -> Value {
        let owner = self.owners.get(&request.key).copied();
        let fits = if request.f == "acquire" { owner.is_none() } else { owner == Some(process) };
        match (fits, request.f) {
            (true, "acquire") => drop(self.owners.insert(request.key, process)),
            (true, _) => drop(self.owners.remove(&request.key)),
            (false, _) => {}
        }
        Value::Bool(fits)
    }
}

#[derive(Default)]
pub(super) struct FencedLocks {
    locks: FxHashMap<u32, FencedLock>,
    /// What each process knows of tokens.
    known: FxHashMap<(u32, u32), i64>,
}

#[derive(Default)]
struct FencedLock {
    owner: Option<u32>,
    given: i64,
    met: i64,
}

impl Object for FencedLocks {
    fn choose(&mut self, process: u32, key: u32, _: u64, rng: &mut Rng) -> Request {
        let known = self.known.get(&(process, key));
        let holds = self.locks.get(&key).is_some_and(|lock| lock.owner == Some(process));
        match (known, rng.below(10)) {
            (Some(token), 0..=5) => Request { f: "guarded", key, input: Value::Int(*token) },
            (_, 6) => Request { f: "expire", key, input: Value::Nil },
            _ if holds => Request { f: "release", key, input: Value::Nil },
            _ => Request { f: "acquire", key, input: Value::Nil },
        }
    }

    fn apply(&mut self, process: u32, request: &Request, told: bool) -> Value {
        let lock = self.locks.entry(request.key).or_default();
        match request.f {
            "acquire" if lock.owner.is_some() => Value::Bool(false),
            "acquire" => {
                (lock.owner, lock.given) = (Some(process), lock.given + 3);
                if told {
                    self.known.insert((process, request.key), lock.given);
                }
                Value::Int(lock.given)
            }
            "expire" => {
                lock.owner = None;
                Value::Nil
            }
            "release" => {
                let holds = lock.owner == Some(process);
                if holds {
                    lock.owner = None;
                }
                Value::Bool(holds)
            }
            _ => {
                let token = request.input.as_int().unwrap_or_default();
                let admitted = token >= lock.met;
                lock.met = lock.met.max(token);
                Value::Bool(admitted)
            }
        }
    }
}

/// Sliding windows.
#[derive(Default)]
pub(super) struct RateLimiters {
    admitted: FxHashMap<u32, Vec<i64>>,
}

const LIMIT: usize = 3;
const WINDOW: i64 = 10;

impl Object for RateLimiters {
    fn choose(&mut self, _: u32, key: u32, now: u64, _: &mut Rng) -> Request {
        let input = [now as i64, LIMIT as i64, WINDOW];
        Request { f: "allow", key, input: Value::list(input.map(Value::Int)) }
    }

    fn apply(&mut self, _: u32, request: &Request, _: bool) -> Value {
        let parts = request.input.as_list().unwrap_or_default();
        let named = parts.first().and_then(Value::as_int).unwrap_or_default();
        let admitted = self.admitted.entry(request.key).or_default();
        let now = admitted.last().map_or(named, |last| named.max(*last));
        admitted.retain(|at| *at > now - WINDOW);
        let is_admitted = admitted.len() < LIMIT;
        if is_admitted {
            admitted.push(now);
        }
        Value::Bool(is_admitted)
    }
}
