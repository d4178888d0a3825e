//! How a check says that a promise is broken.

use crate::violation::Invariant;

/// A promise that was found broken, before anybody noted when.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) invariant: Invariant,
    pub(super) words: String,
}

/// What a check gives: something, or a broken promise.
pub(super) type Check<T = ()> = Result<T, Broken>;

/// This promise is broken; `words` hold the numbers that matter.
pub(super) fn broken<T>(invariant: Invariant, words: String) -> Check<T> {
    Err(Broken { invariant, words })
}
