//! The workloads by name.

use std::fmt;
use std::str::FromStr;

/// One of the workloads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Workload {
    /// Transfers between accounts keep the total.
    Bank,
    /// Each read of a counter lies between what was surely added and what may have been.
    CounterBounds,
    /// An element that was added stays.
    SetFull,
    /// What goes into a queue comes out of it.
    TotalQueue,
    /// No id is given twice.
    UniqueIds,
    /// Reads of the same keys see writes in one order.
    LongFork,
}

impl Workload {
    /// All of them.
    pub const ALL: [Workload; 6] = [
        Workload::Bank,
        Workload::CounterBounds,
        Workload::SetFull,
        Workload::TotalQueue,
        Workload::UniqueIds,
        Workload::LongFork,
    ];

    /// As people write it, and the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Workload::Bank => "bank",
            Workload::CounterBounds => "counter-bounds",
            Workload::SetFull => "set-full",
            Workload::TotalQueue => "total-queue",
            Workload::UniqueIds => "unique-ids",
            Workload::LongFork => "long-fork",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no workload.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no workload is called {given:?}; the workloads are {}", Workload::ALL.map(Workload::name).join(", "))]
pub struct NoSuchWorkload {
    /// The word.
    pub given: String,
}

impl FromStr for Workload {
    type Err = NoSuchWorkload;

    fn from_str(given: &str) -> Result<Self, NoSuchWorkload> {
        let kind = Workload::ALL.into_iter().find(|kind| kind.name() == given);
        kind.ok_or_else(|| NoSuchWorkload { given: given.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::Workload;

    #[test]
    fn each_name_is_read_back() {
        for kind in Workload::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("kafka".parse::<Workload>().unwrap_err().to_string().contains("total-queue"));
    }
}
