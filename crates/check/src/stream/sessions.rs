//! The four session guarantees on registers whose written values are numbers, each written once to its key.
//!
//! **Idea.** If what each session reads of a key never goes down, the order of the numbers explains it, whatever order the system had
//! in mind. So a guarantee is seen to hold with one number per session and key. What goes down is a violation if nothing
//! can explain it, or if the caller vouches that versions grow with their numbers; else it is not decided.
//!
//! | guarantee | holds if | is violated if | violated too if versions grow |
//! |---|---|---|---|
//! | monotonic reads | no session reads less of a key than before | nil after a value; a value again after another (of the last [`RECENT`]) | less than before |
//! | read your writes | no session reads less than its own writes | nil after its own write | less than its own write |
//! | monotonic writes | the numbers of each key grow in the order of calls | | a session writes less than before |
//! | writes follow reads | the same, and nothing is read before it is written | | a session writes less than it has read |
//!
//! All are violated by a value that nobody wrote. Writes that failed do not count; those of unknown outcome do. If the history is not seen to
//! its end nothing is decided, because a later write could explain a read.
//!
//! **Bound.** [`SEEN_BYTES`] for each session and key that it used, until the session ends in doubt; [`KEY_BYTES`] and the runs of
//! [`Elements`] for each key.
//!
//! Source: Terry et al. 1994, in the existential form of [`crate::level`].

use super::elements::Elements;
use super::steps::{Called, Ended, Step};
use super::{Check, Stop, fact, progress, violated};
use crate::history::{OpId, Outcome, Value};
use crate::level::Level;
use crate::limits::{Budget, Held};
use crate::verdict::{Cause, Report, Unknown, Verdict, Violation, Witness};
use std::collections::{BTreeMap, VecDeque};

const KNOWN: &str = "read, and write of numbers, each once to its key";
/// How many values a session remembers that it has read of a key.
pub const RECENT: usize = 4;
/// Bytes for a session and key.
pub const SEEN_BYTES: u64 = 320;
/// Bytes for a key.
pub const KEY_BYTES: u64 = 320;

/// What the caller knows of the order of versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Versions {
    /// Nothing.
    Unordered,
    /// A key's versions grow with their numbers: the system gave them out itself, say.
    Growing,
}

const LEVELS: [Level; 4] =
    [Level::ReadYourWrites, Level::MonotonicReads, Level::MonotonicWrites, Level::WritesFollowReads];

/// The check of the four guarantees. See the module.
pub struct Sessions<'b, 'a> {
    versions: Versions,
    budget: &'b Budget<'a>,
    held: Held<'b, 'a>,
    keys: BTreeMap<Value, Key<'b, 'a>>,
    /// By session and key.
    seen: BTreeMap<(u32, Value), Seen>,
    /// In the order of [`LEVELS`].
    guarantees: [Guarantee; 4],
    op_count: u64,
}

#[derive(Debug, Default)]
struct Guarantee {
    violation: Option<Violation>,
    /// Why it is not decided.
    doubt: Option<String>,
}

/// A number, and the operation that read or wrote it.
#[derive(Clone, Copy, Debug)]
struct Version {
    number: i64,
    id: OpId,
    line: u32,
}

struct Key<'b, 'a> {
    /// Values whose write was called and has not failed.
    written: Elements<'b, 'a>,
    /// Those of them whose write is still open.
    open: Vec<Value>,
    largest_called: Option<i64>,
    /// Values that were read before their write had ended, with their first reads.
    early: BTreeMap<Value, (OpId, u32)>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The largest that the session wrote, and the last.
    largest_written: Option<Version>,
    last_written: Option<Version>,
    largest_read: Option<Version>,
    /// Values that it read, oldest first, without repetitions in a row.
    recent: VecDeque<Version>,
}

impl<'b, 'a> Sessions<'b, 'a> {
    /// Of nothing yet.
    ///
    /// # Errors
    /// If nothing may be held.
    pub fn new(versions: Versions, budget: &'b Budget<'a>) -> Result<Self, Stop> {
        let (keys, seen) = (BTreeMap::new(), BTreeMap::new());
        let (held, guarantees) = (budget.hold(0)?, Default::default());
        Ok(Sessions { versions, budget, held, keys, seen, guarantees, op_count: 0 })
    }

    fn guarantee(&mut self, level: Level) -> &mut Guarantee {
        let at = LEVELS.iter().position(|known| *known == level);
        &mut self.guarantees[at.expect("only the four guarantees are asked for")]
    }

    fn violate(&mut self, level: Level, anomaly: &'static str, ops: Vec<OpId>, reason: String) {
        self.guarantee(level).violation.get_or_insert_with(|| fact(anomaly, ops, reason));
    }

    fn doubt(&mut self, level: Level, reason: &str) {
        self.guarantee(level).doubt.get_or_insert_with(|| reason.to_owned());
    }

    /// Violated if the caller vouches for the order of versions, else in doubt.
    fn descend(&mut self, level: Level, anomaly: &'static str, ops: Vec<OpId>, reason: String) {
        match self.versions {
            Versions::Growing => self.violate(level, anomaly, ops, reason),
            Versions::Unordered => self.doubt(level, &reason),
        }
    }

    fn key(&mut self, key: &Value) -> Result<&mut Key<'b, 'a>, Stop> {
        if !self.keys.contains_key(key) {
            self.held.grow(KEY_BYTES)?;
            let written = Elements::new(self.budget);
            let fresh = Key { written, open: Vec::new(), largest_called: None, early: BTreeMap::new() };
            self.keys.insert(key.clone(), fresh);
        }
        Ok(self.keys.get_mut(key).expect("it was just put there"))
    }

    fn seen(&mut self, called: &Called) -> Result<&mut Seen, Stop> {
        let at = (called.session, called.key.clone());
        if !self.seen.contains_key(&at) {
            self.held.grow(SEEN_BYTES)?;
        }
        Ok(self.seen.entry(at).or_default())
    }

    fn call(&mut self, called: &Called) -> Result<(), Stop> {
        self.op_count += 1;
        if !is_write(called)? {
            return Ok(());
        }
        let number = called.input.as_int().ok_or_else(|| Stop::unfit(called, &called.input, KNOWN))?;
        let key = self.key(&called.key)?;
        if !key.written.insert(&called.input)? {
            return Err(Stop::unfit(called, &called.input, KNOWN));
        }
        key.open.push(called.input.clone());
        let grows = key.largest_called.is_none_or(|largest| largest < number);
        key.largest_called = key.largest_called.max(Some(number));
        if !grows {
            let reason = format!("the write of {number} on line {} follows a larger one", called.line);
            self.doubt(Level::MonotonicWrites, &reason);
            self.doubt(Level::WritesFollowReads, &reason);
        }
        Ok(())
    }

    fn end(&mut self, ended: &Ended<'_>) -> Result<(), Stop> {
        let called = ended.called;
        if is_write(called)? {
            self.end_write(called, ended.outcome)?;
        } else if ended.outcome == Outcome::Ok {
            self.end_read(called, ended.output)?;
        }
        if ended.outcome == Outcome::Info {
            // The session ends here.
            let own = (called.session, Value::Nil)..(called.session + 1, Value::Nil);
            let keys: Vec<(u32, Value)> = self.seen.range(own).map(|(key, _)| key.clone()).collect();
            self.held.shrink(SEEN_BYTES * keys.len() as u64);
            keys.iter().for_each(|key| drop(self.seen.remove(key)));
        }
        Ok(())
    }

    fn end_write(&mut self, called: &Called, outcome: Outcome) -> Result<(), Stop> {
        let key = self.key(&called.key)?;
        key.open.retain(|value| *value != called.input);
        if outcome == Outcome::Fail {
            key.written.remove(&called.input)?;
            return Ok(());
        }
        if key.early.remove(&called.input).is_some() {
            self.held.shrink(SEEN_BYTES);
        }
        let Some(number) = called.input.as_int() else { return Ok(()) };
        let own = Version { number, id: called.id, line: called.line };
        let seen = self.seen(called)?;
        let (before, read) = (seen.last_written, seen.largest_read);
        seen.last_written = Some(own);
        seen.largest_written =
            Some(seen.largest_written.filter(|largest| largest.number > number).unwrap_or(own));
        if let Some(before) = before.filter(|before| before.number > number) {
            let reason = format!(
                "a session writes {number} on line {} after {} on line {}",
                own.line, before.number, before.line
            );
            self.descend(Level::MonotonicWrites, "writes out of order", vec![before.id, own.id], reason);
        }
        if let Some(read) = read.filter(|read| read.number > number) {
            let reason = format!(
                "a session writes {number} on line {} after it has read {} on line {}",
                own.line, read.number, read.line
            );
            self.descend(
                Level::WritesFollowReads,
                "write before what was read",
                vec![read.id, own.id],
                reason,
            );
        }
        Ok(())
    }

    fn end_read(&mut self, called: &Called, output: &Value) -> Result<(), Stop> {
        let (id, line) = (called.id, called.line);
        if output.is_nil() {
            let Some(seen) = self.seen.get(&(called.session, called.key.clone())) else { return Ok(()) };
            let (written, read) = (seen.last_written, seen.recent.back().copied());
            if let Some(written) = written {
                let reason = format!(
                    "the read on line {line} gives nil after the session's own write on line {}",
                    written.line
                );
                self.violate(Level::ReadYourWrites, "own write not seen", vec![written.id, id], reason);
            }
            if let Some(read) = read {
                let reason =
                    format!("the read on line {line} gives nil after {} on line {}", read.number, read.line);
                self.violate(Level::MonotonicReads, "non-monotonic read", vec![read.id, id], reason);
            }
            return Ok(());
        }
        let number = output.as_int().ok_or_else(|| Stop::unfit(called, output, KNOWN))?;
        let key = self.key(&called.key)?;
        let is_written = key.written.contains(output);
        if (!is_written || key.open.contains(output)) && !key.early.contains_key(output) {
            key.early.insert(output.clone(), (id, line));
            self.held.grow(SEEN_BYTES)?;
        }
        if !is_written {
            self.doubt(
                Level::WritesFollowReads,
                &format!("the read on line {line} gives {number} before it is written"),
            );
        }
        self.compare(called, Version { number, id, line })
    }

    /// Compares a read with what its session read and wrote before.
    fn compare(&mut self, called: &Called, now: Version) -> Result<(), Stop> {
        let Version { number, id, line } = now;
        let seen = self.seen(called)?;
        let (written, largest, last) = (seen.largest_written, seen.largest_read, seen.recent.back().copied());
        let again = seen.recent.iter().find(|version| version.number == number).copied();
        let is_news = last.is_none_or(|last| last.number != number);
        if is_news {
            if seen.recent.len() == RECENT {
                seen.recent.pop_front();
            }
            seen.recent.push_back(now);
        }
        seen.largest_read = Some(largest.filter(|largest| largest.number >= number).unwrap_or(now));
        if let Some(written) = written.filter(|written| written.number > number) {
            let reason = format!(
                "the read on line {line} gives {number} after the session's own write of {} on line {}",
                written.number, written.line
            );
            self.descend(Level::ReadYourWrites, "own write not seen", vec![written.id, id], reason);
        }
        match (again.filter(|_| is_news), last, largest) {
            (Some(again), Some(last), _) => {
                let reason = format!(
                    "the read on line {line} gives {number} as on line {}, after {} on line {}",
                    again.line, last.number, last.line
                );
                self.violate(
                    Level::MonotonicReads,
                    "non-monotonic read",
                    vec![again.id, last.id, id],
                    reason,
                );
            }
            (_, _, Some(largest)) if largest.number > number => {
                let reason = format!(
                    "the read on line {line} gives {number} after {} on line {}",
                    largest.number, largest.line
                );
                self.descend(Level::MonotonicReads, "non-monotonic read", vec![largest.id, id], reason);
            }
            _ => {}
        }
        Ok(())
    }

    /// Values that were read and that nobody can have written.
    fn look_for_garbage(&mut self) {
        let unwritten = self.keys.iter().flat_map(|(name, key)| {
            let early = key.early.iter().filter(|(value, _)| !key.written.contains(value));
            early.map(move |(value, (id, line))| (name, value, *id, *line))
        });
        let Some((name, value, id, line)) = unwritten.min_by_key(|(.., id, _)| *id) else { return };
        let of = if name.is_nil() { String::new() } else { format!(" of {name}") };
        let reason = format!("the read on line {line} gives {value}{of}, which nobody wrote");
        LEVELS.iter().for_each(|level| self.violate(*level, "garbage read", vec![id], reason.clone()));
    }
}

fn is_write(called: &Called) -> Result<bool, Stop> {
    match &*called.f {
        "write" | "w" | "put" | "set" => Ok(true),
        "read" | "r" | "get" => Ok(false),
        _ => Err(Stop::unfit(called, &called.input, KNOWN)),
    }
}

impl Check for Sessions<'_, '_> {
    fn step(&mut self, step: &Step<'_>) -> Result<(), Stop> {
        match step {
            Step::Call(called, _) => self.call(called),
            Step::End(ended) => self.end(ended),
        }
    }

    fn finish(mut self, stopped: Option<&Stop>) -> Report {
        if stopped.is_none() {
            self.look_for_garbage();
        }
        let mut findings = Vec::new();
        let levels = LEVELS.into_iter().zip(self.guarantees).map(|(level, guarantee)| {
            let verdict = match (stopped, guarantee.violation, guarantee.doubt) {
                (Some(stop), ..) => stop.verdict(progress(self.op_count)),
                (None, Some(violation), _) => {
                    let (verdict, finding) = violated(level, violation);
                    findings.push(finding);
                    verdict
                }
                (None, None, Some(doubt)) => {
                    Verdict::Unknown(Unknown { cause: Cause::NoMethod, progress: doubt })
                }
                (None, None, None) => {
                    Verdict::Holds(Witness::Argument("the order of the numbers explains every session"))
                }
            };
            (level, verdict)
        });
        let levels = levels.collect();
        let facts = vec![("keys".to_owned(), self.keys.len().to_string())];
        Report { model: "sessions", levels, findings, facts }
    }
}
