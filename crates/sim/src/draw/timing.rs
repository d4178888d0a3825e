//! When faults strike and for how long.

use super::choice::{Range, banded, weighted, within};
use quorate_types::Rng;

/// One moment of a class of faults.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    pub at_us: u64,
    pub for_us: u64,
}

/// How a class of faults strikes.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// How long, in microseconds.
    pub lasting_us: &'static [(u64, Range)],
    /// How long if it strikes again and again in quick succession; `None` if it never does.
    pub train_us: Option<Range>,
}

/// From a blink to far beyond the end of the run.
const SPELLS_US: [(u64, Range); 4] =
    [(3, (5_000, 80_000)), (4, (80_000, 600_000)), (2, (600_000, 2_500_000)), (1, (2_500_000, 20_000_000))];
/// How long a process is down: down to no time at all.
const DOWN_US: [(u64, Range); 4] =
    [(1, (0, 0)), (3, (1_000, 100_000)), (3, (100_000, 800_000)), (1, (800_000, 2_000_000))];
/// How long it takes an operator to see that a node has stopped and to start it again.
const OPERATOR_US: [(u64, Range); 1] = [(1, (100_000, 1_500_000))];
const AT_ONCE_US: [(u64, Range); 1] = [(1, (0, 0))];

/// What comes and goes by itself.
pub const SPELL: Habit = Habit { lasting_us: &SPELLS_US, train_us: Some((2_000, 60_000)) };
/// What takes a process down.
pub const DOWN: Habit = Habit { lasting_us: &DOWN_US, train_us: Some((0, 50_000)) };
/// What lasts until an operator acts.
pub const OPERATOR: Habit = Habit { lasting_us: &OPERATOR_US, train_us: None };
/// What is over at once.
pub const AT_ONCE: Habit = Habit { lasting_us: &AT_ONCE_US, train_us: Some((0, 0)) };

/// How often a class strikes in one run.
const STRIKES: [(u64, Range); 3] = [(3, (1, 2)), (4, (2, 5)), (1, (5, 10))];
/// In how many of a hundred runs it strikes in a quick succession instead.
const TRAINS: [(u64, bool); 2] = [(80, false), (20, true)];
const TRAIN_STRIKES: Range = (3, MOST_STRIKES);
const TRAIN_GAP_US: Range = (5_000, 200_000);

/// No class strikes more often in one run.
pub const MOST_STRIKES: u64 = 12;

/// The moments of one class in a phase of `faulty_us`; at least one, all within it. How long they last is another matter.
pub fn strikes(rng: &mut Rng, habit: Habit, faulty_us: u64) -> Vec<Strike> {
    if let (true, Some(lasting_us)) = (weighted(rng, &TRAINS), habit.train_us) {
        return train(rng, lasting_us, faulty_us);
    }
    let count = banded(rng, &STRIKES);
    let strike =
        |rng: &mut Rng| Strike { at_us: rng.below(faulty_us), for_us: banded(rng, habit.lasting_us) };
    (0..count).map(|_| strike(rng)).collect()
}

fn train(rng: &mut Rng, lasting_us: Range, faulty_us: u64) -> Vec<Strike> {
    let mut strikes = Vec::new();
    let mut at_us = rng.below(faulty_us);
    for _ in 0..within(rng, TRAIN_STRIKES) {
        let for_us = within(rng, lasting_us);
        if at_us < faulty_us {
            strikes.push(Strike { at_us, for_us });
        }
        at_us += for_us + within(rng, TRAIN_GAP_US);
    }
    strikes
}
