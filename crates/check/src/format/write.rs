//! From a history to Jepsen's EDN or our JSON Lines.
//!
//! **Idea.** The ends of all operations and faults in the order of their ranks, an event each. What is read back has the same ranks,
//! counted from zero. Of a history that orders sessions only, each operation is one line, in the order of calls.
//!
//! Processes whose name is `nemesis` or begins with a colon would be read back as faults: do not name clients so.

use super::json::is_number;
use crate::history::{Fault, History, Nanos, Op, Order, Outcome, Point, Value};
use std::io::{self, Write};

/// Writes a history as Jepsen does: EDN, an event per line.
///
/// # Errors
/// If the writer fails.
pub fn write_edn(history: &History, out: impl Write) -> io::Result<()> {
    Writer { history, out, syntax: Syntax::Edn }.history()
}

/// Writes a history as JSON Lines, with a header.
///
/// # Errors
/// If the writer fails.
pub fn write_jsonl(history: &History, mut out: impl Write) -> io::Result<()> {
    let order = match history.order {
        Order::RealTime => "real-time",
        Order::Sessions => "sessions",
    };
    writeln!(out, "{{\"quorate\":\"history\",\"version\":1,\"order\":\"{order}\"}}")?;
    Writer { history, out, syntax: Syntax::Json }.history()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Edn,
    Json,
}

struct Writer<'h, W> {
    history: &'h History,
    out: W,
    syntax: Syntax,
}

/// One line to be.
#[derive(Clone, Copy)]
enum Line<'h> {
    Invoke(&'h Op),
    Return(&'h Op),
    Whole(&'h Op),
    FaultBegin(usize, &'h Fault),
    FaultEnd(usize, &'h Fault),
}

impl<'h, W: Write> Writer<'h, W> {
    fn history(mut self) -> io::Result<()> {
        // What each process has open in doubt, and how often it has been in doubt.
        let mut doubts: Vec<(Option<&Op>, u32)> = vec![(None, 0); self.history.processes.len()];
        for line in self.lines() {
            let (Line::Invoke(op) | Line::Whole(op)) = line else {
                self.line(line, 0)?;
                continue;
            };
            let process = op.process.0 as usize;
            if let (Some(before), count) = doubts[process] {
                doubts[process] = (None, count + 1);
                if matches!(line, Line::Invoke(_)) {
                    self.line(Line::Return(before), count)?;
                }
            }
            self.line(line, doubts[process].1)?;
            if op.outcome == Outcome::Info {
                doubts[process].0 = Some(op);
            }
        }
        for (op, count) in doubts {
            match op {
                Some(op) if self.history.order == Order::RealTime && op.lines.ret != 0 => {
                    self.line(Line::Return(op), count)?;
                }
                _ => {}
            }
        }
        self.out.flush()
    }

    /// The lines in their order, but for returns in doubt, which have no rank.
    fn lines(&self) -> Vec<Line<'h>> {
        let history = self.history;
        let mut lines: Vec<(Point, Line<'h>)> = Vec::with_capacity(2 * history.ops.len());
        for op in &history.ops {
            if history.order == Order::Sessions {
                lines.push((op.call, Line::Whole(op)));
                continue;
            }
            lines.push((op.call, Line::Invoke(op)));
            if op.outcome != Outcome::Info {
                lines.push((op.ret, Line::Return(op)));
            }
        }
        for (id, fault) in history.faults.iter().enumerate() {
            lines.push((fault.from, Line::FaultBegin(id, fault)));
            if fault.until != Point::NEVER {
                lines.push((fault.until, Line::FaultEnd(id, fault)));
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| line).collect()
    }

    /// One line. `doubts` says how many operations of its process had ended in doubt before.
    fn line(&mut self, line: Line<'h>, doubts: u32) -> io::Result<()> {
        self.out.write_all(b"{")?;
        match line {
            Line::Invoke(op) => {
                self.word("type", "invoke")?;
                self.who(op, doubts)?;
                let asked;
                let input = match (&op.input, &op.output) {
                    (Value::Nil, output) if &*op.f == "txn" => {
                        asked = asked_of(output);
                        &asked
                    }
                    (input, _) => input,
                };
                self.what(op, &[("value", input)], op.time.map(|(call, _)| call))?;
            }
            Line::Return(op) => {
                self.word("type", outcome(op))?;
                self.who(op, doubts)?;
                let value = match op.outcome {
                    Outcome::Ok => &op.output,
                    Outcome::Fail if !op.output.is_nil() => &op.output,
                    Outcome::Fail | Outcome::Info => &op.input,
                };
                self.what(op, &[("value", value)], op.time.and_then(|(_, ret)| ret))?;
            }
            Line::Whole(op) => {
                self.word("type", outcome(op))?;
                self.who(op, doubts)?;
                let time = op.time.map(|(call, _)| call);
                let is_repeated = op.input == op.output || &*op.f == "txn" && op.input.is_nil();
                match op.outcome {
                    Outcome::Ok if is_repeated => self.what(op, &[("value", &op.output)], time)?,
                    Outcome::Fail | Outcome::Info if op.output.is_nil() => {
                        self.what(op, &[("value", &op.input)], time)?;
                    }
                    _ => self.what(op, &[("input", &op.input), ("output", &op.output)], time)?,
                }
            }
            Line::FaultBegin(id, fault) => self.fault("begin", id, fault)?,
            Line::FaultEnd(id, fault) => self.fault("end", id, fault)?,
        }
        self.out.write_all(b"}\n")
    }

    fn fault(&mut self, what: &str, id: usize, fault: &Fault) -> io::Result<()> {
        self.word("type", "info")?;
        self.word("process", if self.syntax == Syntax::Edn { "nemesis" } else { ":nemesis" })?;
        self.word("fault", what)?;
        self.field("id", &Value::Int(id as i64))?;
        self.function(&fault.f)?;
        self.field("value", &fault.value)
    }

    fn who(&mut self, op: &Op, doubts: u32) -> io::Result<()> {
        let process = &self.history.processes[op.process.0 as usize];
        self.name("process", process)?;
        // The builder marks the sessions that follow an operation in doubt; it will do so again.
        let session = &self.history.sessions[op.session.0 as usize];
        let mark = if doubts == 0 { String::new() } else { format!("~{doubts}") };
        let session = session.strip_suffix(&mark).unwrap_or(session);
        if session != &**process {
            self.name("session", session)?;
        }
        op.node.as_deref().map_or(Ok(()), |node| self.name("node", node))
    }

    fn what(&mut self, op: &Op, values: &[(&str, &Value)], time: Option<Nanos>) -> io::Result<()> {
        self.function(&op.f)?;
        if !op.key.is_nil() {
            self.field("key", &op.key)?;
        }
        values.iter().try_for_each(|(name, value)| self.field(name, value))?;
        time.map_or(Ok(()), |time| self.field("time", &Value::Int(time)))
    }

    fn function(&mut self, f: &str) -> io::Result<()> {
        self.field("f", &if self.syntax == Syntax::Edn { Value::Keyword(f.into()) } else { name_value(f) })
    }

    /// A word of our own: a keyword in EDN, text in JSON. It comes first or after a comma.
    fn word(&mut self, field: &str, word: &str) -> io::Result<()> {
        match self.syntax {
            Syntax::Edn => write!(self.out, "{}:{field} :{word}", if field == "type" { "" } else { ", " }),
            Syntax::Json => {
                write!(self.out, "{}\"{field}\":\"{word}\"", if field == "type" { "" } else { "," })
            }
        }
    }

    /// A name: a number if it is one, else text.
    fn name(&mut self, field: &str, name: &str) -> io::Result<()> {
        let number = name.parse::<i64>().ok().filter(|number| number.to_string() == name);
        let value = match (number, self.syntax) {
            (Some(number), _) => Value::Int(number),
            (None, Syntax::Edn) => Value::text(name),
            (None, Syntax::Json) => name_value(name),
        };
        self.field(field, &value)
    }

    fn field(&mut self, field: &str, value: &Value) -> io::Result<()> {
        match self.syntax {
            Syntax::Edn => {
                write!(self.out, ", :{field} ")?;
                edn(&mut self.out, value)
            }
            Syntax::Json => {
                write!(self.out, ",\"{field}\":")?;
                json(&mut self.out, value)
            }
        }
    }
}

/// A name as JSON takes it: one that begins with a colon is written as a keyword, which gives it another colon.
fn name_value(name: &str) -> Value {
    if name.starts_with(':') { Value::Keyword(name.into()) } else { Value::text(name) }
}

fn outcome(op: &Op) -> &'static str {
    match op.outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
    }
}

/// A transaction's micro-operations as they were asked for: without the results of its reads.
fn asked_of(output: &Value) -> Value {
    let Some(micro_ops) = output.as_list() else { return Value::Nil };
    Value::list(micro_ops.iter().map(|micro_op| match micro_op.as_list() {
        Some([f, key, _]) if f.as_word() == Some("r") => Value::list([f.clone(), key.clone(), Value::Nil]),
        _ => micro_op.clone(),
    }))
}

/// Writes a value as EDN that is read back as the same.
fn edn(out: &mut impl Write, value: &Value) -> io::Result<()> {
    match value {
        Value::Keyword(word) if is_edn_word(word) => write!(out, ":{word}"),
        Value::Keyword(text) | Value::Text(text) => quoted(out, text),
        Value::List(values) => joined(out, ["[", " ", "]"], values, edn),
        Value::Set(values) => joined(out, ["#{", " ", "}"], values, edn),
        Value::Map(pairs) => joined(out, ["{", ", ", "}"], pairs, |out, (key, value)| {
            edn(out, key)?;
            out.write_all(b" ")?;
            edn(out, value)
        }),
        Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Other(_) => write!(out, "{value}"),
    }
}

/// Writes a value as JSON that is read back as the same.
fn json(out: &mut impl Write, value: &Value) -> io::Result<()> {
    match value {
        Value::Nil => out.write_all(b"null"),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Keyword(word) => quoted(out, &format!(":{word}")),
        Value::Text(text) if text.starts_with(':') => {
            out.write_all(b"{\"$text\":")?;
            quoted(out, text)?;
            out.write_all(b"}")
        }
        Value::Text(text) => quoted(out, text),
        Value::Other(text) if is_number(text) && text.parse::<i64>().is_err() => write!(out, "{text}"),
        Value::Other(text) => {
            out.write_all(b"{\"$edn\":")?;
            quoted(out, text)?;
            out.write_all(b"}")
        }
        Value::List(values) => joined(out, ["[", ",", "]"], values, json),
        Value::Set(values) => joined(out, ["{\"$set\":[", ",", "]}"], values, json),
        Value::Map(pairs) if is_json_object(pairs) => {
            joined(out, ["{", ",", "}"], pairs, |out, (key, value)| {
                quoted(out, key.as_word().unwrap_or_default())?;
                out.write_all(b":")?;
                json(out, value)
            })
        }
        Value::Map(pairs) => joined(out, ["{\"$map\":[", ",", "]}"], pairs, |out, (key, value)| {
            out.write_all(b"[")?;
            json(out, key)?;
            out.write_all(b",")?;
            json(out, value)?;
            out.write_all(b"]")
        }),
    }
}

fn joined<W: Write, T>(
    out: &mut W,
    [open, between, close]: [&str; 3],
    items: &[T],
    each: impl Fn(&mut W, &T) -> io::Result<()>,
) -> io::Result<()> {
    out.write_all(open.as_bytes())?;
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.write_all(between.as_bytes())?;
        }
        each(out, item)?;
    }
    out.write_all(close.as_bytes())
}

fn is_edn_word(word: &str) -> bool {
    let ends =
        |byte: u8| b",;\"()[]{}".contains(&byte) || byte.is_ascii_whitespace() || byte.is_ascii_control();
    !word.is_empty() && !word.bytes().any(ends)
}

fn is_json_object(pairs: &[(Value, Value)]) -> bool {
    let is_text = pairs.iter().all(|(key, _)| matches!(key, Value::Text(_)));
    let is_escape = pairs.len() == 1 && pairs[0].0.as_word().is_some_and(|key| key.starts_with('$'));
    is_text && !is_escape
}

/// Text in quotes, with the escapes that EDN and JSON share.
fn quoted(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.write_all(&text.as_bytes()[plain..at])?;
        plain = at + 1;
        match byte {
            b'"' | b'\\' => out.write_all(&[b'\\', byte])?,
            b'\n' => out.write_all(b"\\n")?,
            b'\r' => out.write_all(b"\\r")?,
            b'\t' => out.write_all(b"\\t")?,
            _ => write!(out, "\\u{byte:04x}")?,
        }
    }
    out.write_all(&text.as_bytes()[plain..])?;
    out.write_all(b"\"")
}
