//! Has a report's proofs confirmed by the independent verifier.

use super::{Allowance, BadHistory, Share};
use crate::explain::verify::{self, Check, Why};
use crate::history::History;
use crate::level::Level;
use crate::limits::Budget;
use crate::model::{Model, Visitor};
use crate::subject::Subject;
use crate::verdict::Report;

/// What became of each level's proof.
///
/// # Errors
/// If an operation does not fit the subject.
pub fn confirm(
    history: &History,
    subject: Subject,
    report: &Report,
    allowance: &dyn Allowance,
) -> Result<Vec<(Level, Check)>, BadHistory> {
    let budget = allowance.budget("confirming the proofs", Share::Rest);
    match subject {
        Subject::Objects(kind) => kind.visit(Objects { history, report, budget: &budget }),
        Subject::Txns(_) => Ok(verify::Txns::new(history).report(report, &budget)),
        Subject::Workload(_) => {
            let unconfirmed = |level: Level| (level, Check::Unconfirmed(Why::NoMethod(level)));
            Ok(report.levels.iter().map(|(level, _)| unconfirmed(*level)).collect())
        }
    }
}

struct Objects<'a> {
    history: &'a History,
    report: &'a Report,
    budget: &'a Budget<'a>,
}

impl Visitor for Objects<'_> {
    type Output = Result<Vec<(Level, Check)>, BadHistory>;

    fn visit<M: Model>(self, model: M) -> Self::Output {
        Ok(verify::Objects::new(model, self.history)?.report(self.report, self.budget))
    }
}
