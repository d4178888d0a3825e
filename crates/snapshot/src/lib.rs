//! Backups of a store: a file in the layout of etcd's database, written from a view and read into a new store.
//!
//! **Problem.** A backup is needed when little else is left, perhaps by other tools than ours, and the store that it is taken from must not
//! notice. **Idea.** A view is immutable and costs nothing, so [`export`] walks one, on whatever thread, and writes what etcd's own
//! tools read: all revisions that can be read, in their order, and the leases. [`Backup`] reads such a file, whoever
//! wrote it, and fills empty tables with it, up to an older revision if asked. **Invariant.** What is exported and imported answers every
//! read of a revision that could be read before as it was answered before; memory does not grow with the store.
//! **Source.** etcd 3.5's buckets, drawn in `layout`; `quorate_bolt` is the file format below them.
//!
//! Users and roles are not part of a backup, and neither are members: a restored cluster has new ones.

#![forbid(unsafe_code)]

mod backup;
mod export;
mod file;
mod fill;
mod layout;
mod sort;
mod status;

pub use backup::{Backup, BackupError, Origin};
pub use export::{ExportError, Exported, export};
pub use file::SUM_LEN_BYTES;
pub use fill::{FillError, Filled, LEASE_OF_UNKNOWN_TTL_S};
pub use status::BackupStatus;
