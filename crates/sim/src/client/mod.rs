//! What clients do with a cluster, and what they make of its answers.
//!
//! **Problem:** a call is often several requests (read, then write on a condition), may end in three ways, and what all clients saw must be judged
//! afterwards. **Idea:** [`Clients`] is a state machine: the world tells it the time and what nodes answer; it says what to ask next. It
//! knows no node, only what was answered, and keeps the history that `quorate-check` judges. **Invariant:** what a client does depends on the
//! scenario and on what it was told, never on what other clients do meanwhile.

mod ask;
mod call;
mod command;
mod process;
mod recording;
mod watching;
mod words;

pub use ask::{Ask, Asked, RequestId, StreamTold, Told};
pub use process::Tally;
pub use recording::{Histories, Promise};

use crate::scenario::{Operation, Scenario};
use crate::trace::Trace;
use process::{Process, Turn};
use quorate_types::Time;
use recording::Recorder;
use std::collections::BTreeMap;

/// See the module. A client does one call at a time; what it has yet to hear of is kept here and nowhere else.
pub struct Clients {
    noise: u64,
    nodes: u64,
    operations: Vec<Operation>,
    processes: BTreeMap<u64, Process>,
    recorder: Recorder,
    tally: Tally,
}

impl Clients {
    /// The clients of a scenario, before they have done anything.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let mut processes: BTreeMap<u64, Process> = BTreeMap::new();
        for (at, operation) in scenario.operations.iter().enumerate() {
            let client = operation.client;
            processes
                .entry(client)
                .or_insert_with(|| Process::new(client, scenario.settings.value_bytes))
                .add(at);
        }
        Clients {
            noise: scenario.noise,
            nodes: scenario.nodes,
            operations: scenario.operations.clone(),
            processes,
            recorder: Recorder::new(scenario),
            tally: Tally::default(),
        }
    }

    /// When a client next wants to do something by itself, perhaps in the past; `None` if all wait for answers or have nothing left to do.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.processes.values().filter_map(|process| process.next_due(&self.operations)).min()
    }

    /// Whether all calls have ended. Watches go on.
    #[must_use]
    pub fn are_done(&self) -> bool {
        self.processes.values().all(Process::is_done)
    }

    /// How many calls have ended, and how.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Time has passed: appends what clients ask now.
    pub fn on_due(&mut self, now: Time, trace: &mut Trace, out: &mut Vec<Ask>) {
        let (mut turn, processes) = self.turn(now, trace, out);
        for process in processes.values_mut() {
            process.on_due(&mut turn);
        }
    }

    /// A request ended: appends what its client asks next.
    ///
    /// # Panics
    /// If no client waits for it: each request ends once.
    pub fn on_told(
        &mut self,
        now: Time,
        request: RequestId,
        told: Told,
        trace: &mut Trace,
        out: &mut Vec<Ask>,
    ) {
        let client = self.operations[process::operation_of(request)].client;
        let (mut turn, processes) = self.turn(now, trace, out);
        let process = processes.get_mut(&client).expect("every operation has its client");
        process.on_told(request, told, &mut turn);
    }

    /// A watching client heard something.
    pub fn on_stream(
        &mut self,
        now: Time,
        client: u64,
        told: StreamTold,
        trace: &mut Trace,
        out: &mut Vec<Ask>,
    ) {
        let (mut turn, processes) = self.turn(now, trace, out);
        if let Some(process) = processes.get_mut(&client) {
            process.on_stream(told, &mut turn);
        }
    }

    /// What clients saw. Calls that have not ended are of unknown outcome.
    #[must_use]
    pub fn finish(self) -> Histories {
        self.recorder.finish()
    }

    fn turn<'a>(
        &'a mut self,
        now: Time,
        trace: &'a mut Trace,
        out: &'a mut Vec<Ask>,
    ) -> (Turn<'a>, &'a mut BTreeMap<u64, Process>) {
        let Clients { noise, nodes, operations, processes, recorder, tally } = self;
        (Turn { now, trace, out, noise: *noise, nodes: *nodes, operations, recorder, tally }, processes)
    }
}
