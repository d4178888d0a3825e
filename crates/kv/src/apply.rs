//! What each command of the log does.
//!
//! Every handler first makes all checks that can refuse the command, then changes. Handlers return [`ReadError`] only from the
//! checks or because the tables failed, and the latter ends the machine: so no command is ever half done.

use crate::kv::{Applied, Kv};
use crate::request::{Command, DeleteRequest, KeyValue, Outcome, PutRequest, Refusal, Stamped};
use crate::row::Stored;
use crate::state::{ReadError, State};
use crate::validate::validate;
use crate::write::Writing;
use crate::{lease, row};
use quorate_table::{Direction, TableError};
use quorate_types::mistake::Mistake;
use quorate_types::{LogIndex, Term};

impl Kv {
    /// Applies the log entry at `index`; later entries see it, readers only after [`Kv::commit`]. Without a command (a leader's
    /// first entry, a configuration) only the applied index moves. A refused command changes only the applied index and the
    /// group's clock.
    ///
    /// # Errors
    /// [`TableError`]; the machine must be dropped.
    ///
    /// # Panics
    /// If `index` does not follow the last applied one, or `term` is lower than its.
    pub fn apply(
        &mut self,
        index: LogIndex,
        term: Term,
        command: Option<&Stamped>,
    ) -> Result<Applied, TableError> {
        if !Mistake::ApplyTwiceAfterRestart.is_planted() {
            assert_eq!(index, self.meta.applied.next(), "entries are applied one after the other");
            assert!(term >= self.meta.term, "terms never go back along a log");
        }
        (self.meta.applied, self.meta.term) = (index, term);
        let Some(Stamped { cluster_time_ns, command }) = command else {
            return Ok(Applied { outcome: Ok(Outcome::Done), revision: self.meta.revision });
        };
        self.meta.cluster_time_ns = self.meta.cluster_time_ns.max(*cluster_time_ns);
        let done = match command {
            Command::InSession(asked) => {
                validate(command).map_err(ReadError::from).and_then(|()| self.apply_in_session(asked))
            }
            _ => self.apply_command(command).map(|outcome| (outcome, self.meta.revision)),
        };
        match done {
            Ok((outcome, revision)) => Ok(Applied { outcome: Ok(outcome), revision }),
            Err(ReadError::Refused(refusal)) => {
                Ok(Applied { outcome: Err(refusal), revision: self.meta.revision })
            }
            Err(ReadError::Tables(error)) => Err(error),
        }
    }

    pub(crate) fn apply_command(&mut self, command: &Command) -> Result<Outcome, ReadError> {
        validate(command)?;
        self.alarms.admit(command)?;
        match command {
            Command::Put(request) => self.apply_put(request),
            Command::Delete(request) => self.apply_delete(request),
            Command::Txn(request) => Ok(Outcome::Txn(self.apply_txn(request)?)),
            Command::Compact { revision } => self.compact(*revision),
            Command::LeaseGrant { id, ttl_s } => self.lease_grant(*id, *ttl_s),
            Command::LeaseRevoke { id } => self.lease_revoke(*id),
            Command::LeaseRenew { ids } => self.lease_renew(ids),
            Command::LeaseExpire { leases, term } => self.lease_expire(leases, *term),
            Command::Tick => Ok(Outcome::Done),
            Command::SessionOpen => self.session_open(),
            Command::SessionClose { id } => self.session_close(*id),
            Command::InSession(_) => Err(Refusal::NotForSessions.into()),
            Command::Alarm(command) => Ok(self.apply_alarm(*command)?),
        }
    }

    fn apply_put(&mut self, request: &PutRequest) -> Result<Outcome, ReadError> {
        self.read(self.meta.revision, |state| check_put(state, request))?;
        let mut writing = self.begin();
        let prev_kv = self.write_put(&mut writing, request)?;
        self.end(&writing);
        Ok(Outcome::Put { prev_kv })
    }

    fn apply_delete(&mut self, request: &DeleteRequest) -> Result<Outcome, ReadError> {
        let mut writing = self.begin();
        let (deleted, prev_kvs) = self.write_delete(&mut writing, request)?;
        self.end(&writing);
        Ok(Outcome::Delete { deleted, prev_kvs })
    }

    /// Does a put that passed [`check_put`]; returns the old pair if it was asked for.
    pub(crate) fn write_put(
        &mut self,
        writing: &mut Writing,
        request: &PutRequest,
    ) -> Result<Option<KeyValue>, TableError> {
        let previous = self.read(writing.readable(), |state| state.get(&request.key))?;
        let before = previous.as_ref().map(|stored| &stored.pair);
        let prev_kv = before.filter(|_| request.prev_kv).cloned();
        let value =
            before.filter(|_| request.ignore_value).map_or(&request.value, |pair| &pair.value).clone();
        let lease = if request.ignore_lease { before.and_then(|pair| pair.lease) } else { request.lease };
        self.stage_put(writing, &request.key, value, lease, previous)?;
        Ok(prev_kv)
    }

    /// Does a delete; returns how many keys went, and their pairs if they were asked for.
    pub(crate) fn write_delete(
        &mut self,
        writing: &mut Writing,
        request: &DeleteRequest,
    ) -> Result<(i64, Vec<KeyValue>), TableError> {
        let doomed: Vec<Stored> = self.read(writing.readable(), |state| {
            if request.range.is_one_key() {
                return Ok(state.get(&request.range.key)?.into_iter().collect());
            }
            state.stored(&request.range, Direction::Forward).collect::<Result<_, TableError>>()
        })?;
        let deleted = doomed.len() as i64;
        let prev_kvs =
            if request.prev_kv { doomed.iter().map(|s| s.pair.clone()).collect() } else { Vec::new() };
        for stored in doomed {
            self.stage_delete(writing, stored);
        }
        Ok((deleted, prev_kvs))
    }
}

/// The checks of a put that need the state.
pub(crate) fn check_put(state: &State<'_>, request: &PutRequest) -> Result<(), ReadError> {
    if let Some(id) = request.lease
        && lease::find(state.rows, id)?.is_none()
    {
        return Err(Refusal::LeaseNotFound.into());
    }
    let needs_key = request.ignore_value || request.ignore_lease;
    if needs_key && state.rows.get(row::CURRENT, &request.key)?.is_none() {
        return Err(Refusal::KeyNotFound.into());
    }
    Ok(())
}
