//! Nanoseconds of processor time per put, point read, short range and count, on tables in memory.
//!
//! `cargo run --release -p quorate-kv --example hot_path [KEYS]`
//!
//! A put's lower bound here is one lookup, two hashes of the row and three insertions into ordered maps; what this prints beyond
//! that is to be explained or removed.

use quorate_kv::{Command, KeyRange, Kv, PutRequest, RangeRequest, Stamped, View};
use quorate_table::MemoryTables;
use quorate_types::{Bytes, Rng};
use std::error::Error;
use std::time::Instant;

const VALUE_LEN_BYTES: usize = 256;
const ENTRIES_PER_COMMIT: u64 = 256;
const OPERATIONS: u64 = 200_000;

fn key(number: u64) -> Bytes {
    Bytes::from(format!("/registry/pods/default/pod-{number:08}"))
}

/// Nanoseconds that this thread has run. Where the kernel does not tell, those that have passed, which on a busy machine are more.
fn processor_ns(start: Instant) -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let running = told.and_then(|text| text.split(' ').next()?.parse().ok());
    running.unwrap_or_else(|| start.elapsed().as_nanos() as u64)
}

/// Prints what one of the operations done by `work` costs.
#[expect(clippy::disallowed_methods, reason = "measuring is what this program is for")]
fn measure(
    name: &str,
    operations: u64,
    work: impl FnOnce() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let before = processor_ns(start);
    work()?;
    println!("{name:<32} {:>8} ns", (processor_ns(start) - before) / operations.max(1));
    Ok(())
}

fn put_all(kv: &mut Kv, numbers: impl Iterator<Item = u64>) -> Result<(), Box<dyn Error>> {
    let value = Bytes::from(vec![7; VALUE_LEN_BYTES]);
    for number in numbers {
        let put = PutRequest { key: key(number), value: value.clone(), ..PutRequest::default() };
        let stamped = Stamped { cluster_time_ns: 0, command: Command::Put(put) };
        let (index, term) = kv.applied();
        kv.apply(index.next(), term, Some(&stamped))?;
        if index.0 % ENTRIES_PER_COMMIT == 0 {
            kv.commit()?;
        }
    }
    kv.commit()?;
    Ok(())
}

fn read_all(name: &str, view: &View, requests: &[RangeRequest]) -> Result<(), Box<dyn Error>> {
    measure(name, requests.len() as u64, || {
        for request in requests {
            std::hint::black_box(view.range(request)?);
        }
        Ok(())
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let keys: u64 = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let mut rng = Rng::new(1);
    let mut kv = Kv::open(Box::new(MemoryTables::new()))?;

    measure("put, new key", keys, || put_all(&mut kv, 0..keys))?;
    measure("put, old key", OPERATIONS, || put_all(&mut kv, (0..OPERATIONS).map(|_| rng.below(keys))))?;

    let view = kv.view();
    let past = view.revision().0 - 1000;
    let mut requests = |count: u64, make: &dyn Fn(u64) -> RangeRequest| -> Vec<RangeRequest> {
        (0..count).map(|_| make(rng.below(keys))).collect()
    };
    let one = |number| RangeRequest { range: KeyRange::one(key(number)), ..RangeRequest::default() };
    let open = |number| RangeRequest {
        range: KeyRange { key: key(number), end: Bytes::from_static(&[0]) },
        limit: 10,
        ..RangeRequest::default()
    };
    read_all("get", &view, &requests(OPERATIONS, &one))?;
    read_all(
        "get, 1000 revisions ago",
        &view,
        &requests(OPERATIONS, &|n| RangeRequest { revision: past, ..one(n) }),
    )?;
    read_all("range, 10 of many, with count", &view, &requests(20_000, &open))?;
    read_all("count", &view, &requests(20_000, &|n| RangeRequest { count_only: true, ..open(n) }))?;
    read_all(
        "the same, 1000 revisions ago",
        &view,
        &requests(1000, &|n| RangeRequest { revision: past, ..open(n) }),
    )?;
    Ok(())
}
