//! What the integration tests share: a naive model of the machine, and strategies for random commands.

#![expect(dead_code, reason = "each test file uses a part")]

pub mod model;
pub mod strategy;

use quorate_kv::{Applied, Command, Kv, Outcome, Refusal, Stamped};
use quorate_table::MemoryTables;
use quorate_types::Bytes;

/// A machine on its own tables in memory.
pub fn empty() -> Kv {
    Kv::open(Box::new(MemoryTables::new())).unwrap()
}

/// Applies `command` as the next entry, at a moment of the group's clock.
pub fn apply_at(kv: &mut Kv, cluster_time_ns: u64, command: Command) -> Applied {
    let (index, term) = kv.applied();
    kv.apply(index.next(), term, Some(&Stamped { cluster_time_ns, command })).unwrap()
}

/// Applies `command` as the next entry.
pub fn apply(kv: &mut Kv, command: Command) -> Result<Outcome, Refusal> {
    apply_at(kv, 0, command).outcome
}

/// Bytes of a literal.
pub fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
