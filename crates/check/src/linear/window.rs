//! What is open at a place in time.
//!
//! **Idea.** The front is the first return whose operation is not placed. Only operations that were called before it can come
//! next. As the front moves, each call and return changes a few entries, and the change can be undone.
//!
//! **Invariant:** `at[slot]` is the operation whose bit is set in `open`; moving forward and back again changes nothing.

use super::timeline::{Kind, Timeline};

/// The operations that are open at the front.
pub struct Window<'a> {
    timeline: &'a Timeline<'a>,
    /// A place in `returns`, or their number at the end.
    front: usize,
    /// Slots of operations that were called before the front and return at it or later.
    open: Vec<u64>,
    /// Those of them that hold reads.
    reads: Vec<u64>,
    /// Those of them that hold overwrites.
    overwrites: Vec<u64>,
    /// Which operation holds a slot.
    at: Vec<u32>,
    /// How many of each group that may have happened were called.
    called: Vec<u32>,
    /// Groups of which some were called, in the order of the first call.
    live: Vec<u32>,
}

impl<'a> Window<'a> {
    /// At the first return.
    pub fn new(timeline: &'a Timeline<'a>) -> Self {
        let words = timeline.words;
        let mut window = Window {
            timeline,
            front: 0,
            open: vec![0; words],
            reads: vec![0; words],
            overwrites: vec![0; words],
            at: vec![0; words * 64],
            called: vec![0; timeline.maybe.len()],
            live: Vec::new(),
        };
        window.call_until_front(0);
        window
    }

    /// A place in `returns`, or their number at the end.
    pub fn front(&self) -> u32 {
        self.front as u32
    }

    /// Whether everything that surely happened is placed.
    pub fn is_at_end(&self) -> bool {
        self.front == self.timeline.returns.len()
    }

    /// The operation that returns at the front. Not at the end.
    pub fn front_op(&self) -> u32 {
        self.timeline.returns[self.front]
    }

    /// The slot of the operation that returns at the front. Not at the end.
    pub fn front_slot(&self) -> u32 {
        self.timeline.slot[self.front_op() as usize]
    }

    /// Open operations that surely happened and are not `done`.
    pub fn candidates<'w>(&'w self, done: &'w [u64]) -> impl Iterator<Item = u32> + 'w {
        self.open.iter().zip(done).enumerate().flat_map(move |(word, (open, done))| {
            let mut bits = open & !done;
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros())?;
                bits &= bits - 1;
                Some(self.op_at(word, bit))
            })
        })
    }

    /// The slots of one word that hold open reads that surely happened.
    pub fn reads_in(&self, word: usize) -> u64 {
        self.reads[word]
    }

    /// The slots that hold open overwrites that surely happened.
    pub fn overwrites(&self) -> &[u64] {
        &self.overwrites
    }

    /// The slots of overwrites that are not `done` and come before the operation `freed`.
    pub fn free(&self, done: &[u64], freed: u32, free: &mut [u64]) {
        for (word, free) in free.iter_mut().enumerate() {
            *free = 0;
            let mut rest = self.overwrites[word] & !done[word];
            while rest != 0 {
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                *free |= u64::from(self.op_at(word, bit) < freed) << bit;
            }
        }
    }

    /// The operation that holds a slot.
    pub fn op_at(&self, word: usize, bit: u32) -> u32 {
        self.at[word * 64 + bit as usize]
    }

    /// Groups that may have happened, with the number of their operations that were called.
    pub fn maybe(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.live.iter().map(|group| (*group, self.called[*group as usize]))
    }

    /// To the next return.
    pub fn advance(&mut self) {
        let returned = self.front_op();
        debug_assert_eq!(self.at[self.front_slot() as usize], returned);
        self.close_slot(returned);
        let from = self.timeline.called[self.front];
        self.front += 1;
        self.call_until_front(from);
    }

    /// To the return before. Not at the first.
    pub fn retreat(&mut self) {
        let before = self.front - 1;
        if !self.is_at_end() {
            for op in (self.timeline.called[before]..self.timeline.called[self.front]).rev() {
                self.uncall(op);
            }
        }
        self.front = before;
        self.open_slot(self.front_op());
    }

    fn call_until_front(&mut self, from: u32) {
        if self.is_at_end() {
            return;
        }
        for op in from..self.timeline.called[self.front] {
            if self.timeline.is_certain(op) {
                self.open_slot(op);
                continue;
            }
            let group = self.timeline.slot[op as usize];
            if self.called[group as usize] == 0 {
                self.live.push(group);
            }
            self.called[group as usize] += 1;
        }
    }

    fn uncall(&mut self, op: u32) {
        let slot = self.timeline.slot[op as usize];
        if self.timeline.is_certain(op) {
            self.close_slot(op);
            return;
        }
        self.called[slot as usize] -= 1;
        if self.called[slot as usize] == 0 {
            self.live.pop();
        }
    }

    fn open_slot(&mut self, op: u32) {
        let slot = self.timeline.slot[op as usize];
        let (word, bit) = place(slot);
        self.open[word] |= bit;
        match self.timeline.kind(op) {
            Kind::Read => self.reads[word] |= bit,
            Kind::Overwrite => self.overwrites[word] |= bit,
            Kind::Other => {}
        }
        self.at[slot as usize] = op;
    }

    fn close_slot(&mut self, op: u32) {
        let (word, bit) = place(self.timeline.slot[op as usize]);
        self.open[word] &= !bit;
        self.reads[word] &= !bit;
        self.overwrites[word] &= !bit;
    }
}

/// The word and the bit of a slot.
pub fn place(slot: u32) -> (usize, u64) {
    (slot as usize / 64, 1 << (slot % 64))
}
