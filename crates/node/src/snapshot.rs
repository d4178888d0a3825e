//! Reading one's own state, piece by piece, for a follower that the log cannot serve any more.
//!
//! Reads a view only, so it runs on any thread, beside everything else. The follower takes pieces of one snapshot (one log position) from
//! whatever attempt, so all of them are cut from the same view, even if the leader begins again: old history may be given up without
//! the position changing, and then another view would be cut elsewhere.
//!
//! **Invariant:** the pieces of one snapshot for one follower come from one view, for as long as that position is the newest.

use crate::input::SnapshotPiece;
use crate::marks;
use quorate_consensus::raft::{Configuration, SnapshotMeta};
use quorate_kv::{SnapshotCursor, View};
use quorate_table::TableError;
use quorate_types::{Bytes, LogIndex, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How large a piece usually grows.
const PIECE_LEN_BYTES: usize = 1 << 20;

struct Outgoing {
    view: Arc<View>,
    meta: SnapshotMeta,
    /// Where the piece `next_sequence` starts; `None` after the last.
    cursor: Option<SnapshotCursor>,
    next_sequence: u64,
    newest: Option<(u64, Bytes)>,
    /// Whether nobody has read from it since [`SnapshotReader::forget_idle`].
    is_idle: bool,
}

impl Outgoing {
    /// Makes piece `sequence` the newest, if there is such a piece. Costs no more than that piece if it is the next one.
    fn walk_to(&mut self, sequence: u64, piece_len_bytes: usize) -> Result<(), TableError> {
        if sequence + 1 < self.next_sequence {
            (self.cursor, self.next_sequence) = (Some(SnapshotCursor::default()), 0);
        }
        while self.next_sequence <= sequence
            && let Some(cursor) = &self.cursor
        {
            let (data, next) = self.view.snapshot_chunk(cursor, piece_len_bytes)?;
            self.newest = Some((self.next_sequence, data));
            self.next_sequence += 1;
            self.cursor = next;
        }
        Ok(())
    }
}

/// See the module.
pub struct SnapshotReader {
    piece_len_bytes: usize,
    outgoing: BTreeMap<NodeId, Outgoing>,
}

impl Default for SnapshotReader {
    fn default() -> Self {
        SnapshotReader::new(PIECE_LEN_BYTES)
    }
}

impl SnapshotReader {
    /// Nothing is being read. A piece ends with the row that makes it at least this long.
    #[must_use]
    pub fn new(piece_len_bytes: usize) -> Self {
        SnapshotReader { piece_len_bytes, outgoing: BTreeMap::new() }
    }

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
            self.begin(view, configuration, to);
        }
        let Some(outgoing) = self.outgoing.get_mut(&to) else { return Ok(None) };
        outgoing.is_idle = false;
        if index.is_some_and(|index| index != outgoing.meta.index) {
            return Ok(None);
        }
        outgoing.walk_to(sequence, self.piece_len_bytes)?;
        let Some((at, data)) = &outgoing.newest else { return Ok(None) };
        if *at != sequence {
            return Ok(None);
        }
        let last = outgoing.cursor.is_none();
        Ok(Some(SnapshotPiece { meta: outgoing.meta.clone(), sequence, data: data.clone(), last }))
    }

    fn begin(&mut self, view: &Arc<View>, configuration: &Configuration, to: NodeId) {
        let (index, term) = view.applied();
        if self.outgoing.get(&to).is_some_and(|outgoing| outgoing.meta.index == index) {
            marks::SNAPSHOT_FROM_KEPT_VIEW.reach();
            return;
        }
        let meta = SnapshotMeta { index, term, configuration: configuration.clone() };
        let cursor = Some(SnapshotCursor::default());
        let begun =
            Outgoing { view: view.clone(), meta, cursor, next_sequence: 0, newest: None, is_idle: false };
        self.outgoing.insert(to, begun);
    }

    /// Lets go of the snapshots that nobody has read from since the last call, except those of the newest position, `applied`: they cost
    /// nothing, and could not be cut again in the same places. To be called every so often, at least some retries apart.
    pub fn forget_idle(&mut self, applied: LogIndex) {
        self.outgoing.retain(|_, outgoing| !outgoing.is_idle || outgoing.meta.index == applied);
        self.outgoing.values_mut().for_each(|outgoing| outgoing.is_idle = true);
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE_LEN_BYTES, SnapshotReader};
    use quorate_consensus::raft::Configuration;
    use quorate_kv::{Command, Kv, PutRequest, Stamped};
    use quorate_table::MemoryTables;
    use quorate_types::{Bytes, LogIndex, NodeId, Revision, Term};

    const TO: NodeId = NodeId(2);

    fn apply(kv: &mut Kv, command: Command) {
        let index = kv.applied().0.next();
        let command = Stamped { cluster_time_ns: 0, command };
        kv.apply(index, Term(1), Some(&command)).unwrap().outcome.unwrap();
    }

    /// A machine whose snapshot has several pieces, half of them history.
    fn machine() -> Kv {
        let mut kv = Kv::open(Box::new(MemoryTables::new())).unwrap();
        let value = Bytes::from(vec![7; PIECE_LEN_BYTES / 2]);
        for _ in 0..8 {
            let put = PutRequest { key: "k".into(), value: value.clone(), ..PutRequest::default() };
            apply(&mut kv, Command::Put(put));
        }
        kv.commit().unwrap();
        kv
    }

    #[test]
    fn pieces_of_one_position_are_cut_alike_whatever_is_asked_for() {
        let mut kv = machine();
        apply(&mut kv, Command::Compact { revision: Revision(6) });
        let view = kv.commit().unwrap().view;
        let position = view.applied().0;
        let index = Some(position);
        let mut reader = SnapshotReader::default();
        let configuration = Configuration::of_voters(vec![NodeId(1), TO]);
        let mut read = |view, at| reader.read(view, &configuration, TO, at).unwrap();
        let first: Vec<_> = (0..3).map(|n| read(&view, (index.filter(|_| n > 0), n)).unwrap()).collect();
        assert!(!kv.compact_slice(100).unwrap());
        let purged = kv.commit().unwrap().view;
        assert_eq!(purged.applied().0, position, "another view of the same position");
        assert_eq!(read(&purged, (None, 0)).unwrap(), first[0], "begun again");
        assert_eq!(read(&purged, (index, 2)).unwrap(), first[2], "skipped one");
        assert_eq!(read(&purged, (index, 1)).unwrap(), first[1], "went back");
        assert_eq!(read(&purged, (index, 1000)), None);
        assert_eq!(read(&purged, (Some(LogIndex(1)), 0)), None);
    }

    #[test]
    fn an_idle_snapshot_is_forgotten_once_it_is_old() {
        let mut kv = machine();
        let view = kv.view();
        let index = view.applied().0;
        let mut reader = SnapshotReader::default();
        let configuration = Configuration::of_voters(vec![NodeId(1), TO]);
        assert!(reader.read(&view, &configuration, TO, (None, 0)).unwrap().is_some());
        reader.forget_idle(index);
        reader.forget_idle(index);
        assert!(reader.read(&view, &configuration, TO, (Some(index), 1)).unwrap().is_some());
        apply(&mut kv, Command::Tick);
        kv.commit().unwrap();
        reader.forget_idle(index.next());
        assert!(reader.read(&view, &configuration, TO, (Some(index), 2)).unwrap().is_some());
        reader.forget_idle(index.next());
        reader.forget_idle(index.next());
        assert_eq!(reader.read(&view, &configuration, TO, (Some(index), 3)).unwrap(), None);
    }
}
