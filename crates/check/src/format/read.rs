//! From bytes of any known format to a history.

use super::assembly::Assembly;
use super::bad_input::{BadInput, Reason, Snag};
use super::detect::{LOOK_BYTES, detect};
use super::event::Event;
use super::forms::{Forms, Syntax};
use super::source::Source;
use super::words::Words;
use super::{Format, dbcop, porcupine, text, transactions};
use crate::history::History;
use std::io::BufRead;
use std::sync::Arc;

/// A history, and how it was written down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The history.
    pub history: History,
    /// As which format it was read.
    pub format: Format,
}

/// Reads a history. `name` is that of the file, for complaints.
///
/// Events whose indices do not ascend are put in the order of their indices, if all have one.
///
/// # Errors
/// If the bytes are no history.
pub fn read(name: &str, bytes: &[u8]) -> Result<Loaded, BadInput> {
    read_as(name, bytes, None)
}

/// As [`read`], with the format named.
///
/// # Errors
/// If the bytes are no history in that format.
pub fn read_as(name: &str, bytes: &[u8], format: Option<Format>) -> Result<Loaded, BadInput> {
    match read_from(name, bytes, format) {
        Err(BadInput { reason: Reason::OutOfOrder { .. }, .. }) => read_sorted(name, bytes, format),
        other => other,
    }
}

/// As [`read_as`], from a file that need not fit into memory.
///
/// # Errors
/// If the bytes are no history; also if the indices of events do not ascend ([`Reason::OutOfOrder`]), which [`read_as`] can mend.
pub fn read_from(name: &str, reader: impl BufRead, format: Option<Format>) -> Result<Loaded, BadInput> {
    let (mut source, format) = open(name, reader, format)?;
    if let Some(syntax) = syntax(format) {
        let mut events = Events::new(name, syntax, source);
        let mut assembly = Assembly::new(true);
        while let Some(event) = events.next().transpose()? {
            assembly.push(event).map_err(|(line, reason)| bad(name, line, reason))?;
        }
        let history = assembly.finish().map_err(|(line, reason)| bad(name, line, reason))?;
        return Ok(Loaded { history, format });
    }
    let bytes = source.rest().map_err(|error| bad(name, 0, Reason::Io(error)))?;
    let history = transactions(name, bytes, format)?;
    Ok(Loaded { history, format })
}

fn transactions(name: &str, bytes: &[u8], format: Format) -> Result<History, BadInput> {
    let by_lines = |read: fn(&str) -> text::Read| {
        let text = std::str::from_utf8(bytes).map_err(|_| bad(name, 0, Reason::NotUtf8))?;
        read(text).map_err(|(line, reason)| bad(name, line, reason))
    };
    let (transactions, zero_is_initial) = match format {
        Format::Plume => (by_lines(text::plume)?, true),
        Format::Awdit => (by_lines(text::awdit)?, true),
        Format::DbcopText => (by_lines(text::dbcop)?, false),
        Format::DbcopBincode => (dbcop::bincode(bytes).map_err(|reason| bad(name, 0, reason))?, true),
        _ => {
            let read = dbcop::json(bytes, &mut Words::default());
            (read.map_err(|snag| placed(name, bytes, snag))?, false)
        }
    };
    transactions::history(transactions, zero_is_initial).map_err(|misuse| bad(name, 0, misuse.into()))
}

fn placed(name: &str, bytes: &[u8], snag: Snag) -> BadInput {
    let line_of = |at: usize| {
        let before = &bytes[..at.min(bytes.len())];
        before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1
    };
    match snag {
        Snag::Bad { at, reason } => bad(name, line_of(at), *reason),
        Snag::Incomplete => {
            bad(name, line_of(bytes.len()), Reason::Unclosed { what: "the list of sessions" })
        }
    }
}

/// Events by their indices.
fn read_sorted(name: &str, bytes: &[u8], format: Option<Format>) -> Result<Loaded, BadInput> {
    let (source, format) = open(name, bytes, format)?;
    let syntax = syntax(format).expect("only events have indices");
    let mut events = Events::new(name, syntax, source).collect::<Result<Vec<Event>, _>>()?;
    let is_header = |event: &Event| matches!(event.what, super::What::Header(_));
    if events.iter().all(|event| event.index.is_some() || is_header(event)) {
        events.sort_by_key(|event| event.index);
    }
    let mut assembly = Assembly::new(false);
    for event in events {
        assembly.push(event).map_err(|(line, reason)| bad(name, line, reason))?;
    }
    let history = assembly.finish().map_err(|(line, reason)| bad(name, line, reason))?;
    Ok(Loaded { history, format })
}

/// The events of a file in their order, one at a time, in memory that does not grow with the file.
///
/// # Errors
/// If the format is unknown, or has no events: those that tell whole transactions and no time.
pub fn events<R: BufRead>(name: &str, reader: R, format: Option<Format>) -> Result<Events<R>, BadInput> {
    let (source, format) = open(name, reader, format)?;
    match syntax(format) {
        Some(syntax) => Ok(Events::new(name, syntax, source)),
        None => Err(bad(name, 0, Reason::NotEvents { format: format.name() })),
    }
}

fn open<R: BufRead>(name: &str, reader: R, format: Option<Format>) -> Result<(Source<R>, Format), BadInput> {
    let mut source = Source::new(reader);
    while source.window().len() < LOOK_BYTES && !source.ended() {
        source.more().map_err(|error| bad(name, 0, Reason::Io(error)))?;
    }
    let is_empty = source.ended() && source.window().trim_ascii().is_empty();
    let unknown = || if is_empty { bad(name, 0, Reason::Empty) } else { bad(name, 1, Reason::Unrecognised) };
    let format = format.or_else(|| detect(source.window())).ok_or_else(unknown)?;
    const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
    if source.window().starts_with(BYTE_ORDER_MARK) && format != Format::DbcopBincode {
        source.consume(BYTE_ORDER_MARK.len());
    }
    Ok((source, format))
}

/// How events are told apart.
#[derive(Clone, Copy)]
enum Telling {
    Forms(Syntax),
    Lines,
}

fn syntax(format: Format) -> Option<Telling> {
    match format {
        Format::Edn => Some(Telling::Forms(Syntax::Edn)),
        Format::Json | Format::JsonLines => Some(Telling::Forms(Syntax::Json)),
        Format::Operations => Some(Telling::Forms(Syntax::Operations)),
        Format::PorcupineLog => Some(Telling::Lines),
        Format::Plume | Format::Awdit | Format::DbcopBincode | Format::DbcopJson | Format::DbcopText => None,
    }
}

fn bad(name: &str, line: u32, reason: Reason) -> BadInput {
    BadInput { file: name.into(), line, reason }
}

/// See [`events`]. After an error it gives nothing more.
#[derive(Debug)]
pub struct Events<R> {
    name: Arc<str>,
    reader: Reader<R>,
    is_over: bool,
}

#[derive(Debug)]
enum Reader<R> {
    Forms(Forms<R>),
    Lines(Source<R>, Words),
}

impl<R: BufRead> Events<R> {
    fn new(name: &str, telling: Telling, source: Source<R>) -> Self {
        let reader = match telling {
            Telling::Forms(syntax) => Reader::Forms(Forms::new(name, syntax, source)),
            Telling::Lines => Reader::Lines(source, Words::default()),
        };
        Events { name: name.into(), reader, is_over: false }
    }

    fn step(&mut self) -> Result<Option<Event>, BadInput> {
        match &mut self.reader {
            Reader::Forms(forms) => forms.next_event(),
            Reader::Lines(source, words) => {
                next_line_event(source, words).map_err(|(line, reason)| bad(&self.name, line, reason))
            }
        }
    }
}

impl<R: BufRead> Iterator for Events<R> {
    type Item = Result<Event, BadInput>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let event = self.step();
        self.is_over = !matches!(event, Ok(Some(_)));
        event.transpose()
    }
}

/// The next event of a log; lines that tell none are passed over.
fn next_line_event<R: BufRead>(
    source: &mut Source<R>,
    words: &mut Words,
) -> Result<Option<Event>, (u32, Reason)> {
    loop {
        let (window, line) = (source.window(), source.line());
        let length = match window.iter().position(|byte| *byte == b'\n') {
            Some(length) => length,
            None if source.ended() => window.len(),
            None => {
                source.more().map_err(|error| (line, Reason::Io(error)))?;
                continue;
            }
        };
        if length == 0 && window.is_empty() {
            return Ok(None);
        }
        let text = std::str::from_utf8(&window[..length]).map_err(|_| (line, Reason::NotUtf8))?;
        let event = porcupine::event(text, words, line).map_err(|reason| (line, reason))?;
        let taken = (length + 1).min(window.len());
        source.consume(taken);
        if event.is_some() {
            return Ok(event);
        }
    }
}
