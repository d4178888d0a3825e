//! Searches one object.
//!
//! **Idea.** Most histories are decided by the search that goes deep, nearly without going back. Where it stalls, the search that goes
//! broad has a turn, for it forgets what lies behind. Where that finds too much at one moment, the deep one goes on. Each turn
//! has four times the patience of the one before, so that neither costs much more than the one that ends first.

use super::broad::Broad;
use super::deep::Deep;
use super::end::End;
use super::machine::Machine;
use super::moves::Space;
use super::spent::Spent;
use super::stuck;
use super::timeline::Timeline;
use crate::history::OpId;
use crate::limits::{Budget, Exhausted};
use crate::model::{Item, Model};
use crate::verdict::Violation;

/// Which methods are tried, and how long the first turn of each search lasts. It changes what an answer costs, never the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effort {
    /// Configurations that fail without the deep search getting farther than ever before, until it gives way.
    pub deep: usize,
    /// Configurations at one return until the broad search gives up.
    pub broad: usize,
    /// Whether methods that need no search come first, where they apply.
    pub direct: bool,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { deep: 1 << 14, broad: 1 << 12, direct: true }
    }
}

/// What a search finds.
pub enum Found {
    /// An order of all that surely happened, and perhaps more.
    Order(Vec<OpId>),
    /// There is none.
    Violation(Violation),
}

/// A search that was given up.
pub struct GivenUp {
    /// Why.
    pub why: Exhausted,
    /// The most operations that it put in order.
    pub placed: usize,
}

/// Searches for an order of one object's operations.
pub fn search<M: Model>(
    model: &M,
    items: &[Item<M::Call>],
    effort: Effort,
    budget: &Budget<'_>,
) -> Result<Found, GivenUp> {
    let mut placed = 0;
    run(model, items, effort, budget, &mut placed).map_err(|why| GivenUp { why, placed })
}

fn run<'a, M: Model>(
    model: &'a M,
    items: &'a [Item<M::Call>],
    effort: Effort,
    budget: &'a Budget<'a>,
    placed: &mut usize,
) -> Result<Found, Exhausted> {
    budget.poll()?;
    let timeline = Timeline::new(model, items, budget)?;
    let machine = Machine::new(model, items, &timeline, budget)?;
    let mut space = Space { timeline: &timeline, machine, spent: Spent::new(budget)?, budget };
    match find_end(&mut space, effort, placed)? {
        End::Order(order) => {
            let id = |op: u32| items[timeline.items[op as usize] as usize].id;
            Ok(Found::Order(order.into_iter().map(id).collect()))
        }
        End::Dead(dead) => {
            let machine = &mut space.machine;
            let violation = stuck::violation(model, items, &timeline, machine, dead)?;
            Ok(Found::Violation(violation))
        }
    }
}

fn find_end<M: Model>(
    space: &mut Space<'_, M>,
    mut effort: Effort,
    placed: &mut usize,
) -> Result<End, Exhausted> {
    let mut deep = Deep::new(space)?;
    let mut broad = None;
    loop {
        let end = deep.run(space, effort.deep);
        *placed = deep.placed().max(*placed);
        if let Some(end) = end? {
            return Ok(end);
        }
        let broad = match &mut broad {
            Some(broad) => broad,
            none => none.insert(Broad::new(space)?),
        };
        let end = broad.run(space, effort.broad);
        *placed = broad.placed().max(*placed);
        if let Some(end) = end? {
            return Ok(end);
        }
        effort = Effort { deep: more(effort.deep), broad: more(effort.broad), ..effort };
    }
}

fn more(effort: usize) -> usize {
    effort.max(1).saturating_mul(4)
}
