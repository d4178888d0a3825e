//! Which synced watchers want an event of a key.
//!
//! Watchers of the same range form a group and share the work of picking and copying events. Groups of one key are found
//! in a map, those of ranges in an [`IntervalTree`]: an event costs O(log groups) and its hits.
//!
//! **Invariant:** a group has at least one member; a member's recorded place is where it stands.

use super::interval::{IntervalTree, RangeEnd, Span};
use super::slab::{GroupSlot, Slab, WatcherSlot};
use crate::request::KeyRange;
use quorate_types::{Bytes, Rng};
use std::collections::BTreeMap;

/// Where a watcher stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    group: GroupSlot,
    member: usize,
}

#[derive(Debug)]
struct Group {
    range: KeyRange,
    members: Vec<WatcherSlot>,
}

/// The synced watchers, by what they want.
#[derive(Debug)]
pub(super) struct Matcher {
    keys: BTreeMap<Bytes, GroupSlot>,
    ranges: IntervalTree,
    groups: Slab<GroupSlot, Group>,
}

fn span(range: &KeyRange) -> Span {
    let to = if range.is_open() { RangeEnd::Unbounded } else { RangeEnd::Key(range.end.clone()) };
    (range.key.clone(), to)
}

impl Matcher {
    pub(super) fn new(rng: Rng) -> Self {
        Matcher { keys: BTreeMap::new(), ranges: IntervalTree::new(rng), groups: Slab::new() }
    }

    pub(super) fn insert(&mut self, range: &KeyRange, watcher: WatcherSlot) -> Place {
        let found = match range.is_one_key() {
            true => self.keys.get(&range.key).copied(),
            false => self.ranges.get(&span(range)),
        };
        let group = found.unwrap_or_else(|| self.insert_group(range.clone()));
        let members = &mut self.groups[group].members;
        members.push(watcher);
        Place { group, member: members.len() - 1 }
    }

    fn insert_group(&mut self, range: KeyRange) -> GroupSlot {
        let group = self.groups.insert(Group { range: range.clone(), members: Vec::new() });
        if range.is_one_key() {
            self.keys.insert(range.key, group);
        } else {
            self.ranges.insert(span(&range), group);
        }
        group
    }

    /// Takes out the watcher at `place`. Another one may have to stand there now: it is returned.
    #[must_use]
    pub(super) fn remove(&mut self, place: Place) -> Option<WatcherSlot> {
        let group = &mut self.groups[place.group];
        group.members.swap_remove(place.member);
        let moved = group.members.get(place.member).copied();
        if group.members.is_empty() {
            let range = self.groups.remove(place.group).range;
            if range.is_one_key() {
                self.keys.remove(&range.key);
            } else {
                self.ranges.remove(&span(&range));
            }
        }
        moved
    }

    /// Calls `hit` with each group that wants `key`, each once.
    pub(super) fn search(&self, key: &Bytes, mut hit: impl FnMut(GroupSlot)) {
        if let Some(group) = self.keys.get(key) {
            hit(*group);
        }
        self.ranges.search(key, &mut hit);
    }

    pub(super) fn members(&self, group: GroupSlot) -> &[WatcherSlot] {
        &self.groups[group].members
    }

    /// All watchers in it with their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (WatcherSlot, Place, &KeyRange)> {
        self.groups.iter().flat_map(|(group, entry)| {
            let numbered = entry.members.iter().enumerate();
            numbered.map(move |(member, watcher)| (*watcher, Place { group, member }, &entry.range))
        })
    }

    pub(super) fn check_invariants(&self) {
        self.ranges.check_invariants();
        for (group, entry) in self.groups.iter() {
            assert!(!entry.members.is_empty(), "a group has at least one member");
            let found = match entry.range.is_one_key() {
                true => self.keys.get(&entry.range.key).copied(),
                false => self.ranges.get(&span(&entry.range)),
            };
            assert_eq!(found, Some(group), "a group is found by its range");
        }
    }
}
