//! What can fail.

use serde::{Deserialize, Serialize};

/// One fault.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// When it strikes.
    pub at_us: u64,
    /// How long it lasts; for a crash: until the restart; 0 for what is over at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub for_us: u64,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// From one node to another.
pub type Link = (u64, u64);

/// What fails.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum FaultKind {
    /// Messages on these links are lost.
    Cut {
        /// How the links were chosen.
        shape: Shape,
        /// The links.
        links: Vec<Link>,
    },
    /// All messages to or from one node are lost.
    Isolate {
        /// Which.
        target: Target,
        /// Which way.
        direction: Direction,
    },
    /// Messages on these links wait, and arrive together afterwards.
    Clog {
        /// The links.
        links: Vec<Link>,
    },
    /// The whole network gets worse.
    Degrade {
        /// Lost, of a thousand.
        loss_per_mille: u64,
        /// Twice, of a thousand.
        duplicate_per_mille: u64,
        /// Later, at most; so they overtake one another.
        slow_us: u64,
    },
    /// A node ends and starts again.
    Crash {
        /// Which.
        target: Target,
        /// It ends right after so many more of its effects were carried out.
        #[serde(default, skip_serializing_if = "is_zero")]
        after_effects: u64,
        /// The power fails: what was not synced is lost, kept or torn. Else only the process ends.
        power: bool,
    },
    /// A process stops and goes on: nothing is lost, but everything is late.
    Pause {
        /// Which.
        target: Target,
    },
    /// Every sync of a node's log takes longer.
    SlowDisk {
        /// Which.
        target: Target,
        /// How much.
        extra_us: u64,
    },
    /// The next sync of a node's log fails. An operator starts the node again afterwards.
    FailSync {
        /// Which.
        target: Target,
    },
    /// A node's disk has no room left. An operator makes room and starts the node again afterwards.
    FullDisk {
        /// Which.
        target: Target,
    },
    /// A write of a node's log lands elsewhere. The power fails right after; the node starts again afterwards, or refuses to.
    MisdirectedWrite {
        /// Which.
        target: Target,
        /// Decides where.
        place: u64,
    },
    /// While a node is down a bit of its log turns over. The node starts again afterwards, or refuses to.
    FlipBit {
        /// Which.
        target: Target,
        /// Decides where, before the last batch.
        place: u64,
    },
    /// While a node is down a sector of its log becomes unreadable. The node starts again afterwards, or refuses to.
    LatentSectorError {
        /// Which.
        target: Target,
        /// Decides where.
        place: u64,
    },
    /// A node loses its disk, or part of it, while it is down. It starts again only if it can tell that nothing is missing.
    Wipe {
        /// Which.
        target: Target,
        /// What.
        what: Wiped,
    },
    /// The next commit of a node's tables fails. An operator starts the node again afterwards.
    FailTables {
        /// Which.
        target: Target,
    },
    /// A clock jumps.
    ClockJump {
        /// Whose.
        target: Target,
        /// How far; negative: back.
        by_ms: i64,
    },
    /// A clock runs faster (or slower, if negative) than before.
    ClockDrift {
        /// Whose.
        target: Target,
        /// By how many millionths.
        ppm: i64,
    },
    /// A clock jumps forth and back.
    ClockStrobe {
        /// Whose.
        target: Target,
        /// How far.
        by_ms: i64,
        /// How often.
        every_ms: u64,
    },
    /// An operator hands the leadership over.
    Transfer {
        /// To whom.
        to: u64,
    },
}

/// Whom a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// This node.
    Node(u64),
    /// Whoever leads then; nobody if nobody does.
    Leader,
}

/// Which way messages are lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To and from.
    Both,
    /// To.
    In,
    /// From.
    Out,
}

/// Shapes of partitions, as the field names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Two halves in order of ids.
    Halves,
    /// Two random halves.
    RandomHalves,
    /// One against the rest.
    OneNode,
    /// Every node sees a majority, no two the same one.
    MajoritiesRing,
    /// Two halves that only one node, which sees both, joins.
    Bridge,
    /// One side hears the other, which does not hear it.
    OneWay,
    /// Any links.
    Random,
}

/// What is lost of a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wiped {
    /// Everything. Without a change of members the node may not come back: it has forgotten its votes.
    All,
    /// The log. The node must refuse to start.
    Log,
    /// The tables. The node starts if its log still holds everything, else it must refuse.
    Tables,
}

impl FaultKind {
    /// Its name, as in scenario files.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::Cut { .. } => "cut",
            FaultKind::Isolate { .. } => "isolate",
            FaultKind::Clog { .. } => "clog",
            FaultKind::Degrade { .. } => "degrade",
            FaultKind::Crash { .. } => "crash",
            FaultKind::Pause { .. } => "pause",
            FaultKind::SlowDisk { .. } => "slow-disk",
            FaultKind::FailSync { .. } => "fail-sync",
            FaultKind::FullDisk { .. } => "full-disk",
            FaultKind::MisdirectedWrite { .. } => "misdirected-write",
            FaultKind::FlipBit { .. } => "flip-bit",
            FaultKind::LatentSectorError { .. } => "latent-sector-error",
            FaultKind::Wipe { .. } => "wipe",
            FaultKind::FailTables { .. } => "fail-tables",
            FaultKind::ClockJump { .. } => "clock-jump",
            FaultKind::ClockDrift { .. } => "clock-drift",
            FaultKind::ClockStrobe { .. } => "clock-strobe",
            FaultKind::Transfer { .. } => "transfer",
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
