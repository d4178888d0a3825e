//! Between clients and nodes: requests that wait, and watch streams.

use super::noise::Topic;
use super::{Event, Local, MS, World};
use crate::client::{Ask, Asked, RequestId, StreamTold, Told};
use crate::violation::Invariant;
use quorate_kv::watch::{StreamId, WatchMessage};
use quorate_kv::{Command, PutRequest};
use quorate_node::declaration::DEFAULT_GROUP;
use quorate_node::{Answer, Input, MachineInput, ReadRequest, RequestFailure, WriteRequest};
use quorate_types::{NodeId, Time};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A node tells its client of a missed deadline at most so much later.
const LATENESS: Duration = Duration::from_millis(300);
/// One request of so many is refused at once while no leader is known.
const REQUIRES_LEADER_CHANCE: u64 = 16;
/// A round of requests is gathered for at most so long.
const ROUND_MAX_NS: u64 = 20 * MS;
/// The last requests of a run have numbers from here on; clients stay far below.
const FIRST_PROBE: RequestId = 1 << 40;
/// How long the last requests are waited for by their node.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A request that waits for its end.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    node: NodeId,
    is_write: bool,
}

/// The requests that wait.
#[derive(Default)]
pub struct Requests {
    waiting: BTreeMap<RequestId, Waiting>,
    probes: u64,
    /// What clients want and nobody has looked at yet.
    asks: VecDeque<Ask>,
    /// Whether clients heard something, so that they may want to be called at another time.
    were_told: bool,
    is_over: bool,
}

impl Requests {
    /// Takes those out that wait at `node`.
    pub fn take_of(&mut self, node: NodeId) -> Vec<RequestId> {
        let gone: Vec<RequestId> =
            self.waiting.iter().filter(|(_, waiting)| waiting.node == node).map(|(id, _)| *id).collect();
        for request in &gone {
            self.waiting.remove(request);
        }
        gone
    }

    /// Whether any request waits.
    #[must_use]
    pub fn are_open(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What of these still waits, in words.
    #[must_use]
    pub fn open_among(&self, requests: [RequestId; 2]) -> Option<&'static str> {
        let open = requests.iter().find_map(|request| self.waiting.get(request))?;
        Some(if open.is_write { "write" } else { "read" })
    }
}

impl World {
    /// Sees to it that clients are called when they want to be.
    pub(super) fn schedule_clients(&mut self) {
        if self.requests.is_over {
            return;
        }
        if let Some(due) = self.clients.next_due() {
            let at = due.max(self.now);
            if self.clients_at.is_none_or(|scheduled| at < scheduled) {
                self.clients_at = Some(at);
                self.agenda.put(at, Event::Clients);
            }
        }
    }

    pub(super) fn ask_due(&mut self) {
        if self.requests.is_over {
            return;
        }
        let mut asks = Vec::new();
        self.clients.on_due(self.now, &mut self.trace, &mut asks);
        self.ask_all(asks);
        self.schedule_clients();
    }

    /// Takes in what clients ask. It is looked at once the present event is over: a node's effects come before new requests.
    pub(super) fn ask_all(&mut self, asks: Vec<Ask>) {
        self.requests.asks.extend(asks);
    }

    /// Hands on what clients ask, and what they ask when that is answered at once.
    pub(super) fn drain_asks(&mut self) {
        while let Some(ask) = self.requests.asks.pop_front() {
            self.ask(ask);
        }
        if std::mem::take(&mut self.requests.were_told) {
            self.schedule_clients();
        }
    }

    /// From now on clients begin no new calls.
    pub(super) fn stop_clients(&mut self) {
        self.requests.is_over = true;
    }

    fn ask(&mut self, Ask { node, what }: Ask) {
        match what {
            Asked::Write { request, command, timeout } => self.write(node, request, (command, timeout)),
            Asked::Read { request, timeout } => self.read(node, request, timeout),
            Asked::Look { request } => self.look(node, request),
            Asked::OpenStream { client } => self.open_stream(node, client),
            Asked::Watch { client, request } => {
                let Some(stream) = self.stream_of(node, client) else { return };
                let now = self.now;
                self.oracle.on_watch_asked(now, node, client, &request);
                self.queue_machine(node, MachineInput::Watch { stream, request });
            }
            Asked::CloseStream { client } => {
                let Some(stream) = self.stream_of(node, client) else { return };
                self.host(node).up().streams.remove(&client);
                self.oracle.on_stream_gone(client);
                self.queue_machine(node, MachineInput::CloseStream { stream });
            }
        }
    }

    /// When a client is to have heard of a request, unless its node is stopped meanwhile.
    fn due(&self, timeout: Duration) -> Time {
        self.now + timeout + timeout / 8 + LATENESS
    }

    fn write(&mut self, node: NodeId, request: RequestId, (command, timeout): (Command, Duration)) {
        if !self.is_up(node) {
            return self.tell(request, Told::Gone { sent: false });
        }
        quorate_kv::validate(&command).expect("clients ask what may be asked");
        let (now, due) = (self.now, self.due(timeout));
        self.oracle.on_asked(now, node, request, (&command, due));
        self.requests.waiting.insert(request, Waiting { node, is_write: true });
        let deadline = self.hosts[&node].clock.local(now) + timeout;
        let require_leader = self.requires_leader(node, request);
        let write = WriteRequest { sequence: request, command, deadline, require_leader };
        self.host(node).up().round.0.push(write);
        self.schedule_round(node);
    }

    fn read(&mut self, node: NodeId, request: RequestId, timeout: Duration) {
        if !self.is_up(node) {
            return self.tell(request, Told::Gone { sent: false });
        }
        let (now, due) = (self.now, self.due(timeout));
        self.oracle.on_read_asked(now, node, request, due);
        self.requests.waiting.insert(request, Waiting { node, is_write: false });
        let deadline = self.hosts[&node].clock.local(now) + timeout;
        let require_leader = self.requires_leader(node, request);
        let read = ReadRequest { sequence: request, deadline, require_leader };
        self.host(node).up().round.1.push(read);
        self.schedule_round(node);
    }

    /// The first request of a round decides when it is over; those that come meanwhile go with it, as the executor gathers them.
    fn schedule_round(&mut self, node: NodeId) {
        let round = &self.host(node).up().round;
        if round.0.len() + round.1.len() == 1 {
            let mut rng = self.decide(Topic::Round, node);
            let wait = if rng.chance(1, 4) { rng.below(ROUND_MAX_NS) } else { 0 };
            let at = Time(self.now.0 + wait);
            self.schedule_local(node, at, Local::Round);
        }
    }

    /// The node takes in what was asked of it meanwhile.
    pub(super) fn finish_round(&mut self, node: NodeId) {
        let (writes, reads) = std::mem::take(&mut self.host(node).up().round);
        self.step(node, Input::Requests { group: DEFAULT_GROUP, writes, reads });
    }

    /// Some clients would rather hear at once that nobody leads.
    fn requires_leader(&mut self, node: NodeId, request: RequestId) -> bool {
        request < FIRST_PROBE && self.decide(Topic::Client, node).chance(1, REQUIRES_LEADER_CHANCE)
    }

    fn look(&mut self, node: NodeId, request: RequestId) {
        let running = self.hosts[&node].running.as_ref().filter(|_| !self.is_paused(node));
        let Some(running) = running else {
            return self.tell(request, Told::Gone { sent: false });
        };
        let view = running.view.clone();
        let now = self.now;
        self.oracle.on_looked(now, node, &view);
        self.tell(request, Told::Readable(view));
    }

    /// A read may be served from what `node` has published.
    pub(super) fn on_readable(&mut self, node: NodeId, request: RequestId) {
        if self.requests.waiting.remove(&request).is_some() {
            let view = self.hosts[&node].running.as_ref().expect("it takes a step").view.clone();
            let now = self.now;
            self.oracle.on_read(now, request, &view);
            self.tell(request, Told::Readable(view));
        }
    }

    pub(super) fn on_answer(&mut self, node: NodeId, request: RequestId, answer: Answer) {
        let now = self.now;
        self.oracle.on_answered(now, node, request, &answer);
        // A machine that applies an entry again after a crash answers again.
        if self.requests.waiting.remove(&request).is_some() {
            self.tell(request, Told::Answered(answer));
        }
    }

    pub(super) fn on_request_failed(&mut self, request: RequestId, failure: RequestFailure) {
        let now = self.now;
        self.oracle.on_failed(now, request, failure);
        if self.requests.waiting.remove(&request).is_some() {
            self.tell(request, Told::Failed(failure));
        }
    }

    pub(super) fn tell(&mut self, request: RequestId, told: Told) {
        if request >= FIRST_PROBE {
            if !matches!(told, Told::Answered(_) | Told::Readable(_)) {
                let words = format!("after healing, a last request ends without an answer: {told:?}");
                self.break_promise(Invariant::Liveness, words);
            }
            return;
        }
        self.requests.were_told = true;
        let mut asks = Vec::new();
        self.clients.on_told(self.now, request, told, &mut self.trace, &mut asks);
        self.ask_all(asks);
    }

    /// Asks `node` for a write and a read, and says by which numbers.
    pub(super) fn probe(&mut self, node: NodeId) -> [RequestId; 2] {
        let first = FIRST_PROBE + self.requests.probes;
        self.requests.probes += 2;
        let put = PutRequest { key: format!("probe/{node}").into(), ..PutRequest::default() };
        self.write(node, first, (Command::Put(put), PROBE_TIMEOUT));
        self.read(node, first + 1, PROBE_TIMEOUT);
        [first, first + 1]
    }

    fn stream_of(&self, node: NodeId, client: u64) -> Option<StreamId> {
        Some(self.hosts.get(&node)?.running.as_ref()?.streams.get(&client)?.0)
    }

    fn open_stream(&mut self, node: NodeId, client: u64) {
        if !self.is_up(node) {
            let asks = self.told_stream(client, StreamTold::Gone);
            return self.ask_all(asks);
        }
        let now = self.now;
        let running = self.host(node).up();
        running.last_stream += 1;
        let stream = StreamId(running.last_stream);
        running.streams.insert(client, (stream, now));
        self.queue_machine(node, MachineInput::OpenStream { stream });
    }

    pub(super) fn told_stream(&mut self, client: u64, told: StreamTold) -> Vec<Ask> {
        self.requests.were_told = true;
        let mut asks = Vec::new();
        self.clients.on_stream(self.now, client, told, &mut self.trace, &mut asks);
        asks
    }

    /// A message leaves for its watching client, which reads in order and now and then slowly.
    pub(super) fn on_watch_message(&mut self, node: NodeId, stream: StreamId, message: WatchMessage) {
        let mut rng = self.decide(Topic::Watcher, node);
        let slow = if rng.chance(1, 16) { rng.below(300 * MS) } else { 0 };
        let at = Time(self.now.0 + rng.below(2 * MS) + slow);
        let streams = &mut self.host(node).up().streams;
        let Some((client, (_, reads_at))) = streams.iter_mut().find(|(_, (id, _))| *id == stream) else {
            return;
        };
        let at = at.max(*reads_at);
        *reads_at = at;
        let client = *client;
        self.schedule_local(node, at, Local::Watched { client, stream, message });
    }

    pub(super) fn on_watched(&mut self, node: NodeId, client: u64, stream: StreamId, message: WatchMessage) {
        if self.stream_of(node, client) != Some(stream) {
            return;
        }
        let (now, len_bytes) = (self.now, message.len_bytes());
        self.oracle.on_watch_told(now, client, &message);
        self.queue_machine(node, MachineInput::Consumed { stream, len_bytes });
        let asks = self.told_stream(client, StreamTold::Message(message));
        self.ask_all(asks);
    }
}
