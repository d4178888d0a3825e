//! The write-ahead log against a disk that fails, a disk that lies, and its own golden files.

mod crash;
mod damage;
mod golden;
mod script;
