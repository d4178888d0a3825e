//! Who takes part, and what is known of their order from outside: sessions and real time.
//!
//! **Idea.** A transaction takes part if it committed, or if its outcome is unknown and somebody read what it wrote. The others may be
//! left out: take an execution that has one whose writes nobody read, and drop it. Every condition of every level speaks of
//! transactions that are there, so none is added, and those that led through it (`a` before it before `b`) still hold between
//! what is left, because version orders, commit orders, sessions and real time are transitive.
//!
//! Real time orders a quadratic number of pairs. A chain of moments carries them all: whoever returns points to the next
//! moment, each moment to the one after it, and each moment to the calls that follow it.

use super::super::{Txns, Versions};
use crate::history::Outcome;
use crate::limits::{Budget, Exhausted, Held};

/// No transaction, no moment.
pub const NONE: u32 = u32::MAX;

/// Stands for the writer of every key's initial version.
pub const INITIAL: u32 = u32::MAX;

/// The transactions that take part.
pub struct Cast<'a> {
    /// All transactions.
    pub txns: &'a Txns,
    /// By key.
    pub versions: &'a [Versions],
    present: Vec<bool>,
    /// The one before it in its session that takes part.
    before: Vec<u32>,
    /// How many of its session that take part are before it.
    number: Vec<u32>,
}

impl<'a> Cast<'a> {
    /// Finds out who takes part.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn new(txns: &'a Txns, versions: &'a [Versions], held: &mut Held<'_, '_>) -> Result<Self, Exhausted> {
        let count = txns.txns.len();
        held.grow(9 * count as u64 + 4 * u64::from(txns.session_count))?;
        let mut present: Vec<bool> = txns.txns.iter().map(|txn| txn.outcome == Outcome::Ok).collect();
        for writer in versions.iter().flat_map(|key| key.chain.iter().chain(&key.loose)) {
            let txn = &txns.txns[writer.0 as usize];
            present[writer.0 as usize] |= txn.outcome == Outcome::Info;
        }
        let (mut before, mut number) = (vec![NONE; count], vec![0; count]);
        let mut last = vec![NONE; txns.session_count as usize];
        for txn in 0..count as u32 {
            if present[txn as usize] {
                let last = &mut last[txns.txns[txn as usize].session.0 as usize];
                before[txn as usize] = *last;
                number[txn as usize] = if *last == NONE { 0 } else { number[*last as usize] + 1 };
                *last = txn;
            }
        }
        Ok(Cast { txns, versions, present, before, number })
    }

    /// Whether it takes part.
    pub fn has(&self, txn: u32) -> bool {
        self.present[txn as usize]
    }

    /// All that take part, in the order of the history.
    pub fn members(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.present.len() as u32).filter(|txn| self.has(*txn))
    }

    /// How many transactions there are, with those that take no part.
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Its predecessor in its session.
    pub fn before(&self, txn: u32) -> Option<u32> {
        let before = self.before[txn as usize];
        (before != NONE).then_some(before)
    }

    /// How many of its session that take part are before it.
    pub fn number(&self, txn: u32) -> u32 {
        self.number[txn as usize]
    }
}

/// Moments between returns and the calls after them.
pub struct Moments {
    /// By transaction: the first moment after its return.
    after: Vec<u32>,
    /// By transaction: the last moment before its call.
    until: Vec<u32>,
    /// How many there are.
    pub count: u32,
}

impl Moments {
    /// Lays out the moments of transactions that were called and returned when `span` says so.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn new(
        cast: &Cast<'_>,
        span: &dyn Fn(u32) -> (u32, u32),
        held: &mut Held<'_, '_>,
        budget: &Budget<'_>,
    ) -> Result<Self, Exhausted> {
        const CALL: u8 = 0;
        const RETURN: u8 = 1;
        held.grow(8 * cast.len() as u64)?;
        let _held = budget.hold(24 * cast.len() as u64)?;
        let mut events: Vec<(u32, u8, u32)> = Vec::with_capacity(2 * cast.len());
        for txn in cast.members() {
            let (from, until) = span(txn);
            events.push((from, CALL, txn));
            events.push((until, RETURN, txn));
        }
        events.sort_unstable();
        budget.step(events.len() as u64)?;
        let mut moments = Moments { after: vec![NONE; cast.len()], until: vec![NONE; cast.len()], count: 0 };
        let mut returned = false;
        for (_, kind, txn) in events {
            if kind == RETURN {
                moments.after[txn as usize] = moments.count;
                returned = true;
            } else {
                moments.count += u32::from(returned);
                returned = false;
                moments.until[txn as usize] = moments.count.checked_sub(1).unwrap_or(NONE);
            }
        }
        // Those that return after the last call point at a moment that nothing follows.
        let count = moments.count;
        moments.after.iter_mut().filter(|after| **after >= count).for_each(|after| *after = NONE);
        Ok(moments)
    }

    /// The first moment after its return, if a call follows.
    pub fn after(&self, txn: u32) -> Option<u32> {
        let moment = self.after[txn as usize];
        (moment != NONE).then_some(moment)
    }

    /// The last moment before its call, if a return precedes it.
    pub fn until(&self, txn: u32) -> Option<u32> {
        let moment = self.until[txn as usize];
        (moment != NONE).then_some(moment)
    }
}
