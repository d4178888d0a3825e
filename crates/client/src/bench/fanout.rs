//! Watch fan-out: every write is seen by every watcher, and each sight of it counts.
//!
//! A write carries the moment of its sending in the first eight bytes of its value. Writers have a connection of their
//! own, so that what is measured is the way from a write to its watchers.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_proto::etcdserverpb as pb;
use quorate_proto::etcdserverpb::watch_request::RequestUnion;
use quorate_types::Rng;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, timeout};

use super::BenchError;
use super::lane::Lane;
use super::run::{FAILURE_PAUSE, Run, call, settle};
use super::tally::Tally;
use super::wire::{Failure, Stream};
use crate::Keys;

/// Once the writers are done, watchers go on until it has been quiet for so long.
const QUIET: Duration = Duration::from_millis(200);

/// Runs writers and watchers until the run is over, and counts deliveries.
pub(super) async fn run(
    run: &Arc<Run>,
    lanes: &[Rc<Lane>],
    watchers: usize,
    puts_per_second: Option<u32>,
) -> Result<Tally, BenchError> {
    let tally = Rc::new(RefCell::new(Tally::new()));
    let mut streams = JoinSet::new();
    for (number, lane) in lanes.iter().enumerate() {
        let share = watchers / lanes.len() + usize::from(number < watchers % lanes.len());
        if share > 0 {
            let stream =
                open(run, lane, share).await.map_err(|kind| BenchError::SetUp { reason: kind.name() })?;
            streams.spawn_local(count_deliveries(Arc::clone(run), stream, Rc::clone(&tally)));
        }
    }
    write(run, puts_per_second, &tally).await;
    streams.join_all().await;
    Ok(tally.replace(Tally::new()))
}

/// A stream with so many watchers, all of them confirmed.
async fn open(run: &Run, lane: &Lane, watchers: usize) -> Result<Stream, Failure> {
    let (mut sender, _) = lane.sender().await?;
    let mut stream = Stream::open(&mut sender, &run.methods.watch).await?;
    let Keys { key, range_end } = Keys::prefix(run.options.prefix.clone());
    let create = pb::WatchCreateRequest { key, range_end, ..Default::default() };
    let request = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    for _ in 0..watchers {
        stream.send(&request)?;
    }
    let mut confirmed = 0;
    while confirmed < watchers {
        let next = timeout(run.options.timeout, stream.receive::<pb::WatchResponse>());
        let response = next.await.unwrap_or(Err(Failure::Timeout))?;
        if response.canceled {
            return Err(Failure::Status(tonic::Code::Cancelled as i32));
        }
        confirmed += usize::from(response.created);
    }
    Ok(stream)
}

async fn count_deliveries(run: Arc<Run>, mut stream: Stream, tally: Rc<RefCell<Tally>>) {
    loop {
        let over = run.is_over(Instant::now());
        let received = timeout(QUIET, stream.receive::<pb::WatchResponse>()).await;
        let response = match received {
            Ok(Ok(response)) => response,
            Ok(Err(kind)) => return settle(&run, &tally, Instant::now(), Instant::now(), Err(kind)),
            Err(_) if over => return,
            Err(_) => continue,
        };
        let now = Instant::now();
        for event in &response.events {
            let value = event.kv.as_ref().map(|kv| &kv.value[..]).unwrap_or_default();
            if let Some(stamp) = value.first_chunk() {
                let sent = run.epoch + Duration::from_nanos(u64::from_le_bytes(*stamp));
                settle(&run, &tally, sent, now, Ok(()));
            }
        }
    }
}

async fn write(run: &Arc<Run>, puts_per_second: Option<u32>, tally: &Rc<RefCell<Tally>>) {
    let lane = Rc::new(Lane::new(run.targets.clone(), 0));
    let pace = puts_per_second.map(|rate| {
        let mut interval = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Rc::new(Mutex::new(interval))
    });
    let mut seeds = Rng::new(run.options.seed);
    let mut writers = JoinSet::new();
    for _ in 0..run.options.in_flight {
        let writer =
            put_in_turn(Arc::clone(run), Rc::clone(&lane), pace.clone(), Rc::clone(tally), seeds.fork());
        writers.spawn_local(writer);
    }
    writers.join_all().await;
}

async fn put_in_turn(
    run: Arc<Run>,
    lane: Rc<Lane>,
    pace: Option<Rc<Mutex<Interval>>>,
    tally: Rc<RefCell<Tally>>,
    mut rng: Rng,
) {
    while let Some(number) = run.take(Instant::now()) {
        if let Some(pace) = &pace {
            pace.lock().await.tick().await;
        }
        let begun = Instant::now();
        let stamp = begun.saturating_duration_since(run.epoch).as_nanos() as u64;
        let body = run.maker.stamped_put(number, &mut rng, stamp);
        if let Err(kind) = call(&run, &lane, &run.methods.put, body).await {
            settle(&run, &tally, begun, Instant::now(), Err(kind));
            tokio::time::sleep(FAILURE_PAUSE).await;
        }
    }
}
