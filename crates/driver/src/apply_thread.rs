//! The apply thread: the machines of one executor's groups.

use crate::clock::Clock;
use crate::inbox::{Event, Inbox};
use crate::shared::{GroupShared, NodeFailure, NodeShared};
use crate::waiters::End;
use quorate_node::{Input, Machine, MachineEffect, MachineInput};
use quorate_types::GroupId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// At most so many jobs are joined into one.
const MAX_JOINED: usize = 1024;
/// How long the thread sleeps when no machine has a deadline.
const IDLE: Duration = Duration::from_secs(1);

/// An input for one group's machine.
pub struct ApplyJob {
    /// Which group.
    pub group: GroupId,
    /// The input.
    pub input: MachineInput,
}

/// The way to an apply thread.
#[derive(Clone)]
pub struct ApplySender(mpsc::Sender<Option<ApplyJob>>);

impl ApplySender {
    /// Hands an input over. How much can wait is bounded by the cores (committed but unapplied entries) and by the number of watch streams.
    pub fn send(&self, job: ApplyJob) {
        // A closed channel means that the thread has ended.
        let _ = self.0.send(Some(job));
    }

    /// Ends the thread after what came before.
    pub fn stop(&self) {
        let _ = self.0.send(None);
    }
}

/// A channel to an apply thread.
pub fn channel() -> (ApplySender, mpsc::Receiver<Option<ApplyJob>>) {
    let (sender, receiver) = mpsc::channel();
    (ApplySender(sender), receiver)
}

/// One machine and what it reports to.
pub struct Hosted {
    /// The machine.
    pub machine: Machine,
    /// What other threads see of it.
    pub group: Arc<GroupShared>,
}

/// The thread's state.
pub struct Applier {
    /// The machines.
    pub machines: BTreeMap<GroupId, Hosted>,
    /// The executor's inbox.
    pub inbox: Inbox,
    /// The clock.
    pub clock: Clock,
    /// What all threads share.
    pub shared: Arc<NodeShared>,
}

impl Applier {
    /// The thread's body: runs until it is stopped.
    pub fn run(mut self, jobs: &mpsc::Receiver<Option<ApplyJob>>) {
        let mut effects = Vec::new();
        let mut waiting = None;
        loop {
            let next = match waiting.take() {
                Some(job) => Ok(Some(job)),
                None => jobs.recv_timeout(self.idle_time()),
            };
            match next {
                Ok(None) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Some(job)) => {
                    let (joined, following) = join(job, jobs);
                    self.step(joined, &mut effects);
                    match following {
                        Following::Job(job) => waiting = Some(job),
                        Following::Nothing => {}
                        Following::Stop => return,
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            // After every job, so that a queue which is never empty starves no watcher and no lease.
            self.tick(&mut effects);
        }
    }

    /// How long there is nothing to do if no job comes.
    fn idle_time(&self) -> Duration {
        let deadline = self.machines.values().filter_map(|hosted| hosted.machine.next_deadline()).min();
        deadline.map_or(IDLE, |deadline| self.clock.until(deadline)).min(IDLE)
    }

    fn tick(&mut self, effects: &mut Vec<MachineEffect>) {
        let now = self.clock.now();
        let is_due = |hosted: &Hosted| hosted.machine.next_deadline().is_some_and(|deadline| deadline <= now);
        let due: Vec<GroupId> =
            self.machines.iter().filter(|(_, hosted)| is_due(hosted)).map(|(group, _)| *group).collect();
        for group in due {
            self.step(ApplyJob { group, input: MachineInput::Tick }, effects);
        }
    }

    fn step(&mut self, job: ApplyJob, effects: &mut Vec<MachineEffect>) {
        let now = self.clock.now();
        let Some(hosted) = self.machines.get_mut(&job.group) else { return };
        let applies = matches!(job.input, MachineInput::Apply { .. });
        let replaces = matches!(job.input, MachineInput::StoreSnapshot { .. });
        if let Err(failure) = hosted.machine.step(now, job.input, effects) {
            let failure = NodeFailure::Machine {
                keyspace: hosted.group.name.as_str().into(),
                detail: failure.to_string().into(),
            };
            tracing::error!("{failure}");
            self.shared.failure.send_replace(Some(failure));
            self.machines.remove(&job.group);
            effects.clear();
            self.report(Input::MachineFailed { group: job.group });
            return;
        }
        hosted.group.set_slow_watchers(hosted.machine.slow_watchers());
        if applies {
            self.shared.meters.applied(self.clock.now().since(now));
        }
        if replaces {
            hosted.group.set_persist_handle(hosted.machine.persist_handle());
        }
        let group = hosted.group.clone();
        self.execute(&group, effects);
    }

    fn execute(&self, group: &GroupShared, effects: &mut Vec<MachineEffect>) {
        let id = group.id;
        let mut messages = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                MachineEffect::Publish { view, clock_offset_ns } => group.publish(view, clock_offset_ns),
                MachineEffect::Answer { sequence, answer } => {
                    self.shared.waiters.end(sequence, End::Answered(answer));
                }
                MachineEffect::Applied { index, term, answered, clock_offset_ns } => {
                    self.report(Input::Applied { group: id, index, term, answered, clock_offset_ns });
                }
                MachineEffect::Checkpoint { index, hash } => {
                    self.report(Input::Checkpoint { group: id, index, hash });
                }
                MachineEffect::Propose { command, term } => {
                    self.report(Input::Propose { group: id, command, term });
                }
                MachineEffect::Watch { stream, message } => messages.push((stream, message)),
                MachineEffect::SnapshotStored { index, sequence } => {
                    self.report(Input::SnapshotStored { group: id, index, sequence });
                }
            }
        }
        if !messages.is_empty() {
            group.deliver(messages.into_iter());
        }
    }

    fn report(&self, input: Input) {
        // A closed inbox means that the node is being stopped.
        let _ = self.inbox.completions.send(Event::Input(input));
    }
}

/// What stands behind joined jobs.
enum Following {
    Job(ApplyJob),
    Nothing,
    Stop,
}

/// Joins entries that wait behind `job` to it, so that one table commit covers them all.
fn join(mut job: ApplyJob, jobs: &mpsc::Receiver<Option<ApplyJob>>) -> (ApplyJob, Following) {
    if let MachineInput::Apply { entries } = &mut job.input {
        for _ in 0..MAX_JOINED {
            match jobs.try_recv() {
                Ok(Some(ApplyJob { group, input: MachineInput::Apply { entries: mut more } }))
                    if group == job.group =>
                {
                    entries.append(&mut more);
                }
                Ok(Some(other)) => return (job, Following::Job(other)),
                Ok(None) => return (job, Following::Stop),
                Err(_) => break,
            }
        }
    }
    (job, Following::Nothing)
}
