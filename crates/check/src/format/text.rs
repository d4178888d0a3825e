//! Three text formats of transactions.
//!
//! | format | looks like |
//! |---|---|
//! | Plume, PolySI | `w(key,value,session,txn)` and `r(…)`, a line each; transaction −1 aborted; value 0 is initial |
//! | AWDIT | `w key value` and `r key value`, a line each; `-----` ends a transaction, `=====` a session |
//! | dbcop's DSL | `[x:=1 y==2] [x==?]!`: writes, reads, a read of the initial version; `!` aborted; `---` ends a session; `// comment` |

use super::bad_input::Reason;
use super::transactions::{MicroOp, Transaction};
use crate::history::{Outcome, Value};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What a reader gives: transactions, or a line and what is wrong with it.
pub type Read = Result<Vec<Transaction>, (u32, Reason)>;

/// The lines with their numbers, without blanks around them; empty ones are left out.
fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at as u32 + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty())
}

fn unexpected(found: &str, wanted: &'static str) -> Reason {
    const MOST: usize = 40;
    let cut = found.char_indices().nth(MOST).map_or(found.len(), |(at, _)| at);
    Reason::Unexpected { found: format!("`{}`", found[..cut].escape_debug()), wanted }
}

/// A number, or else text.
fn atom(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::text(text), Value::Int)
}

/// Reads Plume's and PolySI's format.
///
/// # Errors
/// With the line on which something is wrong.
pub fn plume(text: &str) -> Read {
    let mut transactions: Vec<Transaction> = Vec::new();
    // Lines of one transaction need not follow each other; each run of aborted lines of a session is a transaction.
    let mut open: FxHashMap<(&str, &str), usize> = FxHashMap::default();
    let mut before = ("", "");
    for (line, text) in lines(text) {
        const WANTED: &str = "w(key,value,session,txn) or r(key,value,session,txn)";
        let bad = || (line, unexpected(text, WANTED));
        let is_write = text.starts_with(['w', 'W']);
        let inside = text
            .trim_start_matches(['w', 'W', 'r', 'R'])
            .trim_start()
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'));
        let parts: Vec<&str> = inside.ok_or_else(bad)?.split(',').map(str::trim).collect();
        let [key, value, session, txn] = parts[..] else { return Err(bad()) };
        let is_known = is_write || text.starts_with(['r', 'R']);
        if !is_known || parts.contains(&"") {
            return Err(bad());
        }
        let aborted = txn == "-1";
        let known = open.get(&(session, txn)).copied().filter(|_| !aborted || before == (session, txn));
        let at = known.unwrap_or(transactions.len());
        if at == transactions.len() {
            let outcome = if aborted { Outcome::Fail } else { Outcome::Ok };
            transactions.push(Transaction { session: session.into(), outcome, micro_ops: Vec::new(), line });
            open.insert((session, txn), at);
        }
        transactions[at].micro_ops.push((is_write, atom(key), atom(value)));
        before = (session, txn);
    }
    Ok(transactions)
}

/// Reads AWDIT's test format.
///
/// # Errors
/// With the line on which something is wrong.
pub fn awdit(text: &str) -> Read {
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut session_count = 0;
    let mut session: Arc<str> = "0".into();
    let mut is_open = false;
    for (line, text) in lines(text) {
        let is_rule = |mark: u8| text.bytes().all(|byte| byte == mark);
        if is_rule(b'-') || is_rule(b'=') {
            is_open = false;
            if is_rule(b'=') {
                session_count += 1;
                session = session_count.to_string().into();
            }
            continue;
        }
        let parts: Vec<&str> = text.split_whitespace().collect();
        let (is_write, key, value) = match parts[..] {
            ["w", key, value] => (true, key, value),
            ["r", key, value] => (false, key, value),
            _ => return Err((line, unexpected(text, "w key value, r key value, ----- or ====="))),
        };
        if !is_open {
            let session = Arc::clone(&session);
            transactions.push(Transaction { session, outcome: Outcome::Ok, micro_ops: Vec::new(), line });
            is_open = true;
        }
        let current = transactions.last_mut().expect("a transaction was just begun");
        current.micro_ops.push((is_write, atom(key), atom(value)));
    }
    Ok(transactions)
}

/// Reads dbcop's text format.
///
/// # Errors
/// With the line on which something is wrong.
pub fn dbcop(text: &str) -> Read {
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut session_count = 0;
    for (line, text) in lines(text) {
        if text.starts_with("//") {
            continue;
        }
        if text.bytes().all(|byte| byte == b'-') {
            session_count += 1;
            continue;
        }
        let mut rest = text;
        while !rest.is_empty() && !rest.starts_with("//") {
            let bad = |found: &str, wanted| (line, unexpected(found, wanted));
            let inside = rest.strip_prefix('[').ok_or_else(|| bad(rest, "a transaction like [x:=1 y==2]"))?;
            let (inside, after) =
                inside.split_once(']').ok_or_else(|| bad(rest, "a closing bracket on the same line"))?;
            let after_mark = after.trim_start().strip_prefix('!');
            let outcome = if after_mark.is_some() { Outcome::Fail } else { Outcome::Ok };
            let micro_ops = inside
                .split_whitespace()
                .map(|event| dbcop_event(event).ok_or_else(|| bad(event, "x:=1, x==1 or x==?")));
            let micro_ops = micro_ops.collect::<Result<Vec<_>, _>>()?;
            let session = session_count.to_string().into();
            transactions.push(Transaction { session, outcome, micro_ops, line });
            rest = after_mark.unwrap_or(after).trim_start();
        }
    }
    Ok(transactions)
}

fn dbcop_event(event: &str) -> Option<MicroOp> {
    let (is_write, (key, value)) = match event.split_once(":=") {
        Some(parts) => (true, parts),
        None => (false, event.split_once("==")?),
    };
    let value = match value {
        "?" if !is_write => Value::Nil,
        value => Value::Int(value.parse().ok()?),
    };
    (!key.is_empty()).then(|| (is_write, atom(key), value))
}

#[cfg(test)]
mod tests {
    use super::{Read, awdit, dbcop, plume};
    use crate::format::transactions::history;

    fn check(read: fn(&str) -> Read, zero_is_initial: bool, text: &str, expect: &[&str]) {
        let history = history(read(text).unwrap(), zero_is_initial).unwrap();
        let ops: Vec<String> =
            (0..history.ops.len()).map(|at| history.describe(crate::history::OpId(at as u32))).collect();
        let ops: Vec<&str> = ops.iter().map(String::as_str).collect();
        assert_eq!(ops, expect);
    }

    #[test]
    fn plume_groups_by_transaction() {
        check(
            plume,
            true,
            "w(1,5,0,7)\nr(2,0,1,8)\nr(1,5,0,7)\n\nw(1,6,0,-1)\nw(1,7,0,9)\nr(x,6,0,-1)\n",
            &[
                "process 0: txn → [[:w 1 5] [:r 1 5]] (line 1)",
                "process 1: txn → [[:r 2 nil]] (line 2)",
                "process 0: txn [[:w 1 6]] failed (line 5)",
                "process 0: txn → [[:w 1 7]] (line 6)",
                "process 0: txn [[:r \"x\" 6]] failed (line 7)",
            ],
        );
        check(
            plume,
            true,
            "w(1,0,0,1)\nr(1,0,1,2)",
            &["process 0: txn → [[:w 1 0]] (line 1)", "process 1: txn → [[:r 1 0]] (line 2)"],
        );
    }

    #[test]
    fn awdit_is_cut_by_rules() {
        check(
            awdit,
            true,
            "w 1 5\nr 1 5\n-----\nw 2 6\n=====\nr 2 0\n",
            &[
                "process 0: txn → [[:w 1 5] [:r 1 5]] (line 1)",
                "process 0: txn → [[:w 2 6]] (line 4)",
                "process 1: txn → [[:r 2 nil]] (line 6)",
            ],
        );
    }

    #[test]
    fn dbcop_has_brackets() {
        check(
            dbcop,
            false,
            "// one\n[x:=1 y==?][x==1]! // end\n---\n[y:=0]",
            &[
                "process 0: txn → [[:w \"x\" 1] [:r \"y\" nil]] (line 2)",
                "process 0: txn [[:r \"x\" 1]] failed (line 2)",
                "process 1: txn → [[:w \"y\" 0]] (line 4)",
            ],
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |read: fn(&str) -> Read, text: &str, expect: &str| {
            let (line, reason) = read(text).unwrap_err();
            assert_eq!(format!("{line}: {reason}"), expect);
        };
        let plume_wants = "w(key,value,session,txn) or r(key,value,session,txn)";
        check(plume, "w(1,2,3,4)\nw(1,2,3)", &format!("2: found `w(1,2,3)`, expected {plume_wants}"));
        check(plume, "x(1,2,3,4)", &format!("1: found `x(1,2,3,4)`, expected {plume_wants}"));
        check(plume, "é", &format!("1: found `é`, expected {plume_wants}"));
        check(awdit, "w 1", "1: found `w 1`, expected w key value, r key value, ----- or =====");
        check(dbcop, "[x:=1", "1: found `[x:=1`, expected a closing bracket on the same line");
        check(dbcop, "[x=1]", "1: found `x=1`, expected x:=1, x==1 or x==?");
        check(dbcop, "x:=1", "1: found `x:=1`, expected a transaction like [x:=1 y==2]");
    }
}
