//! Bringing up a member whose next entry is gone from the log.
//!
//! Problem: the machine's state may be large; it must not be sent in one message, held in memory, or started over because one
//! message was lost. Idea: numbered pieces, one unanswered at a time for each member; the receiver says which piece it wants
//! next, so either side can resume. The machines above read and store the pieces; the core only orders them.
//!
//! **Invariant:** a snapshot is installed only if it is ahead of everything committed here, and nothing is applied while it is.
//! What the log holds after an entry equal to the snapshot's last is kept: it may have been acknowledged.
//!
//! Source: Raft §7, figure 13; dissertation §5.3.

use super::Raft;
use super::input::Effect;
use super::marks;
use super::message::{Body, SnapshotMeta};
use super::progress::{Progress, ProgressState};
use super::replication::Sender;
use quorate_types::{Bytes, LogIndex, Mistake, NodeId, Term};

/// What [`Body::SnapshotProgress`] says once all is installed.
const INSTALLED: u64 = u64::MAX;

/// A snapshot on its way to this member.
pub(super) struct IncomingSnapshot {
    meta: SnapshotMeta,
    /// Whose pieces these are; another leader may cut them differently.
    term: Term,
    /// The piece that is wanted next.
    next: u64,
    /// Whether that piece is being stored.
    is_storing: bool,
    /// Whether the piece that is being stored is the last: then there is no way back.
    is_installing: bool,
}

impl Sender<'_> {
    pub(super) fn start_snapshot(&mut self, to: NodeId, progress: &mut Progress, out: &mut Vec<Effect>) {
        marks::SNAPSHOT_STARTED.reach();
        progress.become_snapshot(self.now);
        out.push(Effect::ReadSnapshot { to, index: None, sequence: 0 });
    }

    pub(super) fn repeat_snapshot(
        &mut self,
        to: NodeId,
        progress: &mut Progress,
        term: Term,
        out: &mut Vec<Effect>,
    ) {
        if self.now < progress.waiting_since + self.config.snapshot_retry {
            return;
        }
        progress.waiting_since = self.now;
        let snapshot = progress.snapshot.as_ref().expect("a snapshot is on its way in this state");
        match (&snapshot.meta, &snapshot.piece) {
            (Some(meta), Some((data, last))) => {
                marks::SNAPSHOT_PIECE_REPEATED.reach();
                let (meta, sequence) = (meta.clone(), snapshot.sequence);
                let body = Body::SnapshotChunk { meta, sequence, data: data.clone(), last: *last };
                out.push(Effect::Send { to, message: super::Message { term, body } });
            }
            (meta, _) => {
                let index = meta.as_ref().map(|meta| meta.index);
                out.push(Effect::ReadSnapshot { to, index, sequence: snapshot.sequence });
            }
        }
    }
}

impl Raft {
    pub(super) fn on_snapshot_read(
        &mut self,
        to: NodeId,
        meta: SnapshotMeta,
        piece: (u64, Bytes, bool),
        out: &mut Vec<Effect>,
    ) {
        let (now, first) = (self.now, self.log.first_index());
        let Some(progress) = self.progress_mut(to) else { return };
        let Some(snapshot) = &mut progress.snapshot else { return };
        let is_wanted = snapshot.sequence == piece.0
            && snapshot.piece.is_none()
            && snapshot.meta.as_ref().is_none_or(|known| *known == meta);
        if !is_wanted {
            return;
        }
        if meta.index.next() < first {
            marks::SNAPSHOT_OUTRUN.reach();
            // The log after this snapshot is gone already: it would not help. A newer one is asked for by the timer.
            return progress.become_snapshot(now);
        }
        let (sequence, data, last) = piece;
        snapshot.meta = Some(meta.clone());
        snapshot.piece = Some((data.clone(), last));
        progress.waiting_since = now;
        self.send(to, Body::SnapshotChunk { meta, sequence, data, last }, out);
    }

    /// The machine lost the snapshot: another one is started, by the timer so that a lasting failure does not spin.
    pub(super) fn on_snapshot_read_failed(&mut self, to: NodeId) {
        let now = self.now;
        if let Some(progress) = self.progress_mut(to)
            && progress.state() == ProgressState::Snapshot
        {
            marks::SNAPSHOT_LOST.reach();
            progress.become_snapshot(now);
        }
    }

    pub(super) fn on_snapshot_progress(
        &mut self,
        from: NodeId,
        index: LogIndex,
        next: u64,
        out: &mut Vec<Effect>,
    ) {
        let now = self.now;
        if next == INSTALLED {
            return self.on_append_accepted(from, index, out);
        }
        let Some(progress) = self.progress_mut(from) else { return };
        progress.heard_at = now;
        let Some(snapshot) = &mut progress.snapshot else { return };
        let is_this = snapshot.meta.as_ref().is_some_and(|meta| meta.index == index);
        // An answer that asks for the piece under way is a repeated one; the timer covers a lost piece.
        if is_this && next != snapshot.sequence && snapshot.piece.is_some() {
            snapshot.sequence = next;
            snapshot.piece = None;
            progress.waiting_since = now;
            out.push(Effect::ReadSnapshot { to: from, index: Some(index), sequence: next });
        }
    }

    /// Whether the machine is being replaced at this moment.
    pub(super) fn is_installing(&self) -> bool {
        self.incoming.as_ref().is_some_and(|incoming| incoming.is_installing)
    }

    pub(super) fn on_snapshot_chunk(
        &mut self,
        leader: NodeId,
        meta: SnapshotMeta,
        piece: (u64, Bytes, bool),
        out: &mut Vec<Effect>,
    ) {
        if self.disk.has_failed() || self.is_installing() {
            return;
        }
        if meta.index <= self.commit && !Mistake::SnapshotOverNewer.is_planted() {
            marks::SNAPSHOT_REFUSED.reach();
            self.incoming = None;
            return self.acknowledge(leader, out);
        }
        if meta.index <= self.apply.emitted() {
            marks::SNAPSHOT_FOR_LOG_ONLY.reach();
            // The machine is ahead of its log since a crash: only the log needs the snapshot.
            self.incoming = None;
            return self.install(meta, out);
        }
        let (sequence, data, last) = piece;
        let term = self.hard_state.term;
        let is_same = |incoming: &IncomingSnapshot| incoming.meta == meta && incoming.term == term;
        let incoming = match &mut self.incoming {
            Some(incoming) if is_same(incoming) => incoming,
            _ if sequence == 0 => self.incoming.insert(IncomingSnapshot {
                meta: meta.clone(),
                term,
                next: 0,
                is_storing: false,
                is_installing: false,
            }),
            _ => return self.send(leader, Body::SnapshotProgress { index: meta.index, next: 0 }, out),
        };
        if sequence != incoming.next {
            let next = incoming.next;
            marks::SNAPSHOT_PIECE_MISSED.reach();
            return self.send(leader, Body::SnapshotProgress { index: meta.index, next }, out);
        }
        if !incoming.is_storing {
            incoming.is_storing = true;
            incoming.is_installing = last;
            out.push(Effect::StoreSnapshot { meta, sequence, data, last });
        }
    }

    pub(super) fn on_snapshot_stored(&mut self, index: LogIndex, sequence: u64, out: &mut Vec<Effect>) {
        let Some(incoming) = &mut self.incoming else { return };
        if incoming.meta.index != index || incoming.next != sequence || !incoming.is_storing {
            return;
        }
        incoming.is_storing = false;
        incoming.next += 1;
        let next = incoming.next;
        if incoming.is_installing {
            let meta = self.incoming.take().expect("it was there a moment ago").meta;
            self.apply.reset(index);
            self.install(meta, out);
        } else if let Some(leader) = self.leader.filter(|leader| *leader != self.config.id) {
            self.send(leader, Body::SnapshotProgress { index, next }, out);
        }
    }

    /// The machine stands at the snapshot or beyond: the log follows.
    fn install(&mut self, meta: SnapshotMeta, out: &mut Vec<Effect>) {
        let index = meta.index;
        // A heartbeat may have moved the commit index past the snapshot meanwhile.
        let is_held = index <= self.commit || self.log.term_at(index) == Some(meta.term);
        if is_held && !Mistake::SnapshotOverNewer.is_planted() {
            marks::SNAPSHOT_KEPT_LOG.reach();
            self.following.verify(index);
        } else {
            marks::SNAPSHOT_INSTALLED.reach();
            self.log.reset(meta.clone());
            self.disk.stage_reset(meta);
            self.commit = index;
            self.following.reset(index);
        }
        self.commit_to(index, out);
        self.emit_committed(out);
        self.serve_applied_reads(out);
        let Some(leader) = self.leader.filter(|leader| *leader != self.config.id) else { return };
        if self.disk.has_staged() {
            let body = Body::SnapshotProgress { index, next: INSTALLED };
            let message = super::Message { term: self.hard_state.term, body };
            self.disk.stage_then(leader, message);
        } else {
            self.acknowledge(leader, out);
        }
    }
}
