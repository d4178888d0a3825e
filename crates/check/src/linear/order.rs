//! An order as it is found, and as it is told.
//!
//! **Idea.** A search adds operations at the end, but an overwrite that was free when it had to be placed belongs right before the
//! last overwrite: there nobody sees it.

use super::timeline::{Kind, Timeline};

/// Marks an operation that belongs before the last overwrite. [`MAX_OPS`](crate::history::MAX_OPS) leaves the bit.
pub const HIDDEN: u32 = 1 << 31;

/// Puts hidden operations where they belong.
pub fn straighten(timeline: &Timeline<'_>, found: &[u32]) -> Vec<u32> {
    let mut order = Vec::with_capacity(found.len());
    // Backward, hidden operations are met before the overwrite that hides them.
    let mut hidden = Vec::new();
    for op in found.iter().rev() {
        if op & HIDDEN != 0 {
            hidden.push(op & !HIDDEN);
            continue;
        }
        order.push(*op);
        if timeline.kind(*op) == Kind::Overwrite {
            order.append(&mut hidden);
        }
    }
    debug_assert!(hidden.is_empty(), "only an overwrite frees another");
    order.reverse();
    order
}
