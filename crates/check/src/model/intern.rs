//! Small numbers for values, so that states and calls are cheap to compare and to hash.

use crate::history::Value;
use rustc_hash::FxHashMap;

/// Gives each value a number, in the order of first sight.
#[derive(Clone, Debug, Default)]
pub struct Interner {
    ids: FxHashMap<Value, u32>,
    values: Vec<Value>,
}

impl Interner {
    /// A value's number.
    ///
    /// # Panics
    /// With more than `u32::MAX` values, which no history of [`crate::history::MAX_OPS`] operations holds within memory.
    pub fn id(&mut self, value: &Value) -> u32 {
        if let Some(id) = self.ids.get(value) {
            return *id;
        }
        let id = u32::try_from(self.values.len()).expect("a history has fewer distinct values");
        self.ids.insert(value.clone(), id);
        self.values.push(value.clone());
        id
    }

    /// The value that has a number.
    ///
    /// # Panics
    /// If the number was not given by this interner.
    pub fn value(&self, id: u32) -> &Value {
        &self.values[id as usize]
    }

    /// A value in words, as the name of an object: nothing for nil.
    ///
    /// # Panics
    /// If the number was not given by this interner.
    pub fn name(&self, id: u32) -> String {
        let value = self.value(id);
        if value.is_nil() { String::new() } else { value.to_string() }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}
