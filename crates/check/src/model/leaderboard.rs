//! A leaderboard, or many of them by key.

use super::ordered::Ordered;
use super::{Interner, Misfit, Model};
use crate::history::{Op, Outcome, Value};
use std::sync::Arc;

/// Members with scores, the highest first; of equal scores the member whose text is larger, byte by byte, as in a Redis sorted
/// set read in reverse. Empty at first. Scores are whole numbers.
///
/// | operation | input | output |
/// |---|---|---|
/// | `add` (`set-score`, `zadd`) | `[member score]` | `true` if the member was new, `false` if not; anything else says nothing |
/// | `incr` (`increment`, `zincrby`) | `[member delta]` | the new score, if it is a number |
/// | `remove` (`zrem`) | the member | `true` if it was there, `false` if not; anything else says nothing |
/// | `score` (`zscore`) | the member | its score; nil if it is not there |
/// | `rank` (`zrevrank`) | the member | how many stand above it; nil if it is not there |
/// | `top` (`top-n`, `zrevrange`) | how many | at most as many `[member score]`, or members, best first |
#[derive(Clone, Debug, Default)]
pub struct Leaderboard {
    objects: Interner,
}

/// A call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    object: u32,
    what: What,
}

type Member = Arc<str>;

#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    Add { member: Member, score: i64, was_new: Option<bool> },
    Increment { member: Member, delta: i64, after: Option<i64> },
    Remove { member: Member, was_there: Option<bool> },
    Score { member: Member, score: Option<i64> },
    Rank { member: Member, rank: Option<i64> },
    Top { count: usize, told: Box<[(Member, Option<i64>)]> },
}

/// A leaderboard's state.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct State {
    scores: Ordered<Member, i64>,
    order: Ordered<(i64, Member)>,
}

impl State {
    fn score(&self, member: &Member) -> Option<i64> {
        self.scores.get(member).copied()
    }

    fn with(&self, member: &Member, score: i64) -> State {
        let State { scores, order } = self.without(member);
        let (by_member, by_score) = (Arc::clone(member), Arc::clone(member));
        State { scores: scores.with(by_member, score), order: order.with((score, by_score), ()) }
    }

    fn without(&self, member: &Member) -> State {
        let Some(score) = self.score(member) else { return self.clone() };
        let order = self.order.without(&(score, Arc::clone(member)));
        State { scores: self.scores.without(member), order }
    }

    fn rank(&self, member: &Member) -> Option<i64> {
        let score = self.score(member)?;
        let above = self.order.len() - 1 - self.order.rank(&(score, Arc::clone(member)));
        Some(above as i64)
    }

    fn has_top(&self, count: usize, told: &[(Member, Option<i64>)]) -> bool {
        let top = self.order.iter_back().take(count).map(|(entry, ())| entry);
        told.len() == count.min(self.order.len())
            && top.zip(told).all(|((score, member), (name, told))| {
                member == name && told.is_none_or(|told| told == *score)
            })
    }
}

const FUNCTIONS: &str = "add, incr, remove, score, rank and top";

fn member(value: &Value) -> Member {
    match value {
        Value::Text(text) | Value::Keyword(text) => Arc::clone(text),
        value => value.to_string().into(),
    }
}

fn scored(op: &Op) -> Result<(Member, i64), Misfit> {
    match op.input.as_pair() {
        Some((name, Value::Int(score))) => Ok((member(name), *score)),
        _ => Err(Misfit::value::<Leaderboard>(op, "[member number]", &op.input)),
    }
}

fn truth(op: &Op) -> Option<bool> {
    match op.output {
        Value::Bool(truth) if !matches!(op.input, Value::Bool(_)) => Some(truth),
        _ => None,
    }
}

/// A number or nil, as a result.
fn number(op: &Op) -> Result<Option<i64>, Misfit> {
    match &op.output {
        Value::Int(number) => Ok(Some(*number)),
        Value::Nil => Ok(None),
        _ if op.outcome != Outcome::Ok => Ok(None),
        given => Err(Misfit::value::<Leaderboard>(op, "a number or nil as its result", given)),
    }
}

fn top(op: &Op) -> Result<What, Misfit> {
    let wrong_input = || Misfit::value::<Leaderboard>(op, "how many", &op.input);
    let count = op.input.as_int().and_then(|count| usize::try_from(count).ok()).ok_or_else(wrong_input)?;
    let told: &[Value] = match &op.output {
        Value::List(told) => told,
        Value::Nil => &[],
        _ if op.outcome != Outcome::Ok => &[],
        given => return Err(Misfit::value::<Leaderboard>(op, "a list as its result", given)),
    };
    let entries = told.iter().map(|entry| match entry.as_pair() {
        Some((name, Value::Int(score))) => (member(name), Some(*score)),
        _ => (member(entry), None),
    });
    Ok(What::Top { count, told: entries.collect() })
}

impl Model for Leaderboard {
    type State = State;
    type Call = Call;

    const NAME: &'static str = "leaderboard";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let what = match &*op.f {
            "add" | "set-score" | "zadd" => {
                let (member, score) = scored(op)?;
                What::Add { member, score, was_new: truth(op) }
            }
            "incr" | "increment" | "zincrby" => {
                let (member, delta) = scored(op)?;
                What::Increment { member, delta, after: op.output.as_int() }
            }
            "remove" | "zrem" => What::Remove { member: member(&op.input), was_there: truth(op) },
            "score" | "zscore" => What::Score { member: member(&op.input), score: number(op)? },
            "rank" | "zrevrank" => What::Rank { member: member(&op.input), rank: number(op)? },
            "top" | "top-n" | "zrevrange" => top(op)?,
            _ => return Err(Misfit::function::<Self>(op, FUNCTIONS)),
        };
        Ok(Call { object: self.objects.id(&op.key), what })
    }

    fn object(&self, call: &Call) -> Option<u32> {
        Some(call.object)
    }

    fn object_name(&self, object: u32) -> String {
        self.objects.name(object)
    }

    fn initial(&self) -> State {
        State::default()
    }

    fn step(&self, state: &State, call: &Call, seen: bool) -> Option<State> {
        let fits = |told: Option<bool>, is: bool| !seen || told.is_none_or(|told| told == is);
        match &call.what {
            What::Add { member, score, was_new } => {
                fits(*was_new, state.score(member).is_none()).then(|| state.with(member, *score))
            }
            What::Increment { member, delta, after } => {
                let score = state.score(member).unwrap_or(0).wrapping_add(*delta);
                (!seen || after.is_none_or(|after| after == score)).then(|| state.with(member, score))
            }
            What::Remove { member, was_there } => {
                fits(*was_there, state.score(member).is_some()).then(|| state.without(member))
            }
            What::Score { member, score } => (!seen || state.score(member) == *score).then(|| state.clone()),
            What::Rank { member, rank } => (!seen || state.rank(member) == *rank).then(|| state.clone()),
            What::Top { count, told } => (!seen || state.has_top(*count, told)).then(|| state.clone()),
        }
    }

    fn reads_only(&self, call: &Call, _: bool) -> bool {
        matches!(call.what, What::Score { .. } | What::Rank { .. } | What::Top { .. })
    }

    fn show_state(&self, state: &State) -> String {
        let entries = state.order.iter_back();
        let entries =
            entries.map(|((score, member), ())| Value::list([Value::text(member), Value::Int(*score)]));
        Value::list(entries).to_string()
    }
}
