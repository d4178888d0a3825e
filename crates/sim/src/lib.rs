//! A whole cluster in one thread.
//!
//! **Problem:** protocol bugs need a rare order of rare events, which nobody can wait for, and which nobody can see again.
//! **Idea:** run the very nodes, machines and logs of production in virtual time, on disks, networks and clocks that fail as a seed says. So a run
//! costs milliseconds, happens again byte for byte, can be made smaller until only what matters is left, and can be looked at.
//! **Invariant:** a [`scenario`] decides its run to the last byte: nothing here reads a clock, a random device, or a hash map's order.
//!
//! | module | what it holds |
//! |---|---|
//! | [`scenario`] | one run as data: settings, faults, operations; its file |
//! | [`draw`] | from a seed to a scenario |
//! | [`trace`] | what happened, in order |
//! | [`violation`] | the promises that may be found broken |
//! | [`oracle`] | watches over the promises while a run goes on |
//! | [`client`] | what clients do, and the history that they see |
//! | [`judge`](mod@judge) | whether that history satisfies what is promised |
//! | [`run`](mod@run) | runs a scenario |
//! | [`coverage`] | the rare situations that a campaign should have met |
//! | [`outcome`] | what came of a run |
//! | [`explain`] | a run for people: in a terminal, in a browser |
//! | [`shrink`] | a failing scenario made small |
//! | [`campaign`] | many seeds on many threads |

#![forbid(unsafe_code)]

pub mod campaign;
pub mod client;
pub mod coverage;
pub mod draw;
pub mod explain;
pub mod judge;
pub mod oracle;
pub mod outcome;
pub mod run;
pub mod scenario;
pub mod shrink;
pub mod trace;
pub mod violation;
mod world;

pub use coverage::{BEYOND, MARKS, RARE};
pub use outcome::{Counts, Outcome};
pub use run::run;
pub use scenario::Scenario;
pub use violation::{Invariant, Violation};
