//! Reads off what each operation does, once, into flat records.
//!
//! **Invariant:** records are in the order of the items, by `from`. Those of unknown outcome have effects only.

use crate::history::{OpId, Point};
use crate::model::{Access, Item, Model};

/// What an operation saw if it saw the initial value; no interner gives that number.
pub(super) const INITIAL: u32 = u32::MAX;

/// Where something is that never happened.
pub(super) const NEVER: u32 = u32::MAX;

/// One operation with its effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub id: OpId,
    /// One more than the rank of the call, so that 0 is before everything.
    pub from: u32,
    /// One more than the rank of the return, or [`NEVER`].
    pub until: u32,
    pub certain: bool,
    pub deed: Deed,
}

impl Event {
    /// Whether it returned before the other was called.
    pub fn precedes(&self, other: &Event) -> bool {
        self.until < other.from
    }
}

/// An effect, a result, or both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    Read(u32),
    Write(u32),
    /// Compare-and-set that succeeded.
    Swap {
        old: u32,
        new: u32,
    },
    Insert {
        value: u32,
        priority: i64,
    },
    Remove(u32),
    Empty,
    Add(u32),
    /// Saw the elements at this place of [`Gathered::contents`].
    Saw(u32),
}

/// Which kind of object the effects speak of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    Register,
    Container,
    /// `ordered` is what reads say; `None` if there are none.
    Elements {
        ordered: Option<bool>,
    },
}

/// Everything that happened to one object.
pub(super) struct Gathered {
    pub family: Family,
    pub events: Vec<Event>,
    pub contents: Vec<Box<[u32]>>,
}

/// `None` if some operation says too little, or they do not fit together.
pub(super) fn gather<M: Model>(model: &M, items: &[Item<M::Call>]) -> Option<Gathered> {
    let mut events = Vec::with_capacity(items.len());
    let mut contents = Vec::new();
    let mut accesses = Vec::with_capacity(2);
    let mut family = None;
    let mut object = None;
    for item in items {
        accesses.clear();
        if !model.accesses(&item.call, item.certain, &mut accesses) {
            return None;
        }
        if accesses.is_empty() && !item.certain {
            continue;
        }
        if accesses.iter().any(|access| *object.get_or_insert(object_of(access)) != object_of(access)) {
            return None;
        }
        let (deed, of) = deed(&mut accesses, &mut contents)?;
        family = Some(family.map_or(Some(of), |before| join(before, of))?);
        let is_effect = matches!(deed, Deed::Write(_) | Deed::Insert { .. } | Deed::Add(_));
        if !item.certain && !is_effect {
            return None;
        }
        let until = if item.until == Point::NEVER { NEVER } else { item.until.0 + 1 };
        events.push(Event { id: item.id, from: item.from.0 + 1, until, certain: item.certain, deed });
    }
    Some(Gathered { family: family.unwrap_or(Family::Register), events, contents })
}

fn object_of(access: &Access) -> u32 {
    match access {
        Access::Write { object, .. }
        | Access::Read { object, .. }
        | Access::Insert { object, .. }
        | Access::Remove { object, .. }
        | Access::Empty { object }
        | Access::Add { object, .. }
        | Access::Saw { object, .. } => *object,
    }
}

fn deed(accesses: &mut Vec<Access>, contents: &mut Vec<Box<[u32]>>) -> Option<(Deed, Family)> {
    let elements = |ordered| Family::Elements { ordered };
    if let [Access::Read { value: old, .. }, Access::Write { value: new, .. }] = accesses[..] {
        return Some((Deed::Swap { old: old.unwrap_or(INITIAL), new }, Family::Register));
    }
    let access = accesses.pop()?;
    if !accesses.is_empty() {
        return None;
    }
    Some(match access {
        Access::Read { value, .. } => (Deed::Read(value.unwrap_or(INITIAL)), Family::Register),
        Access::Write { value, .. } => (Deed::Write(value), Family::Register),
        Access::Insert { value, priority, .. } => (Deed::Insert { value, priority }, Family::Container),
        Access::Remove { value, .. } => (Deed::Remove(value), Family::Container),
        Access::Empty { .. } => (Deed::Empty, Family::Container),
        Access::Add { value, .. } => (Deed::Add(value), elements(None)),
        Access::Saw { values, ordered, .. } => {
            contents.push(values);
            (Deed::Saw(contents.len() as u32 - 1), elements(Some(ordered)))
        }
    })
}

fn join(a: Family, b: Family) -> Option<Family> {
    match (a, b) {
        (Family::Elements { ordered: None }, Family::Elements { .. }) => Some(b),
        (Family::Elements { .. }, Family::Elements { ordered: None }) => Some(a),
        _ => (a == b).then_some(a),
    }
}
