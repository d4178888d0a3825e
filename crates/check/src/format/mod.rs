//! Reading and writing histories.
//!
//! **Problem.** Every tool has its own way of writing histories down. **Idea.** All of them are read as [`Event`]s, which are put
//! together into a [`History`](crate::history::History); formats that know transactions and sessions only are read whole. The format is
//! recognised from how the text begins, so nobody needs to name it.
//!
//! **Invariant:** any bytes give a history or a [`BadInput`] that says what is wrong, and on which line if it has lines; nothing is
//! guessed. Formats of events are read through a window and never held as text.
//!
//! `docs/histories.md` describes each format.

mod assembly;
mod bad_input;
mod dbcop;
mod detect;
mod edn;
mod entry;
mod event;
mod faults;
mod forms;
mod json;
mod keys;
mod operations;
mod porcupine;
mod read;
mod source;
mod text;
mod transactions;
mod words;
mod write;

pub use bad_input::{BadInput, Reason};
pub use detect::detect;
pub use event::{Event, What, Whole};
pub use keys::split_keys;
pub use read::{Events, Loaded, events, read, read_as, read_from};
pub use write::{write_edn, write_jsonl};

use std::fmt;
use std::str::FromStr;

/// How deep values may be nested.
pub const MAX_DEPTH: usize = 64;

/// A way of writing histories down.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Format {
    /// Jepsen's operations as EDN maps, one after the other or in one list; also porcupine's key-value logs.
    Edn,
    /// The same as one JSON array, as elle-cli takes it.
    Json,
    /// Our own: the same as JSON objects, one per line.
    JsonLines,
    /// Porcupine's operations as JSON.
    Operations,
    /// The log lines of Jepsen on which porcupine is tested.
    PorcupineLog,
    /// The text format of Plume and PolySI.
    Plume,
    /// AWDIT's test format.
    Awdit,
    /// dbcop's binary format.
    DbcopBincode,
    /// dbcop's JSON.
    DbcopJson,
    /// dbcop's text format.
    DbcopText,
}

/// All formats.
pub const FORMATS: [Format; 10] = [
    Format::Edn,
    Format::Json,
    Format::JsonLines,
    Format::Operations,
    Format::PorcupineLog,
    Format::Plume,
    Format::Awdit,
    Format::DbcopBincode,
    Format::DbcopJson,
    Format::DbcopText,
];

impl Format {
    /// As people write it, and the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Edn => "edn",
            Format::Json => "json",
            Format::JsonLines => "jsonl",
            Format::Operations => "porcupine-json",
            Format::PorcupineLog => "porcupine-log",
            Format::Plume => "plume",
            Format::Awdit => "awdit",
            Format::DbcopBincode => "dbcop-bincode",
            Format::DbcopJson => "dbcop-json",
            Format::DbcopText => "dbcop-text",
        }
    }

    fn names() -> String {
        FORMATS.map(Format::name).join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no format.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no format is called {given:?}; the formats are {}", Format::names())]
pub struct NoSuchFormat {
    /// The word.
    pub given: String,
}

impl FromStr for Format {
    type Err = NoSuchFormat;

    fn from_str(given: &str) -> Result<Self, NoSuchFormat> {
        let format = FORMATS.into_iter().find(|format| format.name() == given);
        format.ok_or_else(|| NoSuchFormat { given: given.to_owned() })
    }
}
