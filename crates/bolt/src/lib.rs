//! Reads and writes bbolt files: the format of etcd's database, and so of its snapshots.
//!
//! **Problem.** A file that is to be taken by etcd's own tools, or comes from them, has to be understood to the byte, and what comes from
//! elsewhere may be damaged. **Idea.** [`Database`] walks one B+ tree at a time over anything that can be read at an offset, and checks each
//! number before it is used; [`Writer`] builds trees bottom-up from sorted pairs, so it holds one page per level and never changes what it
//! wrote. **Invariant.** A damaged file gives an error: no panic, no endless loop, no allocation beyond the file's own size.
//! **Source.** The layout as bbolt 1.3 writes it, which `layout` draws. The free list is ignored: readers do not need it.

#![forbid(unsafe_code)]

mod error;
mod layout;
mod read;
mod tree;
mod write;

pub use error::{ReadError, WriteError};
pub use read::{Bucket, Database, Entries, Entry, Source, Value};
pub use write::{KEY_LEN_MAX_BYTES, PAGE_LEN_BYTES, VALUE_LEN_MAX_BYTES, Writer};
