//! Faults, from the ways in which Jepsen's nemesis tells them.
//!
//! **Idea.** A nemesis writes each of its operations twice, when it begins it and when it is done, both as `:info`. An operation such
//! as `:start-partition` begins a fault that lasts until another, `:stop-partition`, is done. An operation that nothing ends, such as
//! `:truncate-file`, lasts only while it is done.

use super::bad_input::Reason;
use super::event::{Event, What};
use crate::history::{Builder, Stamp};
use std::sync::Arc;

/// Words that begin a fault, and those that end it.
const PAIRS: [(&str, &[&str]); 10] = [
    ("start", &["stop"]),
    ("kill", &["start", "restart", "revive"]),
    ("crash", &["start", "restart", "revive"]),
    ("pause", &["resume"]),
    ("partition", &["heal", "unpartition", "stop-partition"]),
    ("start-partition", &["stop-partition", "heal"]),
    ("isolate", &["heal", "rejoin"]),
    ("bump-clock", &["reset-clock"]),
    ("strobe-clock", &["reset-clock"]),
    ("slow", &["fast"]),
];
/// Beginnings of words, for all words that end alike: `start-x` is ended by `stop-x`.
const PREFIXES: [(&str, &str); 3] = [("start-", "stop-"), ("begin-", "end-"), ("enable-", "disable-")];

/// The faults that are open.
#[derive(Debug, Default)]
pub struct Faults {
    /// What lasts until something ends it: its word and its number in the builder.
    lasting: Vec<(Arc<str>, usize)>,
    /// What a nemesis has begun to do: who, what, and which faults it ends when it is done.
    doing: Vec<(Arc<str>, Arc<str>, Vec<usize>)>,
    /// Faults with numbers of the file's own, and those in the builder.
    numbered: Vec<(i64, usize)>,
}

impl Faults {
    /// Takes an event about a fault.
    ///
    /// # Errors
    /// If it ends a fault that is not open.
    pub fn push(&mut self, event: Event, builder: &mut Builder) -> Result<(), Reason> {
        let at = event.stamp.map_or(Stamp::Next, Stamp::At);
        match event.what {
            What::FaultBegin(id) => {
                let fault = builder.fault(event.f, event.value, at, event.line);
                self.numbered.push((id, fault));
            }
            What::FaultEnd(id) => {
                let found = self.numbered.iter().rposition(|(open, _)| *open == id);
                let (_, fault) = self.numbered.remove(found.ok_or(Reason::NoSuchFault { id })?);
                builder.end_fault(fault, at, event.line);
            }
            _ => self.nemesis(event, at, builder),
        }
        Ok(())
    }

    fn nemesis(&mut self, event: Event, at: Stamp, builder: &mut Builder) {
        let process = event.process.unwrap_or_default();
        let done = self.doing.iter().position(|(who, f, _)| *who == process && *f == event.f);
        if let Some(done) = done {
            let (.., ends) = self.doing.remove(done);
            ends.into_iter().for_each(|fault| builder.end_fault(fault, at, event.line));
            return;
        }
        let mut ends = Vec::new();
        self.lasting.retain(|(begin, fault)| {
            let is_over = is_ended_by(begin, &event.f);
            ends.extend(is_over.then_some(*fault));
            !is_over
        });
        if ends.is_empty() {
            let fault = builder.fault(Arc::clone(&event.f), event.value, at, event.line);
            if lasts(&event.f) {
                self.lasting.push((Arc::clone(&event.f), fault));
            } else {
                ends.push(fault);
            }
        }
        self.doing.push((process, event.f, ends));
    }

    /// Ends what was being ended when the file ended.
    pub fn finish(&mut self, builder: &mut Builder) {
        for (.., ends) in self.doing.drain(..) {
            ends.into_iter().for_each(|fault| builder.end_fault(fault, Stamp::Next, 0));
        }
    }
}

fn lasts(f: &str) -> bool {
    PAIRS.iter().any(|(begin, _)| *begin == f) || PREFIXES.iter().any(|(begin, _)| f.starts_with(begin))
}

fn is_ended_by(begin: &str, end: &str) -> bool {
    let by_word = PAIRS.iter().any(|(word, ends)| *word == begin && ends.contains(&end));
    let by_prefix = PREFIXES.iter().any(|(begins, ends)| {
        begin.strip_prefix(begins).is_some_and(|what| end.strip_prefix(ends) == Some(what))
    });
    by_word || by_prefix
}

#[cfg(test)]
mod tests {
    use super::{is_ended_by, lasts};

    #[test]
    fn words_come_in_pairs() {
        for (begin, end) in
            [("start", "stop"), ("kill", "start"), ("start-skew", "stop-skew"), ("partition", "heal")]
        {
            assert!(lasts(begin) && is_ended_by(begin, end), "{begin} {end}");
        }
        assert!(!is_ended_by("start-a", "stop-b") && !is_ended_by("kill", "stop"));
        assert!(!lasts("truncate-file"));
    }
}
