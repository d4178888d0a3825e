//! Whether what clients saw satisfies what is promised.
//!
//! **Problem:** judging is hard in the worst case, and a run must end the same way on any machine. **Idea:** `quorate-check` decides within a
//! budget of steps and bytes that it counts itself; no clock is asked. What could not be decided is said to be inconclusive, never to hold.

use crate::client::Promise;
use quorate_check::explain;
use quorate_check::history::History;
use quorate_check::judge::{self, Allowance, Settings, Share};
use quorate_check::limits::{Budget, InTurn, Limits};
use quorate_check::verdict::Verdict;

/// Steps that one phase of one decision may take: many times what the histories of correct runs of a few hundred operations need.
const STEPS_MAX: u64 = 20_000_000;
/// Bytes that one decision may hold.
const MEMORY_MAX_BYTES: u64 = 256 << 20;

/// What came of it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Judged {
    /// The first promise found broken, explained in words with the fewest operations that show it.
    pub violation: Option<String>,
    /// What could not be decided, and why.
    pub inconclusive: Option<String>,
}

struct Steps;

impl Allowance for Steps {
    fn budget(&self, _: &str, _: Share) -> Budget<'_> {
        Budget::new(Limits { steps: STEPS_MAX, memory_bytes: MEMORY_MAX_BYTES, ..Limits::default() })
    }
}

/// Judges each history by its promise, and stops at the first that is broken.
///
/// # Panics
/// If a history does not fit its promise's model: clients record nothing else.
#[must_use]
pub fn judge(histories: &[(Promise, History)]) -> Judged {
    let mut judged = Judged::default();
    for (promise, history) in histories {
        let level = promise.level();
        let settings = Settings { level: Some(level), allowance: &Steps, runner: &InTurn };
        let report = judge::judge(history, promise.subject(), settings)
            .expect("clients record operations of their promise's model");
        match report.verdict(level).expect("the level that was asked for is decided") {
            Verdict::Holds(_) => {}
            Verdict::Violated(violation) => {
                let words = explain::text(history, violation);
                judged.violation = Some(format!("{} are not {level}: {}", promise.name(), words.trim_end()));
                return judged;
            }
            Verdict::Unknown(unknown) if judged.inconclusive.is_none() => {
                judged.inconclusive =
                    Some(format!("whether {} are {level} was not decided: {unknown}", promise.name()));
            }
            Verdict::Unknown(_) => {}
        }
    }
    judged
}
