//! What is wrong with a file, and where.

use crate::history::Misuse;
use std::fmt;
use std::sync::Arc;

/// A file that is no history, with the place and the reason. Shown as `file:line: reason`.
#[derive(Debug, thiserror::Error)]
pub struct BadInput {
    /// The name that the caller gave it.
    pub file: Arc<str>,
    /// From 1; 0 if the reason is not about one line.
    pub line: u32,
    /// What is wrong there.
    #[source]
    pub reason: Reason,
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.reason),
            line => write!(f, "{}:{line}: {}", self.file, self.reason),
        }
    }
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// A token that cannot stand there.
    #[error("found {found}, expected {wanted}")]
    Unexpected {
        /// As it is written, cut short.
        found: String,
        /// In words.
        wanted: &'static str,
    },
    /// The text stops too early.
    #[error("the text ends within {what} that begins on this line")]
    Unclosed {
        /// In words.
        what: &'static str,
    },
    /// A list of operations that does not end.
    #[error("the list of operations has no closing bracket")]
    UnclosedList,
    /// Values within values, too many.
    #[error("values are nested more than {} deep", super::MAX_DEPTH)]
    TooDeep,
    /// Bytes that are no text.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// A field that every operation must have.
    #[error("the operation has no `{field}`: {hint}")]
    Missing {
        /// Its name.
        field: &'static str,
        /// What to write.
        hint: &'static str,
    },
    /// A field with a value of the wrong kind.
    #[error("`{field}` is {found}, expected {wanted}")]
    WrongField {
        /// Its name.
        field: &'static str,
        /// As EDN, cut short.
        found: String,
        /// In words.
        wanted: &'static str,
    },
    /// Events that contradict each other.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// A call after completions without calls.
    #[error(
        "an invocation, but line {first} completes without one: give all operations invocations, or none"
    )]
    LateInvoke {
        /// The first completion.
        first: u32,
    },
    /// A completion without a process while there is not exactly one call without a process.
    #[error(
        "a completion without `process`, while {open} calls without `process` are open: name the process"
    )]
    Nameless {
        /// How many calls it could belong to.
        open: usize,
    },
    /// Lines out of their order.
    #[error("index {index} follows index {before}: sort the events by index")]
    OutOfOrder {
        /// The index before.
        before: i64,
        /// The smaller index here.
        index: i64,
    },
    /// Operations with stamps, and events ordered by their lines.
    #[error("operations with `start` stamps and events without them: their order cannot be told")]
    MixedStamps,
    /// Stamps where only the order of lines can be followed.
    #[error("an operation with `start`: what is judged while it streams must come as calls and returns")]
    StampsInStream,
    /// The end of a fault that did not begin.
    #[error("the end of fault {id}, which is not open")]
    NoSuchFault {
        /// Its number.
        id: i64,
    },
    /// Nothing but blanks.
    #[error("the file is empty")]
    Empty,
    /// No known format looks like this.
    #[error("no known format begins like this; name one of {}", super::Format::names())]
    Unrecognised,
    /// The format cannot be read event by event.
    #[error("a file of format {format} cannot be read event by event")]
    NotEvents {
        /// Its name.
        format: &'static str,
    },
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

/// Why a form of the text could not be taken, with the place in the bytes at hand.
#[derive(Debug)]
pub enum Snag {
    /// The bytes end before the form does.
    Incomplete,
    /// No more bytes can mend it.
    Bad {
        /// Index of the byte.
        at: usize,
        /// What is wrong there.
        reason: Box<Reason>,
    },
}

impl Snag {
    /// A token that cannot stand at `at`.
    pub fn unexpected(bytes: &[u8], at: usize, wanted: &'static str) -> Snag {
        Snag::bad(at, Reason::Unexpected { found: excerpt(&bytes[at.min(bytes.len())..]), wanted })
    }

    /// A reason with its place.
    pub fn bad(at: usize, reason: Reason) -> Snag {
        Snag::Bad { at, reason: Box::new(reason) }
    }
}

/// The beginning of a text up to the end of its first word, in quotes.
pub fn excerpt(bytes: &[u8]) -> String {
    const MOST: usize = 32;
    let head = &bytes[..bytes.len().min(4 * MOST)];
    let text = String::from_utf8_lossy(head);
    let first = text.chars().next();
    let Some(first) = first else { return "the end of the text".to_owned() };
    let ends = |c: char| c.is_whitespace() || "[](){},;".contains(c);
    let rest: String = text[first.len_utf8()..].chars().take_while(|c| !ends(*c)).take(MOST).collect();
    let word = if ends(first) { first.to_string() } else { format!("{first}{rest}") };
    format!("`{}`", word.escape_debug())
}
