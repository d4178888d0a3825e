//! A set, or many of them by key.

use super::ordered::Ordered;
use super::{Access, Discipline, Interner, Misfit, Model};
use crate::history::{Op, Outcome, Value};

/// A set of elements; empty at first.
///
/// | operation | input | output |
/// |---|---|---|
/// | `add` (`insert`) | an element | `true` if it was new, `false` if it was there; anything else says nothing |
/// | `remove` (`delete`, `del`) | an element | `true` if it was there, `false` if not; anything else says nothing |
/// | `contains` (`contains?`, `member?`, `has`) | an element | `true` or `false` |
/// | `read` (`read-all`, `members`, `elements`) | | all elements, as a set or a list in any order; nil if there are none |
///
/// Truth values cannot be told from echoes if they are elements too: then results of `add` and `remove` say nothing.
#[derive(Clone, Debug, Default)]
pub struct Set {
    objects: Interner,
    elements: Interner,
}

/// A call, with numbers for elements.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    object: u32,
    what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    Add { element: u32, was_new: Option<bool> },
    Remove { element: u32, was_there: Option<bool> },
    Contains { element: u32, is_there: bool },
    Read(Content),
}

/// What a read gave.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Content {
    /// Ascending.
    elements: Box<[u32]>,
    /// As a state, to compare quickly. Nothing if an element was listed twice, as in no set.
    set: Option<Ordered<u32>>,
}

const FUNCTIONS: &str = "add, remove, contains and read";

fn truth(op: &Op) -> Option<bool> {
    match op.output {
        Value::Bool(truth) if !matches!(op.input, Value::Bool(_)) => Some(truth),
        _ => None,
    }
}

impl Set {
    fn content(&mut self, op: &Op) -> Result<Content, Misfit> {
        let given: &[Value] = match &op.output {
            Value::Nil => &[],
            output => {
                let wrong = || Misfit::value::<Self>(op, "a set or a list as its result", output);
                output.elements().ok_or_else(wrong)?
            }
        };
        let mut elements: Vec<u32> = given.iter().map(|element| self.elements.id(element)).collect();
        elements.sort_unstable();
        let is_set = elements.windows(2).all(|pair| pair[0] != pair[1]);
        let set = is_set.then(|| elements.iter().map(|element| (*element, ())).collect());
        Ok(Content { elements: elements.into(), set })
    }
}

impl Model for Set {
    type State = Ordered<u32>;
    type Call = Call;

    const NAME: &'static str = "set";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let what = match &*op.f {
            "add" | "insert" => What::Add { element: self.elements.id(&op.input), was_new: truth(op) },
            "remove" | "delete" | "del" => {
                What::Remove { element: self.elements.id(&op.input), was_there: truth(op) }
            }
            "contains" | "contains?" | "member?" | "has" => {
                let is_there = match op.output {
                    Value::Bool(is_there) => is_there,
                    _ if op.outcome != Outcome::Ok => false,
                    _ => return Err(Misfit::value::<Self>(op, "true or false as its result", &op.output)),
                };
                What::Contains { element: self.elements.id(&op.input), is_there }
            }
            "read" | "read-all" | "members" | "elements" => What::Read(self.content(op)?),
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

    fn initial(&self) -> Ordered<u32> {
        Ordered::default()
    }

    fn step(&self, state: &Ordered<u32>, call: &Call, seen: bool) -> Option<Ordered<u32>> {
        let fits = |told: Option<bool>, is: bool| !seen || told.is_none_or(|told| told == is);
        match &call.what {
            What::Add { element, was_new } => {
                let is_new = state.get(element).is_none();
                let after = || if is_new { state.with(*element, ()) } else { state.clone() };
                fits(*was_new, is_new).then(after)
            }
            What::Remove { element, was_there } => {
                fits(*was_there, state.get(element).is_some()).then(|| state.without(element))
            }
            What::Contains { element, is_there } => {
                fits(Some(*is_there), state.get(element).is_some()).then(|| state.clone())
            }
            What::Read(content) => (!seen || content.set.as_ref() == Some(state)).then(|| state.clone()),
        }
    }

    fn reads_only(&self, call: &Call, _: bool) -> bool {
        matches!(call.what, What::Contains { .. } | What::Read(_))
    }

    fn discipline(&self) -> Discipline {
        Discipline::Set
    }

    fn show_state(&self, state: &Ordered<u32>) -> String {
        Value::set(state.iter().map(|(element, ())| self.elements.value(*element).clone())).to_string()
    }

    fn accesses(&self, call: &Call, seen: bool, out: &mut Vec<Access>) -> bool {
        let object = call.object;
        match &call.what {
            What::Add { element, was_new } if !seen || was_new.is_none() => {
                out.push(Access::Add { object, value: *element });
                true
            }
            What::Contains { .. } | What::Read(_) if !seen => true,
            What::Read(Content { elements, set: Some(_) }) => {
                out.push(Access::Saw { object, values: elements.clone(), ordered: false });
                true
            }
            // Removals, and results that depend on what was there before.
            What::Add { .. } | What::Remove { .. } | What::Contains { .. } | What::Read(_) => false,
        }
    }
}
