//! The logs on which porcupine is tested.
//!
//! Jepsen's own log lines, `INFO  jepsen.util - 3  :invoke  :write  4`, with tabs or blanks between the words. Lines of other
//! loggers, and those that tell of no operation, are passed over. Of a compare-and-set that failed it is known that the value did not
//! match: it is an operation that succeeded and gave `false`. A read that timed out had no effect, so it failed.
//!
//! (The logs of porcupine's key-value test are EDN with a `:key`, and read as such.)
//!
//! Source: porcupine's test data; the special cases as its tests treat them.

use super::bad_input::{Reason, Snag, excerpt};
use super::edn::Scanner;
use super::event::{Event, What};
use super::words::Words;
use crate::history::{Outcome, Value};

/// The logger that tells of operations.
pub const LOGGER: &str = "jepsen.util";

/// Reads one line; nothing if it tells of no operation.
///
/// # Errors
/// If it tells of one in a way that is not known.
pub fn event(text: &str, words: &mut Words, line: u32) -> Result<Option<Event>, Reason> {
    let Some((_, rest)) = text.split_once(LOGGER) else { return Ok(None) };
    let Some(rest) = rest.trim_start().strip_prefix('-') else { return Ok(None) };
    let (process, rest) = word(rest);
    let (kind, rest) = word(rest);
    let outcome = match kind {
        ":invoke" => None,
        ":ok" => Some(Outcome::Ok),
        ":fail" => Some(Outcome::Fail),
        ":info" => Some(Outcome::Info),
        _ => return Ok(None),
    };
    let (f, rest) = word(rest);
    let f = f.strip_prefix(':').filter(|f| !f.is_empty()).ok_or_else(|| Reason::Unexpected {
        found: excerpt(f.as_bytes()),
        wanted: "an operation such as :read",
    })?;
    let mut event = Event::new(What::Invoke, line);
    event.process = Some(words.share(process.trim_start_matches(':')));
    event.f = words.share(f);
    event.value = value(rest.trim(), words)?;
    if process.starts_with(':') {
        event.what = What::Nemesis;
        return Ok(Some(event));
    }
    if process.parse::<u64>().is_err() {
        return Err(Reason::Unexpected { found: excerpt(process.as_bytes()), wanted: "a process number" });
    }
    if let Some(outcome) = outcome {
        let is_mismatch = outcome == Outcome::Fail && f == "cas";
        event.what = What::Return(if is_mismatch { Outcome::Ok } else { outcome });
        if is_mismatch {
            event.value = Value::Bool(false);
        }
    }
    Ok(Some(event))
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// The first EDN value; what may follow it is a message for people.
fn value(text: &str, words: &mut Words) -> Result<Value, Reason> {
    if text.is_empty() {
        return Ok(Value::Nil);
    }
    match Scanner::new(text.as_bytes(), true, words).value() {
        Ok(value) => Ok(value),
        Err(Snag::Bad { reason, .. }) => Err(*reason),
        Err(Snag::Incomplete) => Err(Reason::Unclosed { what: "a value" }),
    }
}
