//! What the page draws, as the data that its program reads.

use crate::explain::fault_words;
use crate::explain::pick::{Weight, weight};
use crate::scenario::{Fault, FaultKind, Target};
use crate::trace::{Actor, CallOutcome, Event, Story, What};
use quorate_consensus::raft::Role;
use quorate_types::Time;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The most events that a page holds. Of a longer run the earliest messages, writes and applied entries are left out.
pub const MAX_DRAWN: usize = 200_000;
/// Characters of an event's words; the rest is cut off.
const MAX_WORDS: usize = 600;
/// Whole numbers that the page's program holds exactly.
const MAX_EXACT: u64 = 1 << 53;

/// Everything.
#[derive(Serialize)]
pub struct Page {
    /// Name, sort (0 the world, 1 a node, 2 a client), id.
    lanes: Vec<(String, u8, Value)>,
    /// Kinds of messages, in order of their first appearance.
    kinds: Vec<&'static str>,
    /// Time in nanoseconds, lane, what (its place in [`What`]), and what belongs to it.
    events: Vec<Value>,
    faults: Vec<Band>,
    violation: Option<Broken>,
    /// The latest moment that is drawn.
    end: Value,
    /// Events that are not here.
    pub left_out: usize,
}

/// A fault that struck.
#[derive(Serialize)]
struct Band {
    /// Its position in the scenario.
    fault: usize,
    name: Value,
    words: String,
    from: Value,
    /// `null` if it was over at once.
    until: Option<Value>,
    /// What it strikes; none: the network as a whole.
    lanes: Vec<usize>,
}

#[derive(Serialize)]
struct Broken {
    at: Value,
    promise: &'static str,
    words: String,
}

impl Page {
    /// Collects it.
    pub fn of(story: &Story<'_>) -> Page {
        let lanes = lanes(story);
        let lane_of: BTreeMap<Actor, usize> =
            lanes.iter().copied().enumerate().map(|(at, a)| (a, at)).collect();
        let mut kinds = Vec::new();
        let drawn = drawn(story.events, MAX_DRAWN);
        let events = drawn.iter().map(|event| row(event, &lane_of, &mut kinds)).collect();
        let last = story.events.last().map_or(Time(0), |event| event.at);
        let end = story.violation.map_or(last, |violation| violation.at.max(last));
        Page {
            kinds,
            events,
            faults: bands(story, &lane_of, end),
            violation: story.violation.map(|violation| Broken {
                at: number(violation.at.0),
                promise: violation.invariant.promise(),
                words: violation.words.clone(),
            }),
            end: number(end.0),
            left_out: story.events.len() - drawn.len(),
            lanes: lanes.into_iter().map(lane).collect(),
        }
    }
}

/// The world, the scenario's nodes, and everybody else who is named.
fn lanes(story: &Story<'_>) -> Vec<Actor> {
    let node = Actor::Node;
    let mut actors = BTreeSet::new();
    actors.extend((1..=story.scenario.nodes.min(64)).map(|id| node(quorate_types::NodeId(id))));
    for event in story.events {
        actors.insert(event.actor);
        match &event.what {
            What::Sent { to, .. } => actors.insert(node(*to)),
            What::Delivered { from, .. } => actors.insert(node(*from)),
            _ => false,
        };
    }
    actors.remove(&Actor::World);
    std::iter::once(Actor::World).chain(actors).collect()
}

fn lane(actor: Actor) -> (String, u8, Value) {
    let (sort, id) = match actor {
        Actor::World => (0, 0),
        Actor::Node(id) => (1, id.0),
        Actor::Client(client) => (2, client),
    };
    (actor.to_string(), sort, number(id))
}

/// All events, or the most that there is room for: what changes the cluster stays, and of the rest the latest.
fn drawn(events: &[Event], most: usize) -> Vec<&Event> {
    let is_bulk = |event: &Event| weight(&event.what) == Weight::Bulk;
    let mut surplus = events.len().saturating_sub(most);
    let mut drop = |event: &Event| {
        let drops = surplus > 0 && is_bulk(event);
        surplus -= usize::from(drops);
        drops
    };
    events.iter().filter(|event| !drop(event)).collect()
}

fn row(event: &Event, lane_of: &BTreeMap<Actor, usize>, kinds: &mut Vec<&'static str>) -> Value {
    let node = |id: &quorate_types::NodeId| lane_of[&Actor::Node(*id)];
    let (at, lane) = (number(event.at.0), lane_of[&event.actor]);
    match &event.what {
        What::Sent { message, to, kind, term, words } => {
            let kind = kinds.iter().position(|known| known == kind).unwrap_or_else(|| {
                kinds.push(kind);
                kinds.len() - 1
            });
            json!([at, lane, 0, number(*message), node(to), kind, number(term.0), cut(words)])
        }
        What::Delivered { message, from } => json!([at, lane, 1, number(*message), node(from)]),
        What::Lost { message, why } => json!([at, lane, 2, number(*message), why]),
        What::Became { role, term, leader } => {
            let role = match role {
                Role::Follower => 0,
                Role::PreCandidate => 1,
                Role::Candidate => 2,
                Role::Leader => 3,
                Role::Learner => 4,
            };
            json!([at, lane, 3, role, number(term.0), leader.map(|id| number(id.0))])
        }
        What::Persisted { last } => json!([at, lane, 4, number(last.0)]),
        What::Applied { index, term } => json!([at, lane, 5, number(index.0), number(term.0)]),
        What::Installed { index } => json!([at, lane, 6, number(index.0)]),
        What::Started { words } => json!([at, lane, 7, cut(words)]),
        What::Crashed { how } => json!([at, lane, 8, how]),
        What::Refused { words } => json!([at, lane, 9, cut(words)]),
        What::FaultBegan { fault, words } => json!([at, lane, 10, fault, cut(words)]),
        What::FaultEnded { fault } => json!([at, lane, 11, fault]),
        What::Invoked { operation, words } => json!([at, lane, 12, operation, cut(words)]),
        What::Returned { operation, outcome, words } => {
            let outcome = match outcome {
                CallOutcome::Done => 0,
                CallOutcome::Failed => 1,
                CallOutcome::Unknown => 2,
            };
            json!([at, lane, 13, operation, outcome, cut(words)])
        }
        What::Note { words } => json!([at, lane, 14, cut(words)]),
    }
}

/// The faults that struck, with the nodes that they struck: whoever leads is known from what happened before.
fn bands(story: &Story<'_>, lane_of: &BTreeMap<Actor, usize>, end: Time) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    let mut leading: BTreeMap<Actor, u64> = BTreeMap::new();
    for event in story.events {
        match &event.what {
            What::Became { role: Role::Leader, term, .. } => {
                leading.insert(event.actor, term.0);
            }
            What::Became { .. } | What::Crashed { .. } => {
                leading.remove(&event.actor);
            }
            What::FaultBegan { fault, words } => {
                let leader = leading.iter().max_by_key(|(_, term)| **term).map(|(actor, _)| *actor);
                let drawn = story.scenario.faults.get(*fault);
                let struck = if let Actor::Node(_) = event.actor {
                    vec![event.actor]
                } else {
                    drawn.map_or_else(Vec::new, |fault| struck(&fault.kind, leader))
                };
                let words = if words.is_empty() {
                    drawn.map_or_else(String::new, |fault| fault_words(&fault.kind))
                } else {
                    cut(words)
                };
                bands.push(Band {
                    fault: *fault,
                    name: drawn.map_or(Value::Null, name),
                    words,
                    from: number(event.at.0),
                    until: drawn.filter(|fault| fault.for_us > 0).map(|fault| {
                        let lasts = Time(event.at.0.saturating_add(fault.for_us.saturating_mul(1000)));
                        number(lasts.min(end).0)
                    }),
                    lanes: struck.iter().filter_map(|actor| lane_of.get(actor).copied()).collect(),
                });
            }
            What::FaultEnded { fault } => {
                if let Some(band) = bands.iter_mut().rev().find(|band| band.fault == *fault) {
                    band.until = Some(number(event.at.0));
                }
            }
            _ => {}
        }
    }
    bands
}

/// The nodes that a fault is about.
fn struck(kind: &FaultKind, leader: Option<Actor>) -> Vec<Actor> {
    let node = |id: u64| Actor::Node(quorate_types::NodeId(id));
    match kind {
        FaultKind::Cut { links, .. } | FaultKind::Clog { links } => {
            let ends: BTreeSet<u64> = links.iter().flat_map(|(from, to)| [*from, *to]).collect();
            ends.into_iter().map(node).collect()
        }
        FaultKind::Degrade { .. } => Vec::new(),
        FaultKind::Transfer { to } => vec![node(*to)],
        FaultKind::Isolate { target, .. }
        | FaultKind::Crash { target, .. }
        | FaultKind::Pause { target }
        | FaultKind::SlowDisk { target, .. }
        | FaultKind::FailSync { target }
        | FaultKind::FullDisk { target }
        | FaultKind::MisdirectedWrite { target, .. }
        | FaultKind::FlipBit { target, .. }
        | FaultKind::LatentSectorError { target, .. }
        | FaultKind::Wipe { target, .. }
        | FaultKind::FailTables { target }
        | FaultKind::ClockJump { target, .. }
        | FaultKind::ClockDrift { target, .. }
        | FaultKind::ClockStrobe { target, .. } => match target {
            Target::Node(id) => vec![node(*id)],
            Target::Leader => leader.into_iter().collect(),
        },
    }
}

/// Its name in the scenario's file.
fn name(fault: &Fault) -> Value {
    let mut value = serde_json::to_value(&fault.kind).expect("a fault is JSON");
    value["fault"].take()
}

/// As text if the page's program cannot hold it exactly.
fn number(number: u64) -> Value {
    if number < MAX_EXACT { json!(number) } else { json!(number.to_string()) }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_WORDS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_its_changes_and_its_end() {
        let event = |at: u64, what: What| Event { at: Time(at), actor: Actor::World, what };
        let bulk = |at| event(at, What::Delivered { message: at, from: quorate_types::NodeId(1) });
        let note = |at| event(at, What::Note { words: at.to_string() });
        let events = [note(0), bulk(1), bulk(2), note(3), bulk(4)];
        let times = |most| drawn(&events, most).iter().map(|event| event.at.0).collect::<Vec<_>>();
        assert_eq!(times(5), [0, 1, 2, 3, 4]);
        assert_eq!(times(4), [0, 2, 3, 4]);
        assert_eq!(times(3), [0, 3, 4]);
        assert_eq!(times(0), [0, 3], "what changes the cluster is never left out");
    }
}
