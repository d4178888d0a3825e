//! One call under way: which request comes next, and how it ends.
//!
//! **Problem:** a call may take several requests, and each may be done, refused, or left in doubt. **Idea:** a small machine per call, told of
//! one end after the other. **Invariant:** a call that may have had an effect never ends as failed in the history.

use super::ask::Told;
use super::command;
use super::command::{SeenList, Unreadable};
use crate::scenario::Call;
use crate::trace::CallOutcome;
use quorate_check::history::{Outcome as Recorded, Value};
use quorate_kv::{Command, Outcome, Refusal, View};
use quorate_node::RequestFailure;
use quorate_types::Revision;
use std::collections::BTreeMap;
use std::fmt;

/// What a client remembers from call to call.
#[derive(Default, Debug)]
pub(super) struct Knowledge {
    /// The newest revision that it has heard of.
    pub(super) revision: i64,
    /// The token of each lock that it may hold.
    tokens: BTreeMap<u64, Revision>,
    /// How long values may be: [`Settings::value_bytes`](crate::scenario::Settings::value_bytes).
    value_bytes: u64,
}

impl Knowledge {
    pub(super) fn new(value_bytes: u64) -> Self {
        Knowledge { value_bytes, ..Knowledge::default() }
    }

    pub(super) fn learn(&mut self, revision: Revision) {
        self.revision = self.revision.max(revision.0);
    }
}

/// What a node is asked next.
#[derive(Debug)]
pub(super) enum Request {
    Write(Command),
    Read,
    Look,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct End {
    /// For the trace.
    pub(super) outcome: CallOutcome,
    /// For the history: an operation that told something is `Ok` there, although its client wanted something else.
    pub(super) recorded: (Recorded, Value),
    /// Where it was seen, for reads.
    pub(super) seen_at: Revision,
    /// Why it was not done, if it was not.
    pub(super) why: Why,
}

/// Why a call was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    Done,
    Said(&'static str),
    Refused(Refusal),
    Failed(RequestFailure),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Done => f.write_str("done"),
            Why::Said(words) => f.write_str(words),
            Why::Refused(refusal) => write!(f, "refused: {refusal:?}"),
            Why::Failed(failure) => write!(f, "no answer: {failure:?}"),
        }
    }
}

impl End {
    pub(super) fn done(output: Value) -> End {
        let recorded = (Recorded::Ok, output);
        End { outcome: CallOutcome::Done, recorded, seen_at: Revision(0), why: Why::Done }
    }

    pub(super) fn failed(why: Why) -> End {
        let recorded = (Recorded::Fail, Value::Nil);
        End { outcome: CallOutcome::Failed, recorded, seen_at: Revision(0), why }
    }

    /// It told its client that something else stood there.
    fn told_otherwise(words: &'static str) -> End {
        End { recorded: (Recorded::Ok, Value::Bool(false)), ..End::failed(Why::Said(words)) }
    }

    pub(super) fn unknown(why: Why) -> End {
        End { outcome: CallOutcome::Unknown, recorded: (Recorded::Info, Value::Nil), ..End::failed(why) }
    }
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    Ask(Request),
    End(End),
}

/// Which of a call's requests is under way.
#[derive(Debug)]
pub(super) enum Step {
    /// A read, the only one or the first.
    Read,
    /// A write, the only one.
    Write,
    /// A transaction's write, with what it read.
    Append(BTreeMap<u64, SeenList>),
    /// An increment's write, with the count that it read.
    Count(i64),
    /// A lease is made, for a key or a lock.
    Grant,
    /// A key is put on the lease.
    PutOnLease,
    /// The lock is taken.
    Take,
    /// The lock was taken already, and the lease is given up.
    GiveUp,
}

/// A call's first request. Watches are no requests and do not come here.
pub(super) fn begin(call: &Call, knows: &Knowledge) -> (Step, Next) {
    let command = match call {
        Call::Get { .. } | Call::Transact { .. } | Call::Increment { .. } => {
            return (Step::Read, Next::Ask(Request::Read));
        }
        Call::GetLocal { .. } => return (Step::Read, Next::Ask(Request::Look)),
        Call::Grant { lease, ttl_s } | Call::Lock { lease, ttl_s, .. } => {
            return (Step::Grant, Next::Ask(Request::Write(command::grant(*lease, *ttl_s))));
        }
        Call::Watch { .. } | Call::WatchProgress => unreachable!("watches ask on a stream"),
        Call::Put { key, value } => Ok(command::put_register(*key, *value, knows.value_bytes)),
        Call::CompareAndSet { key, from, to } => {
            Ok(command::compare_and_set(*key, (*from, *to), knows.value_bytes))
        }
        Call::Delete { key, end } => Ok(command::delete_registers(*key, *end)),
        Call::Renew { lease } => Ok(Command::LeaseRenew { ids: vec![command::lease_id(*lease)] }),
        Call::Revoke { lease } => Ok(Command::LeaseRevoke { id: command::lease_id(*lease) }),
        Call::Unlock { lock } => match knows.tokens.get(lock) {
            Some(token) => Ok(command::give_lock_back(*lock, *token)),
            None => Err("it knows of no lock that it holds"),
        },
        Call::Compact { keep } => match knows.revision.saturating_sub_unsigned(*keep) {
            1.. => Ok(Command::Compact { revision: Revision(knows.revision.saturating_sub_unsigned(*keep)) }),
            _ => Err("there is nothing to compact"),
        },
    };
    match command {
        Ok(command) => (Step::Write, Next::Ask(Request::Write(command))),
        Err(words) => (Step::Write, Next::End(End::failed(Why::Said(words)))),
    }
}

impl Step {
    /// A request of `call` ended.
    pub(super) fn on_told(&mut self, call: &Call, told: Told, knows: &mut Knowledge) -> Next {
        match told {
            Told::Answered(answer) => {
                knows.learn(answer.revision);
                match answer.outcome {
                    Ok(outcome) => self.on_done(call, &outcome, answer.revision, knows),
                    Err(refusal) => Next::End(self.on_not_done(call, false, Why::Refused(refusal), knows)),
                }
            }
            Told::Readable(view) => {
                knows.learn(view.revision());
                let failed = |_: Unreadable| Next::End(End::failed(Why::Said("the view cannot be read")));
                self.on_view(call, &view).unwrap_or_else(failed)
            }
            Told::Failed(failure) => {
                let may_be_done = failure == RequestFailure::TimedOut;
                Next::End(self.on_not_done(call, may_be_done, Why::Failed(failure), knows))
            }
            Told::Gone { sent } => {
                let words = if sent { "the node went down meanwhile" } else { "the node is down" };
                Next::End(self.on_not_done(call, sent, Why::Said(words), knows))
            }
        }
    }

    fn on_not_done(&self, call: &Call, may_be_done: bool, why: Why, knows: &mut Knowledge) -> End {
        match (self, call) {
            // A read has no effect.
            (Step::Read, _) => End::failed(why),
            // Whatever came of the lease: the lock was found taken, or was not asked for.
            (Step::GiveUp, _) => End::told_otherwise("somebody has the lock"),
            (Step::Grant, Call::Lock { .. }) if may_be_done => {
                End { outcome: CallOutcome::Unknown, ..End::failed(why) }
            }
            (Step::Take, Call::Lock { lock, .. }) if may_be_done => {
                // If it has the lock, then by a token that it does not know; the token before stands for nothing any more.
                knows.tokens.remove(lock);
                End::unknown(why)
            }
            _ if may_be_done => End::unknown(why),
            _ => End::failed(why),
        }
    }

    fn on_view(&mut self, call: &Call, view: &View) -> Result<Next, Unreadable> {
        let end = match call {
            Call::Get { key } | Call::GetLocal { key } => {
                let found = command::register_in(view, *key)?;
                let value = found.map_or(Value::Nil, |value| value_of(&String::from_utf8_lossy(&value)));
                End { seen_at: view.revision(), ..End::done(value) }
            }
            Call::Transact { reads, appends } => {
                let lists = reads.iter().copied().chain(appends.iter().map(|(list, _)| *list));
                let seen = command::lists_in(view, lists)?;
                if !appends.is_empty() {
                    let command = command::append(&seen, appends);
                    *self = Step::Append(seen);
                    return Ok(Next::Ask(Request::Write(command)));
                }
                End::done(mops(reads, appends, Some(&seen)))
            }
            Call::Increment { counter } => {
                let (count, seen) = command::counter_in(view, *counter)?;
                *self = Step::Count(count);
                return Ok(Next::Ask(Request::Write(command::increment(*counter, seen))));
            }
            _ => unreachable!("only reads get a view"),
        };
        Ok(Next::End(end))
    }

    fn on_done(&mut self, call: &Call, outcome: &Outcome, revision: Revision, knows: &mut Knowledge) -> Next {
        let held = matches!(outcome, Outcome::Txn(response) if response.succeeded);
        let end = match (&*self, call) {
            (Step::Grant, Call::Lock { lock, lease, .. }) => {
                *self = Step::Take;
                return Next::Ask(Request::Write(command::take_lock(*lock, *lease)));
            }
            (Step::Grant, Call::Grant { lease, .. }) => {
                *self = Step::PutOnLease;
                return Next::Ask(Request::Write(command::put_on_lease(*lease)));
            }
            (Step::Take, Call::Lock { lock, .. }) if held => {
                knows.tokens.insert(*lock, revision);
                End::done(Value::Int(revision.0))
            }
            (Step::Take, Call::Lock { lease, .. }) => {
                *self = Step::GiveUp;
                let id = command::lease_id(*lease);
                return Next::Ask(Request::Write(Command::LeaseRevoke { id }));
            }
            (Step::GiveUp, _) => End::told_otherwise("somebody has the lock"),
            (Step::Append(seen), Call::Transact { reads, appends }) if held => {
                End::done(mops(reads, appends, Some(seen)))
            }
            (Step::Count(count), _) if held => End::done(Value::Int(count + 1)),
            (Step::Append(_) | Step::Count(_), _) => End::failed(Why::Said("it has changed meanwhile")),
            (_, Call::Unlock { lock }) => {
                knows.tokens.remove(lock);
                if held { End::done(Value::Nil) } else { End::told_otherwise("the lock was lost") }
            }
            (_, Call::CompareAndSet { .. }) if !held => End::told_otherwise("it holds something else"),
            (_, Call::Renew { .. }) if *outcome == (Outcome::LeaseRenewed { ttls_s: vec![None] }) => {
                End::failed(Why::Said("there is no such lease"))
            }
            _ => End::done(Value::Nil),
        };
        Next::End(end)
    }
}

/// A number, or whatever else stands there.
fn value_of(text: &str) -> Value {
    text.trim_end().parse().map_or_else(|_| Value::text(text), Value::Int)
}

pub(super) fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A transaction as the history has it: first what it reads, with what it saw, then what it appends.
pub(super) fn mops(reads: &[u64], appends: &[(u64, u64)], seen: Option<&BTreeMap<u64, SeenList>>) -> Value {
    let word = |word: &str| Value::Keyword(word.into());
    let elements = |list: u64| match seen.and_then(|seen| seen.get(&list)) {
        Some(seen) => Value::list(seen.elements.iter().map(|element| value_of(element))),
        None => Value::Nil,
    };
    let reads = reads.iter().map(|list| Value::list([word("r"), number(*list), elements(*list)]));
    let appends =
        appends.iter().map(|(list, element)| Value::list([word("append"), number(*list), number(*element)]));
    Value::list(reads.chain(appends))
}
