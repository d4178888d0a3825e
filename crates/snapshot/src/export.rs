//! From a view to a file.
//!
//! What was written before the compacted revision is found by key but has to stand by revision: it is sorted, outside of memory if it
//! must be. All later changes come from the history, in order.

use crate::layout::{self, Lease};
use crate::sort::Sorter;
use prost::Message;
use quorate_bolt::{WriteError, Writer};
use quorate_kv::{Event, EventKind, History, HistoryError, ReadError, Record, View};
use quorate_table::TableError;
use quorate_types::Revision;
use std::fs::File;
use std::io::{self, BufWriter, Seek};
use std::path::Path;

const BUFFER_LEN_BYTES: usize = 1 << 20;
/// History that is read at a time.
const EVENTS_LEN_BYTES: usize = 1 << 20;
const EVENTS_REVISIONS: usize = 1000;
/// So many records are written between two looks at whether anybody still wants them.
const RECORDS_PER_LOOK: u64 = 1024;

/// Why a view could not be exported. Nothing is left of the file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The view's tables failed.
    #[error(transparent)]
    Tables(#[from] TableError),
    /// The scratch directory takes no file of that size.
    #[error("cannot write the snapshot to a temporary file: {0}")]
    Scratch(#[from] io::Error),
    /// Something in the view does not fit into the file.
    #[error(transparent)]
    File(WriteError),
    /// Nobody wants it any more.
    #[error("the snapshot is not wanted any more")]
    Unwanted,
}

impl From<WriteError> for ExportError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Io(error) => ExportError::Scratch(error),
            other => ExportError::File(other),
        }
    }
}

impl From<HistoryError> for ExportError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Tables(error) => ExportError::Tables(error),
            HistoryError::Compacted { at } => unreachable!("the history is read from its start, {at}"),
        }
    }
}

/// A file with a whole backup, without a name: it is gone when this is dropped.
#[derive(Debug)]
pub struct Exported {
    /// To be read from its start.
    pub file: File,
    /// Its length, a multiple of 4096.
    pub len_bytes: u64,
}

/// Writes `view` to a file in the directory `scratch`. Leases have the time that they have left at the moment `now_ns` of the
/// group's clock. Takes time in proportion to the store, so it belongs on a thread of its own; it stops early once `is_wanted` says no.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    view: &View,
    now_ns: u64,
    scratch: &Path,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Exported, ExportError> {
    let file = tempfile::tempfile_in(scratch)?;
    let writer = Writer::new(BufWriter::with_capacity(BUFFER_LEN_BYTES, file))?;
    let mut export = Export { view, writer, last: (Revision(0), 0), written: 0, is_wanted };
    for name in layout::EMPTY_FIRST {
        export.writer.begin_bucket(name)?;
    }
    export.writer.begin_bucket(layout::CLUSTER)?;
    export.writer.put(layout::CLUSTER_VERSION, layout::LAYOUT_VERSION)?;
    export.writer.begin_bucket(layout::KEY)?;
    export.put_old(scratch)?;
    export.put_history()?;
    export.writer.begin_bucket(layout::LEASE)?;
    export.put_leases(now_ns)?;
    for name in layout::EMPTY_LATER {
        export.writer.begin_bucket(name)?;
    }
    export.writer.begin_bucket(layout::META)?;
    export.put_meta()?;
    let (out, len_bytes) = export.writer.finish()?;
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(Exported { file, len_bytes })
}

struct Export<'a> {
    view: &'a View,
    writer: Writer<BufWriter<File>>,
    /// The newest revision so far, and how many changes of it were written.
    last: (Revision, u64),
    written: u64,
    is_wanted: &'a dyn Fn() -> bool,
}

impl Export<'_> {
    /// The change's number in its revision.
    fn next_sub(&mut self, revision: Revision) -> Result<u64, ExportError> {
        if self.written.is_multiple_of(RECORDS_PER_LOOK) && !(self.is_wanted)() {
            return Err(ExportError::Unwanted);
        }
        self.written += 1;
        if self.last.0 != revision {
            self.last = (revision, 0);
        }
        self.last.1 += 1;
        Ok(self.last.1 - 1)
    }

    /// The pairs that were there before the compacted revision, by the revisions that wrote them. In which order one revision wrote its
    /// own is not known any more: they stand by key.
    fn put_old(&mut self, scratch: &Path) -> Result<(), ExportError> {
        let compacted = self.view.compacted();
        if compacted.0 == 0 {
            return Ok(());
        }
        let pairs = self.view.pairs_at(compacted).map_err(|error| match error {
            ReadError::Tables(error) => ExportError::Tables(error),
            ReadError::Refused(refusal) => unreachable!("the compacted revision can be read: {refusal:?}"),
        })?;
        let mut sorter = Sorter::new(scratch.to_path_buf());
        for pair in pairs {
            let pair = pair?;
            if pair.mod_revision < compacted {
                let mut place = (pair.mod_revision.0 as u64).to_be_bytes().to_vec();
                place.extend_from_slice(&pair.key);
                sorter.push(place, layout::encode(&Record::Put(pair), 0).1)?;
            }
        }
        for pair in sorter.finish()? {
            let (place, value) = pair?;
            let main = u64::from_be_bytes(*place.first_chunk().expect("it begins with a revision"));
            let revision = Revision(main as i64);
            let sub = self.next_sub(revision)?;
            self.writer.put(&layout::revision_key(revision, sub), &value)?;
        }
        Ok(())
    }

    fn put_history(&mut self) -> Result<(), ExportError> {
        let mut from = self.view.compacted();
        let mut events = Vec::new();
        while from <= self.view.revision() {
            from = self.view.events(from, EVENTS_REVISIONS, EVENTS_LEN_BYTES, &mut events)?;
            for event in events.drain(..) {
                let record = record(event);
                let sub = self.next_sub(record.revision())?;
                let (key, value) = layout::encode(&record, sub);
                self.writer.put(&key, &value)?;
            }
        }
        Ok(())
    }

    fn put_leases(&mut self, now_ns: u64) -> Result<(), ExportError> {
        let mut ids = self.view.leases();
        ids.sort_unstable_by_key(|id| layout::lease_key(*id));
        for id in ids {
            let Some(lease) = self.view.lease(id, false, now_ns)? else { continue };
            // One that has run out and was not ended yet is about to be, wherever it is restored.
            let remaining_ttl_s = lease.remaining_ttl_s.max(1);
            let lease = Lease { id: id.0, granted_ttl_s: lease.granted_ttl_s, remaining_ttl_s };
            self.writer.put(&layout::lease_key(id), &lease.encode_to_vec())?;
        }
        Ok(())
    }

    fn put_meta(&mut self) -> Result<(), ExportError> {
        let (index, term) = self.view.applied();
        self.writer.put(layout::CONSISTENT_INDEX, &index.0.to_be_bytes())?;
        if self.view.compacted().0 > 0 {
            let compacted = layout::revision_key(self.view.compacted(), 0);
            self.writer.put(layout::FINISHED_COMPACTION, &compacted)?;
            self.writer.put(layout::SCHEDULED_COMPACTION, &compacted)?;
        }
        Ok(self.writer.put(layout::TERM, &term.0.to_be_bytes())?)
    }
}

fn record(event: Event) -> Record {
    match event.kind {
        EventKind::Put => Record::Put(event.kv),
        EventKind::Delete => Record::Delete { key: event.kv.key, revision: event.kv.mod_revision },
    }
}
