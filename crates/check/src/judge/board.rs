//! The verdicts so far, and what follows from them.

use crate::level::Level;
use crate::verdict::{Verdict, Witness};
use std::collections::BTreeMap;

/// A verdict for each level, filled in any order. What one verdict implies for other levels is entered with it.
///
/// **Invariant:** if `a` implies `b`, never does `a` hold and `b` not.
pub(super) struct Board {
    levels: Vec<Level>,
    verdicts: BTreeMap<Level, Verdict>,
}

impl Board {
    /// Nothing decided yet.
    pub(super) fn new(levels: &[Level]) -> Self {
        Board { levels: levels.to_vec(), verdicts: BTreeMap::new() }
    }

    /// Whether a level has a verdict, be it unknown.
    pub(super) fn knows(&self, level: Level) -> bool {
        self.verdicts.contains_key(&level)
    }

    /// Enters a verdict, and those that follow. A level that was unknown may become known; no other verdict changes.
    ///
    /// # Panics
    /// If it contradicts what is there: then a checker is wrong.
    pub(super) fn enter(&mut self, level: Level, verdict: Verdict) {
        match &verdict {
            Verdict::Holds(_) => {
                for weaker in self.levels.clone() {
                    if weaker != level && level.is_at_least(weaker) {
                        self.put(weaker, Verdict::Holds(Witness::Implied(level)));
                    }
                }
            }
            Verdict::Violated(violation) => {
                for stronger in self.levels.clone() {
                    if stronger != level && stronger.is_at_least(level) {
                        self.put(stronger, Verdict::Violated(Box::new(violation.implied_by(level))));
                    }
                }
            }
            Verdict::Unknown(_) => {}
        }
        self.put(level, verdict);
    }

    fn put(&mut self, level: Level, verdict: Verdict) {
        let old = self.verdicts.get(&level);
        match (old, &verdict) {
            (None | Some(Verdict::Unknown(_)), _) => {
                self.verdicts.insert(level, verdict);
            }
            (Some(Verdict::Holds(_)), Verdict::Violated(_))
            | (Some(Verdict::Violated(_)), Verdict::Holds(_)) => {
                panic!("two methods contradict each other about {level}: {old:?} and {verdict:?}")
            }
            (Some(_), _) => {}
        }
    }

    /// All verdicts, in the order of the levels given at first.
    pub(super) fn finish(mut self) -> Vec<(Level, Verdict)> {
        self.levels.iter().filter_map(|level| Some((*level, self.verdicts.remove(level)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Board;
    use crate::level::{Level, OBJECT_LEVELS};
    use crate::limits::Exhausted;
    use crate::verdict::{Answer, Cause, Refutation, Unknown, Verdict, Violation, Witness};

    fn holds() -> Verdict {
        Verdict::Holds(Witness::Argument("test"))
    }

    fn violated() -> Verdict {
        let (ops, reason) = (Vec::new(), String::new());
        let violation = Violation { anomaly: "test", ops, reason, refutation: Refutation::Fact };
        Verdict::Violated(Box::new(violation))
    }

    fn unknown() -> Verdict {
        let progress = String::new();
        Verdict::Unknown(Unknown { cause: Cause::Exhausted(Exhausted::Time), progress })
    }

    fn check(entered: &[(Level, Verdict)], expect: &[(Level, Option<Answer>)]) {
        let mut board = Board::new(&OBJECT_LEVELS);
        for (level, verdict) in entered {
            board.enter(*level, verdict.clone());
        }
        let verdicts = board.finish();
        for (level, answer) in expect {
            let found = verdicts.iter().find(|(at, _)| at == level).map(|(_, verdict)| verdict.answer());
            assert_eq!(found, *answer, "{level}");
        }
    }

    #[test]
    fn what_follows_is_entered_too() {
        let (yes, no) = (Some(Answer::Holds), Some(Answer::Violated));
        check(
            &[(Level::Pram, violated()), (Level::Causal, holds())],
            &[
                (Level::Linearizable, no),
                (Level::CausalMemory, no),
                (Level::CausalConvergence, None),
                (Level::Causal, yes),
                (Level::MonotonicReads, None),
            ],
        );
        check(
            &[(Level::Sequential, holds())],
            &[(Level::Linearizable, None), (Level::WritesFollowReads, yes)],
        );
    }

    #[test]
    fn an_unknown_level_may_become_known() {
        check(
            &[(Level::Sequential, unknown()), (Level::Linearizable, holds())],
            &[(Level::Sequential, Some(Answer::Holds))],
        );
        check(
            &[(Level::Linearizable, holds()), (Level::Sequential, unknown())],
            &[(Level::Sequential, Some(Answer::Holds))],
        );
    }

    #[test]
    #[should_panic(expected = "contradict")]
    fn a_contradiction_is_a_bug() {
        check(&[(Level::Pram, violated()), (Level::Linearizable, holds())], &[]);
    }
}
