//! Judges operations on objects of one model.

use super::{BadHistory, Board, Settings, Share, reduce_violations};
use crate::explain::{self, Keep};
use crate::history::{History, Order};
use crate::level::{Level, OBJECT_LEVELS};
use crate::limits::{Budget, InTurn, Runner};
use crate::model::{self, Item, Model, Visitor};
use crate::verdict::{Cause, Report, Unknown, Verdict, Violation};
use crate::{linear, order};
use std::cell::OnceCell;

pub(super) struct Objects<'a> {
    pub(super) history: &'a History,
    pub(super) settings: Settings<'a>,
}

impl Visitor for Objects<'_> {
    type Output = Result<Report, BadHistory>;

    fn visit<M: Model>(self, fresh: M) -> Self::Output {
        let Objects { history, settings } = self;
        let mut model = fresh.clone();
        let items = model::parse(&mut model, history)?;
        let mut board = Board::new(&OBJECT_LEVELS);
        let plan = plan(settings.level);
        for (at, level) in plan.iter().copied().enumerate() {
            if board.knows(level) {
                continue;
            }
            let share = if at + 1 == plan.len() { Share::Rest } else { Share::Part };
            let budget = settings.allowance.budget(level.name(), share);
            let verdict = decide(level, &model, &items, history, &budget, settings.runner);
            let is_enough = settings.level.is_some_and(|wanted| level.is_at_least(wanted));
            let holds = matches!(verdict, Verdict::Holds(_));
            board.enter(level, verdict);
            if is_enough && holds {
                break;
            }
        }
        let mut levels = board.finish();
        let budget = settings.allowance.budget("reducing the violations", Share::Rest);
        let keep = OnceCell::new();
        reduce_violations(&mut levels, |level, violation| {
            let keep = keep.get_or_init(|| Keep::objects(&model, history, &items));
            smallest(level, violation, &fresh, history, keep, &budget)
        });
        Ok(Report { model: M::NAME, levels, findings: Vec::new(), facts: Vec::new() })
    }
}

/// In which order levels are decided. For one level alone linearizability comes first all the same: it is decided
/// object by object and, if it holds, answers for the level.
fn plan(wanted: Option<Level>) -> Vec<Level> {
    match wanted {
        None => OBJECT_LEVELS.to_vec(),
        Some(Level::Linearizable) => vec![Level::Linearizable],
        Some(level) => vec![Level::Linearizable, level],
    }
}

fn decide<M: Model>(
    level: Level,
    model: &M,
    items: &[Item<M::Call>],
    history: &History,
    budget: &Budget<'_>,
    runner: &dyn Runner,
) -> Verdict {
    match level {
        Level::Linearizable if history.order == Order::Sessions => {
            Verdict::Unknown(Unknown { cause: Cause::NoRealTime, progress: String::new() })
        }
        Level::Linearizable => linear::decide(model, items, budget, runner),
        _ => order::decide(level, model, items, history, budget),
    }
}

/// The violation in the smallest part of the history that shows it, or nothing if no part was found that does.
fn smallest<M: Model>(
    level: Level,
    violation: &Violation,
    fresh: &M,
    history: &History,
    keep: &Keep,
    budget: &Budget<'_>,
) -> Option<Violation> {
    let violation_of = |part: &History| {
        let mut model = fresh.clone();
        let items = model::parse(&mut model, part).ok()?;
        match decide(level, &model, &items, part, budget, &InTurn) {
            Verdict::Violated(found) if found.anomaly == violation.anomaly => Some(*found),
            _ => None,
        }
    };
    let mut still_violates = |part: &History| violation_of(part).is_some();
    let ids = explain::shrink(history, &violation.ops, keep, &mut still_violates, budget).ops;
    let found = violation_of(&history.restrict(&ids))?.renumber(&ids);
    Some(Violation { ops: ids, ..found })
}
