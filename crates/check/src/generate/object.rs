//! What the simulated clients call.

use super::rng::Rng;
use crate::history::Value;

/// A call that a client makes.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub f: &'static str,
    pub key: u32,
    pub input: Value,
}

/// Many objects of one kind, by key.
pub(super) trait Object {
    /// What the client `process` calls next, on the object at `key`. `now` grows from call to call.
    fn choose(&mut self, process: u32, key: u32, now: u64, rng: &mut Rng) -> Request;

    /// Does it, and gives the result; `told` says whether the client will learn it.
    fn apply(&mut self, process: u32, request: &Request, told: bool) -> Value;
}

/// How values are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    /// Values are `0..domain`; 0 makes each a new one.
    pub domain: u32,
    /// Of a hundred calls so many are reads, or removals.
    pub read_percent: u32,
    /// No calls but the plainest.
    pub plain: bool,
    /// The next new value.
    pub next: u64,
}

impl Draw {
    pub fn value(&mut self, rng: &mut Rng) -> Value {
        if self.domain > 0 {
            return Value::Int(rng.below(self.domain.into()) as i64);
        }
        self.next += 1;
        Value::Int(self.next as i64)
    }

    pub fn is_read(&self, rng: &mut Rng) -> bool {
        rng.percent(self.read_percent)
    }

    /// True in so many of a hundred cases, if calls need not be plain.
    pub fn is_special(&self, percent: u32, rng: &mut Rng) -> bool {
        !self.plain && rng.percent(percent)
    }
}
