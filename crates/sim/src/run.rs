//! Runs one scenario.

use crate::outcome::Outcome;
use crate::scenario::Scenario;
use crate::violation::{Invariant, Violation};
use crate::world::World;
use quorate_types::{Mistake, mark, mistake};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Assertions of cores are findings here, not messages on the terminal.
fn catch_messages() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if IS_RUNNING.get() {
                PANIC.set(info.to_string());
            } else {
                before(info);
            }
        }));
    });
}

/// Whether this build can run the scenario: one with a planted mistake needs a build that has them.
#[must_use]
pub fn can_run(scenario: &Scenario) -> bool {
    let known = scenario.mistake.as_deref().map(Mistake::named);
    let can = match known {
        None => true,
        Some(mistake) => mistake.is_some() && mistake::plant(mistake),
    };
    let _ = mistake::plant(None);
    can
}

/// Runs a scenario to its end or to the first broken promise, on this thread. Events are kept if `keep_events`. A core's failed
/// assertion is a broken promise too.
///
/// # Panics
/// If [`can_run`] is false, or the scenario does not fit together (see [`Scenario::from_toml`](crate::Scenario)).
#[must_use]
pub fn run(scenario: &Scenario, keep_events: bool) -> Outcome {
    assert!(can_run(scenario), "the caller has looked whether this build can run the scenario");
    catch_messages();
    let _ = mark::take_reached();
    let _ = mistake::plant(scenario.mistake.as_deref().and_then(Mistake::named));
    let mut world = World::new(scenario.clone(), keep_events);
    IS_RUNNING.set(true);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    IS_RUNNING.set(false);
    let _ = mistake::plant(None);
    let mut violation = world.violation().cloned();
    if ended.is_err() {
        let words = PANIC.take().split_whitespace().collect::<Vec<_>>().join(" ");
        violation = Some(Violation { invariant: Invariant::Assertion, words, at: world.now() });
    }
    conclude(world, violation)
}

/// Judges what clients saw, if nothing else was found.
fn conclude(world: World, violation: Option<Violation>) -> Outcome {
    let now = world.now();
    let (clients, trace, mut counts) = world.into_parts();
    let tally = clients.tally();
    (counts.done, counts.failed, counts.unknown) = (tally.done, tally.failed, tally.unknown);
    let mut outcome = Outcome {
        violation,
        inconclusive: None,
        counts,
        marks: mark::take_reached(),
        trace,
        histories: Vec::new(),
    };
    if outcome.violation.is_none() {
        let histories = clients.finish();
        let judged = crate::judge::judge(&histories);
        let broken = |words| Violation { invariant: Invariant::History, words, at: now };
        outcome.violation = judged.violation.map(broken);
        outcome.inconclusive = judged.inconclusive;
        outcome.histories = histories.into_iter().map(|(_, history)| history).collect();
    }
    outcome
}
