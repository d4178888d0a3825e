//! Judges transactions.

use super::project::project;
use super::{BadHistory, Board, Settings, Share, reduce_violations};
use crate::explain;
use crate::history::{History, OpId, Order};
use crate::level::{Level, TXN_LEVELS};
use crate::limits::{Budget, InTurn};
use crate::subject::Subject;
use crate::txn::{self, Analysis, Kind, Txns, isolation};
use crate::verdict::{Cause, Report, Unknown, Verdict, Violation};

/// Finds the anomalies, then decides each level that none of them rules out.
pub(super) fn judge(history: &History, kind: Kind, settings: Settings<'_>) -> Result<Report, BadHistory> {
    let txns = txn::parse(history, kind)?;
    let budget = settings.allowance.budget("anomalies", Share::Part);
    let analysis = match txn::analyse(&txns, history, &budget, settings.runner) {
        Ok(analysis) => analysis,
        Err(cause) => return Ok(undecided(kind, cause)),
    };
    let mut board = Board::new(&TXN_LEVELS);
    enter_findings(&mut board, &analysis);
    let wanted = |level: &Level| settings.level.is_none_or(|wanted| wanted == *level);
    for level in TXN_LEVELS.into_iter().filter(wanted) {
        if !board.knows(level) {
            board.enter(level, decide(level, &txns, &analysis, history, settings));
        }
    }
    let Analysis { mut findings, facts, .. } = analysis;
    let mut levels = board.finish();
    let budget = settings.allowance.budget("reducing the violations", Share::Rest);
    let scope = Scope { history, kind, budget: &budget };
    reduce_violations(&mut levels, |level, violation| scope.smallest(Some(level), violation));
    for finding in &mut findings {
        if let Some(smaller) = scope.smallest(None, &finding.violation) {
            finding.violation = smaller;
        }
    }
    Ok(Report { model: name(kind), levels, findings, facts })
}

/// Where smaller violations are looked for.
struct Scope<'a> {
    history: &'a History,
    kind: Kind,
    budget: &'a Budget<'a>,
}

impl Scope<'_> {
    /// The violation in the smallest part of the history that shows it, or nothing if the operations that it names do not show
    /// it by themselves.
    fn smallest(&self, level: Option<Level>, violation: &Violation) -> Option<Violation> {
        let part = project(self.history, &violation.ops);
        let find = |part: &History| self.find(level, violation.anomaly, part);
        find(&part)?;
        let all: Vec<OpId> = part.iter().map(|(id, _)| id).collect();
        let mut still_violates = |part: &History| find(part).is_some();
        let keep = explain::Keep::txns(&part);
        let shrunk = explain::shrink(&part, &all, &keep, &mut still_violates, self.budget);
        let found = find(&part.restrict(&shrunk.ops))?;
        let ids: Vec<OpId> = shrunk.ops.iter().map(|id| violation.ops[id.at()]).collect();
        Some(Violation { ops: ids.clone(), ..found.renumber(&ids) })
    }

    /// The violation by this name, if the part has it.
    fn find(&self, level: Option<Level>, anomaly: &str, part: &History) -> Option<Violation> {
        let txns = txn::parse(part, self.kind).ok()?;
        let analysis = txn::analyse(&txns, part, self.budget, &InTurn).ok()?;
        let found =
            analysis.findings.iter().map(|finding| &finding.violation).find(|found| found.anomaly == anomaly);
        match (found, level) {
            (Some(found), _) => Some(found.clone()),
            (None, Some(level)) => {
                match isolation::decide(level, &txns, &analysis.versions, part, self.budget) {
                    Verdict::Violated(found) if found.anomaly == anomaly => Some(*found),
                    _ => None,
                }
            }
            (None, None) => None,
        }
    }
}

/// The weakest levels first, so that each level's own anomaly is entered and not a weaker one's.
fn enter_findings(board: &mut Board, analysis: &Analysis) {
    for level in TXN_LEVELS.into_iter().rev() {
        let finding = analysis.findings.iter().find(|finding| finding.rules_out.contains(&level));
        if let Some(finding) = finding {
            board.enter(level, Verdict::Violated(Box::new(finding.violation.clone())));
        }
    }
}

fn decide(
    level: Level,
    txns: &Txns,
    analysis: &Analysis,
    history: &History,
    settings: Settings<'_>,
) -> Verdict {
    if level.needs_real_time() && history.order == Order::Sessions {
        return Verdict::Unknown(Unknown { cause: Cause::NoRealTime, progress: String::new() });
    }
    let share = if settings.level.is_some() { Share::Rest } else { Share::Part };
    if let Some(what) = &analysis.ambiguous {
        return Verdict::Unknown(Unknown { cause: Cause::NoMethod, progress: what.clone() });
    }
    let budget = settings.allowance.budget(level.name(), share);
    isolation::decide(level, txns, &analysis.versions, history, &budget)
}

fn name(kind: Kind) -> &'static str {
    Subject::Txns(kind).name()
}

fn undecided(kind: Kind, cause: crate::limits::Exhausted) -> Report {
    let progress = "the search for anomalies was not finished".to_owned();
    let verdict = Verdict::Unknown(Unknown { cause: Cause::Exhausted(cause), progress });
    let levels = TXN_LEVELS.into_iter().map(|level| (level, verdict.clone())).collect();
    Report { model: name(kind), levels, findings: Vec::new(), facts: Vec::new() }
}
