//! From a value's number to a place: a table where the numbers lie close together, a hash map where they do not.
//!
//! Values are numbered per model, not per object, so one of many objects may have few values far apart.

use rustc_hash::FxHashMap;

/// What is at a number that was never given.
pub(super) const NOTHING: u32 = u32::MAX;

/// A map from `u32` to `u32`.
pub(super) enum Numbers {
    Close { base: u32, places: Vec<u32> },
    Apart(FxHashMap<u32, u32>),
}

impl Numbers {
    /// Empty, for these numbers only.
    pub fn of(numbers: impl Iterator<Item = u32> + Clone) -> Self {
        let (mut least, mut most, mut count) = (u32::MAX, 0, 0_usize);
        for number in numbers {
            (least, most, count) = (least.min(number), most.max(number), count + 1);
        }
        if count == 0 {
            return Numbers::Apart(FxHashMap::default());
        }
        let width = (most - least) as usize + 1;
        if width <= 4 * count + 64 {
            Numbers::Close { base: least, places: vec![NOTHING; width] }
        } else {
            Numbers::Apart(FxHashMap::with_capacity_and_hasher(count, Default::default()))
        }
    }

    /// What is there; [`NOTHING`] if nothing was put.
    pub fn get(&self, number: u32) -> u32 {
        match self {
            Numbers::Close { base, places } => {
                let at = number.checked_sub(*base).and_then(|at| places.get(at as usize));
                at.copied().unwrap_or(NOTHING)
            }
            Numbers::Apart(places) => places.get(&number).copied().unwrap_or(NOTHING),
        }
    }

    /// Puts something there; gives what was there.
    pub fn put(&mut self, number: u32, place: u32) -> u32 {
        match self {
            Numbers::Close { base, places } => {
                std::mem::replace(&mut places[(number - *base) as usize], place)
            }
            Numbers::Apart(places) => places.insert(number, place).unwrap_or(NOTHING),
        }
    }
}
