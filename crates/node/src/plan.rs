//! The consistency matrix: what each operation on each declared keyspace guarantees, costs, and does in a partition.
//!
//! **Problem:** "we use a CP store" says little about one operation of one service.
//! **Idea:** a declaration determines, operation by operation, the guarantee, the round trips of the normal case and the
//! behaviour of both sides of a partition; so the matrix is computed from the declaration and never written by hand.
//! **Invariant:** one row per keyspace and operation, refused operations included, so that a gap is seen as a gap.
//!
//! The PACELC class (Abadi 2012) says what is kept in a *p*artition, *a*vailability or *c*onsistency, and *e*lse,
//! *l*atency or *c*onsistency.

use crate::declaration::{Declarations, Durability, Keyspace, Level};
use serde::Serialize;
use std::fmt::Write;

/// What a client may ask of a keyspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Write or delete, whatever is there.
    Put,
    /// Read one key.
    Get,
    /// Read many keys at one revision.
    Range,
    /// Either, asked for with the `serializable` option: from the node that is asked, as it stands.
    SerializableRead,
    /// Many operations at one moment, without a condition.
    Txn,
    /// A write that depends on what is there: compare-and-set, lock, uniqueness.
    ConditionalWrite,
    /// Every change, in order, from a revision on.
    Watch,
    /// Grant, renew or revoke a lease.
    Lease,
}

impl Operation {
    /// All, in the order of the matrix.
    pub const ALL: [Operation; 8] = [
        Operation::Put,
        Operation::Get,
        Operation::Range,
        Operation::SerializableRead,
        Operation::Txn,
        Operation::ConditionalWrite,
        Operation::Watch,
        Operation::Lease,
    ];

    /// Its name in the matrix.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Operation::Put => "put, delete",
            Operation::Get => "get",
            Operation::Range => "range",
            Operation::SerializableRead => "read, serializable",
            Operation::Txn => "txn",
            Operation::ConditionalWrite => "conditional write, lock",
            Operation::Watch => "watch",
            Operation::Lease => "lease",
        }
    }
}

/// What is given up, in a partition and else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Pacelc {
    /// Consistency in both cases.
    #[serde(rename = "PC/EC")]
    ConsistentAlways,
    /// Answers in both cases, perhaps from the past.
    #[serde(rename = "PA/EL")]
    AvailableAlways,
}

impl Pacelc {
    /// The usual spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Pacelc::ConsistentAlways => "PC/EC",
            Pacelc::AvailableAlways => "PA/EL",
        }
    }
}

/// Network round trips between nodes before the answer, in the normal case. The client's own hop comes on top.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct RoundTrips {
    /// Where the client is connected to the leader.
    pub at_leader: u8,
    /// Where it is connected to a follower.
    pub at_follower: u8,
}

/// What a keyspace promises for one operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Promise {
    /// What holds for its answer.
    pub guarantee: &'static str,
    /// What it costs; `None` where it is refused.
    pub round_trips: Option<RoundTrips>,
    /// On the side of a partition that has a quorum.
    pub majority_side: &'static str,
    /// On the other side.
    pub minority_side: &'static str,
    /// What is given up.
    pub pacelc: Pacelc,
}

/// One line of the matrix.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Row {
    /// What is asked.
    pub operation: Operation,
    /// What is promised.
    #[serde(flatten)]
    pub promise: Promise,
}

/// A keyspace with its lines.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct KeyspacePlan {
    /// What was declared.
    #[serde(flatten)]
    pub keyspace: Keyspace,
    /// What it runs on.
    pub engine: &'static str,
    /// One per operation.
    pub rows: Vec<Row>,
}

/// The whole matrix.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Plan {
    /// By name.
    pub keyspaces: Vec<KeyspacePlan>,
}

impl Plan {
    /// The matrix of these declarations.
    #[must_use]
    pub fn of(declarations: &Declarations) -> Plan {
        Plan { keyspaces: declarations.iter().map(plan_keyspace).collect() }
    }

    /// The matrix for people: one table per keyspace.
    #[must_use]
    pub fn to_table(&self) -> String {
        let mut out = String::new();
        for (at, plan) in self.keyspaces.iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            let Keyspace { name, level, durability } = &plan.keyspace;
            let _ = writeln!(out, "{name}: {level}, {}, on {}", survives(*durability), plan.engine);
            write_table(&mut out, &plan.rows);
        }
        out
    }

    /// The matrix for programs.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan holds only strings, numbers and lists")
    }
}

fn plan_keyspace(keyspace: &Keyspace) -> KeyspacePlan {
    let row = |operation| Row { operation, promise: promise(keyspace.level, operation) };
    let engine = match keyspace.level {
        Level::Linearizable | Level::Sequential => "a Raft group",
        Level::Causal | Level::Eventual => "no engine yet",
    };
    KeyspacePlan { keyspace: keyspace.clone(), engine, rows: Operation::ALL.into_iter().map(row).collect() }
}

const QUORUM: Option<RoundTrips> = Some(RoundTrips { at_leader: 1, at_follower: 2 });
const LOCAL: Option<RoundTrips> = Some(RoundTrips { at_leader: 0, at_follower: 0 });
const GOES_ON: &str = "goes on (election if needed)";
const REFUSES: &str = "refuses or times out";

/// Takes effect through a quorum, or not at all.
const fn by_quorum(guarantee: &'static str) -> Promise {
    Promise {
        guarantee,
        round_trips: QUORUM,
        majority_side: GOES_ON,
        minority_side: REFUSES,
        pacelc: Pacelc::ConsistentAlways,
    }
}

/// Served by the node that is asked.
const fn by_one_node(guarantee: &'static str, minority_side: &'static str) -> Promise {
    Promise {
        guarantee,
        round_trips: LOCAL,
        majority_side: "goes on",
        minority_side,
        pacelc: Pacelc::AvailableAlways,
    }
}

/// Not offered.
const fn refused(guarantee: &'static str) -> Promise {
    Promise {
        guarantee,
        round_trips: None,
        majority_side: "refused",
        minority_side: "refused",
        pacelc: Pacelc::ConsistentAlways,
    }
}

fn promise(level: Level, operation: Operation) -> Promise {
    match level {
        Level::Causal | Level::Eventual => refused("refused: this level is not supported yet"),
        Level::Linearizable => linearizable(operation),
        Level::Sequential => sequential(operation),
    }
}

fn linearizable(operation: Operation) -> Promise {
    match operation {
        Operation::Put => by_quorum("linearizable, durable at a quorum"),
        Operation::Get | Operation::Range => by_quorum("linearizable"),
        Operation::SerializableRead => by_one_node("a committed past state", "answers, ever older"),
        Operation::Txn => by_quorum("linearizable, all or nothing"),
        Operation::ConditionalWrite => by_quorum("linearizable, decided at one moment"),
        Operation::Watch => watch(),
        Operation::Lease => by_quorum("linearizable, time left survives a leader change"),
    }
}

fn sequential(operation: Operation) -> Promise {
    match operation {
        Operation::Put => by_quorum("one order for all, durable at a quorum"),
        Operation::Get | Operation::Range => {
            by_one_node("at least what the session saw", "answers, ever older")
        }
        Operation::SerializableRead => by_one_node("a committed past state", "answers, ever older"),
        Operation::Txn => by_quorum("one order for all, all or nothing"),
        Operation::ConditionalWrite => refused("refused: needs a linearizable keyspace"),
        Operation::Watch => watch(),
        Operation::Lease => by_quorum("one order for all, time left survives a leader change"),
    }
}

const fn watch() -> Promise {
    by_one_node("every change once, in order, no gap", "silent until it heals")
}

fn survives(durability: Durability) -> &'static str {
    match durability {
        Durability::Disk => "synced to the disks of a quorum",
        Durability::Memory => "in the memory of a quorum",
    }
}

const HEADINGS: [&str; 6] = [
    "operation",
    "guarantee",
    "round trips (at leader/follower)",
    "partition: majority",
    "partition: minority",
    "PACELC",
];

fn write_table(out: &mut String, rows: &[Row]) {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
    for cells in lines {
        let padded: Vec<_> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(out, "  {}", padded.join("  ").trim_end());
    }
}

fn cells(row: &Row) -> [String; HEADINGS.len()] {
    let promise = &row.promise;
    let (round_trips, pacelc) = match promise.round_trips {
        Some(trips) => (format!("{}/{}", trips.at_leader, trips.at_follower), promise.pacelc.name()),
        None => ("-".to_owned(), "-"),
    };
    [
        row.operation.name().to_owned(),
        promise.guarantee.to_owned(),
        round_trips,
        promise.majority_side.to_owned(),
        promise.minority_side.to_owned(),
        pacelc.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::{Operation, Plan};
    use crate::declaration::{Declarations, Keyspace, Level};

    #[test]
    fn conditional_writes_agree_with_the_declaration() {
        for level in Level::ALL.into_iter().filter(|level| level.is_supported()) {
            let offered = super::promise(level, Operation::ConditionalWrite).round_trips.is_some();
            assert_eq!(offered, level.allows_conditional_writes(), "{level}");
        }
    }

    #[test]
    fn levels_to_come_offer_nothing() {
        for level in Level::ALL.into_iter().filter(|level| !level.is_supported()) {
            let promises = Operation::ALL.map(|operation| super::promise(level, operation));
            assert!(
                promises.iter().all(|p| p.round_trips.is_none() && p.guarantee.contains("not supported yet"))
            );
        }
    }

    #[test]
    fn every_keyspace_has_every_operation() {
        let declared = Declarations::default();
        let plan = Plan::of(&declared);
        let names: Vec<_> = plan.keyspaces.iter().map(|plan| plan.keyspace.name.as_str()).collect();
        assert!(declared.iter().map(|k: &Keyspace| k.name.as_str()).eq(names));
        assert!(
            plan.keyspaces.iter().all(|plan| plan.rows.iter().map(|row| row.operation).eq(Operation::ALL))
        );
    }
}
