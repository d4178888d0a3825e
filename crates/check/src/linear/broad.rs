//! The search that goes broad: all configurations at once, return by return.
//!
//! **Idea.** At each return, keep every configuration in which the operation that returns is placed, having placed others only as far as
//! that took. If none is left, there is no order. Nothing before the front is ever needed again, so a long history takes no
//! more memory than its busiest moment, where the search that goes deep would remember failures without end. But at a busy
//! moment there may be too many; then this search gives up.
//!
//! **Invariant:** `crowd` covers every configuration that an order can pass through at the front.
//!
//! Source: Lowe, *Testing for linearizability*, 2017 §3 (just-in-time linearization). Deviations: the rules of
//! [`Moves`]; of configurations that differ in what is spent only the least stay.

use super::configs::{Config, Configs};
use super::end::{Dead, End};
use super::machine::INITIAL;
use super::moves::{Moves, Space};
use super::order::{HIDDEN, straighten};
use super::spent::NOTHING;
use super::timeline::Kind;
use super::trail::{ROOT, Trail};
use super::window::{Window, place};
use crate::limits::{Budget, Exhausted, Held};
use crate::model::Model;

/// A configuration, with how it came about.
#[derive(Clone, Copy)]
struct Head {
    state: u32,
    spent: u32,
    /// Overwrites that come before this operation are free.
    freed: u32,
    /// In the trail.
    link: u32,
    /// How many operations were placed.
    placed: u32,
}

/// Configurations at one front.
struct Crowd<'a> {
    heads: Vec<Head>,
    /// The words of each, one after the other.
    done: Vec<u64>,
    words: usize,
    /// How many are paid for.
    paid: usize,
    held: Held<'a, 'a>,
}

impl<'a> Crowd<'a> {
    fn new(words: usize, budget: &'a Budget<'a>) -> Result<Self, Exhausted> {
        Ok(Crowd { heads: Vec::new(), done: Vec::new(), words, paid: 0, held: budget.hold(0)? })
    }

    fn push(&mut self, head: Head, done: &[u64]) -> Result<(), Exhausted> {
        if self.heads.len() == self.paid {
            let more = self.paid.max(16);
            self.held.grow((more * (std::mem::size_of::<Head>() + 8 * self.words)) as u64)?;
            self.paid += more;
        }
        self.heads.push(head);
        self.done.extend(done);
        Ok(())
    }

    fn done(&self, at: usize) -> &[u64] {
        &self.done[at * self.words..][..self.words]
    }

    fn replace(&mut self, at: usize, head: Head, done: &[u64]) {
        self.heads[at] = head;
        self.done[at * self.words..][..self.words].copy_from_slice(done);
    }

    fn truncate(&mut self, len: usize) {
        self.heads.truncate(len);
        self.done.truncate(len * self.words);
    }

    fn clear(&mut self) {
        self.heads.clear();
        self.done.clear();
    }
}

/// A search in progress.
pub struct Broad<'a> {
    window: Window<'a>,
    /// At the front, with those that they lead to.
    crowd: Crowd<'a>,
    /// After the return at the front.
    next: Crowd<'a>,
    /// What `crowd` holds after its reads.
    visited: Configs<'a>,
    /// What `next` holds.
    arrived: Configs<'a>,
    trail: Trail<'a>,
    moves: Moves,
    /// Room for the slots of free overwrites.
    free: Vec<u64>,
    placed: usize,
}

impl<'a> Broad<'a> {
    /// At the first return.
    pub fn new<M: Model>(space: &Space<'a, M>) -> Result<Self, Exhausted> {
        let (words, budget) = (space.timeline.words, space.budget);
        let mut crowd = Crowd::new(words, budget)?;
        crowd.push(
            Head { state: INITIAL, spent: NOTHING, freed: 0, link: ROOT, placed: 0 },
            &vec![0; words],
        )?;
        Ok(Broad {
            window: Window::new(space.timeline),
            crowd,
            next: Crowd::new(words, budget)?,
            visited: Configs::new(words, budget)?,
            arrived: Configs::new(words, budget)?,
            trail: Trail::new(budget)?,
            moves: Moves::default(),
            free: vec![0; words],
            placed: 0,
        })
    }

    /// The most operations that were placed.
    pub fn placed(&self) -> usize {
        self.placed
    }

    /// Searches on to the end, or until there are more configurations than `most` at one front.
    pub fn run<M: Model>(&mut self, space: &mut Space<'a, M>, most: usize) -> Result<Option<End>, Exhausted> {
        while !self.window.is_at_end() {
            if !self.pass_front(space, most)? {
                return Ok(None);
            }
            if self.next.heads.is_empty() {
                let farthest = self.crowd.heads.iter().rev().max_by_key(|head| head.placed);
                let order = farthest.map_or_else(Vec::new, |head| self.trail.order(head.link));
                let order = straighten(space.timeline, &order);
                return Ok(Some(End::Dead(Dead { order, front: self.window.front() })));
            }
            self.window.advance();
            std::mem::swap(&mut self.crowd, &mut self.next);
            self.sort_by_spent(space)?;
            if self.trail.is_crowded() {
                self.trail.collect(self.crowd.heads.iter_mut().map(|head| &mut head.link));
            }
        }
        let link = self.crowd.heads.first().map_or(ROOT, |head| head.link);
        Ok(Some(End::Order(straighten(space.timeline, &self.trail.order(link)))))
    }

    /// Fills `next` from `crowd`. False if there are too many.
    fn pass_front<M: Model>(&mut self, space: &mut Space<'a, M>, most: usize) -> Result<bool, Exhausted> {
        self.next.clear();
        self.visited.clear();
        self.arrived.clear();
        let front = self.window.front_op();
        let (word, bit) = place(self.window.front_slot());
        let mut done = vec![0; space.timeline.words];
        let is_overwrite = space.timeline.kind(front) == Kind::Overwrite;
        let came = self.crowd.heads.len();
        let mut at = 0;
        while at < self.crowd.heads.len() {
            space.budget.step(1)?;
            if at > most {
                self.crowd.truncate(came);
                return Ok(false);
            }
            done.copy_from_slice(self.crowd.done(at));
            let mut head = self.crowd.heads[at];
            self.place_reads(space, &mut head, &mut done)?;
            self.crowd.replace(at, head, &done);
            self.placed = self.placed.max(head.placed as usize);
            at += 1;
            if done[word] & bit != 0 {
                self.arrive(space, head, &mut done)?;
                continue;
            }
            if !insert(&mut self.visited, &self.window, space, (&head, &done, &mut self.free))? {
                continue;
            }
            // What a move leads to need not pass: to pass first and to move later is the same.
            if is_overwrite && front < head.freed && at <= came {
                let link = self.trail.push(head.link, front | HIDDEN)?;
                done[word] |= bit;
                self.arrive(space, Head { link, placed: head.placed + 1, ..head }, &mut done)?;
            }
            let after = space.machine.step(head.state, front)?;
            self.moves.find(space, &self.window, (head.state, head.spent, &done), after.is_some())?;
            self.spread(space, head, &mut done)?;
            if let Some(state) = after {
                let link = self.trail.push(head.link, front)?;
                done[word] |= bit;
                let freed = if is_overwrite { self.called(space) } else { head.freed };
                let head = Head { state, freed, link, placed: head.placed + 1, ..head };
                self.arrive(space, head, &mut done)?;
            }
        }
        Ok(true)
    }

    fn place_reads<M: Model>(
        &mut self,
        space: &mut Space<'a, M>,
        head: &mut Head,
        done: &mut [u64],
    ) -> Result<(), Exhausted> {
        for (word, done) in done.iter_mut().enumerate() {
            let mut rest = self.window.reads_in(word) & !*done;
            while rest != 0 {
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                let op = self.window.op_at(word, bit);
                if space.machine.look(head.state, op)?.is_legal {
                    head.link = self.trail.push(head.link, op)?;
                    head.placed += 1;
                    *done |= 1 << bit;
                }
            }
        }
        Ok(())
    }

    /// Adds to `crowd` what the moves lead to.
    fn spread<M: Model>(
        &mut self,
        space: &mut Space<'a, M>,
        head: Head,
        done: &mut [u64],
    ) -> Result<(), Exhausted> {
        for op in self.moves.ops() {
            let state = space.machine.step(head.state, op)?.expect("only legal moves are found");
            let slot = space.timeline.slot[op as usize];
            let link = self.trail.push(head.link, op)?;
            let is_overwrite = space.timeline.kind(op) == Kind::Overwrite;
            let freed = if is_overwrite { self.called(space) } else { head.freed };
            let head = Head { state, freed, link, placed: head.placed + 1, ..head };
            if space.timeline.is_certain(op) {
                let (word, bit) = place(slot);
                done[word] |= bit;
                self.crowd.push(head, done)?;
                done[word] &= !bit;
            } else {
                let spent = space.spent.with(head.spent, slot)?;
                self.crowd.push(Head { spent, ..head }, done)?;
            }
        }
        Ok(())
    }

    /// Adds to `next` a configuration in which the operation at the front is placed.
    fn arrive<M: Model>(
        &mut self,
        space: &Space<'a, M>,
        head: Head,
        done: &mut [u64],
    ) -> Result<(), Exhausted> {
        let (word, bit) = place(self.window.front_slot());
        let is_new = insert(&mut self.arrived, &self.window, space, (&head, done, &mut self.free))?;
        done[word] &= !bit;
        if is_new { self.next.push(head, done) } else { Ok(()) }
    }

    /// How many operations were called before the front.
    fn called<M: Model>(&self, space: &Space<'a, M>) -> u32 {
        space.timeline.called[self.window.front() as usize]
    }

    /// Those that spent less come first, so that they cover others.
    fn sort_by_spent<M: Model>(&mut self, space: &Space<'a, M>) -> Result<(), Exhausted> {
        if self.crowd.heads.iter().all(|head| head.spent == NOTHING) {
            return Ok(());
        }
        let mut order: Vec<usize> = (0..self.crowd.heads.len()).collect();
        order.sort_by_key(|at| space.spent.len(self.crowd.heads[*at].spent));
        self.next.clear();
        for at in order {
            let (head, start) = (self.crowd.heads[at], at * self.crowd.words);
            self.next.push(head, &self.crowd.done[start..][..self.crowd.words])?;
        }
        std::mem::swap(&mut self.crowd, &mut self.next);
        Ok(())
    }
}

/// Adds a configuration at the front, unless it is covered. Says whether it was added.
fn insert<M: Model>(
    configs: &mut Configs<'_>,
    window: &Window<'_>,
    space: &Space<'_, M>,
    (head, done, free): (&Head, &[u64], &mut [u64]),
) -> Result<bool, Exhausted> {
    window.free(done, head.freed, free);
    let (front, overwrites) = (window.front(), window.overwrites());
    let config = Config { front, state: head.state, spent: head.spent, done, free, overwrites };
    configs.insert(config, &space.spent)
}
