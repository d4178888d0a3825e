//! What the literature calls a circle, and which levels it rules out.
//!
//! **Idea.** The name depends on the labels alone. In a circle of dependencies every level from read committed on contradicts itself; one
//! anti-dependency at a time contradicts snapshots, since whoever overwrites what another read commits after the other began;
//! any anti-dependencies contradict serial order. Edges of sessions and of real time move the claim to the levels that keep
//! these orders.
//!
//! Source: Adya 1999 §4 and §5.4; Elle (VLDB 2020) §6.1 for the `-process` and `-realtime` variants; Cerone & Gotsman 2018 for
//! G-nonadjacent. A circle of dependencies and sessions rules out transactional causal consistency, whose order holds both.

use super::circles::Step;
use super::graph::Label;
use crate::level::Level;

/// What a circle has of anti-dependencies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// None, and only writes.
    G0,
    /// None.
    G1c,
    /// One.
    Single,
    /// Several, no two in a row.
    Nonadjacent,
    /// Several, some in a row.
    G2,
}

/// The strongest order that a circle uses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Variant {
    /// What was read and written.
    Plain,
    /// Also the order of sessions.
    Process,
    /// Also real time.
    RealTime,
}

/// A circle's kind and variant.
pub fn classify(circle: &[Step]) -> (Kind, Variant) {
    let count = |label| circle.iter().filter(|step| step.label == label).count();
    let is_rw = |at: usize| circle[at % circle.len()].label == Label::Rw;
    let kind = match count(Label::Rw) {
        0 if count(Label::Wr) == 0 => Kind::G0,
        0 => Kind::G1c,
        1 => Kind::Single,
        _ if (0..circle.len()).any(|at| is_rw(at) && is_rw(at + 1)) => Kind::G2,
        _ => Kind::Nonadjacent,
    };
    let variant = match (count(Label::So), count(Label::Rt)) {
        (0, 0) => Variant::Plain,
        (_, 0) => Variant::Process,
        _ => Variant::RealTime,
    };
    (kind, variant)
}

/// The weakest level that forbids it.
pub fn rules_out(kind: Kind, variant: Variant) -> Level {
    match (kind, variant) {
        (Kind::G0 | Kind::G1c, Variant::Plain) => Level::ReadCommitted,
        (Kind::G0 | Kind::G1c, Variant::Process) => Level::TransactionalCausal,
        (Kind::Single | Kind::Nonadjacent, Variant::Plain) => Level::SnapshotIsolation,
        (Kind::Single | Kind::Nonadjacent, Variant::Process) => Level::StrongSessionSnapshotIsolation,
        (Kind::G0 | Kind::G1c | Kind::Single | Kind::Nonadjacent, Variant::RealTime) => {
            Level::StrongSnapshotIsolation
        }
        (Kind::G2, Variant::Plain) => Level::Serializable,
        (Kind::G2, Variant::Process) => Level::StrongSessionSerializable,
        (Kind::G2, Variant::RealTime) => Level::StrictSerializable,
    }
}

/// A circle's name. Two shapes have names of their own: the write skew of two transactions that each overwrote what the other had
/// read, and the long fork, where two readers saw two writes in contrary orders.
pub fn name(circle: &[Step]) -> &'static str {
    let (kind, variant) = classify(circle);
    let labels: Vec<Label> = circle.iter().map(|step| step.label).collect();
    match (kind, variant) {
        (Kind::G2, Variant::Plain) if circle.len() == 2 => "write skew",
        (Kind::Nonadjacent, Variant::Plain)
            if labels == [Label::Rw, Label::Wr, Label::Rw, Label::Wr]
                || labels == [Label::Wr, Label::Rw, Label::Wr, Label::Rw] =>
        {
            "long fork"
        }
        (Kind::G0, Variant::Plain) => "G0",
        (Kind::G0, Variant::Process) => "G0-process",
        (Kind::G0, Variant::RealTime) => "G0-realtime",
        (Kind::G1c, Variant::Plain) => "G1c",
        (Kind::G1c, Variant::Process) => "G1c-process",
        (Kind::G1c, Variant::RealTime) => "G1c-realtime",
        (Kind::Single, Variant::Plain) => "G-single",
        (Kind::Single, Variant::Process) => "G-single-process",
        (Kind::Single, Variant::RealTime) => "G-single-realtime",
        (Kind::Nonadjacent, Variant::Plain) => "G-nonadjacent",
        (Kind::Nonadjacent, Variant::Process) => "G-nonadjacent-process",
        (Kind::Nonadjacent, Variant::RealTime) => "G-nonadjacent-realtime",
        (Kind::G2, Variant::Plain) => "G2-item",
        (Kind::G2, Variant::Process) => "G2-item-process",
        (Kind::G2, Variant::RealTime) => "G2-item-realtime",
    }
}
