//! A map from keys to texts: get, put, append, delete, compare-and-set.

use super::chain::{BASE, Chain};
use super::{Access, Interner, Misfit, Model};
use crate::history::{Op, Value};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Keys with values, each empty at first. A value is text; a missing one and an empty one are the same.
///
/// | operation | input | output |
/// |---|---|---|
/// | `get` (`read`, `r`) | | the value; nil or `""` if there is none |
/// | `put` (`write`, `w`, `set`) | the value | |
/// | `append` | what is written behind the value | |
/// | `delete` (`remove`, `del`) | | |
/// | `cas` (`compare-and-set`) | `[old new]` | `false` if it was not `old`, else anything |
///
/// Where the history does not name the key apart, the input begins with it: `get` of `k`, `put` of `[k value]`, `cas` of
/// `[k old new]` or `[k [old new]]`; if it does not either, there is one key, without a name. Numbers, truth values and keywords count as the texts that they are written as.
#[derive(Clone, Debug, Default)]
pub struct Kv {
    keys: Interner,
    texts: Interner,
}

/// A call. `None` is no value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    object: u32,
    what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    Get(Option<Piece>),
    Put(Option<Piece>),
    Append(Option<Piece>),
    Cas { old: Option<Piece>, new: Option<Piece>, done: bool },
}

/// Some text, which is not empty.
#[derive(Clone, Debug)]
struct Piece {
    /// In [`Kv::texts`].
    id: u32,
    text: Arc<str>,
    hash: u64,
}

impl PartialEq for Piece {
    fn eq(&self, other: &Piece) -> bool {
        self.id == other.id
    }
}

impl Eq for Piece {}

/// A text as the sequence of what was appended. However it came about, equal texts are equal.
#[derive(Clone, Debug, Default)]
pub struct Text {
    pieces: Chain<Piece>,
    len_bytes: usize,
}

/// The text as a number in base [`BASE`]: that of two texts in a row follows from theirs.
fn hash_of(text: &str) -> u64 {
    text.bytes().fold(0, |hash, byte| hash.wrapping_mul(BASE).wrapping_add(u64::from(byte) + 1))
}

impl Text {
    fn of(piece: Option<&Piece>) -> Text {
        piece.map_or_else(Text::default, |piece| Text::default().with(piece))
    }

    fn with(&self, piece: &Piece) -> Text {
        let len = piece.text.len();
        let shift = BASE.wrapping_pow(len as u32);
        let hash = self.pieces.hash().wrapping_mul(shift).wrapping_add(piece.hash);
        Text { pieces: self.pieces.push(piece.clone(), hash), len_bytes: self.len_bytes + len }
    }

    fn is(&self, piece: Option<&Piece>) -> bool {
        let Some(piece) = piece else { return self.len_bytes == 0 };
        if self.len_bytes != piece.text.len() || self.pieces.hash() != piece.hash {
            return false;
        }
        let mut rest = &*piece.text;
        for last in self.pieces.iter() {
            match rest.strip_suffix(&*last.text) {
                Some(before) => rest = before,
                None => return false,
            }
        }
        true
    }

    fn backwards(&self) -> impl Iterator<Item = u8> {
        self.pieces.iter().flat_map(|piece| piece.text.bytes().rev())
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.len_bytes == other.len_bytes
            && self.pieces.hash() == other.pieces.hash()
            && (self.pieces == other.pieces || self.backwards().eq(other.backwards()))
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.pieces.hash());
    }
}

const FUNCTIONS: &str = "get, put, append, delete and cas";

/// The key and what is left of the input.
fn keyed(op: &Op, has_argument: bool) -> (&Value, &[Value]) {
    const UNNAMED: &Value = &Value::Nil;
    let whole = std::slice::from_ref(&op.input);
    match &op.input {
        _ if !op.key.is_nil() => (&op.key, whole),
        key if !has_argument => (key, &[]),
        Value::List(values) => match &**values {
            // A pair is a key with a value, but for a comparison that of two values.
            [old, new] if op.f.starts_with('c') && old.as_list().is_none() && new.as_list().is_none() => {
                (UNNAMED, whole)
            }
            [key, arguments @ ..] => (key, arguments),
            [] => (UNNAMED, whole),
        },
        _ => (UNNAMED, whole),
    }
}

impl Kv {
    fn piece(&mut self, op: &Op, value: &Value) -> Result<Option<Piece>, Misfit> {
        let text: Arc<str> = match value {
            Value::Nil => return Ok(None),
            Value::Text(text) | Value::Keyword(text) | Value::Other(text) => Arc::clone(text),
            Value::Int(_) | Value::Bool(_) => value.to_string().into(),
            Value::List(_) | Value::Set(_) | Value::Map(_) => {
                return Err(Misfit::value::<Self>(op, "a text or a number", value));
            }
        };
        if text.is_empty() {
            return Ok(None);
        }
        let id = self.texts.id(&Value::Text(Arc::clone(&text)));
        Ok(Some(Piece { id, hash: hash_of(&text), text }))
    }

    fn argument(&mut self, op: &Op, arguments: &[Value]) -> Result<Option<Piece>, Misfit> {
        match arguments {
            [value] => self.piece(op, value),
            _ => Err(Misfit::value::<Self>(op, "one value", &op.input)),
        }
    }

    fn cas(&mut self, op: &Op, arguments: &[Value]) -> Result<What, Misfit> {
        let (old, new) = match arguments {
            [Value::List(pair)] if pair.len() == 2 => (&pair[0], &pair[1]),
            [old, new] => (old, new),
            _ => return Err(Misfit::value::<Self>(op, "[old new]", &op.input)),
        };
        let done = op.output != Value::Bool(false);
        Ok(What::Cas { old: self.piece(op, old)?, new: self.piece(op, new)?, done })
    }
}

impl Model for Kv {
    type State = Text;
    type Call = Call;

    const NAME: &'static str = "kv";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let f = &*op.f;
        let has_argument = !matches!(f, "get" | "read" | "r" | "delete" | "remove" | "del");
        let (key, arguments) = keyed(op, has_argument);
        let object = self.keys.id(key);
        let what = match f {
            // What stands in its result repeats the key where no key stands apart.
            "get" | "read" | "r" => match (&op.key, op.output.as_pair()) {
                (Value::Nil, Some((again, value))) if again == key => What::Get(self.piece(op, value)?),
                _ => What::Get(self.piece(op, &op.output)?),
            },
            "put" | "write" | "w" | "set" => What::Put(self.argument(op, arguments)?),
            "append" => What::Append(self.argument(op, arguments)?),
            "delete" | "remove" | "del" => What::Put(None),
            "cas" | "compare-and-set" => self.cas(op, arguments)?,
            _ => return Err(Misfit::function::<Self>(op, FUNCTIONS)),
        };
        Ok(Call { object, what })
    }

    fn object(&self, call: &Call) -> Option<u32> {
        Some(call.object)
    }

    fn object_name(&self, object: u32) -> String {
        self.keys.name(object)
    }

    fn initial(&self) -> Text {
        Text::default()
    }

    fn step(&self, state: &Text, call: &Call, seen: bool) -> Option<Text> {
        match &call.what {
            What::Get(told) => (!seen || state.is(told.as_ref())).then(|| state.clone()),
            What::Put(piece) => Some(Text::of(piece.as_ref())),
            What::Append(Some(piece)) => Some(state.with(piece)),
            What::Append(None) => Some(state.clone()),
            What::Cas { old, new, done } => {
                let fits = state.is(old.as_ref());
                let after = || if fits { Text::of(new.as_ref()) } else { state.clone() };
                (!seen || fits == *done).then(after)
            }
        }
    }

    fn reads_only(&self, call: &Call, seen: bool) -> bool {
        match call.what {
            What::Get(_) | What::Append(None) => true,
            What::Cas { done, .. } => seen && !done,
            What::Put(_) | What::Append(_) => false,
        }
    }

    fn overwrites(&self, call: &Call, _: bool) -> bool {
        matches!(call.what, What::Put(_))
    }

    fn show_state(&self, state: &Text) -> String {
        let mut pieces: Vec<&str> = state.pieces.iter().map(|piece| &*piece.text).collect();
        pieces.reverse();
        format!("{:?}", pieces.concat())
    }

    fn accesses(&self, call: &Call, seen: bool, out: &mut Vec<Access>) -> bool {
        let object = call.object;
        let id = |piece: &Option<Piece>| piece.as_ref().map(|piece| piece.id);
        match &call.what {
            What::Get(told) => {
                if seen {
                    out.push(Access::Read { object, value: id(told) });
                }
                true
            }
            What::Append(None) => true,
            What::Put(Some(piece)) => {
                out.push(Access::Write { object, value: piece.id });
                true
            }
            What::Cas { old, new: Some(new), done: true } if seen => {
                out.push(Access::Read { object, value: id(old) });
                out.push(Access::Write { object, value: new.id });
                true
            }
            // An append makes a value that depends on the one before; no value is not told from the initial one; a failed
            // compare-and-set says only what was not there.
            What::Append(Some(_)) | What::Put(None) | What::Cas { .. } => false,
        }
    }
}
