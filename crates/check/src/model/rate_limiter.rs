//! A rate limiter, or many of them by key.

use super::{Interner, Misfit, Model};
use crate::history::{Op, Outcome, Value};

/// Admits at most so much in so long. Times and costs are whole numbers in any unit.
///
/// | operation | input | output |
/// |---|---|---|
/// | `allow` (`acquire`, `try-acquire`, `request`, `take`) | the request: see below | `true` or `false` |
///
/// A request is a map of `now`, `limit`, `window`, and if need be `cost` (1 if missing), `key` and `algorithm`; or `[now limit window]`.
/// With limits given to the model ([`RateLimiter::new`]) it may be `now` alone, or `[key now]`. All requests of a key have the same
/// limits. The time in the request is the one that decides; the history's own clock does not. Time does not go back: a request that
/// names an earlier time than one admitted before counts as of that one's.
///
/// A request is admitted exactly if there is room for its cost at its time. By algorithm:
/// - `sliding-window` (if none is named): what was admitted later than `now - window`, and the cost, are at most `limit`.
/// - `fixed-window`: windows begin at the multiples of `window`; what was admitted in this one, and the cost, are at most `limit`.
/// - `token-bucket`: the bucket holds `limit` tokens and is full at first; in each `window` it gains `limit`, evenly; the cost is
///   at most what is there, and is taken out.
#[derive(Clone, Debug, Default)]
pub struct RateLimiter {
    objects: Interner,
    /// Limits of requests that name none.
    default: Option<Rule>,
    /// By object.
    rules: Vec<Rule>,
}

/// How requests are decided.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// Counts what was admitted within a window's length.
    SlidingWindow,
    /// Counts what was admitted since the last multiple of the window.
    FixedWindow,
    /// Takes tokens out of a bucket that fills evenly.
    TokenBucket,
}

/// The limits of one object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Rule {
    algorithm: Algorithm,
    limit: i64,
    window: i64,
}

/// A call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    object: u32,
    now: i64,
    cost: i64,
    admitted: bool,
}

/// A limiter's state.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct State {
    /// The time of what was admitted last.
    last: Option<i64>,
    /// Sliding window: time and cost of what may still count, oldest first.
    admitted: Box<[(i64, i64)]>,
    /// Fixed window: what was admitted in the window of `last`. Token bucket: what is missing at `last`, in tokens times the
    /// window.
    used: i128,
}

impl State {
    /// After a request of this cost, if there is room.
    fn admit(&self, rule: Rule, now: i64, cost: i64) -> Option<State> {
        let now = self.last.map_or(now, |last| now.max(last));
        let (limit, window, cost_wide) = (i128::from(rule.limit), i128::from(rule.window), i128::from(cost));
        let last = Some(now);
        match rule.algorithm {
            Algorithm::SlidingWindow => {
                let counts = |(at, _): &(i64, i64)| i128::from(*at) > i128::from(now) - window;
                let still = self.admitted.iter().copied().filter(counts);
                let used: i128 = still.clone().map(|(_, cost)| i128::from(cost)).sum();
                let admitted = still.chain([(now, cost)]).collect();
                (used + cost_wide <= limit).then_some(State { last, admitted, used: 0 })
            }
            Algorithm::FixedWindow => {
                let is_same =
                    self.last.is_some_and(|last| last.div_euclid(rule.window) == now.div_euclid(rule.window));
                let used = if is_same { self.used } else { 0 } + cost_wide;
                (used <= limit).then_some(State { last, admitted: Box::default(), used })
            }
            Algorithm::TokenBucket => {
                let passed = self.last.map_or(0, |last| i128::from(now) - i128::from(last));
                let used = (self.used - passed * limit).max(0) + cost_wide * window;
                (used <= limit * window).then_some(State { last, admitted: Box::default(), used })
            }
        }
    }
}

/// A request as it was written.
struct Request<'a> {
    key: &'a Value,
    now: i64,
    cost: i64,
    rule: Option<Rule>,
}

const REQUEST: &str = "{:now t :limit n :window t} or [now limit window], with positive limits";

impl RateLimiter {
    /// With limits for requests that name none.
    ///
    /// # Panics
    /// If `window` is not positive or `limit` is negative.
    pub fn new(algorithm: Algorithm, limit: i64, window: i64) -> Self {
        assert!(window > 0 && limit >= 0, "{limit} in {window} is no rate");
        RateLimiter { default: Some(Rule { algorithm, limit, window }), ..RateLimiter::default() }
    }

    fn request<'a>(&self, op: &'a Op) -> Option<Request<'a>> {
        let key = &op.key;
        match &op.input {
            Value::Int(now) => Some(Request { key, now: *now, cost: 1, rule: self.default }),
            Value::List(parts) => match &**parts {
                [Value::Int(now), Value::Int(limit), Value::Int(window)] => {
                    let rule = Rule { algorithm: Algorithm::SlidingWindow, limit: *limit, window: *window };
                    Some(Request { key, now: *now, cost: 1, rule: Some(rule) })
                }
                [within, Value::Int(now)] if key.is_nil() => {
                    Some(Request { key: within, now: *now, cost: 1, rule: self.default })
                }
                _ => None,
            },
            Value::Map(_) => self.named(op),
            _ => None,
        }
    }

    /// A request as a map.
    fn named<'a>(&self, op: &'a Op) -> Option<Request<'a>> {
        let number = |word| op.input.get(word).map(Value::as_int);
        let algorithm = match op.input.get("algorithm").map(Value::as_word) {
            None | Some(Some("sliding-window")) => Algorithm::SlidingWindow,
            Some(Some("fixed-window")) => Algorithm::FixedWindow,
            Some(Some("token-bucket")) => Algorithm::TokenBucket,
            Some(_) => return None,
        };
        let rule = match (number("limit"), number("window")) {
            (None, None) => self.default,
            (limit, window) => Some(Rule { algorithm, limit: limit??, window: window?? }),
        };
        let key = if op.key.is_nil() { op.input.get("key").unwrap_or(&Value::Nil) } else { &op.key };
        Some(Request { key, now: number("now")??, cost: number("cost").unwrap_or(Some(1))?, rule })
    }
}

impl Model for RateLimiter {
    type State = State;
    type Call = Call;

    const NAME: &'static str = "rate-limiter";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        if !matches!(&*op.f, "allow" | "acquire" | "try-acquire" | "request" | "take") {
            return Err(Misfit::function::<Self>(op, "allow"));
        }
        let wrong = || Misfit::value::<Self>(op, REQUEST, &op.input);
        let Request { key, now, cost, rule } = self.request(op).ok_or_else(wrong)?;
        let rule = rule.filter(|rule| rule.window > 0 && rule.limit >= 0 && cost >= 0).ok_or_else(wrong)?;
        let admitted = match op.output {
            Value::Bool(admitted) => admitted,
            _ if op.outcome != Outcome::Ok => true,
            _ => return Err(Misfit::value::<Self>(op, "true or false as its result", &op.output)),
        };
        let object = self.objects.id(key);
        if object as usize == self.rules.len() {
            self.rules.push(rule);
        }
        if self.rules[object as usize] != rule {
            return Err(Misfit::value::<Self>(op, "the same limits as other requests of its key", &op.input));
        }
        Ok(Call { object, now, cost, admitted })
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
        let after = state.admit(self.rules[call.object as usize], call.now, call.cost);
        (!seen || after.is_some() == call.admitted).then(|| after.unwrap_or_else(|| state.clone()))
    }

    fn reads_only(&self, call: &Call, seen: bool) -> bool {
        seen && !call.admitted
    }

    fn state_bytes(&self, state: &State) -> usize {
        size_of::<State>() + size_of_val(&*state.admitted)
    }

    fn show_state(&self, state: &State) -> String {
        match state.last {
            None => "nothing admitted".to_owned(),
            Some(last) if state.admitted.is_empty() => format!("used {} at {last}", state.used),
            Some(_) => {
                let entries = state.admitted.iter().map(|(at, cost)| format!("{cost} at {at}"));
                format!("admitted {}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
