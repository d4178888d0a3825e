//! From a scenario that fails to the smallest that still does.
//!
//! **Problem:** a drawn scenario fails among dozens of faults and hundreds of calls, nearly all of which have nothing to do with it. **Idea:** leave
//! something out, run again, keep what still breaks the same promise; the large cuts first, because each makes all later runs
//! shorter. Passes are repeated until none finds anything more. **Invariant:** what is returned was run, and broke that promise; a
//! broken other promise does not count, or a bug would turn into another one on the way.
//!
//! Lists are reduced by delta debugging (Zeller, Hildebrandt: "Simplifying and isolating failure-inducing input", 2002), with whole clients
//! before single calls.

mod calls;
mod faults;
mod lists;
mod nodes;
mod search;
mod settings;
mod times;

pub use search::{Options, Progress, Run, Shrunk, Size};

use crate::scenario::Scenario;
use crate::violation::{Invariant, Violation};
use search::Search;

/// Shrinks `scenario`, which breaks `invariant`. `run` says what a scenario breaks first; it must always say the same of the same one.
/// `on_run` is called after each run.
///
/// # Errors
/// The scenario, run once more, does not break this promise.
pub fn shrink(
    scenario: Scenario,
    invariant: Invariant,
    run: Run<'_>,
    options: &Options,
    on_run: &mut dyn FnMut(&Progress),
) -> Result<Shrunk, NotBroken> {
    let found = run(&scenario);
    let violation = match found {
        Some(violation) if violation.invariant == invariant => violation,
        found => return Err(NotBroken { invariant, found }),
    };
    let mut search = Search::new(scenario, violation, run, options, on_run);
    loop {
        let accepted = search.accepted();
        for (stage, pass) in PASSES {
            if !search.is_exhausted() {
                search.begin(stage);
                pass(&mut search);
            }
        }
        if search.accepted() == accepted || search.is_exhausted() {
            return Ok(search.into_shrunk());
        }
    }
}

/// One way to make a scenario smaller.
type Pass = fn(&mut Search<'_>);

/// What is tried, in the order that pays best.
const PASSES: [(&str, Pass); 9] = [
    ("cutting the end off", times::cut),
    ("leaving faults out", lists::fewer_faults),
    ("leaving clients and calls out", lists::fewer_operations),
    ("leaving nodes out", nodes::fewer),
    ("simplifying faults", faults::simplify),
    ("simplifying calls", calls::simplify),
    ("simplifying settings", settings::simplify),
    ("shortening times", times::shorten),
    ("trying other noise", settings::smaller_noise),
];

/// There is nothing to shrink: the scenario does not break the promise that it is said to break.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the scenario does not break the promise that {promise}{}", other(.found.as_ref()), promise = .invariant.promise())]
pub struct NotBroken {
    /// The promise.
    pub invariant: Invariant,
    /// What was broken instead.
    pub found: Option<Violation>,
}

fn other(found: Option<&Violation>) -> String {
    found.map(|violation| format!("; it was {violation}")).unwrap_or_default()
}
