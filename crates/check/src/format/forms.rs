//! The maps of an EDN or JSON file, one after the other.
//!
//! **Idea.** A file is a row of maps, or one list of them. Each map is read straight from the window into an [`Entry`]; if it does
//! not end within the window, the window grows and the map is begun again.

use super::bad_input::{BadInput, Reason, Snag};
use super::entry::{Entry, Field};
use super::event::Event;
use super::source::Source;
use super::words::Words;
use super::{edn, json, operations};
use crate::history::Value;
use std::io::BufRead;
use std::sync::Arc;

/// How maps are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// `{:a 1}`
    Edn,
    /// `{"a": 1}`
    Json,
    /// The same, with the fields of porcupine's operations.
    Operations,
}

/// Reads events from maps.
#[derive(Debug)]
pub struct Forms<R> {
    name: Arc<str>,
    syntax: Syntax,
    source: Source<R>,
    words: Words,
    entry: Entry,
    operation: Value,
    list: List,
}

/// Whether the maps stand in a list.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum List {
    /// Nothing was read yet.
    Unknown,
    /// Maps follow each other.
    None,
    /// Until this bracket.
    Until(u8),
    /// It was closed.
    Closed,
}

/// What was found in the window, and how many of its bytes that took.
enum Found {
    Map { start: usize, end: usize },
    End,
}

impl<R: BufRead> Forms<R> {
    /// At the beginning of a file with this name.
    pub fn new(name: &str, syntax: Syntax, source: Source<R>) -> Self {
        let (words, entry, operation) = (Words::default(), Entry::default(), Value::Nil);
        Forms { name: name.into(), syntax, source, words, entry, operation, list: List::Unknown }
    }

    /// The next event; nothing at the end.
    ///
    /// # Errors
    /// If what follows is no event. Nothing more can be read then.
    pub fn next_event(&mut self) -> Result<Option<Event>, BadInput> {
        loop {
            let list = self.list;
            let (window, ended) = (self.source.window(), self.source.ended());
            let found = match self.syntax {
                Syntax::Edn => {
                    let scanner = edn::Scanner::new(window, ended, &mut self.words);
                    edn_map(scanner, &mut self.list, &mut self.entry)
                }
                Syntax::Json => {
                    let scanner = json::Scanner::new(window, ended, &mut self.words);
                    json_map(scanner, &mut self.list, |scanner| json_fields(scanner, &mut self.entry))
                }
                Syntax::Operations => {
                    let scanner = json::Scanner::new(window, ended, &mut self.words);
                    json_map(scanner, &mut self.list, |scanner| {
                        self.operation = scanner.value()?;
                        Ok(())
                    })
                }
            };
            match found {
                Ok(Found::End) => return Ok(None),
                Ok(Found::Map { start, end }) => {
                    let line = self.source.line_at(start);
                    self.source.consume(end);
                    let event = match self.syntax {
                        Syntax::Operations => operations::event(&self.operation, &mut self.words, line),
                        Syntax::Edn | Syntax::Json => self.entry.event(&mut self.words, line),
                    };
                    return event.map(Some).map_err(|reason| self.bad(line, reason));
                }
                Err(Snag::Bad { at, reason }) => return Err(self.bad(self.source.line_at(at), *reason)),
                Err(Snag::Incomplete) if ended => return Err(self.unclosed()),
                Err(Snag::Incomplete) => {
                    self.list = list;
                    self.entry.clear();
                    let more = self.source.more();
                    more.map_err(|error| self.bad(0, Reason::Io(error)))?;
                }
            }
        }
    }

    fn bad(&self, line: u32, reason: Reason) -> BadInput {
        BadInput { file: Arc::clone(&self.name), line, reason }
    }

    fn unclosed(&self) -> BadInput {
        let window = self.source.window();
        let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        let start = window.iter().position(|byte| !is_blank(byte));
        let reason = match start {
            None => Reason::UnclosedList,
            Some(_) => Reason::Unclosed { what: "the map" },
        };
        self.bad(self.source.line_at(start.unwrap_or(window.len())), reason)
    }
}

fn edn_map(mut scanner: edn::Scanner<'_, '_>, list: &mut List, entry: &mut Entry) -> Result<Found, Snag> {
    const WANTED: &str = "a map like {:type :invoke, …}";
    if scanner.is_over()? {
        return match list {
            List::Until(_) => Err(Snag::Incomplete),
            _ => Ok(Found::End),
        };
    }
    if *list == List::Unknown {
        *list = match scanner.peek()? {
            b'[' => List::Until(b']'),
            b'(' => List::Until(b')'),
            _ => List::None,
        };
        if *list != List::None {
            scanner.bump();
            scanner.skip_blank()?;
        }
    }
    let byte = scanner.peek()?;
    if *list == List::Until(byte) {
        *list = List::Closed;
        scanner.bump();
        if scanner.is_over()? {
            return Ok(Found::End);
        }
    }
    if *list == List::Closed {
        return Err(scanner.unexpected(scanner.at(), "nothing more after the list of operations"));
    }
    let start = scanner.at();
    if byte == b'#' {
        // A record, such as `#jepsen.history.Op{…}`.
        scanner.tag()?;
        scanner.skip_blank()?;
    }
    if scanner.peek()? != b'{' {
        return Err(scanner.unexpected(scanner.at(), WANTED));
    }
    scanner.bump();
    edn_fields(&mut scanner, entry)?;
    Ok(Found::Map { start, end: scanner.at() })
}

fn edn_fields(scanner: &mut edn::Scanner<'_, '_>, entry: &mut Entry) -> Result<(), Snag> {
    loop {
        scanner.skip_blank()?;
        let field = match scanner.peek()? {
            b'}' => {
                scanner.bump();
                return Ok(());
            }
            b':' => {
                scanner.bump();
                Field::of(scanner.token()?.as_bytes())
            }
            b'"' => scanner.value()?.as_word().and_then(|word| Field::of(word.as_bytes())),
            _ => {
                scanner.skip()?;
                None
            }
        };
        scanner.skip_blank()?;
        if scanner.peek()? == b'}' {
            return Err(scanner.unexpected(scanner.at(), "a value for the map's last key"));
        }
        match field {
            Some(field) => entry.set(field, scanner.value()?),
            None => scanner.skip()?,
        }
    }
}

fn json_map<'a, 'w>(
    mut scanner: json::Scanner<'a, 'w>,
    list: &mut List,
    map: impl FnOnce(&mut json::Scanner<'a, 'w>) -> Result<(), Snag>,
) -> Result<Found, Snag> {
    if scanner.is_over()? {
        return match list {
            List::Until(_) => Err(Snag::Incomplete),
            _ => Ok(Found::End),
        };
    }
    if *list == List::Unknown {
        *list = if scanner.peek()? == b'[' { List::Until(b']') } else { List::None };
        if *list != List::None {
            scanner.bump();
            scanner.skip_blank()?;
        }
    }
    let byte = scanner.peek()?;
    if *list == List::Until(byte) {
        *list = List::Closed;
        scanner.bump();
        if scanner.is_over()? {
            return Ok(Found::End);
        }
    }
    if *list == List::Closed {
        return Err(scanner.unexpected(scanner.at(), "nothing more after the list of operations"));
    }
    let start = scanner.at();
    if byte != b'{' {
        return Err(scanner.unexpected(start, "an object like {\"type\": \"invoke\", …}"));
    }
    map(&mut scanner)?;
    Ok(Found::Map { start, end: scanner.at() })
}

fn json_fields(scanner: &mut json::Scanner<'_, '_>, entry: &mut Entry) -> Result<(), Snag> {
    scanner.each(b'}', |scanner| {
        let field = Field::of(scanner.key()?.as_str().trim_start_matches(':').as_bytes());
        match field {
            Some(field) => entry.set(field, scanner.value()?),
            None => scanner.skip()?,
        }
        Ok(())
    })
}
