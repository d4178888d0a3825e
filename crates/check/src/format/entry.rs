//! One map of a history file, and the event that it tells.
//!
//! **Idea.** Both syntaxes fill the same slots, one for each field that means something; other fields are skipped unread.
//!
//! **Invariant:** a slot whose bit is not set holds nil.

use super::bad_input::Reason;
use super::event::{Event, What, Whole};
use super::words::Words;
use crate::history::{Order, Outcome, Value};
use std::sync::Arc;

/// A field that means something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// `invoke`, `ok`, `fail` or `info`.
    Type,
    /// Who.
    Process,
    /// In which session.
    Session,
    /// On which node.
    Node,
    /// What is called.
    F,
    /// The object.
    Key,
    /// The arguments or the result.
    Value,
    /// The arguments.
    Input,
    /// The result.
    Output,
    /// The clock's reading, for people.
    Time,
    /// The event's number.
    Index,
    /// When a whole operation was called.
    Start,
    /// When a whole operation returned.
    End,
    /// `begin` or `end` of a fault.
    Fault,
    /// A fault's number.
    Id,
    /// Marks our header line.
    Quorate,
    /// In the header: `real-time` or `sessions`.
    Order,
}

const FIELDS: [(&[u8], Field); 17] = [
    (b"type", Field::Type),
    (b"process", Field::Process),
    (b"session", Field::Session),
    (b"node", Field::Node),
    (b"f", Field::F),
    (b"key", Field::Key),
    (b"value", Field::Value),
    (b"input", Field::Input),
    (b"output", Field::Output),
    (b"time", Field::Time),
    (b"index", Field::Index),
    (b"start", Field::Start),
    (b"end", Field::End),
    (b"fault", Field::Fault),
    (b"id", Field::Id),
    (b"quorate", Field::Quorate),
    (b"order", Field::Order),
];

impl Field {
    /// By its name in the file.
    pub fn of(name: &[u8]) -> Option<Field> {
        FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    fn name(self) -> &'static str {
        let (name, _) = FIELDS[self as usize];
        std::str::from_utf8(name).expect("the names are ASCII")
    }
}

/// The fields of one map.
#[derive(Debug, Default)]
pub struct Entry {
    slots: [Value; FIELDS.len()],
    /// A bit for each field that was there.
    present: u32,
}

impl Entry {
    /// Takes a field; of repeated ones the last.
    pub fn set(&mut self, field: Field, value: Value) {
        self.slots[field as usize] = value;
        self.present |= 1 << field as u32;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Entry::default();
    }

    fn has(&self, field: Field) -> bool {
        self.present & (1 << field as u32) != 0
    }

    fn take(&mut self, field: Field) -> Value {
        std::mem::take(&mut self.slots[field as usize])
    }

    fn wrong(&self, field: Field, wanted: &'static str) -> Reason {
        wrong_field(field.name(), &self.slots[field as usize], wanted)
    }

    /// The event that the fields tell. Leaves the entry empty.
    ///
    /// # Errors
    /// If they tell none.
    pub fn event(&mut self, words: &mut Words, line: u32) -> Result<Event, Reason> {
        let event = self.read(words, line);
        if self.present != 0 {
            self.clear();
        }
        event
    }

    fn read(&mut self, words: &mut Words, line: u32) -> Result<Event, Reason> {
        if self.has(Field::Quorate) {
            return Ok(Event::new(What::Header(self.order()?), line));
        }
        let (process, is_nemesis) = self.process(words)?;
        let mut event = Event::new(What::Invoke, line);
        event.what = match (is_nemesis, self.has(Field::Fault)) {
            (_, true) => self.fault()?,
            (true, false) => What::Nemesis,
            (false, false) => self.what()?,
        };
        event.index = self.number(Field::Index)?;
        event.time = self.slots[Field::Time as usize].as_int();
        if event.is_fault() {
            event.stamp = self.number(Field::Start)?;
        }
        event.session = self.name(Field::Session, words)?;
        event.node = self.name(Field::Node, words)?;
        event.process = process;
        let is_argument = matches!(event.what, What::Invoke | What::Whole(_));
        let specific = if is_argument { Field::Input } else { Field::Output };
        let general = self.take(Field::Value);
        event.value = if self.has(specific) { self.take(specific) } else { general };
        event.key = self.take(Field::Key);
        event.f = self.function(&event, words)?;
        Ok(event)
    }

    fn order(&mut self) -> Result<Option<Order>, Reason> {
        match (self.has(Field::Order), self.slots[Field::Order as usize].as_word()) {
            (false, _) => Ok(None),
            (_, Some("real-time")) => Ok(Some(Order::RealTime)),
            (_, Some("sessions")) => Ok(Some(Order::Sessions)),
            _ => Err(self.wrong(Field::Order, "real-time or sessions")),
        }
    }

    /// The process's name, and whether it injects faults: a keyword, or the text `nemesis`.
    fn process(&mut self, words: &mut Words) -> Result<(Option<Arc<str>>, bool), Reason> {
        match self.take(Field::Process) {
            Value::Nil => Ok((None, false)),
            Value::Int(number) => Ok((Some(words.number(number)), false)),
            Value::Keyword(name) => Ok((Some(name), true)),
            Value::Text(name) => {
                let is_nemesis = &*name == "nemesis";
                Ok((Some(name), is_nemesis))
            }
            other => Err(wrong_field("process", &other, "a number or a name")),
        }
    }

    fn fault(&mut self) -> Result<What, Reason> {
        let id = self.number(Field::Id)?.unwrap_or(0);
        match self.slots[Field::Fault as usize].as_word() {
            Some("begin") => Ok(What::FaultBegin(id)),
            Some("end") => Ok(What::FaultEnd(id)),
            _ => Err(self.wrong(Field::Fault, "begin or end")),
        }
    }

    fn what(&mut self) -> Result<What, Reason> {
        const WANTED: &str = "invoke, ok, fail or info";
        let is_whole = self.has(Field::Start) || self.has(Field::End) || self.has(Field::Input);
        let outcome = match self.slots[Field::Type as usize].as_word() {
            Some("invoke") => return Ok(What::Invoke),
            Some("ok") => Outcome::Ok,
            Some("fail") => Outcome::Fail,
            Some("info") => Outcome::Info,
            None if is_whole && !self.has(Field::Type) => Outcome::Ok,
            None if !self.has(Field::Type) => {
                return Err(Reason::Missing { field: "type", hint: "write invoke, ok, fail or info" });
            }
            _ => return Err(self.wrong(Field::Type, WANTED)),
        };
        if !is_whole {
            return Ok(What::Return(outcome));
        }
        let (start, end) = (self.number(Field::Start)?, self.number(Field::End)?);
        if start.is_none() && end.is_some() {
            return Err(Reason::Missing {
                field: "start",
                hint: "an operation with `end` needs `start` too",
            });
        }
        if start.is_some() && end.is_none() && outcome != Outcome::Info {
            let hint = "an operation with `start` needs it too, unless its type is info";
            return Err(Reason::Missing { field: "end", hint });
        }
        Ok(What::Whole(Box::new(Whole { outcome, output: self.take(Field::Output), start, end })))
    }

    fn number(&mut self, field: Field) -> Result<Option<i64>, Reason> {
        match &self.slots[field as usize] {
            Value::Nil => Ok(None),
            Value::Int(number) => Ok(Some(*number)),
            _ => Err(self.wrong(field, "a whole number")),
        }
    }

    fn name(&mut self, field: Field, words: &mut Words) -> Result<Option<Arc<str>>, Reason> {
        match self.take(field) {
            Value::Nil => Ok(None),
            Value::Int(number) => Ok(Some(words.number(number))),
            Value::Keyword(name) | Value::Text(name) => Ok(Some(name)),
            other => Err(wrong_field(field.name(), &other, "a number or a name")),
        }
    }

    fn function(&mut self, event: &Event, words: &mut Words) -> Result<Arc<str>, Reason> {
        match self.take(Field::F) {
            Value::Keyword(f) => Ok(f),
            Value::Text(f) => Ok(match f.strip_prefix(':') {
                Some(word) => words.share(word),
                None => f,
            }),
            Value::Nil if looks_transactional(&event.value) => Ok(words.share("txn")),
            Value::Nil if matches!(event.what, What::Nemesis | What::FaultEnd(_)) => Ok(words.share("fault")),
            Value::Nil => Err(Reason::Missing { field: "f", hint: "write what was called, such as read" }),
            other => Err(wrong_field("f", &other, "a word such as read")),
        }
    }
}

/// Whether a value is a list of micro-operations like `[:r 1 nil]`, as in files that leave out `:f :txn`.
fn looks_transactional(value: &Value) -> bool {
    let is_micro_op =
        |value: &Value| value.as_list().is_some_and(|parts| parts.len() >= 2 && parts[0].as_word().is_some());
    value.as_list().is_some_and(|values| !values.is_empty() && values.iter().all(is_micro_op))
}

fn wrong_field(field: &'static str, found: &Value, wanted: &'static str) -> Reason {
    const MOST: usize = 40;
    let mut found = found.to_string();
    if let Some((cut, _)) = found.char_indices().nth(MOST) {
        found.truncate(cut);
        found.push('…');
    }
    Reason::WrongField { field, found, wanted }
}

#[cfg(test)]
mod tests {
    use super::{FIELDS, Field};

    #[test]
    fn fields_stand_in_the_order_of_their_slots() {
        for (at, (name, field)) in FIELDS.iter().enumerate() {
            assert_eq!(*field as usize, at);
            assert_eq!(Field::of(name), Some(*field));
        }
        assert_eq!(Field::of(b"error"), None);
    }
}
