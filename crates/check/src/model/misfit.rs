//! Saying what is wrong with an operation.

use super::{Misfit, Model};
use crate::history::{Op, Value};

impl Misfit {
    /// `op`'s function is none of the `known`.
    pub fn function<M: Model>(op: &Op, known: &'static str) -> Self {
        Misfit::UnknownFunction { model: M::NAME, f: op.f.to_string(), known }
    }

    /// `op` has a value, `given`, that is not as `wanted`.
    pub fn value<M: Model>(op: &Op, wanted: &'static str, given: &Value) -> Self {
        Misfit::WrongValue { model: M::NAME, f: op.f.to_string(), wanted, given: given.to_string() }
    }
}
