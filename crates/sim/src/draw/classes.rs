//! Kinds of faults and kinds of work, as people ask for them by name.

use crate::scenario::{Direction, FaultKind, Shape};

/// A kind of faults. A seed draws its own subset of them, because faults can hide one another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FaultClass {
    /// Links are cut both ways, or at random.
    Partition,
    /// Links are cut one way.
    OneWay,
    /// Messages wait and arrive together, from one link or from node after node (swizzle).
    Clog,
    /// The network loses, repeats and delays.
    Degrade,
    /// Nodes end and start again.
    Crash,
    /// Processes stop and go on.
    Pause,
    /// Syncs take long.
    SlowDisk,
    /// A sync fails.
    FailSync,
    /// A disk has no room.
    FullDisk,
    /// A log is harmed: flipped bits, unreadable sectors, misdirected writes.
    Damage,
    /// A disk, or part of it, is lost.
    Wipe,
    /// A commit of the tables fails.
    Tables,
    /// Clocks run too fast or slow, and, where no read trusts them, jump.
    Clock,
    /// An operator hands the leadership over.
    Transfer,
}

impl FaultClass {
    /// All of them.
    pub const ALL: [FaultClass; 14] = [
        FaultClass::Partition,
        FaultClass::OneWay,
        FaultClass::Clog,
        FaultClass::Degrade,
        FaultClass::Crash,
        FaultClass::Pause,
        FaultClass::SlowDisk,
        FaultClass::FailSync,
        FaultClass::FullDisk,
        FaultClass::Damage,
        FaultClass::Wipe,
        FaultClass::Tables,
        FaultClass::Clock,
        FaultClass::Transfer,
    ];

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FaultClass::Partition => "partition",
            FaultClass::OneWay => "one-way",
            FaultClass::Clog => "clog",
            FaultClass::Degrade => "degrade",
            FaultClass::Crash => "crash",
            FaultClass::Pause => "pause",
            FaultClass::SlowDisk => "slow-disk",
            FaultClass::FailSync => "fail-sync",
            FaultClass::FullDisk => "full-disk",
            FaultClass::Damage => "damage",
            FaultClass::Wipe => "wipe",
            FaultClass::Tables => "tables",
            FaultClass::Clock => "clock",
            FaultClass::Transfer => "transfer",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<FaultClass> {
        FaultClass::ALL.into_iter().find(|class| class.name() == name)
    }

    /// The class that a fault belongs to.
    #[must_use]
    pub fn of(kind: &FaultKind) -> FaultClass {
        match kind {
            FaultKind::Cut { shape: Shape::OneWay, .. }
            | FaultKind::Isolate { direction: Direction::In | Direction::Out, .. } => FaultClass::OneWay,
            FaultKind::Cut { .. } | FaultKind::Isolate { direction: Direction::Both, .. } => {
                FaultClass::Partition
            }
            FaultKind::Clog { .. } => FaultClass::Clog,
            FaultKind::Degrade { .. } => FaultClass::Degrade,
            FaultKind::Crash { .. } => FaultClass::Crash,
            FaultKind::Pause { .. } => FaultClass::Pause,
            FaultKind::SlowDisk { .. } => FaultClass::SlowDisk,
            FaultKind::FailSync { .. } => FaultClass::FailSync,
            FaultKind::FullDisk { .. } => FaultClass::FullDisk,
            FaultKind::MisdirectedWrite { .. }
            | FaultKind::FlipBit { .. }
            | FaultKind::LatentSectorError { .. } => FaultClass::Damage,
            FaultKind::Wipe { .. } => FaultClass::Wipe,
            FaultKind::FailTables { .. } => FaultClass::Tables,
            FaultKind::ClockJump { .. } | FaultKind::ClockDrift { .. } | FaultKind::ClockStrobe { .. } => {
                FaultClass::Clock
            }
            FaultKind::Transfer { .. } => FaultClass::Transfer,
        }
    }

    /// Whether it may end a node for good, so that only a minority of fixed nodes may ever suffer it.
    #[must_use]
    pub fn harms_disks(self) -> bool {
        matches!(self, FaultClass::Damage | FaultClass::Wipe)
    }

    /// How many nodes there must be for it to mean anything; for what harms disks, so many that a minority is somebody.
    #[must_use]
    pub fn least_nodes(self) -> u64 {
        match self {
            FaultClass::Damage | FaultClass::Wipe => 3,
            FaultClass::Partition
            | FaultClass::OneWay
            | FaultClass::Clog
            | FaultClass::Degrade
            | FaultClass::Transfer => 2,
            _ => 1,
        }
    }
}

/// A kind of work. Each brings all the calls that it needs to mean something: watchers would see nothing without writes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Workload {
    /// Registers are read and written.
    Register,
    /// Registers are written if they hold what is expected.
    CompareAndSet,
    /// Transactions over several lists.
    Transactions,
    /// Counters are read and added to.
    Counters,
    /// Leases are granted, renewed and revoked, or run out.
    Leases,
    /// Locks are taken and given back, or run out.
    Locks,
    /// Registers are watched while they are written.
    Watches,
    /// History is given up while registers are written.
    Compaction,
    /// Registers are written and deleted, one or several at once.
    Deletes,
}

impl Workload {
    /// All of them.
    pub const ALL: [Workload; 9] = [
        Workload::Register,
        Workload::CompareAndSet,
        Workload::Transactions,
        Workload::Counters,
        Workload::Leases,
        Workload::Locks,
        Workload::Watches,
        Workload::Compaction,
        Workload::Deletes,
    ];

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Workload::Register => "register",
            Workload::CompareAndSet => "compare-and-set",
            Workload::Transactions => "transactions",
            Workload::Counters => "counters",
            Workload::Leases => "leases",
            Workload::Locks => "locks",
            Workload::Watches => "watches",
            Workload::Compaction => "compaction",
            Workload::Deletes => "deletes",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Workload> {
        Workload::ALL.into_iter().find(|workload| workload.name() == name)
    }
}
