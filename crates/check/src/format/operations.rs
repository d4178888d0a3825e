//! Porcupine's operations, as JSON: `{"ClientId": 1, "Input": …, "Call": 10, "Output": …, "Return": 20}`.
//!
//! **Idea.** Stamps and client are porcupine's own and have fixed names; input and output belong to whoever wrote the test. An input
//! that is an object tells its operation under one of a few names (`op`, `f`, `type`, …), its key and its value; what is left of it
//! stays its argument. An output object with a value gives that, one with an error or a mark that it is unknown gives an unknown
//! outcome.

use super::bad_input::Reason;
use super::event::{Event, What, Whole};
use super::words::Words;
use crate::history::{Outcome, Value};

/// Reads one operation.
///
/// # Errors
/// If it has no stamps or tells no operation.
pub fn event(operation: &Value, words: &mut Words, line: u32) -> Result<Event, Reason> {
    let start = operation.get("Call").and_then(Value::as_int);
    let hint = "porcupine's operations have ClientId, Input, Call, Output and Return";
    let start = start.ok_or(Reason::Missing { field: "Call", hint })?;
    let client = operation.get("ClientId").and_then(Value::as_int);
    let client = client.ok_or(Reason::Missing { field: "ClientId", hint })?;
    let input = operation.get("Input").ok_or(Reason::Missing { field: "Input", hint })?;
    let end = operation.get("Return").and_then(Value::as_int);
    let output = operation.get("Output").unwrap_or(&Value::Nil);
    let is_known = end.is_some() && !is_unknown(output);
    let outcome = if is_known { Outcome::Ok } else { Outcome::Info };
    let output = if is_known { result(output) } else { Value::Nil };
    let mut event = Event::new(
        What::Whole(Box::new(Whole { outcome, output, start: Some(start), end: end.filter(|_| is_known) })),
        line,
    );
    event.process = Some(words.number(client));
    let f = named(input, &["f", "op", "type", "operation", "kind"]).and_then(Value::as_word);
    let hint = "tell the operation under `op`, as a word";
    let f = f.ok_or(Reason::Missing { field: "Input.op", hint })?;
    event.f = words.share(&f.trim_start_matches(':').to_ascii_lowercase());
    event.key = named(input, &["key", "k"]).cloned().unwrap_or_default();
    event.value = argument(input);
    Ok(event)
}

/// What an object holds under one of these names, in small or capital letters.
fn named<'a>(object: &'a Value, names: &[&str]) -> Option<&'a Value> {
    let Value::Map(pairs) = object else { return None };
    let mut pairs = pairs.iter();
    pairs.find(|(key, _)| is_named(key, names)).map(|(_, value)| value)
}

fn is_named(key: &Value, names: &[&str]) -> bool {
    key.as_word().is_some_and(|key| names.iter().any(|name| key.eq_ignore_ascii_case(name)))
}

/// The value of an input; if none has that name, everything but the operation and the key.
fn argument(input: &Value) -> Value {
    if let Some(value) = named(input, &["value", "v", "val", "arg"]) {
        return value.clone();
    }
    let Value::Map(pairs) = input else { return Value::Nil };
    let is_taken = |key| is_named(key, &["f", "op", "type", "operation", "kind", "key", "k"]);
    let left: Vec<(Value, Value)> = pairs.iter().filter(|(key, _)| !is_taken(key)).cloned().collect();
    if left.is_empty() { Value::Nil } else { Value::map(left) }
}

fn result(output: &Value) -> Value {
    named(output, &["value", "v", "val", "result"]).unwrap_or(output).clone()
}

fn is_unknown(output: &Value) -> bool {
    let marks = ["unknown", "timeout", "error", "err"];
    let Value::Map(pairs) = output else { return false };
    let is_empty = |value: &Value| {
        value.is_nil() || *value == Value::Bool(false) || value.as_word().is_some_and(str::is_empty)
    };
    pairs.iter().any(|(key, value)| is_named(key, &marks) && !is_empty(value))
}
