//! What a scenario must keep to.
//!
//! **Problem:** scenarios are edited by hand and by the shrinker, and one that makes no sense, say with a value that is written twice, would accuse
//! a cluster that did nothing wrong. **Idea:** [`Scenario::validate`] says the first thing that is wrong and where, in words that help to
//! mend it. **Invariant:** a scenario that passes can be run.

use super::{Call, FORMAT, Fault, FaultKind, Link, Operation, Scenario, Target};
use quorate_consensus::raft::InvalidConfig;
use quorate_types::Mistake;
use std::collections::BTreeSet;
use std::fmt;

/// The largest cluster.
pub const MAX_NODES: u64 = 15;
/// The longest run.
const MAX_RUN_MS: u64 = 24 * 3_600_000;
/// A clock that is off by more would stand still or fly.
pub(super) const MAX_DRIFT_PPM: u64 = 500_000;
pub(super) const PER_MILLE: u64 = 1_000;

/// One thing that is wrong with a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flaw {
    /// Where.
    pub place: Place,
    /// What.
    pub what: Wrong,
}

/// Where something is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// This field, by its name in the file.
    Field(&'static str),
    /// This fault, counted from 0.
    Fault(usize),
    /// This operation, counted from 0.
    Operation(usize),
}

/// What is wrong, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Wrong {
    /// Another format.
    #[error("this build reads format {FORMAT}, not {0}; use the build that wrote the file")]
    Format(u64),
    /// A name that no mistake has.
    #[error("no mistake is called \"{0}\"; `quorate sim --list` names them")]
    NoSuchMistake(String),
    /// A number outside its bounds.
    #[error("{found} is not between {least} and {most}")]
    OutOfBounds {
        /// What it is.
        found: i128,
        /// What it may be
        least: i128,
        /// to
        most: i128,
    },
    /// A number that a file cannot hold.
    #[error("it holds a number of 2^63 or more; make it smaller")]
    TooLarge,
    /// A node that does not exist.
    #[error("there is no node {node}; nodes are 1 to {nodes}")]
    NoSuchNode {
        /// Which.
        node: u64,
        /// How many there are.
        nodes: u64,
    },
    /// A node that is named twice.
    #[error("node {0} is named twice; leave one out")]
    NodeTwice(u64),
    /// Too few nodes are healed.
    #[error("the core has {found} of {nodes} nodes, less than a quorum; name at least {quorum}")]
    NoQuorum {
        /// How many there are in the core.
        found: u64,
        /// How many at all.
        nodes: u64,
        /// How many there must be.
        quorum: u64,
    },
    /// A list with an entry for each node has another length.
    #[error("{found} entries for {nodes} nodes; give one for each node")]
    NotOneForEachNode {
        /// How many entries.
        found: usize,
        /// How many nodes.
        nodes: u64,
    },
    /// The Raft core would refuse its configuration.
    #[error("{0}")]
    Config(InvalidConfig),
    /// It begins when faults and clients have ended.
    #[error("it begins at {at_us} µs, after the {faulty_ms} ms of `faulty_ms`; move it or make that longer")]
    TooLate {
        /// When.
        at_us: u64,
        /// How long it may.
        faulty_ms: u64,
    },
    /// It stands after one that begins later.
    #[error("it begins before the one above it; put them in order of time")]
    OutOfOrder,
    /// A link from a node to itself.
    #[error("a link goes from node {0} to itself; leave it out")]
    LinkToItself(u64),
    /// A fault that touches no link.
    #[error("it names no link; name one, or leave it out")]
    NoLinks,
    /// A disk that may not be harmed is.
    #[error(
        "it harms a disk for good, which only a node outside the core may suffer; strike a fixed node that `core` leaves out"
    )]
    HarmsCore,
    /// Clocks go back behind their beginning.
    #[error(
        "with it the clock of node {0} goes back below 0; make its `offset_ms` larger or the jump shorter"
    )]
    BelowZero(u64),
    /// A clock is less true than leases trust.
    #[error(
        "lease reads trust clocks to drift by at most {ppm} ppm and not to jump; leave `lease_reads_ppm` out, or this"
    )]
    ClockTooWild {
        /// What is trusted.
        ppm: u32,
    },
    /// A value, element or lease that must be unique is not.
    #[error("{what} {number} is used twice, so nobody could tell which one was seen; use another number")]
    Twice {
        /// What.
        what: &'static str,
        /// Which.
        number: u64,
    },
}

impl Scenario {
    /// Checks everything that the types do not say.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), Flaw> {
        self.validate_head()?;
        self.settings.validate(self.nodes)?;
        self.validate_faults()?;
        self.validate_operations()?;
        // Any other number may be anything that a file can hold.
        toml::Table::try_from(self).map(drop).map_err(|_| field("scenario", Wrong::TooLarge))
    }

    /// How many nodes make a quorum.
    #[must_use]
    pub fn quorum(&self) -> u64 {
        self.nodes / 2 + 1
    }

    fn validate_head(&self) -> Result<(), Flaw> {
        if self.format != FORMAT {
            return Err(field("format", Wrong::Format(self.format.into())));
        }
        if let Some(name) = self.mistake.as_ref().filter(|name| Mistake::named(name).is_none()) {
            return Err(field("mistake", Wrong::NoSuchMistake(name.clone())));
        }
        within("nodes", self.nodes, 1, MAX_NODES)?;
        within("noise", self.noise, 0, i64::MAX.cast_unsigned())?;
        within("faulty_ms", self.faulty_ms, 0, MAX_RUN_MS)?;
        within("healing_ms", self.healing_ms, 0, MAX_RUN_MS)?;
        let mut core = BTreeSet::new();
        for node in &self.core {
            self.known(*node).map_err(|what| field("core", what))?;
            if !core.insert(node) {
                return Err(field("core", Wrong::NodeTwice(*node)));
            }
        }
        let (found, nodes, quorum) = (core.len() as u64, self.nodes, self.quorum());
        if found < quorum {
            return Err(field("core", Wrong::NoQuorum { found, nodes, quorum }));
        }
        Ok(())
    }

    fn validate_faults(&self) -> Result<(), Flaw> {
        let mut before_us = 0;
        for (position, fault) in self.faults.iter().enumerate() {
            let wrong = |what| Flaw { place: Place::Fault(position), what };
            self.timely(fault.at_us, &mut before_us).map_err(wrong)?;
            bounded(fault.for_us, 0, MAX_RUN_MS * 1_000).map_err(wrong)?;
            self.validate_fault(fault).map_err(wrong)?;
            if fault.kind.harms_disk() && !self.is_given_up(fault.kind.target()) {
                return Err(wrong(Wrong::HarmsCore));
            }
        }
        self.validate_jumps()
    }

    /// What is left out of the core may lose its disk.
    fn is_given_up(&self, target: Option<Target>) -> bool {
        matches!(target, Some(Target::Node(node)) if !self.core.contains(&node))
    }

    /// A clock cannot show less than 0, however often it jumps back.
    fn validate_jumps(&self) -> Result<(), Flaw> {
        for (node, clock) in (1..).zip(&self.settings.clocks) {
            let mut back_ms: u64 = 0;
            for (position, fault) in self.faults.iter().enumerate() {
                let (FaultKind::ClockJump { target, by_ms } | FaultKind::ClockStrobe { target, by_ms, .. }) =
                    &fault.kind
                else {
                    continue;
                };
                if matches!(target, Target::Node(struck) if *struck != node) {
                    continue;
                }
                back_ms = back_ms.saturating_add(by_ms.min(&0).unsigned_abs());
                if back_ms > clock.offset_ms {
                    return Err(Flaw { place: Place::Fault(position), what: Wrong::BelowZero(node) });
                }
            }
        }
        Ok(())
    }

    fn validate_fault(&self, fault: &Fault) -> Result<(), Wrong> {
        if let Some(Target::Node(node)) = fault.kind.target() {
            self.known(node)?;
        }
        match &fault.kind {
            FaultKind::Cut { links, .. } | FaultKind::Clog { links } => self.validate_links(links),
            FaultKind::Degrade { loss_per_mille, duplicate_per_mille, .. } => {
                bounded(*loss_per_mille, 0, PER_MILLE)?;
                bounded(*duplicate_per_mille, 0, PER_MILLE)
            }
            FaultKind::Transfer { to } => self.known(*to),
            FaultKind::ClockDrift { ppm, .. } => {
                bounded(ppm.unsigned_abs(), 0, MAX_DRIFT_PPM)?;
                let trusted = self.settings.lease_reads_ppm;
                trusted.map_or(Ok(()), |trusted| keeps_to(ppm.unsigned_abs(), trusted))
            }
            FaultKind::ClockJump { .. } => self.trusts_no_clock(),
            FaultKind::ClockStrobe { every_ms, .. } => {
                bounded(*every_ms, 1, MAX_RUN_MS)?;
                self.trusts_no_clock()
            }
            _ => Ok(()),
        }
    }

    fn validate_links(&self, links: &[Link]) -> Result<(), Wrong> {
        for (from, to) in links {
            self.known(*from)?;
            self.known(*to)?;
            if from == to {
                return Err(Wrong::LinkToItself(*from));
            }
        }
        if links.is_empty() { Err(Wrong::NoLinks) } else { Ok(()) }
    }

    fn trusts_no_clock(&self) -> Result<(), Wrong> {
        self.settings.lease_reads_ppm.map_or(Ok(()), |ppm| Err(Wrong::ClockTooWild { ppm }))
    }

    fn validate_operations(&self) -> Result<(), Flaw> {
        let mut before_us = 0;
        let mut used = BTreeSet::new();
        for (position, operation) in self.operations.iter().enumerate() {
            let wrong = |what| Flaw { place: Place::Operation(position), what };
            self.timely(operation.at_us, &mut before_us).map_err(wrong)?;
            self.known(operation.node).map_err(wrong)?;
            bounded(operation.client, 1, u64::MAX).map_err(wrong)?;
            validate_call(operation, &mut used).map_err(wrong)?;
        }
        Ok(())
    }

    fn timely(&self, at_us: u64, before_us: &mut u64) -> Result<(), Wrong> {
        if at_us > self.faulty_ms * 1_000 {
            return Err(Wrong::TooLate { at_us, faulty_ms: self.faulty_ms });
        }
        if at_us < *before_us {
            return Err(Wrong::OutOfOrder);
        }
        *before_us = at_us;
        Ok(())
    }

    fn known(&self, node: u64) -> Result<(), Wrong> {
        let is_known = (1..=self.nodes).contains(&node);
        if is_known { Ok(()) } else { Err(Wrong::NoSuchNode { node, nodes: self.nodes }) }
    }
}

/// `used` holds the numbers that may not be used again, each with what it is.
fn validate_call(operation: &Operation, used: &mut BTreeSet<(&'static str, u64)>) -> Result<(), Wrong> {
    let mut use_up = |what: &'static str, number: u64| {
        if used.insert((what, number)) { Ok(()) } else { Err(Wrong::Twice { what, number }) }
    };
    match &operation.call {
        Call::Put { value, .. } => {
            bounded(*value, 1, u64::MAX)?;
            use_up("value", *value)
        }
        Call::CompareAndSet { to, .. } => {
            bounded(*to, 1, u64::MAX)?;
            use_up("value", *to)
        }
        Call::Transact { appends, .. } => {
            appends.iter().try_for_each(|(_, element)| use_up("element", *element))
        }
        Call::Grant { lease, ttl_s } | Call::Lock { lease, ttl_s, .. } => {
            bounded(*lease, 1, i64::MAX.cast_unsigned())?;
            bounded(*ttl_s, 1, MAX_RUN_MS / 1_000)?;
            use_up("lease", *lease)
        }
        _ => Ok(()),
    }
}

pub(super) fn keeps_to(drift_ppm: u64, ppm: u32) -> Result<(), Wrong> {
    if drift_ppm <= u64::from(ppm) { Ok(()) } else { Err(Wrong::ClockTooWild { ppm }) }
}

pub(super) fn within(name: &'static str, found: u64, least: u64, most: u64) -> Result<(), Flaw> {
    bounded(found, least, most).map_err(|what| field(name, what))
}

fn bounded(found: u64, least: u64, most: u64) -> Result<(), Wrong> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(Wrong::OutOfBounds { found: found.into(), least: least.into(), most: most.into() })
}

pub(super) fn field(name: &'static str, what: Wrong) -> Flaw {
    Flaw { place: Place::Field(name), what }
}

impl FaultKind {
    /// Whom it strikes, if it strikes a node.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        self.clone().target_mut().copied()
    }

    /// Whether what it takes from a disk is gone for good.
    #[must_use]
    pub fn harms_disk(&self) -> bool {
        matches!(
            self,
            FaultKind::MisdirectedWrite { .. }
                | FaultKind::FlipBit { .. }
                | FaultKind::LatentSectorError { .. }
                | FaultKind::Wipe { .. }
        )
    }

    /// The same as [`FaultKind::target`], to be changed.
    pub fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            FaultKind::Cut { .. }
            | FaultKind::Clog { .. }
            | FaultKind::Degrade { .. }
            | FaultKind::Transfer { .. } => None,
            FaultKind::Isolate { target, .. }
            | FaultKind::Crash { target, .. }
            | FaultKind::Pause { target }
            | FaultKind::SlowDisk { target, .. }
            | FaultKind::FailSync { target }
            | FaultKind::FullDisk { target }
            | FaultKind::MisdirectedWrite { target, .. }
            | FaultKind::FlipBit { target, .. }
            | FaultKind::LatentSectorError { target, .. }
            | FaultKind::Wipe { target, .. }
            | FaultKind::FailTables { target }
            | FaultKind::ClockJump { target, .. }
            | FaultKind::ClockDrift { target, .. }
            | FaultKind::ClockStrobe { target, .. } => Some(target),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Field(name) => write!(f, "`{name}`"),
            Place::Fault(position) => write!(f, "fault {position}"),
            Place::Operation(position) => write!(f, "operation {position}"),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}
