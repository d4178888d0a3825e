//! Tables in memory whose durability lags, and that forget when the power fails.
//!
//! **Problem:** tables on disk are not synced with every commit, so a node that loses power finds an older state than it had, and must
//! catch up from its log. Tables that remember everything hide every mistake in that.
//! **Idea:** beside the visible state each space keeps the durable one and, in order, the state after every commit that no
//! [`Persist::persist`] has covered. The maps are persistent, so a kept state costs what its commit changed. A power failure takes
//! one of those states, whichever the caller says.
//! **Invariant:** what a power failure leaves is the state after some commit, not before the last one that was persisted.

use crate::memory::{Maps, locked};
use crate::{Batch, Direction, Engine, Persist, Read, Rows, Snapshot, TableError, TableId, Tables};
use quorate_types::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

/// Spaces of tables on a disk that lags, in one process's memory. Clones share them.
///
/// Like tables on disk they belong to one process at a time: [`LaggingEngine::lose_power`], [`LaggingEngine::restart`] and
/// [`LaggingEngine::wipe`] end it, and every commit through a handle of an earlier one fails.
#[derive(Clone, Default, Debug)]
pub struct LaggingEngine {
    state: Arc<Mutex<State>>,
}

#[derive(Default, Debug)]
struct State {
    live: BTreeMap<String, SlotId>,
    staged: BTreeMap<String, SlotId>,
    /// What handles write to. A handle whose slot is gone was replaced, and writes for nobody.
    slots: BTreeMap<SlotId, Slot>,
    next_slot: SlotId,
    /// Handles of an earlier process are dead.
    process: u64,
    next_commit_fails: bool,
}

type SlotId = u64;

/// One set of tables.
#[derive(Default, Debug)]
struct Slot {
    durable: Arc<Maps>,
    /// The states after the commits that are not durable, oldest first. The last one is what readers see.
    unsynced: Vec<Arc<Maps>>,
}

impl Slot {
    fn visible(&self) -> &Arc<Maps> {
        self.unsynced.last().unwrap_or(&self.durable)
    }

    /// Makes the first `commits` of the unsynced ones durable and forgets the others.
    fn keep(&mut self, commits: usize) {
        if let Some(last) = commits.min(self.unsynced.len()).checked_sub(1) {
            self.durable = self.unsynced.swap_remove(last);
        }
        self.unsynced.clear();
    }

    fn make_durable(&mut self) {
        self.keep(usize::MAX);
    }
}

impl State {
    fn new_slot(&mut self) -> SlotId {
        let id = self.next_slot;
        self.next_slot += 1;
        self.slots.insert(id, Slot::default());
        id
    }

    /// What was staged is unfinished, and goes with the process that staged it.
    fn end_process(&mut self) {
        for slot in std::mem::take(&mut self.staged).into_values() {
            self.slots.remove(&slot);
        }
        self.process += 1;
        self.next_commit_fails = false;
    }

    fn check(&self, process: u64) -> Result<(), TableError> {
        if process == self.process { Ok(()) } else { Err(failed("opened before the last restart")) }
    }
}

fn failed(detail: &str) -> TableError {
    TableError::Io { detail: detail.into() }
}

impl LaggingEngine {
    /// An engine without any space.
    #[must_use]
    pub fn new() -> Self {
        LaggingEngine::default()
    }

    /// How many commits of `space` a power failure could still take; 0 for one that was never opened.
    #[must_use]
    pub fn unsynced(&self, space: &str) -> usize {
        let state = locked(&self.state);
        state.live.get(space).map_or(0, |slot| state.slots[slot].unsynced.len())
    }

    /// The power fails and the process ends. `kept` is asked for each space, in order of their names: of so many unsynced commits,
    /// how many survive, oldest first? More than there are means all. What survived is durable from then on; unfinished staged
    /// tables and a planned failure are gone.
    pub fn lose_power(&self, mut kept: impl FnMut(usize) -> usize) {
        let lags: Vec<(SlotId, usize)> = {
            let state = locked(&self.state);
            state.live.values().map(|id| (*id, state.slots[id].unsynced.len())).collect()
        };
        let kept: Vec<(SlotId, usize)> = lags.into_iter().map(|(id, count)| (id, kept(count))).collect();
        let mut state = locked(&self.state);
        state.end_process();
        for (id, commits) in kept {
            if let Some(slot) = state.slots.get_mut(&id) {
                slot.keep(commits);
            }
        }
    }

    /// The process ends while the power stays on: everything committed is still there, and as little durable as before.
    /// Unfinished staged tables and a planned failure are gone.
    pub fn restart(&self) {
        locked(&self.state).end_process();
    }

    /// The next commit through whichever handle fails with [`TableError::Io`], and so do all later commits of that handle. The
    /// plan is forgotten when the process ends.
    pub fn fail_next_commit(&self) {
        locked(&self.state).next_commit_fails = true;
    }

    /// A failure that was planned and has not come to pass will not.
    pub fn forget_plans(&self) {
        locked(&self.state).next_commit_fails = false;
    }

    /// Loses everything, as a new disk would. The process that had the tables ends.
    pub fn wipe(&self) {
        let mut state = locked(&self.state);
        state.end_process();
        state.live.clear();
        state.slots.clear();
    }

    fn handle(&self, state: &State, slot: SlotId) -> Box<dyn Tables> {
        let maps = Arc::clone(state.slots[&slot].visible());
        let place = Place { engine: self.clone(), slot, process: state.process };
        Box::new(LaggingTables { maps, place, failed: false })
    }
}

impl Engine for LaggingEngine {
    fn open(&self, space: &str) -> Result<Box<dyn Tables>, TableError> {
        let mut state = locked(&self.state);
        let slot = match state.live.get(space) {
            Some(slot) => *slot,
            None => {
                let slot = state.new_slot();
                state.live.insert(space.to_owned(), slot);
                slot
            }
        };
        Ok(self.handle(&state, slot))
    }

    fn stage(&self, space: &str) -> Result<Box<dyn Tables>, TableError> {
        let mut state = locked(&self.state);
        let slot = state.new_slot();
        if let Some(unfinished) = state.staged.insert(space.to_owned(), slot) {
            state.slots.remove(&unfinished);
        }
        Ok(self.handle(&state, slot))
    }

    /// Once this has returned, the staged tables are durable and the old ones are gone, whatever happens.
    fn promote(&self, space: &str, staged: Box<dyn Tables>) -> Result<Box<dyn Tables>, TableError> {
        let mut state = locked(&self.state);
        let Some(slot) = state.staged.remove(space) else {
            return Err(failed(&format!("space `{space}` has no staged tables")));
        };
        state.slots.get_mut(&slot).expect("staged tables have their slot").make_durable();
        if let Some(old) = state.live.insert(space.to_owned(), slot) {
            state.slots.remove(&old);
        }
        Ok(staged)
    }
}

/// Where a handle's commits go.
#[derive(Clone)]
struct Place {
    engine: LaggingEngine,
    slot: SlotId,
    process: u64,
}

struct LaggingTables {
    maps: Arc<Maps>,
    place: Place,
    /// A commit failed: there is no going on.
    failed: bool,
}

impl Read for LaggingTables {
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        self.maps.get(table, key)
    }

    fn range<'a>(
        &'a self,
        table: TableId,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        direction: Direction,
    ) -> Rows<'a> {
        self.maps.range(table, from, to, direction)
    }
}

impl Tables for LaggingTables {
    fn commit(&mut self, batch: Batch) -> Result<(), TableError> {
        let mut state = locked(&self.place.engine.state);
        state.check(self.place.process)?;
        self.failed |= std::mem::take(&mut state.next_commit_fails);
        if self.failed {
            return Err(failed("a commit failed"));
        }
        Arc::make_mut(&mut self.maps).apply(&batch);
        if let Some(slot) = state.slots.get_mut(&self.place.slot) {
            slot.unsynced.push(Arc::clone(&self.maps));
        }
        Ok(())
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::clone(&self.maps) as Arc<dyn Snapshot>
    }

    fn persist_handle(&self) -> Arc<dyn Persist> {
        Arc::new(self.place.clone())
    }

    fn len_bytes(&self) -> u64 {
        self.maps.len_bytes().max(1)
    }
}

impl Persist for Place {
    fn persist(&self) -> Result<(), TableError> {
        let mut state = locked(&self.engine.state);
        state.check(self.process)?;
        if let Some(slot) = state.slots.get_mut(&self.slot) {
            slot.make_durable();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::LaggingEngine;
    use crate::{Batch, Engine, Read, TableError, TableId, Tables};
    use quorate_types::Bytes;

    const TABLE: TableId = TableId(1);

    fn put(tables: &mut dyn Tables, value: u8) -> Result<(), TableError> {
        let mut batch = Batch::new();
        batch.put(TABLE, Bytes::from_static(b"key"), Bytes::copy_from_slice(&[value]));
        tables.commit(batch)
    }

    fn get(rows: &(impl Read + ?Sized)) -> Option<u8> {
        rows.get(TABLE, b"key").unwrap().map(|value| value[0])
    }

    fn opened(engine: &LaggingEngine, space: &str) -> Option<u8> {
        get(&*engine.open(space).unwrap())
    }

    /// Tables of `space` after the commits 1, …, `persisted`, a persist, and more up to `committed`.
    fn lagging(engine: &LaggingEngine, space: &str, persisted: u8, committed: u8) -> Box<dyn Tables> {
        let mut tables = engine.open(space).unwrap();
        for value in 1..=committed {
            put(&mut *tables, value).unwrap();
            if value == persisted {
                tables.persist_handle().persist().unwrap();
            }
        }
        tables
    }

    #[test]
    fn a_power_failure_leaves_a_prefix_not_shorter_than_what_was_persisted() {
        // (persisted, committed, kept of the unsynced) and what is found.
        let cases = [
            ((0, 3, 0), None),
            ((0, 3, 1), Some(1)),
            ((0, 3, 3), Some(3)),
            ((0, 3, 99), Some(3)),
            ((2, 5, 0), Some(2)),
            ((2, 5, 2), Some(4)),
            ((5, 5, 0), Some(5)),
        ];
        for ((persisted, committed, kept), found) in cases {
            let engine = LaggingEngine::new();
            let tables = lagging(&engine, "one", persisted, committed);
            let unsynced = usize::from(committed - persisted);
            assert_eq!((get(&*tables), engine.unsynced("one")), (Some(committed), unsynced));
            engine.lose_power(|count| {
                assert_eq!(count, unsynced);
                kept
            });
            assert_eq!((opened(&engine, "one"), engine.unsynced("one")), (found, 0));
            engine.lose_power(|_| 0);
            assert_eq!(opened(&engine, "one"), found, "what survived is durable");
        }
    }

    #[test]
    fn each_space_lags_by_itself() {
        let engine = LaggingEngine::new();
        let (_one, _two) = (lagging(&engine, "one", 1, 4), lagging(&engine, "two", 0, 2));
        let mut asked = Vec::new();
        engine.lose_power(|count| {
            asked.push(count);
            asked.len()
        });
        assert_eq!(asked, [3, 2], "in order of names");
        assert_eq!((opened(&engine, "one"), opened(&engine, "two")), (Some(2), Some(2)));
        assert_eq!(engine.unsynced("never opened"), 0);
    }

    #[test]
    fn a_restart_keeps_what_was_committed_but_does_not_make_it_durable() {
        let engine = LaggingEngine::new();
        let _tables = lagging(&engine, "one", 1, 3);
        engine.restart();
        assert_eq!((opened(&engine, "one"), engine.unsynced("one")), (Some(3), 2));
        engine.lose_power(|_| 0);
        assert_eq!(opened(&engine, "one"), Some(1));
    }

    #[test]
    fn handles_end_with_their_process() {
        let ends: [fn(&LaggingEngine); 3] =
            [LaggingEngine::restart, |engine| engine.lose_power(|_| 0), LaggingEngine::wipe];
        for end in ends {
            let engine = LaggingEngine::new();
            let mut old = lagging(&engine, "one", 3, 3);
            engine.fail_next_commit();
            end(&engine);
            let kept = opened(&engine, "one");
            assert!(matches!(put(&mut *old, 9), Err(TableError::Io { .. })));
            assert!(matches!(old.persist_handle().persist(), Err(TableError::Io { .. })));
            assert_eq!(opened(&engine, "one"), kept);
            put(&mut *engine.open("one").unwrap(), 4).expect("the planned failure went with its process");
        }
    }

    #[test]
    fn a_failed_commit_shows_nothing_and_ends_its_handle() {
        let engine = LaggingEngine::new();
        let mut tables = lagging(&engine, "one", 0, 2);
        let mut other = engine.open("two").unwrap();
        engine.fail_next_commit();
        for value in [3, 4] {
            assert!(matches!(put(&mut *tables, value), Err(TableError::Io { .. })));
            assert_eq!((get(&*tables), opened(&engine, "one")), (Some(2), Some(2)));
        }
        put(&mut *other, 1).expect("only the next commit was to fail");
        engine.restart();
        put(&mut *engine.open("one").unwrap(), 3).expect("a new process has new handles");
        assert_eq!(opened(&engine, "one"), Some(3));
    }

    #[test]
    fn promotion_is_durable_at_once_and_unfinished_stages_are_lost() {
        let engine = LaggingEngine::new();
        let mut old = lagging(&engine, "one", 1, 2);
        put(&mut *engine.stage("one").unwrap(), 10).unwrap();
        let mut staged = engine.stage("one").unwrap();
        assert_eq!(get(&*staged), None, "an earlier unfinished one is thrown away");
        put(&mut *staged, 11).unwrap();
        assert_eq!(opened(&engine, "one"), Some(2));
        let mut promoted = engine.promote("one", staged).unwrap();
        put(&mut *old, 3).expect("the replaced tables take commits, for nobody");
        assert_eq!((opened(&engine, "one"), engine.unsynced("one")), (Some(11), 0));
        put(&mut *promoted, 12).unwrap();
        assert_eq!(engine.unsynced("one"), 1);

        let unfinished = engine.stage("one").unwrap();
        engine.lose_power(|_| 0);
        assert_eq!(opened(&engine, "one"), Some(11));
        assert!(engine.promote("one", unfinished).is_err(), "what was staged went with its process");
    }

    #[test]
    fn a_wiped_disk_has_nothing() {
        let engine = LaggingEngine::new();
        let tables = lagging(&engine, "one", 2, 3);
        assert_eq!(tables.len_bytes(), 4);
        engine.clone().wipe();
        assert_eq!((opened(&engine, "one"), engine.unsynced("one")), (None, 0));
        assert_eq!(engine.open("one").unwrap().len_bytes(), 1);
    }
}
