//! What all threads of a run share, and the two things that every caller does: make a call, and count it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request};
use tokio::time::timeout;

use super::lane::Lane;
use super::request::{Kind, Maker};
use super::tally::{Gap, Tally};
use super::target::Target;
use super::wire::{self, Failure};
use super::{Options, Stop};

/// How long a caller rests after a failure, so that a server that refuses at once is not stormed.
pub(super) const FAILURE_PAUSE: Duration = Duration::from_millis(5);

/// What all threads of a run share.
pub(super) struct Run {
    pub(super) options: Options,
    pub(super) targets: Vec<Target>,
    /// What stamps count from.
    pub(super) epoch: Instant,
    pub(super) maker: Maker,
    pub(super) methods: Methods,
    /// Calls taken so far.
    taken: AtomicU64,
    /// Set once every connection stands.
    window: OnceLock<Window>,
    /// Everyone waits here twice: until all are set up, and until the window is set.
    together: Barrier,
}

/// A prepared request for each method.
pub(super) struct Methods {
    range: Request<()>,
    pub(super) put: Request<()>,
    txn: Request<()>,
    pub(super) watch: Request<()>,
    pub(super) grant: Request<()>,
    pub(super) keep_alive: Request<()>,
}

/// When calls are made and counted.
pub(super) struct Window {
    /// Calls that begin earlier are not counted.
    pub(super) counted_from: Instant,
    /// No call begins later.
    ends: Option<Instant>,
    pub(super) gap: Gap,
}

impl Run {
    pub(super) fn new(options: &Options, targets: &[Target]) -> Self {
        let keyspace = options.keyspace.as_deref().and_then(|name| HeaderValue::from_str(name).ok());
        let method = |path: &str| wire::method(path, &targets[0], keyspace.as_ref());
        Run {
            options: options.clone(),
            targets: targets.to_vec(),
            epoch: Instant::now(),
            maker: Maker::new(options),
            methods: Methods {
                range: method("/etcdserverpb.KV/Range"),
                put: method("/etcdserverpb.KV/Put"),
                txn: method("/etcdserverpb.KV/Txn"),
                watch: method("/etcdserverpb.Watch/Watch"),
                grant: method("/etcdserverpb.Lease/LeaseGrant"),
                keep_alive: method("/etcdserverpb.Lease/LeaseKeepAlive"),
            },
            taken: AtomicU64::new(0),
            window: OnceLock::new(),
            together: Barrier::new(options.threads + 1),
        }
    }

    /// When calls are counted. Only after [`Run::line_up`].
    pub(super) fn window(&self) -> &Window {
        self.window.get().expect("threads pass the second barrier after the window is set")
    }

    /// The next call's number, unless the run is over at `now`.
    pub(super) fn take(&self, now: Instant) -> Option<u64> {
        if self.is_over(now) {
            return None;
        }
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        match self.options.stop {
            Stop::Count(count) if number >= count => None,
            _ => Some(number),
        }
    }

    /// Whether no further call is made.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self.options.stop {
            Stop::After { .. } => self.window().ends.is_some_and(|ends| now >= ends),
            Stop::Count(count) => self.taken.load(Ordering::Relaxed) >= count,
        }
    }

    /// Where a load thread waits until all are set up, and then until the window is set.
    pub(super) fn line_up(&self) {
        self.together.wait();
        self.together.wait();
    }

    /// Waits until all load threads are set up, decides when calls are counted, and lets them go.
    pub(super) fn start(&self) -> &Window {
        self.together.wait();
        let now = Instant::now();
        let (counted_from, ends) = match self.options.stop {
            Stop::After { warmup, measured } => (now + warmup, Some(now + warmup + measured)),
            Stop::Count(_) => (now, None),
        };
        let window = Window { counted_from, ends, gap: Gap::begin(counted_from) };
        assert!(self.window.set(window).is_ok(), "a run starts once");
        self.together.wait();
        self.window()
    }

    pub(super) fn method(&self, kind: Kind) -> &Request<()> {
        match kind {
            Kind::Range => &self.methods.range,
            Kind::Put => &self.methods.put,
            Kind::Txn => &self.methods.txn,
        }
    }
}

/// One call on a lane, whose connection is given up if it does not work.
pub(super) async fn call(
    run: &Run,
    lane: &Lane,
    method: &Request<()>,
    body: Bytes,
) -> Result<Bytes, Failure> {
    let (mut sender, generation) = lane.sender().await?;
    let outcome = timeout(run.options.timeout, wire::unary(&mut sender, method, body)).await;
    let outcome = outcome.unwrap_or(Err(Failure::Timeout));
    if matches!(outcome, Err(Failure::Transport | Failure::Timeout)) {
        lane.give_up(generation);
    }
    outcome
}

/// Counts a call that has ended.
pub(super) fn settle(
    run: &Run,
    tally: &RefCell<Tally>,
    begun: Instant,
    ended: Instant,
    outcome: Result<(), Failure>,
) {
    let window = run.window();
    if begun < window.counted_from {
        return;
    }
    match outcome {
        Ok(()) => {
            window.gap.mark(ended);
            tally.borrow_mut().success(ended - begun);
        }
        Err(kind) => tally.borrow_mut().failure(kind),
    }
}
