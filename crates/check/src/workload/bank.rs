//! Transfers between accounts keep the total.
//!
//! | operation | input | output |
//! |---|---|---|
//! | `read` | | a map of accounts to balances |
//! | `transfer` | a map with `from`, `to` and `amount` | |
//!
//! Source: Jepsen's `bank`. There the test says what the accounts and the total are. If nobody does here, the total is what most reads
//! agree on, and a violation names one of those reads beside the wrong one: whichever is wrong, they cannot both be right; and any
//! account may be, as a bank may open some and close some.

use super::findings::{Findings, conclude, unknown_function, wrong_value};
use super::{Stop, Workload};
use crate::history::{History, Op, OpId, Outcome, Value};
use crate::limits::Budget;
use crate::model::BadOperation;
use crate::verdict::{Cause, Report};
use rustc_hash::FxHashMap;

const KIND: Workload = Workload::Bank;

/// What is known of a bank.
#[derive(Clone, Debug, Default)]
pub struct Bank {
    /// The total of all balances.
    pub total: Option<i64>,
    /// All accounts there can be.
    pub accounts: Option<Vec<Value>>,
    /// Whether balances may be negative.
    pub negative_balances: bool,
}

struct Read<'a> {
    id: OpId,
    balances: &'a [(Value, Value)],
    total: i128,
}

/// What reads are held against.
struct Expected {
    total: i128,
    /// The read from which it was taken, if nobody said it.
    by: Option<OpId>,
}

#[derive(Default)]
struct Counts {
    unexpected: u64,
    nil: u64,
    wrong: u64,
    negative: u64,
}

impl Bank {
    /// Judges a history.
    ///
    /// # Errors
    /// At an operation that a bank does not have.
    pub fn check(&self, history: &History, budget: &Budget<'_>) -> Result<Report, BadOperation> {
        conclude(KIND, self.judge(history, budget))
    }

    fn judge(&self, history: &History, budget: &Budget<'_>) -> Result<Report, Stop> {
        let mut findings = Findings::new(KIND);
        let _held = budget.hold(history.ops.len() as u64 * 80)?;
        let reads = parse(history, budget)?;
        findings.fact("reads", &reads.len());
        let Some(expected) = self.expected(&reads).filter(|_| !reads.is_empty()) else {
            findings.doubt(Cause::NoMethod, "no read succeeded");
            return Ok(findings.report(""));
        };
        findings.fact("total", &expected.total);
        let mut counts = Counts::default();
        for read in &reads {
            budget.step(read.balances.len() as u64)?;
            self.read(history, read, &expected, &mut counts, &mut findings);
        }
        let totals = reads.iter().map(|read| read.total);
        findings.fact("wrong totals", &counts.wrong);
        findings.fact("unexpected accounts", &counts.unexpected);
        findings.fact("nil balances", &counts.nil);
        findings.fact("negative balances", &counts.negative);
        findings.fact("lowest total", &totals.clone().min().unwrap_or_default());
        findings.fact("highest total", &totals.max().unwrap_or_default());
        Ok(findings.report("each read has the same total"))
    }

    fn expected(&self, reads: &[Read<'_>]) -> Option<Expected> {
        if let Some(total) = self.total {
            return Some(Expected { total: total.into(), by: None });
        }
        let total = most_frequent(reads.iter().map(|read| read.total))?;
        let by = reads.iter().find(|read| read.total == total).map(|read| read.id);
        Some(Expected { total, by })
    }

    /// Holds one read against what is expected; the first thing that is wrong counts, in Jepsen's order.
    fn read(
        &self,
        history: &History,
        read: &Read<'_>,
        expected: &Expected,
        counts: &mut Counts,
        findings: &mut Findings,
    ) {
        let words = || history.describe(read.id);
        let find = |is_wrong: &dyn Fn(&Value, &Value) -> bool| {
            read.balances.iter().find(|(account, balance)| is_wrong(account, balance))
        };
        let is_known = |account: &Value| self.accounts.as_ref().is_none_or(|known| known.contains(account));
        if let Some((account, _)) = find(&|account, _| !is_known(account)) {
            counts.unexpected += 1;
            let reason = || format!("there is no account {account}: {}", words());
            findings.violation("unexpected account", &[read.id], reason);
        } else if let Some((account, _)) = find(&|_, balance| balance.is_nil()) {
            counts.nil += 1;
            let reason = || format!("account {account} has no balance: {}", words());
            findings.violation("nil balance", &[read.id], reason);
        } else if read.total != expected.total {
            counts.wrong += 1;
            let evidence: Vec<OpId> = expected.by.into_iter().chain([read.id]).collect();
            let other = expected.by.map_or(String::new(), |by| format!("; but {}", history.describe(by)));
            let (total, right) = (read.total, expected.total);
            let reason = || format!("the total is {total}, not {right}: {}{other}", words());
            findings.violation("wrong total", &evidence, reason);
        } else if let Some((account, balance)) =
            find(&|_, balance| !self.negative_balances && balance.as_int() < Some(0))
        {
            counts.negative += 1;
            let reason = || format!("account {account} has the balance {balance}: {}", words());
            findings.violation("negative balance", &[read.id], reason);
        }
    }
}

/// Of equally frequent ones the first.
fn most_frequent(totals: impl Iterator<Item = i128> + Clone) -> Option<i128> {
    let mut counts: FxHashMap<i128, usize> = FxHashMap::default();
    for total in totals.clone() {
        *counts.entry(total).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    let mut totals = totals;
    totals.find(|total| counts[total] == most)
}

/// The reads that succeeded.
fn parse<'a>(history: &'a History, budget: &Budget<'_>) -> Result<Vec<Read<'a>>, Stop> {
    let mut reads = Vec::new();
    for (id, op) in history.iter() {
        budget.step(1)?;
        match &*op.f {
            "transfer" => {}
            "read" if op.outcome == Outcome::Ok => reads.push(read(id, op)?),
            "read" => {}
            _ => return Err(unknown_function(KIND, id, op, "read and transfer").into()),
        }
    }
    Ok(reads)
}

fn read(id: OpId, op: &Op) -> Result<Read<'_>, BadOperation> {
    let wrong = || wrong_value(KIND, id, op, "a map of accounts to balances as its result", &op.output);
    let Value::Map(balances) = &op.output else { return Err(wrong()) };
    let numbers = balances.iter().map(|(_, balance)| match balance {
        Value::Nil => Ok(0),
        balance => balance.as_int().map(i128::from).ok_or_else(wrong),
    });
    Ok(Read { id, balances, total: numbers.sum::<Result<i128, _>>()? })
}
