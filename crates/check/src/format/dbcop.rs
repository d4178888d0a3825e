//! dbcop's histories in files: bincode of its first version, JSON of its second.
//!
//! Layout of the first, all numbers of 8 bytes, little-endian:
//!
//! ```text
//! id, nodes, variables, transactions, events │ info, start, end: length and text each
//! sessions: count, then for each │ transactions: count, then for each │ events: count, then for each
//!                                │                                    │   is_write: 1 byte, variable, value, done: 1 byte
//!                                │   committed: 1 byte
//! ```
//!
//! The second is a list of sessions, each a list of transactions `{"events": [{"Read": {"variable": 0, "version": null}}, …],
//! "committed": true}`; or an object that has this list under `data`.

use super::bad_input::{Reason, Snag, excerpt};
use super::json::Scanner;
use super::transactions::{MicroOp, Transaction};
use super::words::Words;
use crate::history::{Outcome, Value};
use std::sync::Arc;

/// A place in binary data.
struct Bytes<'a> {
    rest: &'a [u8],
}

/// The smallest transaction: no events, and the mark of its outcome.
const MIN_TRANSACTION_BYTES: usize = 9;
const EVENT_BYTES: usize = 18;

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Reason> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(Reason::Unclosed { what: "dbcop's data" })?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, Reason> {
        let bytes = self.take(8)?.try_into().expect("eight bytes were taken");
        Ok(u64::from_le_bytes(bytes))
    }

    /// A count of things of at least so many bytes.
    fn count(&mut self, min_bytes: usize) -> Result<usize, Reason> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let fits = count.checked_mul(min_bytes).is_some_and(|bytes| bytes <= self.rest.len());
        if fits { Ok(count) } else { Err(Reason::Unclosed { what: "dbcop's data" }) }
    }

    fn flag(&mut self) -> Result<bool, Reason> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            found => {
                Err(Reason::Unexpected { found: excerpt(found), wanted: "a byte 0 or 1 in dbcop's data" })
            }
        }
    }

    fn value(&mut self) -> Result<Value, Reason> {
        let number = self.number()?;
        Ok(i64::try_from(number).map_or_else(|_| Value::Other(number.to_string().into()), Value::Int))
    }
}

/// Reads the binary format.
///
/// # Errors
/// If the data is cut, longer than it says, or no such data.
pub fn bincode(bytes: &[u8]) -> Result<Vec<Transaction>, Reason> {
    let mut bytes = Bytes { rest: bytes };
    for _ in 0..5 {
        bytes.number()?;
    }
    for _ in 0..3 {
        let length = bytes.count(1)?;
        let text = bytes.take(length)?;
        std::str::from_utf8(text).map_err(|_| Reason::NotUtf8)?;
    }
    let mut transactions = Vec::new();
    for session in 0..bytes.count(8)? {
        let session: Arc<str> = session.to_string().into();
        for _ in 0..bytes.count(MIN_TRANSACTION_BYTES)? {
            let mut micro_ops = Vec::new();
            for _ in 0..bytes.count(EVENT_BYTES)? {
                let is_write = bytes.flag()?;
                let micro_op = (is_write, bytes.value()?, bytes.value()?);
                if bytes.flag()? {
                    micro_ops.push(micro_op);
                }
            }
            let outcome = if bytes.flag()? { Outcome::Ok } else { Outcome::Fail };
            transactions.push(Transaction { session: Arc::clone(&session), outcome, micro_ops, line: 0 });
        }
    }
    match bytes.rest {
        [] => Ok(transactions),
        rest => {
            Err(Reason::Unexpected { found: excerpt(rest), wanted: "nothing more after dbcop's sessions" })
        }
    }
}

/// Reads the JSON format.
///
/// # Errors
/// With the index of the byte at which something is wrong.
pub fn json(bytes: &[u8], words: &mut Words) -> Result<Vec<Transaction>, Snag> {
    let mut scanner = Scanner::new(bytes, true, words);
    let mut transactions = Vec::new();
    scanner.skip_blank()?;
    if scanner.peek()? == b'{' {
        scanner.each(b'}', |scanner| match scanner.key()?.as_str() {
            "data" | "sessions" => json_sessions(scanner, bytes, &mut transactions),
            _ => scanner.skip(),
        })?;
    } else {
        json_sessions(&mut scanner, bytes, &mut transactions)?;
    }
    if scanner.is_over()? { Ok(transactions) } else { Err(scanner.unexpected(scanner.at(), "the end")) }
}

fn json_sessions(
    scanner: &mut Scanner<'_, '_>,
    bytes: &[u8],
    transactions: &mut Vec<Transaction>,
) -> Result<(), Snag> {
    let (mut session_count, mut line, mut counted) = (0, 1, 0);
    open_list(scanner, "a list of sessions")?;
    scanner.each(b']', |scanner| {
        let session: Arc<str> = session_count.to_string().into();
        session_count += 1;
        open_list(scanner, "a list of transactions")?;
        scanner.each(b']', |scanner| {
            let at = scanner.at();
            line += bytes[counted..at].iter().filter(|byte| **byte == b'\n').count() as u32;
            counted = at;
            let value = scanner.value()?;
            let wanted = "a transaction like {\"events\": [{\"Write\": {\"variable\": 0, \"version\": 1}}], \"committed\": true}";
            let (micro_ops, committed) = json_transaction(&value).ok_or_else(|| scanner.unexpected(at, wanted))?;
            let outcome = if committed { Outcome::Ok } else { Outcome::Fail };
            transactions.push(Transaction { session: Arc::clone(&session), outcome, micro_ops, line });
            Ok(())
        })
    })
}

fn open_list(scanner: &mut Scanner<'_, '_>, wanted: &'static str) -> Result<(), Snag> {
    scanner.skip_blank()?;
    if scanner.peek()? == b'[' { Ok(()) } else { Err(scanner.unexpected(scanner.at(), wanted)) }
}

fn json_transaction(value: &Value) -> Option<(Vec<MicroOp>, bool)> {
    let events = value.get("events")?.as_list()?.iter().map(|event| {
        let (is_write, what) = match (event.get("Write"), event.get("Read")) {
            (Some(what), None) => (true, what),
            (None, Some(what)) => (false, what),
            _ => return None,
        };
        let version = what.get("version").cloned().unwrap_or_default();
        Some((is_write, what.get("variable")?.clone(), version))
    });
    let committed = match value.get("committed") {
        None | Some(Value::Bool(true)) => true,
        Some(Value::Bool(false)) => false,
        Some(_) => return None,
    };
    Some((events.collect::<Option<_>>()?, committed))
}
