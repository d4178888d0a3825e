//! Entries that stay where they are put, found by a small number.
//!
//! Watchers, streams and groups point at one another; a slot is four bytes and one array access away.
//!
//! **Invariant:** a slot is given out again only after its entry was removed; whoever removes an entry removes what points
//! at it first.

use std::ops::{Index, IndexMut};

/// A position in a [`Slab`]; each kind of entry has its own type.
pub(super) trait Slot: Copy {
    /// The first one.
    const MIN: Self;
    /// The last one; never taken.
    const MAX: Self;
    fn from_position(position: u32) -> Self;
    fn position(self) -> u32;

    /// The one after this one.
    fn successor(self) -> Self {
        Self::from_position(self.position() + 1)
    }
}

macro_rules! slot {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
        pub(super) struct $name(u32);

        impl Slot for $name {
            const MIN: Self = $name(0);
            const MAX: Self = $name(u32::MAX);
            fn from_position(position: u32) -> Self {
                $name(position)
            }
            fn position(self) -> u32 {
                self.0
            }
        }
    };
}
pub(super) use slot;

/// The entries.
#[derive(Debug)]
pub(super) struct Slab<S, T> {
    entries: Vec<Option<T>>,
    free: Vec<S>,
}

impl<S: Slot, T> Slab<S, T> {
    pub(super) fn new() -> Self {
        Slab { entries: Vec::new(), free: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, entry: T) -> S {
        if let Some(slot) = self.free.pop() {
            self.entries[slot.position() as usize] = Some(entry);
            return slot;
        }
        let position =
            u32::try_from(self.entries.len()).expect("fewer than 2^32 entries: all kinds are limited");
        self.entries.push(Some(entry));
        S::from_position(position)
    }

    pub(super) fn remove(&mut self, slot: S) -> T {
        let entry = self.entries[slot.position() as usize].take().expect("a removed entry has no slot");
        self.free.push(slot);
        entry
    }

    pub(super) fn get(&self, slot: S) -> Option<&T> {
        self.entries.get(slot.position() as usize)?.as_ref()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (S, &T)> {
        let numbered = (0..).map(S::from_position).zip(&self.entries);
        numbered.filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)))
    }
}

impl<S: Slot, T> Index<S> for Slab<S, T> {
    type Output = T;
    fn index(&self, slot: S) -> &T {
        self.get(slot).expect("a removed entry has no slot")
    }
}

impl<S: Slot, T> IndexMut<S> for Slab<S, T> {
    fn index_mut(&mut self, slot: S) -> &mut T {
        self.entries[slot.position() as usize].as_mut().expect("a removed entry has no slot")
    }
}

slot!(
    /// A watcher's place in the hub.
    WatcherSlot
);
slot!(
    /// A stream's place in the hub.
    StreamSlot
);
slot!(
    /// A group's place in the matcher.
    GroupSlot
);
