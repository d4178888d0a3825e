//! Registers, texts by key, and registers that are changed several at a time.

use super::object::{Draw, Object, Request};
use super::rng::Rng;
use crate::history::Value;
use rustc_hash::FxHashMap;
use std::fmt::Write;

pub(super) struct Registers {
    draw: Draw,
    values: FxHashMap<u32, Value>,
}

impl Registers {
    pub fn new(draw: Draw) -> Self {
        Registers { draw, values: FxHashMap::default() }
    }

    fn value(&self, key: u32) -> Value {
        self.values.get(&key).cloned().unwrap_or_default()
    }
}

impl Object for Registers {
    fn choose(&mut self, _: u32, key: u32, _: u64, rng: &mut Rng) -> Request {
        if self.draw.is_read(rng) {
            return Request { f: "read", key, input: Value::Nil };
        }
        let new = self.draw.value(rng);
        if !self.draw.is_special(25, rng) {
            return Request { f: "write", key, input: new };
        }
        // What is there now often still is when the call acts.
        let old = if rng.percent(80) { self.value(key) } else { Value::Int(0) };
        Request { f: "cas", key, input: Value::list([old, new]) }
    }

    fn apply(&mut self, _: u32, request: &Request, _: bool) -> Value {
        match request.f {
            "read" => self.value(request.key),
            "write" => {
                self.values.insert(request.key, request.input.clone());
                Value::Nil
            }
            _ => {
                let (old, new) = request.input.as_pair().expect("two values are compared and set");
                let fits = self.value(request.key) == *old;
                if fits {
                    self.values.insert(request.key, new.clone());
                }
                Value::Bool(fits)
            }
        }
    }
}

pub(super) struct Kvs {
    draw: Draw,
    texts: FxHashMap<u32, String>,
}

/// A text is put anew when it has grown this long.
const LONG_BYTES: usize = 60;

impl Kvs {
    pub fn new(draw: Draw) -> Self {
        Kvs { draw, texts: FxHashMap::default() }
    }

    fn text(&self, key: u32) -> &str {
        self.texts.get(&key).map_or("", String::as_str)
    }
}

impl Object for Kvs {
    fn choose(&mut self, _: u32, key: u32, _: u64, rng: &mut Rng) -> Request {
        if self.draw.is_read(rng) {
            return Request { f: "get", key, input: Value::Nil };
        }
        let new = Value::text(&format!("v{} ", self.draw.value(rng)));
        if self.draw.plain || self.text(key).len() > LONG_BYTES {
            return Request { f: "put", key, input: new };
        }
        match rng.below(8) {
            0 => Request { f: "delete", key, input: Value::Nil },
            1 => {
                let old = Value::text(self.text(key));
                Request { f: "cas", key, input: Value::list([old, new]) }
            }
            2..=4 => Request { f: "put", key, input: new },
            _ => Request { f: "append", key, input: new },
        }
    }

    fn apply(&mut self, _: u32, request: &Request, _: bool) -> Value {
        if request.f == "get" {
            return Value::text(self.text(request.key));
        }
        let text = self.texts.entry(request.key).or_default();
        match (request.f, request.input.as_pair()) {
            ("delete", _) => text.clear(),
            (_, Some((old, new))) => {
                let fits = old.as_word() == Some(text);
                if fits {
                    text.clear();
                    text.push_str(new.as_word().unwrap_or_default());
                }
                return Value::Bool(fits);
            }
            (f, None) => {
                if f == "put" {
                    text.clear();
                }
                write!(text, "{}", request.input.as_word().unwrap_or_default()).expect("a text takes text");
            }
        }
        Value::Nil
    }
}

pub(super) struct MultiRegisters {
    draw: Draw,
    keys: u32,
    values: FxHashMap<Value, Value>,
}

impl MultiRegisters {
    pub fn new(draw: Draw, keys: u32) -> Self {
        MultiRegisters { draw, keys, values: FxHashMap::default() }
    }
}

impl Object for MultiRegisters {
    fn choose(&mut self, _: u32, _: u32, _: u64, rng: &mut Rng) -> Request {
        let len = if self.draw.plain { 1 } else { 1 + rng.below(3) };
        let mops = (0..len).map(|_| {
            let key = Value::Int(rng.below(self.keys.into()) as i64);
            let is_read = self.draw.is_read(rng);
            let (f, value) = if is_read { ("r", Value::Nil) } else { ("w", self.draw.value(rng)) };
            Value::list([Value::Keyword(f.into()), key, value])
        });
        Request { f: "txn", key: 0, input: Value::list(mops) }
    }

    fn apply(&mut self, _: u32, request: &Request, _: bool) -> Value {
        let mops = request.input.as_list().expect("a transaction is a list");
        let done = mops.iter().map(|mop| match mop.as_list() {
            Some([f, key, Value::Nil]) => {
                let value = self.values.get(key).cloned().unwrap_or_default();
                Value::list([f.clone(), key.clone(), value])
            }
            Some([_, key, value]) => {
                self.values.insert(key.clone(), value.clone());
                mop.clone()
            }
            _ => mop.clone(),
        });
        Value::list(done)
    }
}
