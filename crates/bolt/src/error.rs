//! Why a file could not be read or written.

use std::io;

/// Why a file could not be read. Nothing was changed: reading never does.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Neither of its first pages is a valid meta page.
    #[error("this is no bbolt file, or both its meta pages are damaged")]
    NoMeta,
    /// It was written in a version of the format that is not known here.
    #[error("the bbolt file has format version {found}, and only version 2 is known here")]
    Version {
        /// Which.
        found: u32,
    },
    /// A page is not what it should be.
    #[error("the bbolt file is damaged at page {page}: {what}")]
    Damaged {
        /// Which page.
        page: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The file could not be read.
    #[error("the bbolt file cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Why a file could not be written. What was written until then is of no use.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A key or a bucket does not follow the one before it.
    #[error("keys and buckets of a bbolt file are written in ascending order, each once")]
    OutOfOrder,
    /// A key is empty or too long, or a value is too long.
    #[error("a bbolt file takes no key of {key_len_bytes} bytes with a value of {value_len_bytes} bytes")]
    Length {
        /// The key's length.
        key_len_bytes: usize,
        /// The value's length.
        value_len_bytes: usize,
    },
    /// The file could not be written.
    #[error("the bbolt file cannot be written: {0}")]
    Io(#[from] io::Error),
}
