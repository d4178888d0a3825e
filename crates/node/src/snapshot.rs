//! Reading one's own state, piece by piece, for a follower that the log cannot serve any more.
//!
//! Reads a view only, so it runs on any thread, beside everything else. A piece that was lost on its way is asked for again and comes out
//! equal, because the view does not change and the last piece is kept.

use crate::input::SnapshotPiece;
use quorate_consensus::raft::{Configuration, SnapshotMeta};
use quorate_kv::{SnapshotCursor, View};
use quorate_table::TableError;
use quorate_types::{Bytes, LogIndex, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How large a piece may grow.
pub const PIECE_LEN_BYTES: usize = 1 << 20;

struct Outgoing {
    view: Arc<View>,
    meta: SnapshotMeta,
    /// Where the piece `next_sequence` starts; `None` after the last.
    cursor: Option<SnapshotCursor>,
    next_sequence: u64,
    newest: Option<(u64, Bytes)>,
}

/// See the module.
#[derive(Default)]
pub struct SnapshotReader {
    outgoing: BTreeMap<NodeId, Outgoing>,
}

impl SnapshotReader {
    /// Reads piece `sequence` for `to`. With sequence 0 and no `index`, a snapshot of `view` is begun. `None` if that piece cannot be had: the
    /// caller begins again.
    ///
    /// # Errors
    /// [`TableError`] if the rows cannot be read.
    pub fn read(
        &mut self,
        view: &Arc<View>,
        configuration: &Configuration,
        to: NodeId,
        (index, sequence): (Option<LogIndex>, u64),
    ) -> Result<Option<SnapshotPiece>, TableError> {
        if index.is_none() && sequence == 0 {
            let (index, term) = view.applied();
            let meta = SnapshotMeta { index, term, configuration: configuration.clone() };
            let cursor = Some(SnapshotCursor::default());
            let begun = Outgoing { view: view.clone(), meta, cursor, next_sequence: 0, newest: None };
            self.outgoing.insert(to, begun);
        }
        let Some(outgoing) = self.outgoing.get_mut(&to) else { return Ok(None) };
        if index.is_some_and(|index| index != outgoing.meta.index) {
            return Ok(None);
        }
        if sequence == outgoing.next_sequence
            && let Some(cursor) = outgoing.cursor.take()
        {
            let (data, next) = outgoing.view.snapshot_chunk(&cursor, PIECE_LEN_BYTES)?;
            outgoing.cursor = next;
            outgoing.next_sequence += 1;
            outgoing.newest = Some((sequence, data));
        }
        let Some((at, data)) = &outgoing.newest else { return Ok(None) };
        if *at != sequence {
            return Ok(None);
        }
        let last = outgoing.cursor.is_none();
        Ok(Some(SnapshotPiece { meta: outgoing.meta.clone(), sequence, data: data.clone(), last }))
    }

    /// Lets go of what is kept for `to`.
    pub fn forget(&mut self, to: NodeId) {
        self.outgoing.remove(&to);
    }
}
