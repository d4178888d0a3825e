//! Threads, connections and the closed loop of calls on them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use quorate_types::Rng;
use tokio::task::{JoinSet, LocalSet};

use super::lane::Lane;
use super::process::{self, Use};
use super::report::{Latency, Report, ServerUse};
use super::run::{FAILURE_PAUSE, Run, call, settle};
use super::tally::Tally;
use super::target::Target;
use super::{BenchError, Options, Workload, fanout, renew, request};

/// Runs the load.
pub(super) fn run(options: &Options, targets: &[Target]) -> Result<Report, BenchError> {
    let run = Arc::new(Run::new(options, targets));
    let spawn = |number| {
        let run = Arc::clone(&run);
        thread::Builder::new().name(format!("load-{number}")).spawn(move || thread_main(&run, number))
    };
    let threads: Vec<_> = (0..options.threads).map(spawn).collect::<Result<_, _>>()?;
    let window = run.start();
    thread::sleep(window.counted_from.saturating_duration_since(Instant::now()));
    let before = look(options);
    let mut total = Tally::new();
    for thread in threads {
        total.merge(&thread.join().expect("load threads do not panic")?);
    }
    let after = look(options);
    let ended = match options.workload {
        // Its watchers listened on until all was quiet.
        Workload::Watch { .. } => window.gap.last(),
        _ => Instant::now(),
    };
    window.gap.mark(ended);
    let elapsed = (ended - window.counted_from).max(Duration::from_nanos(1));
    Ok(report(&run, &total, elapsed, &before?, &after?))
}

/// The generator's and the servers' use of the machine.
fn look(options: &Options) -> std::io::Result<Vec<Use>> {
    let servers = options.server_pids.iter().map(|pid| process::look(&pid.to_string()));
    std::iter::once(process::look("self")).chain(servers).collect()
}

fn report(run: &Run, total: &Tally, elapsed: Duration, before: &[Use], after: &[Use]) -> Report {
    let Options { workload, connections, in_flight, value_bytes, .. } = run.options;
    let operations = total.latency.len();
    let per_op_us = |time: Duration| time.as_secs_f64() * 1e6 / operations.max(1) as f64;
    let cpu: Vec<Duration> =
        before.iter().zip(after).map(|(before, after)| after.cpu.saturating_sub(before.cpu)).collect();
    let server = (cpu.len() > 1).then(|| ServerUse {
        cpu_us_per_op: per_op_us(cpu[1..].iter().sum()),
        rss_bytes: after[1..].iter().map(|seen| seen.rss_bytes).collect(),
    });
    Report {
        workload: name(workload),
        connections,
        in_flight,
        value_bytes,
        operations,
        elapsed_s: elapsed.as_secs_f64(),
        per_second: operations as f64 / elapsed.as_secs_f64(),
        latency: Latency::of(total),
        errors: total.errors.iter().map(|(kind, &count)| (kind.name(), count)).collect(),
        longest_gap_ms: run.window().gap.longest().as_secs_f64() * 1e3,
        client_cpu_us_per_op: per_op_us(cpu[0]),
        server,
    }
}

fn name(workload: Workload) -> String {
    match workload {
        Workload::Put => "put".to_owned(),
        Workload::Get => "get".to_owned(),
        Workload::GetSerializable => "get-serializable".to_owned(),
        Workload::Txn => "txn".to_owned(),
        Workload::Mixed { read_percent } => format!("mixed, {read_percent} % reads"),
        Workload::Watch { watchers, .. } => format!("watch, {watchers} watchers"),
        Workload::Lease => "lease".to_owned(),
    }
}

/// A thread of the run: its share of the connections, and the calls on them.
fn thread_main(run: &Arc<Run>, number: usize) -> Result<Tally, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let local = LocalSet::new();
    let set_up = runtime.map(|runtime| {
        let lanes = local.block_on(&runtime, connect(run, number));
        (runtime, lanes)
    });
    // Whoever could not set up still lines up: the others wait for all.
    run.line_up();
    let (runtime, lanes) = set_up?;
    let lanes = lanes?;
    local.block_on(&runtime, async {
        match run.options.workload {
            Workload::Watch { watchers, puts_per_second } => {
                fanout::run(run, &lanes, watchers / run.options.threads, puts_per_second).await
            }
            Workload::Lease => Ok(renew::run(run, &lanes).await),
            _ => Ok(calls(run, &lanes).await),
        }
    })
}

async fn connect(run: &Arc<Run>, thread: usize) -> Result<Vec<Rc<Lane>>, BenchError> {
    let mut lanes = Vec::new();
    for number in (thread..run.options.connections).step_by(run.options.threads) {
        let lane = Lane::new(run.targets.to_vec(), number);
        let address = lane.target().address;
        lane.connect().await.map_err(|source| BenchError::Unreachable { address, source })?;
        lanes.push(Rc::new(lane));
    }
    Ok(lanes)
}

/// Keeps calls in flight on every lane until the run is over.
async fn calls(run: &Arc<Run>, lanes: &[Rc<Lane>]) -> Tally {
    let tally = Rc::new(RefCell::new(Tally::new()));
    let mut seeds = Rng::new(run.options.seed);
    let mut callers = JoinSet::new();
    for lane in lanes {
        for _ in 0..run.options.in_flight {
            let caller = call_in_turn(Arc::clone(run), Rc::clone(lane), Rc::clone(&tally), seeds.fork());
            callers.spawn_local(caller);
        }
    }
    callers.join_all().await;
    tally.replace(Tally::new())
}

/// One call after another on a lane.
async fn call_in_turn(run: Arc<Run>, lane: Rc<Lane>, tally: Rc<RefCell<Tally>>, mut rng: Rng) {
    let mut now = Instant::now();
    while let Some(number) = run.take(now) {
        let begun = now;
        let (kind, body) = run.maker.call(number, &mut rng);
        let outcome = call(&run, &lane, run.method(kind), body).await;
        let outcome = outcome.and_then(|answer| request::judge(kind, answer));
        now = Instant::now();
        settle(&run, &tally, begun, now, outcome);
        if outcome.is_err() {
            tokio::time::sleep(FAILURE_PAUSE).await;
            now = Instant::now();
        }
    }
}
