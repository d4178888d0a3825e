//! Strings that come again and again, held once.
//!
//! **Idea.** A history says `:append` a million times. Short words are looked up, so that all of them share one allocation; the
//! table has a limit, for values that are all different.

use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Longer words are not shared.
const MAX_LENGTH: usize = 32;
/// With so many words in the table no more are taken in.
const MAX_WORDS: usize = 1 << 14;
/// Processes with smaller numbers have their names ready.
const MAX_NUMBER: usize = 1 << 12;

/// Shares short strings.
#[derive(Debug, Default)]
pub struct Words {
    table: FxHashMap<Arc<str>, ()>,
    numbers: Vec<Option<Arc<str>>>,
}

impl Words {
    /// The word, shared if it was seen before.
    pub fn share(&mut self, word: &str) -> Arc<str> {
        if word.len() > MAX_LENGTH {
            return word.into();
        }
        if let Some((known, ())) = self.table.get_key_value(word) {
            return Arc::clone(known);
        }
        let fresh: Arc<str> = word.into();
        if self.table.len() < MAX_WORDS {
            self.table.insert(Arc::clone(&fresh), ());
        }
        fresh
    }

    /// A number's digits.
    pub fn number(&mut self, number: i64) -> Arc<str> {
        let Some(at) = usize::try_from(number).ok().filter(|at| *at < MAX_NUMBER) else {
            return self.share(&number.to_string());
        };
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, None);
        }
        Arc::clone(self.numbers[at].get_or_insert_with(|| number.to_string().into()))
    }
}
