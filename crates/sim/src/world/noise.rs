//! Small decisions: how long this message takes, how much of that write survives.
//!
//! One generator for everything would make every decision depend on all before it: leave one fault out, and the whole run goes
//! differently. So each decision has its own generator, made from the scenario's noise and from what the decision is about. What is left of
//! a run that is made smaller then goes on much as it did.

use quorate_types::Rng;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Noise(pub u64);

/// What a decision is about.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Topic {
    /// A message on a link, by its number on that link.
    Message = 1,
    /// A batch of the log, by its number.
    LogBatch,
    /// A job of the machine.
    MachineJob,
    /// A report on its way to the executor.
    Report,
    /// The tables being made durable.
    Persist,
    /// A piece of a snapshot being read.
    SnapshotRead,
    /// What survives a power failure.
    Survivors,
    /// Where a clock starts in a new life.
    ClockBase,
    /// The seeds that a node starts with.
    Start,
    /// How soon a watcher reads.
    Watcher,
    /// The power fails while a node starts.
    StartCrash,
    /// How long requests are gathered.
    Round,
    /// How late a timer is.
    Tick,
    /// How patient a client is.
    Client,
    /// Where damage strikes.
    Damage,
}

impl Noise {
    /// The generator for one decision of `node`.
    #[must_use]
    pub fn of(self, topic: Topic, node: u64, number: u64) -> Rng {
        let mut mix = Rng::new(self.0 ^ (topic as u64) << 56 ^ node << 40 ^ number);
        Rng::new(mix.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::{Noise, Topic};

    #[test]
    fn a_decision_depends_on_what_it_is_about_and_on_nothing_else() {
        let first = |noise, topic, node, number| Noise(noise).of(topic, node, number).next_u64();
        let base = first(1, Topic::Message, 2, 3);
        assert_eq!(base, first(1, Topic::Message, 2, 3));
        let others = [
            first(2, Topic::Message, 2, 3),
            first(1, Topic::Report, 2, 3),
            first(1, Topic::Message, 3, 3),
            first(1, Topic::Message, 2, 4),
        ];
        assert!(others.iter().all(|other| *other != base));
    }
}
