//! Random but valid uses of the log, and a model of what it must hold afterwards.

use quorate_consensus::raft::{Configuration, Entry, HardState, LogWrite, Payload, SnapshotMeta};
use quorate_storage::{FaultyDisk, RecoveredGroup, Wal, WalError, WalOptions};
use quorate_types::{Bytes, ClusterId, GroupId, LogIndex, NodeId, Rng, Term};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Where the log lies.
pub const DIR: &str = "/data/log";
const GROUPS: u64 = 3;

/// Small segments, so that a short script sees many.
pub fn options() -> WalOptions {
    WalOptions { segment_bytes: 64 << 10, ..WalOptions::new(ClusterId(7), NodeId(9)) }
}

/// Opens the log on `disk`.
pub fn open(disk: &FaultyDisk) -> Result<(Wal, Groups), WalError> {
    let (wal, recovered) = Wal::open(Arc::new(disk.clone()), Path::new(DIR), options())?;
    Ok((wal, recovered.groups))
}

/// What a log holds, by group.
pub type Groups = BTreeMap<GroupId, RecoveredGroup>;

/// One use of the log.
#[derive(Clone, Debug)]
pub enum Step {
    Append(GroupId, LogWrite),
    Compact(GroupId, LogIndex),
    Sync,
    Maintain,
}

/// What a step means.
pub fn apply(groups: &mut Groups, step: &Step) {
    match step {
        Step::Append(id, write) => {
            let group = groups.entry(*id).or_default();
            if let Some(meta) = &write.reset {
                group.snapshot = meta.clone();
                group.entries.clear();
            }
            group.hard_state = write.hard_state.unwrap_or(group.hard_state);
            if let Some(first) = write.entries.first() {
                group.entries.retain(|entry| entry.index < first.index);
                group.entries.extend(write.entries.iter().cloned());
            }
        }
        Step::Compact(id, upto) => {
            let Some(group) = groups.get_mut(id) else { return };
            let given_up = group.entries.iter().filter(|entry| entry.index <= *upto).count();
            for Entry { term, index, payload } in group.entries.drain(..given_up) {
                (group.snapshot.term, group.snapshot.index) = (term, index);
                if let Payload::Configuration(configuration) = payload {
                    group.snapshot.configuration = configuration;
                }
            }
        }
        Step::Sync | Step::Maintain => {}
    }
}

/// Draws a script that goes on from `groups`.
pub fn draw(rng: &mut Rng, groups: &Groups, len: usize) -> Vec<Step> {
    let mut groups = groups.clone();
    let mut script = Vec::new();
    while script.len() < len {
        // The first group writes early and then falls idle.
        let idle = u64::from(script.len() > len / 5);
        let id = GroupId(rng.between(idle, GROUPS - 1) as u32);
        let group = groups.entry(id).or_default();
        let step = match rng.below(100) {
            0..20 => Step::Sync,
            20..45 => Step::Maintain,
            45..57 => Step::Compact(id, LogIndex(group.snapshot.index.0 + rng.below(40))),
            _ => Step::Append(id, draw_write(rng, group)),
        };
        apply(&mut groups, &step);
        script.push(step);
    }
    script.push(Step::Sync);
    script
}

fn draw_write(rng: &mut Rng, group: &RecoveredGroup) -> LogWrite {
    let floor = group.snapshot.index.0;
    let last = floor + group.entries.len() as u64;
    let term = Term(group.hard_state.term.0.max(1) + rng.below(2));
    match rng.below(20) {
        0..3 => LogWrite { hard_state: Some(draw_hard_state(rng, term)), ..LogWrite::default() },
        3 => {
            let index = LogIndex(last + rng.between(0, 9));
            let configuration = Configuration::of_voters(vec![NodeId(1), NodeId(1 + rng.between(1, 9))]);
            let hard_state = rng.chance(1, 2).then(|| draw_hard_state(rng, term));
            LogWrite {
                reset: Some(SnapshotMeta { index, term, configuration }),
                hard_state,
                entries: Vec::new(),
            }
        }
        4..6 => LogWrite {
            hard_state: Some(draw_hard_state(rng, term)),
            entries: {
                let first = rng.between(floor, last) + 1;
                draw_entries(rng, first, term)
            },
            reset: None,
        },
        _ => LogWrite { entries: draw_entries(rng, last + 1, term), ..LogWrite::default() },
    }
}

fn draw_hard_state(rng: &mut Rng, term: Term) -> HardState {
    HardState { term, vote: rng.chance(1, 2).then_some(NodeId(rng.between(1, 5))) }
}

fn draw_entries(rng: &mut Rng, first: u64, term: Term) -> Vec<Entry> {
    let draw_payload = |rng: &mut Rng| match rng.below(12) {
        0 => Payload::NoOp,
        1 => Payload::Configuration(Configuration::of_voters(vec![NodeId(rng.between(1, 99))])),
        2 => Payload::Command(Bytes::from(vec![rng.next_u64() as u8; rng.between(3000, 12_000) as usize])),
        _ => Payload::Command(Bytes::from(vec![rng.next_u64() as u8; rng.below(300) as usize])),
    };
    (0..rng.between(1, 5))
        .map(|n| Entry { term, index: LogIndex(first + n), payload: draw_payload(rng) })
        .collect()
}

/// How far a script came.
pub struct Run {
    /// What was acknowledged.
    pub acknowledged: Groups,
    /// That, and what was appended since.
    pub written: Groups,
    /// The log, if nothing failed.
    pub outcome: Result<Wal, WalError>,
}

/// Runs a script on a log that holds `groups`, up to the first failure.
pub fn run(mut wal: Wal, groups: &Groups, script: &[Step]) -> Run {
    let (mut acknowledged, mut written) = (groups.clone(), groups.clone());
    for step in script {
        let done = match step {
            Step::Append(group, write) => wal.append(*group, write).map(|()| false),
            Step::Compact(group, upto) => wal.compact(*group, *upto).map(|()| false),
            Step::Sync => wal.sync().map(|()| true),
            Step::Maintain => wal.maintain().map(|_| true),
        };
        match done {
            Ok(durable) => {
                apply(&mut written, step);
                if durable {
                    acknowledged.clone_from(&written);
                }
            }
            Err(error) => {
                assert_stopped(&mut wal, &error);
                return Run { acknowledged, written, outcome: Err(error) };
            }
        }
    }
    Run { acknowledged, written, outcome: Ok(wal) }
}

/// A log that failed says so again, whatever it is asked.
fn assert_stopped(wal: &mut Wal, error: &WalError) {
    let write = LogWrite { hard_state: Some(HardState::default()), ..LogWrite::default() };
    let group = GroupId(1);
    let again =
        [wal.append(group, &write), wal.compact(group, LogIndex(9)), wal.sync(), wal.maintain().map(|_| ())];
    for result in again {
        assert_eq!(result.expect_err("the log has stopped").to_string(), error.to_string());
    }
}
