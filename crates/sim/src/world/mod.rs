//! A cluster, its clients and its faults in virtual time.
//!
//! The world plays what surrounds a node: threads, disks, network, clocks, clients and the hand that pulls plugs. It carries out the effects
//! of nodes and machines as the driver's threads do, each in its own time, and decides nothing that production decides.
//! **Invariant:** everything that happens follows from the scenario.

mod clock;
mod event;
mod executor;
mod heal;
mod host;
mod lifecycle;
mod log_worker;
mod machine_worker;
pub mod marks;
mod network;
mod noise;
mod requests;
mod strike;
mod words;

use crate::client::Clients;
use crate::oracle::Oracle;
use crate::outcome::Counts;
use crate::scenario::{Link, Scenario};
use crate::trace::{Actor, Event as Happened, Trace, What};
use crate::violation::{Invariant, Violation};
use clock::HostClock;
use event::{Agenda, Event, Local};
use host::Host;
use network::Network;
use noise::{Noise, Topic};
use quorate_consensus::raft::Role;
use quorate_kv::Kv;
use quorate_table::MemoryTables;
use quorate_types::{LogIndex, NodeId, Rng, Time};
use requests::Requests;
use std::collections::BTreeMap;
use strike::Active;

/// Nanoseconds in a millisecond.
const MS: u64 = 1_000_000;
/// Many times what any run takes: a cluster that never falls silent is a bug.
const MAX_STEPS: u64 = 5_000_000;
/// Nodes of a new cluster are not started at once.
const START_SPREAD_MS: u64 = 200;

/// See the module.
pub struct World {
    scenario: Scenario,
    noise: Noise,
    now: Time,
    agenda: Agenda,
    hosts: BTreeMap<NodeId, Host>,
    network: Network,
    /// Messages that wait on clogged links.
    clogged: Vec<(Link, Event)>,
    messages: u64,
    active: BTreeMap<usize, Active>,
    clients: Clients,
    clients_at: Option<Time>,
    requests: Requests,
    oracle: Oracle,
    healed_at: Option<Time>,
    violation: Option<Violation>,
    /// What was met.
    pub counts: Counts,
    /// What happened.
    pub trace: Trace,
}

impl World {
    /// A world before anything has happened. Events are kept if `keep_events`.
    #[must_use]
    pub fn new(scenario: Scenario, keep_events: bool) -> World {
        let noise = Noise(scenario.noise);
        let settings = &scenario.settings;
        let mut kv = Kv::open(Box::new(MemoryTables::new())).expect("memory");
        host::age_machine(&mut kv, LogIndex(settings.first_index));
        let drift_ppm = settings.clocks.iter().map(|clock| clock.drift_ppm.unsigned_abs()).max();
        let hosts = (1..=scenario.nodes).map(|node| {
            let clock = HostClock::new(settings.clocks[node as usize - 1]);
            let seed = noise.of(Topic::Survivors, node, 0).next_u64();
            (NodeId(node), Host::new(NodeId(node), clock, seed))
        });
        let mut world = World {
            noise,
            now: Time(0),
            agenda: Agenda::default(),
            hosts: hosts.collect(),
            network: Network::new(settings.network.clone(), noise),
            clogged: Vec::new(),
            messages: 0,
            active: BTreeMap::new(),
            clients: Clients::new(&scenario),
            clients_at: None,
            requests: Requests::default(),
            oracle: Oracle::new(kv, strike::clocks_are_true(&scenario), drift_ppm.unwrap_or_default()),
            healed_at: None,
            violation: None,
            counts: Counts::default(),
            trace: Trace::new(keep_events),
            scenario,
        };
        world.schedule_all();
        world
    }

    fn schedule_all(&mut self) {
        for id in self.ids() {
            let settings = self.scenario.settings.clone();
            let members = self.ids();
            let host = self.host(id);
            host.age(&settings, &members, Time(MS)).expect("a disk without faults");
            let delay = self.noise.of(Topic::Start, id.0, 0).below(START_SPREAD_MS * MS);
            self.agenda.put(Time(delay), Event::Restart { node: id });
        }
        for (fault, planned) in self.scenario.faults.iter().enumerate() {
            self.agenda.put(Time(1000 * planned.at_us), Event::Strike { fault });
        }
        self.schedule_clients();
    }

    /// Runs both phases and looks at what is left.
    pub fn run(&mut self) {
        let faulty = Time::from_millis(self.scenario.faulty_ms);
        let healing = Time::from_millis(self.scenario.faulty_ms + self.scenario.healing_ms);
        self.run_until(faulty);
        if self.violation.is_some() {
            return;
        }
        self.heal();
        self.run_until(healing);
        if self.violation.is_none() {
            self.check_liveness(healing);
        }
    }

    /// What was found broken first.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// What is left after the run.
    #[must_use]
    pub fn into_parts(self) -> (Clients, Trace, Counts) {
        (self.clients, self.trace, self.counts)
    }

    /// True time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    fn run_until(&mut self, until: Time) {
        while self.violation.is_none()
            && let Some((at, event)) = self.agenda.take(until)
        {
            self.now = self.now.max(at);
            self.handle(event);
            self.drain_asks();
            if self.violation.is_none() {
                self.violation = self.oracle.violation().cloned();
            }
        }
        if self.violation.is_none() {
            self.now = until;
        }
        self.counts.simulated_ns = self.now.0;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Message { to, .. } if self.is_paused(to) => self.hold(to, event),
            Event::Local { node, life, .. } if self.is_paused(node) => {
                if self.hosts[&node].life == life {
                    self.hold(node, event);
                }
            }
            Event::Message { to, from, message, bytes } => self.deliver(to, from, message, bytes),
            Event::Local { node, life, what } => {
                if self.is_up(node) && self.hosts[&node].life == life {
                    self.handle_local(node, what);
                }
            }
            Event::Restart { node } => self.restart(node),
            Event::Strike { fault } => self.strike(fault),
            Event::Cease { fault } => self.cease(fault),
            Event::Strobe { fault, forth } => self.strobe(fault, forth),
            Event::Clients => {
                if self.clients_at == Some(self.now) {
                    self.clients_at = None;
                    self.ask_due();
                }
            }
        }
    }

    fn handle_local(&mut self, id: NodeId, what: Local) {
        match what {
            Local::Tick { at } => self.tick(id, at),
            Local::MachineTick { at } => self.tick_machine(id, at),
            Local::LogDone { count } => self.finish_log(id, count),
            Local::LogReport { write, then } => self.on_log_report(id, write, then),
            Local::Round => self.finish_round(id),
            Local::Housekeeping => self.keep_house(id),
            Local::MachineDone => self.finish_machine(id),
            Local::Report(input) => self.step(id, input),
            Local::Persist => self.begin_persist(id),
            Local::Persisted { index } => self.end_persist(id, index),
            Local::ReadSnapshot { to, index, sequence } => self.read_snapshot(id, to, (index, sequence)),
            Local::Watched { client, stream, message } => self.on_watched(id, client, stream, message),
        }
    }

    fn hold(&mut self, id: NodeId, event: Event) {
        if let Some(held) = &mut self.host(id).held {
            held.push(event);
        }
    }

    fn ids(&self) -> Vec<NodeId> {
        self.hosts.keys().copied().collect()
    }

    fn host(&mut self, id: NodeId) -> &mut Host {
        self.hosts.get_mut(&id).expect("hosts never leave")
    }

    fn is_up(&self, id: NodeId) -> bool {
        self.hosts.get(&id).is_some_and(|host| host.running.is_some())
    }

    fn is_paused(&self, id: NodeId) -> bool {
        self.hosts.get(&id).is_some_and(|host| host.held.is_some())
    }

    /// Whoever leads by the highest term.
    fn leader(&self) -> Option<NodeId> {
        let leaders = self.hosts.values().filter_map(|host| {
            let status = host.running.as_ref()?.node.statuses().next()?;
            (status.role == Role::Leader).then_some((status.term, host.id))
        });
        leaders.max().map(|(_, id)| id)
    }

    /// The generator for the next decision of `id` on `topic`.
    fn decide(&mut self, topic: Topic, id: NodeId) -> Rng {
        let number = self.host(id).decision(topic as u64);
        self.noise.of(topic, id.0, number)
    }

    fn schedule_local(&mut self, id: NodeId, at: Time, what: Local) {
        let life = self.hosts[&id].life;
        self.agenda.put(at.max(self.now), Event::Local { node: id, life, what });
    }

    fn happened(&mut self, actor: Actor, what: What) {
        self.trace.push(Happened { at: self.now, actor, what });
    }

    fn break_promise(&mut self, invariant: Invariant, words: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { invariant, words, at: self.now });
        }
    }

    fn count_step(&mut self) {
        self.counts.steps += 1;
        if self.counts.steps > MAX_STEPS {
            self.break_promise(Invariant::Liveness, "the cluster never falls silent".to_owned());
        }
    }
}
