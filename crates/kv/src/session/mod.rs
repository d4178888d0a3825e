//! Writes that are done once although their client asks again.
//!
//! **Problem:** a client that hears nothing cannot know whether its write was done; if it asks again, the write may be done twice. **Idea:** it
//! numbers its writes within a session of its own, and the machine keeps the answers: a number that was done before gets its answer again and
//! changes nothing. The client says up to where it has all answers, and those are dropped.
//!
//! **Invariant:** of one session and number at most one write is ever done. A number is refused rather than done when the session is gone
//! or the number is one whose answer was dropped.
//!
//! Bounds: [`SESSIONS_MAX`] sessions, of which the one that was idle longest makes room for a new one; [`WINDOW`] numbers above the
//! acknowledged one; [`KEPT_LEN_MAX_BYTES`] of answers in a session. An answer that does not fit is not kept: asking again is then answered by
//! [`Outcome::DoneBefore`].
//!
//! Refusals are not kept: a refused write has done nothing, so that trying it anew when it is asked for again is as good.
//!
//! Source: Raft dissertation §6.3. A session's id is the position of the entry that opened it, so that no id ever comes back.

mod answer;

use crate::kv::Kv;
use crate::request::{InSession, Outcome, Refusal};
use crate::session_rows::{self, Session};
use crate::state::ReadError;
use crate::{marks, row};
use quorate_table::{Direction, TableError, TableId};
use quorate_types::mistake::Mistake;
use quorate_types::{Bytes, Revision, SessionId};
use std::ops::Bound;

/// Sessions that a store keeps.
pub const SESSIONS_MAX: usize = 10_000;
/// How far above the acknowledged number a session's numbers may go.
pub const WINDOW: u64 = 256;
/// Bytes of answers that one session keeps.
pub const KEPT_LEN_MAX_BYTES: u64 = 256 << 10;
/// A session's use is noted once in so much of the group's clock: what is idle is measured in hours.
const USE_GRAIN_NS: u64 = 60 * 1_000_000_000;

impl Kv {
    pub(crate) fn session_open(&mut self) -> Result<Outcome, ReadError> {
        if self.sessions.by_use.len() >= SESSIONS_MAX
            && let Some((_, idle)) = self.sessions.by_use.first().copied()
        {
            marks::SESSION_EVICTED.reach();
            self.end_session(idle)?;
        }
        let id = SessionId(self.meta.applied.0);
        let session = Session { used_ns: self.meta.cluster_time_ns, ..Session::default() };
        self.set_session(id, None, session);
        Ok(Outcome::SessionOpened { id })
    }

    pub(crate) fn session_close(&mut self, id: SessionId) -> Result<Outcome, ReadError> {
        self.session(id)?.ok_or(Refusal::SessionNotFound)?;
        self.end_session(id)?;
        Ok(Outcome::Done)
    }

    /// Does a numbered write, or answers as it was answered before. Also returns the store's revision at that time.
    pub(crate) fn apply_in_session(&mut self, asked: &InSession) -> Result<(Outcome, Revision), ReadError> {
        let before = self.session(asked.session)?.ok_or(Refusal::SessionNotFound)?;
        let key = session_rows::answer_key(asked.session, asked.sequence);
        let known = self.kept(&key)?;
        if let Some(row) = known.as_ref().filter(|_| !Mistake::SessionForgotten.is_planted()) {
            marks::SESSION_ANSWERED_AGAIN.reach();
            return Ok(answer::decode(row)?);
        }
        let acknowledged = before.acknowledged.max(asked.acknowledged);
        if asked.sequence <= acknowledged || asked.sequence - acknowledged > WINDOW {
            return Err(Refusal::SessionSequence { acknowledged }.into());
        }
        let outcome = self.apply_command(&asked.command)?;
        let dropped_len_bytes = self.drop_answers(asked.session, acknowledged)?;
        let mut session = Session { acknowledged, ..before };
        session.kept_len_bytes -= dropped_len_bytes;
        if self.meta.cluster_time_ns - session.used_ns >= USE_GRAIN_NS {
            session.used_ns = self.meta.cluster_time_ns;
        }
        let mut kept = answer::encode(&outcome, self.meta.revision);
        if session.kept_len_bytes + kept.len() as u64 > KEPT_LEN_MAX_BYTES {
            kept = answer::encode(&Outcome::DoneBefore, self.meta.revision);
        }
        session.kept_len_bytes += kept.len() as u64;
        self.put_row(&key, known, kept);
        self.set_session(asked.session, Some(before), session);
        Ok((outcome, self.meta.revision))
    }

    fn session(&self, id: SessionId) -> Result<Option<Session>, TableError> {
        self.kept(&session_rows::session_key(id))?.map(|row| session_rows::session(&row)).transpose()
    }

    fn kept(&self, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        self.read(self.meta.revision, |state| state.rows.get(row::SESSIONS, key))
    }

    /// Drops a session's answers up to a number; returns how many bytes they had.
    fn drop_answers(&mut self, id: SessionId, upto: u64) -> Result<u64, TableError> {
        let (from, to) = (session_rows::answer_key(id, 0), session_rows::answer_key(id, upto));
        let rows = self.read(self.meta.revision, |state| {
            let rows = state.rows.range(
                row::SESSIONS,
                Bound::Included(&from),
                Bound::Included(&to),
                Direction::Forward,
            );
            rows.collect::<Result<Vec<_>, TableError>>()
        })?;
        let mut len_bytes = 0;
        for (key, value) in rows {
            len_bytes += value.len() as u64;
            self.delete_row(&key, &value);
        }
        Ok(len_bytes)
    }

    /// Takes a session out with all its answers, of which there are at most [`WINDOW`].
    fn end_session(&mut self, id: SessionId) -> Result<(), TableError> {
        self.drop_answers(id, u64::MAX)?;
        if let Some(session) = self.session(id)? {
            self.sessions.by_use.remove(&(session.used_ns, id));
            self.delete_row(&session_rows::session_key(id), &session_rows::session_row(session));
        }
        Ok(())
    }

    fn set_session(&mut self, id: SessionId, from: Option<Session>, to: Session) {
        if let Some(from) = from {
            self.sessions.by_use.remove(&(from.used_ns, id));
        }
        self.sessions.by_use.insert((to.used_ns, id));
        self.put_row(
            &session_rows::session_key(id),
            from.map(session_rows::session_row),
            session_rows::session_row(to),
        );
    }

    fn put_row(&mut self, key: &[u8], from: Option<Bytes>, to: Bytes) {
        const TABLE: TableId = row::SESSIONS;
        if let Some(from) = from {
            self.meta.hash.remove(&row::hash(TABLE, key, &from));
        }
        self.meta.hash.add(&row::hash(TABLE, key, &to));
        self.overlay.put(TABLE, Bytes::copy_from_slice(key), to);
    }

    fn delete_row(&mut self, key: &[u8], value: &[u8]) {
        self.meta.hash.remove(&row::hash(row::SESSIONS, key, value));
        self.overlay.delete(row::SESSIONS, Bytes::copy_from_slice(key));
    }
}
