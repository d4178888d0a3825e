//! What one key of an etcd store does: the model against which the clients' histories are judged.

use quorate_check::history::{Op, Value};
use quorate_check::model::{Interner, Misfit, Model};

/// A key with its value, the number of its writes, and the revision of the last one.
///
/// | operation | input | output |
/// |---|---|---|
/// | `put` | the value | the revision |
/// | `get` | | `[value version revision]`, or nil if there is no such key |
///
/// So a write that was done twice shows as a version too high, and a lost one as a version too low.
#[derive(Clone, Default)]
pub struct EtcdKey {
    keys: Interner,
    values: Interner,
}

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pair {
    value: u32,
    version: i64,
    /// Not known after a write whose answer was lost, until somebody reads it.
    revision: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct Call {
    key: u32,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Put { value: u32, revision: Option<i64> },
    Get(Option<Pair>),
}

impl EtcdKey {
    fn pair(&mut self, output: &Value) -> Option<Option<Pair>> {
        match output.as_list() {
            None if output.is_nil() => Some(None),
            Some([value, version, revision]) => {
                let value = self.values.id(value);
                Some(Some(Pair { value, version: version.as_int()?, revision: Some(revision.as_int()?) }))
            }
            _ => None,
        }
    }
}

impl Model for EtcdKey {
    type State = Option<Pair>;
    type Call = Call;

    const NAME: &'static str = "etcd-key";

    fn parse(&mut self, op: &Op) -> Result<Call, Misfit> {
        let what = match &*op.f {
            "put" => What::Put { value: self.values.id(&op.input), revision: op.output.as_int() },
            "get" => What::Get(self.pair(&op.output).ok_or_else(|| Misfit::WrongValue {
                model: Self::NAME,
                f: op.f.to_string(),
                wanted: "[value version revision]",
                given: op.output.to_string(),
            })?),
            f => {
                let known = "put and get";
                return Err(Misfit::UnknownFunction { model: Self::NAME, f: f.to_owned(), known });
            }
        };
        Ok(Call { key: self.keys.id(&op.key), what })
    }

    fn object(&self, call: &Call) -> Option<u32> {
        Some(call.key)
    }

    fn object_name(&self, object: u32) -> String {
        self.keys.value(object).to_string()
    }

    fn initial(&self) -> Option<Pair> {
        None
    }

    fn step(&self, state: &Option<Pair>, call: &Call, seen: bool) -> Option<Option<Pair>> {
        match call.what {
            What::Put { value, revision } => {
                let known = state.and_then(|pair| pair.revision);
                let revision = revision.filter(|_| seen);
                let grows = known.is_none() || revision.is_none() || revision > known;
                let version = state.map_or(0, |pair| pair.version) + 1;
                grows.then_some(Some(Pair { value, version, revision }))
            }
            What::Get(_) if !seen => Some(*state),
            What::Get(None) => state.is_none().then_some(None),
            What::Get(Some(read)) => {
                let held = (*state)?;
                let is_same = held.value == read.value && held.version == read.version;
                let fits = is_same && (held.revision.is_none() || held.revision == read.revision);
                fits.then_some(Some(read))
            }
        }
    }
}
