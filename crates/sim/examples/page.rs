//! Writes the page of a made-up run, for looking at the page itself: `cargo run -p quorate-sim --example page -- FILE`.
//!
//! Five nodes, three clients, elections, a partition, crashes, a pause, and a promise that breaks. Nothing here is Raft: the events only look
//! like it.

use quorate_consensus::raft::Role;
use quorate_sim::scenario::{
    Bounds, Call, DiskSettings, Fault, FaultKind, NetworkSettings, Operation, Scenario, Settings, Shape,
    Target,
};
use quorate_sim::trace::{Actor, CallOutcome, Event, Story, What};
use quorate_sim::{Invariant, Violation, explain};
use quorate_types::{LogIndex, NodeId, Term, Time};
use std::collections::BTreeMap;

/// Events that are not in order of time yet.
struct Run {
    events: Vec<Event>,
    message: u64,
    noise: u64,
    term: u64,
    index: u64,
    /// Cut off from the others, from and until.
    cut: Vec<(u64, u64, u64)>,
    down: Vec<(u64, u64, u64)>,
}

const MS: u64 = 1_000_000;

impl Run {
    fn below(&mut self, most: u64) -> u64 {
        self.noise =
            self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.noise >> 33) % most
    }

    fn push(&mut self, at: u64, actor: Actor, what: What) {
        self.events.push(Event { at: Time(at), actor, what });
    }

    fn node(&mut self, at: u64, id: u64, what: What) {
        self.push(at, Actor::Node(NodeId(id)), what);
    }

    fn is_in(list: &[(u64, u64, u64)], node: u64, at: u64) -> bool {
        list.iter().any(|(who, from, until)| *who == node && (*from..*until).contains(&at))
    }

    /// A message; when it arrives, if it does.
    fn send(&mut self, at: u64, from: u64, to: u64, kind: &'static str, words: String) -> Option<u64> {
        self.message += 1;
        let (message, term) = (self.message, Term(self.term));
        self.node(at, from, What::Sent { message, to: NodeId(to), kind, term, words });
        let arrives = at + 400_000 + self.below(500_000);
        if Self::is_in(&self.cut, from, at) != Self::is_in(&self.cut, to, at) {
            self.node(at, to, What::Lost { message, why: "cut" });
            return None;
        }
        if self.below(60) == 0 {
            self.node(at, to, What::Lost { message, why: "loss" });
            return None;
        }
        if Self::is_in(&self.down, to, arrives) {
            self.node(arrives, to, What::Lost { message, why: "down" });
            return None;
        }
        self.node(arrives, to, What::Delivered { message, from: NodeId(from) });
        if self.below(50) == 0 {
            let again = arrives + self.below(2 * MS);
            self.node(again, to, What::Delivered { message, from: NodeId(from) });
        }
        Some(arrives)
    }

    fn became(&mut self, at: u64, id: u64, role: Role, leader: Option<u64>) {
        let term = Term(self.term);
        self.node(at, id, What::Became { role, term, leader: leader.map(NodeId) });
    }

    fn is_up(&self, id: u64, at: u64) -> bool {
        !Self::is_in(&self.down, id, at)
    }

    fn elect(&mut self, at: u64, winner: u64) {
        self.became(at, winner, Role::PreCandidate, None);
        let round = |run: &mut Run, at: u64, ask: &'static str, reply: &'static str| {
            for to in (1..=5).filter(|to| *to != winner) {
                let last = run.index;
                if let Some(got) = run.send(at, winner, to, ask, format!("last {last}")) {
                    run.send(got + 50_000, to, winner, reply, "granted".to_owned());
                }
            }
        };
        round(self, at, "PreVote", "PreVoteReply");
        self.term += 1;
        let at = at + 2 * MS;
        self.became(at, winner, Role::Candidate, None);
        round(self, at, "Vote", "VoteReply");
        self.became(at + 2 * MS, winner, Role::Leader, Some(winner));
        for id in (1..=5).filter(|id| *id != winner) {
            if self.is_up(id, at) && !Self::is_in(&self.cut, id, at) {
                self.became(at + 2 * MS + 600_000, id, Role::Follower, Some(winner));
            }
        }
    }

    fn write(&mut self, at: u64, leader: u64, operation: usize, client: u64, outcome: CallOutcome) {
        let words = format!("put r{} = {operation}", operation % 4);
        self.push(at, Actor::Client(client), What::Invoked { operation, words });
        self.index += 1;
        let index = LogIndex(self.index);
        self.node(at + 700_000, leader, What::Persisted { last: index });
        for to in (1..=5).filter(|to| *to != leader) {
            let words = format!("{index}..{index} commit {}", self.index - 1);
            if let Some(got) = self.send(at + 100_000, leader, to, "Append", words) {
                self.node(got + 300_000, to, What::Persisted { last: index });
                self.send(got + 310_000, to, leader, "AppendAccepted", format!("up to {index}"));
                let term = Term(self.term);
                self.node(got + 1_700_000, to, What::Applied { index, term });
            }
        }
        let term = Term(self.term);
        self.node(at + 2_300_000, leader, What::Applied { index, term });
        let words = match outcome {
            CallOutcome::Done => format!("revision {index}"),
            CallOutcome::Failed => "no leader is known".to_owned(),
            CallOutcome::Unknown => "the time ran out".to_owned(),
        };
        let ends = at + 2_400_000 + if outcome == CallOutcome::Unknown { 30 * MS } else { 0 };
        self.push(ends, Actor::Client(client), What::Returned { operation, outcome, words });
    }

    fn lead(&mut self, from: u64, until: u64, leader: u64, next: &mut usize) {
        let mut at = from;
        let mut beat = from;
        while at < until {
            if at >= beat {
                for to in (1..=5).filter(|to| *to != leader) {
                    if let Some(got) =
                        self.send(at, leader, to, "Heartbeat", format!("commit {}", self.index))
                    {
                        self.send(got + 20_000, to, leader, "HeartbeatReply", String::new());
                    }
                }
                beat += 15 * MS;
            }
            let outcome = match self.below(12) {
                0 => CallOutcome::Unknown,
                1 => CallOutcome::Failed,
                _ => CallOutcome::Done,
            };
            self.write(at + MS, leader, *next, 1 + (*next as u64 % 3), outcome);
            *next += 1;
            at += MS + self.below(5 * MS);
        }
    }

    fn ends(&mut self, at: u64, id: u64, until: u64, how: &'static str) {
        self.node(at, id, What::Crashed { how });
        self.down.push((id, at, until));
    }
}

fn run() -> Vec<Event> {
    let (cut, down) = (vec![(1, 120 * MS, 215 * MS), (2, 120 * MS, 215 * MS)], Vec::new());
    let mut run = Run { events: Vec::new(), message: 0, noise: 7, term: 0, index: 1000, cut, down };
    for id in 1..=5 {
        run.node(id * 50_000, id, What::Started { words: "an empty disk".to_owned() });
    }
    let mut next = 0;
    let fault = |run: &mut Run, fault: usize, from: u64, until: Option<u64>| {
        let words = explain::fault_words(&faults()[fault].kind);
        run.push(from, Actor::World, What::FaultBegan { fault, words });
        if let Some(until) = until {
            run.push(until, Actor::World, What::FaultEnded { fault });
        }
    };
    run.ends(70 * MS, 4, 110 * MS, "power");
    fault(&mut run, 0, 70 * MS, Some(110 * MS));
    fault(&mut run, 1, 120 * MS, Some(215 * MS));
    fault(&mut run, 2, 240 * MS, Some(275 * MS));
    fault(&mut run, 3, 260 * MS, None);
    fault(&mut run, 4, 180 * MS, Some(330 * MS));
    run.elect(12 * MS, 1);
    run.lead(18 * MS, 118 * MS, 1, &mut next);
    run.node(110 * MS, 4, What::Started { words: "log up to 1006, tables at 1001".to_owned() });
    run.node(113 * MS, 4, What::Installed { index: LogIndex(1004) });
    run.elect(150 * MS, 3);
    run.lead(156 * MS, 300 * MS, 3, &mut next);
    run.node(290 * MS, 5, What::Crashed { how: "process" });
    run.node(
        302 * MS,
        5,
        What::Refused { words: "the log's batch at 4096 is damaged: checksum 0x1b2c".to_owned() },
    );
    run.push(300 * MS, Actor::World, What::Note { words: "phase two: nodes 2, 3, 4 are healed".to_owned() });
    run.down.push((5, 290 * MS, 400 * MS));
    run.elect(303 * MS, 2);
    run.lead(309 * MS, 341 * MS, 2, &mut next);
    run.became(341 * MS, 3, Role::Leader, Some(3));
    run.events.sort_by_key(|event| event.at);
    run.events.retain(|event| event.at <= Time(341 * MS));
    run.events
}

fn faults() -> Vec<Fault> {
    let sides = [(1, 3), (1, 4), (1, 5), (2, 3), (2, 4), (2, 5)];
    let links = sides.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect();
    let node = Target::Node;
    vec![
        Fault {
            at_us: 70_000,
            for_us: 40_000,
            kind: FaultKind::Crash { target: node(4), after_effects: 0, power: true },
        },
        Fault { at_us: 120_000, for_us: 95_000, kind: FaultKind::Cut { shape: Shape::Halves, links } },
        Fault { at_us: 240_000, for_us: 35_000, kind: FaultKind::Pause { target: node(4) } },
        Fault {
            at_us: 260_000,
            for_us: 0,
            kind: FaultKind::ClockJump { target: Target::Leader, by_ms: -300 },
        },
        Fault {
            at_us: 180_000,
            for_us: 150_000,
            kind: FaultKind::Degrade { loss_per_mille: 16, duplicate_per_mille: 20, slow_us: 2000 },
        },
    ]
}

fn scenario() -> Scenario {
    let operations = (0..40).map(|at| Operation {
        at_us: at * 7000,
        client: 1 + at % 3,
        node: 1,
        call: Call::Get { key: 1 },
    });
    let settings = Settings {
        heartbeat_ms: 15,
        election_min_ms: 60,
        election_max_ms: 120,
        disk_stall_ms: 500,
        lease_reads_ppm: None,
        network: NetworkSettings {
            base_us: 400,
            jitter_us: 500,
            tail_per_mille: 0,
            tail_ms: 0,
            loss_per_mille: 16,
            duplicate_per_mille: 20,
            regions: Vec::new(),
            region_us: 0,
        },
        disk: DiskSettings { sync_max_us: 700, segment_kib: 64, persist_every_ms: 50, max_batch: 16 },
        apply_max_us: 500,
        bounds: Bounds {
            append_bytes: 4096,
            inflight_appends: 4,
            inflight_bytes: 65_536,
            uncommitted_bytes: 65_536,
            pending_reads: 16,
            apply_bytes: 4096,
            apply_entries: 16,
            unapplied_bytes: 65_536,
            log_tail_bytes: 65_536,
            log_tail_entries: 64,
            snapshot_retry_ms: 50,
        },
        clocks: Vec::new(),
        first_index: 1000,
        snapshot_piece_bytes: 4096,
        watch_window_bytes: 4096,
        value_bytes: 0,
    };
    Scenario {
        format: 1,
        note: "made up, to look at the page".to_owned(),
        mistake: Some("leader-without-quorum".to_owned()),
        nodes: 5,
        noise: 7,
        faulty_ms: 300,
        healing_ms: 200,
        core: vec![2, 3, 4],
        settings,
        faults: faults(),
        operations: operations.collect(),
    }
}

fn main() -> std::io::Result<()> {
    let (scenario, events) = (scenario(), run());
    let violation = Violation {
        invariant: Invariant::ElectionSafety,
        words: "nodes 2 and 3 both lead term 3: node 3 took votes that it was given for term 2".to_owned(),
        at: Time(341 * MS),
    };
    let marks = BTreeMap::from([("election won", 3), ("snapshot installed", 1), ("leader cut off", 1)]);
    let story = Story {
        scenario: &scenario,
        violation: Some(&violation),
        events: &events,
        command: "quorate sim --scenario target/sim/seed-4711.toml --html run.html",
        marks: &marks,
    };
    print!("{}", explain::text(&story));
    let path = std::env::args().nth(1).unwrap_or_else(|| "run.html".to_owned());
    std::fs::write(&path, explain::html(&story))
}
