//! Circles of transactions, named and told in words.
//!
//! Names are those of Adya 1999 and of Elle (VLDB 2020): `G0` if only writes follow writes, `G1c` with reads of what was written,
//! `G-single` with one read of what was overwritten, `G-nonadjacent` with several of which no two follow one another,
//! `G2-item` otherwise; `-process` and `-realtime` if it takes the order of a session or of real time.

use super::cast::{Cast, INITIAL};
use super::circle::Why;
use super::segments::Contradiction;
use crate::history::{History, OpId};
use crate::txn::{Kind, Mop};
use crate::verdict::{Edge, Refutation, Relation, Violation};

/// One transaction before another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The earlier.
    pub from: u32,
    /// The later.
    pub to: u32,
    /// Of what kind.
    pub why: Why,
    /// If it does not follow from the two alone: why it must be, in words.
    pub derived: Option<String>,
}

/// Tells about transactions.
pub struct Words<'a> {
    /// Who takes part.
    pub cast: &'a Cast<'a>,
    /// For processes and lines.
    pub history: &'a History,
}

impl Words<'_> {
    /// A transaction, by its process and lines.
    pub fn name(&self, txn: u32) -> String {
        let op = self.history.op(self.op(txn));
        format!("process {}{}", self.history.processes[op.process.0 as usize], op.lines)
    }

    /// A transaction's operation.
    pub fn op(&self, txn: u32) -> OpId {
        self.cast.txns.txns[txn as usize].op
    }

    /// The operations of transactions, ascending.
    pub fn ops(&self, txns: impl IntoIterator<Item = u32>) -> Vec<OpId> {
        let txns = txns.into_iter().filter(|txn| *txn != INITIAL);
        let mut ops: Vec<OpId> = txns.map(|txn| self.op(txn)).collect();
        ops.sort_unstable();
        ops.dedup();
        ops
    }

    /// A key's name.
    pub fn key(&self, key: u32) -> String {
        self.cast.txns.keys.value(key).to_string()
    }

    /// The value that a transaction left at a key.
    fn value(&self, txn: u32, key: u32) -> String {
        let txns = self.cast.txns;
        let mops = &txns.txns[txn as usize].mops;
        let mops = &txns.mops[mops.start as usize..mops.end as usize];
        let written = mops.iter().rev().find_map(|mop| match mop {
            Mop::Write { key: written, value } if *written == key => Some(*value),
            _ => None,
        });
        written.map_or_else(String::new, |value| format!(" {}", txns.values.value(value)))
    }

    fn wrote(&self) -> &'static str {
        match self.cast.txns.kind {
            Kind::ListAppend => "appended",
            Kind::RwRegister => "wrote",
        }
    }

    /// Why one transaction comes before another.
    pub fn why(&self, step: &Step) -> String {
        if let Some(derived) = &step.derived {
            return derived.clone();
        }
        let [from, to] = [step.from, step.to].map(|txn| self.name(txn));
        let wrote = self.wrote();
        match step.why {
            Why::Inside | Why::Forced { .. } => format!("{from} came before {to}"),
            Why::Session => format!("{from} came before {to} in its session"),
            Why::Time => format!("{from} had returned before {to} was called"),
            Why::WriteRead { key } => {
                format!("{to} read what {from} {wrote} at {}:{}", self.key(key), self.value(step.from, key))
            }
            Why::WriteWrite { key } => {
                let [earlier, later] = [step.from, step.to].map(|txn| self.value(txn, key));
                format!("{to} {wrote}{later} at {} after{earlier}, which {from} {wrote}", self.key(key))
            }
            Why::ReadWrite { key, source } => {
                let later = self.value(step.to, key);
                let seen = match source {
                    INITIAL => "what was there at the beginning".to_owned(),
                    source => {
                        format!("{}, which {} {wrote},", self.value(source, key).trim(), self.name(source))
                    }
                };
                format!("{from} read {seen} at {} and did not see{later}, which {to} {wrote}", self.key(key))
            }
        }
    }

    /// A violation by a circle, with those that are needed as evidence beside it.
    pub fn circle(&self, anomaly: &'static str, steps: &[Step], evidence: &[u32]) -> Violation {
        let sources = steps.iter().filter_map(|step| match step.why {
            Why::ReadWrite { source, .. } => Some(source),
            _ => None,
        });
        let members = steps.iter().map(|step| step.from).chain(sources).chain(evidence.iter().copied());
        let edges = steps.iter().map(|step| Edge {
            from: self.op(step.from),
            to: self.op(step.to),
            relation: relation(step),
            why: self.why(step),
        });
        let edges: Vec<Edge> = edges.collect();
        let whys: Vec<&str> = edges.iter().map(|edge| edge.why.as_str()).collect();
        let reason = format!("{}; so each of them would come before itself", whys.join("; "));
        Violation { anomaly, ops: self.ops(members), reason, refutation: Refutation::Cycle(edges) }
    }

    /// What contradicts any order of versions.
    pub fn contradiction(&self, found: Contradiction) -> Violation {
        match found {
            Contradiction::TwoVersions { key, reader, first, second } => {
                let reads = Step { from: second, to: reader, why: Why::WriteRead { key }, derived: None };
                let other = match first {
                    INITIAL => "the initial version".to_owned(),
                    first => format!(
                        "{}, which {} {}",
                        self.value(first, key).trim(),
                        self.name(first),
                        self.wrote()
                    ),
                };
                let derived = format!(
                    "{} read {other} at {} too, so that one of the two versions was not there yet or had been replaced",
                    self.name(reader),
                    self.key(key)
                );
                let why = Why::ReadWrite { key, source: first };
                let misses = Step { from: reader, to: second, why, derived: Some(derived) };
                self.circle("non-repeatable read", &[reads, misses], &[])
            }
            Contradiction::LostUpdate { key, source, first, second } => {
                let missed = |from, to| Step { from, to, why: Why::ReadWrite { key, source }, derived: None };
                let mut violation =
                    self.circle("lost update", &[missed(first, second), missed(second, first)], &[]);
                violation.reason += "; whichever of the two wrote first, the other overwrote it unseen";
                violation
            }
        }
    }
}

fn relation(step: &Step) -> Relation {
    match step.why {
        _ if step.derived.is_some() => Relation::Derived,
        Why::Inside | Why::Forced { .. } => Relation::Derived,
        Why::Session => Relation::Session,
        Why::Time => Relation::RealTime,
        Why::WriteRead { .. } => Relation::WriteRead,
        Why::WriteWrite { .. } => Relation::WriteWrite,
        Why::ReadWrite { .. } => Relation::ReadWrite,
    }
}

/// What a circle is called.
pub fn anomaly(steps: &[Step]) -> &'static str {
    // What was derived hides edges of other kinds: the shape would name too grave an anomaly.
    if steps.iter().any(|step| step.derived.is_some()) {
        return "no version order";
    }
    let is_missed = |step: &Step| matches!(step.why, Why::ReadWrite { .. });
    let missed = steps.iter().filter(|step| is_missed(step)).count();
    let next = steps.iter().cycle().skip(1);
    let adjacent = steps.iter().zip(next).any(|(step, next)| is_missed(step) && is_missed(next));
    let reads = steps.iter().any(|step| matches!(step.why, Why::WriteRead { .. }));
    let names = match (missed, adjacent, reads) {
        (0, _, false) => ["G0", "G0-process", "G0-realtime"],
        (0, _, true) => ["G1c", "G1c-process", "G1c-realtime"],
        (1, ..) => ["G-single", "G-single-process", "G-single-realtime"],
        (_, false, _) => ["G-nonadjacent", "G-nonadjacent-process", "G-nonadjacent-realtime"],
        (_, true, _) => ["G2-item", "G2-item-process", "G2-item-realtime"],
    };
    let has = |kind: Why| steps.iter().any(|step| step.why == kind);
    match (has(Why::Time), has(Why::Session)) {
        (true, _) => names[2],
        (false, true) => names[1],
        (false, false) => names[0],
    }
}
