//! What the tables and the log cost: CPU per commit and per read, memory, disk, and the latency of a synced batch.
//!
//! `cargo run --release -p quorate-storage --example cost -- DIR [KEYS] [MEMTABLE_MIB] [WORKERS]`
//!
//! CPU is that of all threads together, from `/proc/self/task/*/schedstat`, so merging in the background is counted.

use quorate_consensus::raft::{Entry, LogWrite, Payload};
use quorate_storage::{FjallEngine, RealDisk, TableOptions, Wal, WalOptions};
use quorate_table::{Batch, Direction, Engine, TableId, Tables};
use quorate_types::{Bytes, ClusterId, GroupId, LogIndex, NodeId, Rng, Term};
use std::error::Error;
use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const VALUE_BYTES: usize = 300;
const INDEX_VALUE_BYTES: usize = 40;
const TABLES: [TableId; 3] = [TableId(1), TableId(2), TableId(3)];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: cost DIR [KEYS] [MEMTABLE_MIB] [WORKERS]")?;
    let keys: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let mut options = TableOptions::default();
    if let Some(text) = arguments.next() {
        options.memtable_bytes = text.parse::<u64>()? << 20;
    }
    if let Some(text) = arguments.next() {
        options.worker_threads = text.parse()?;
    }
    println!("{options:?}");
    tables(&Path::new(&dir).join("tables"), keys, options)?;
    log(&Path::new(&dir).join("log"))
}

fn tables(dir: &Path, keys: u64, options: TableOptions) -> Result<(), Box<dyn Error>> {
    let engine = FjallEngine::new(dir, options)?;
    let mut tables = engine.open("cost")?;
    let mut rng = Rng::new(1);
    let mut next = 0;
    for (size, rounds) in [(1, 50_000), (16, 10_000), (128, keys.saturating_sub(210_000) / 128)] {
        measure(&format!("commit of {size} puts of 3 rows"), rounds, || {
            tables.commit(puts(&mut rng, next, size))?;
            next += size;
            Ok(())
        })?;
    }
    std::thread::sleep(Duration::from_secs(3));
    println!("{next} keys: {} MiB in use, {} MiB of disk", rss_mib()?, disk_mib(dir)?);
    reads(tables.as_ref(), next, &mut rng)?;
    measure("snapshot, taken and dropped", 100_000, || {
        drop(tables.snapshot());
        Ok(())
    })?;
    measure("persist", 20, || {
        tables.commit(puts(&mut rng, next, 16))?;
        next += 16;
        Ok(tables.persist_handle().persist()?)
    })?;
    println!("at the end {} MiB in use", rss_mib()?);
    drop(tables);
    measure("open again", 1, || engine.open("cost").map(drop).map_err(Into::into))
}

fn reads(tables: &dyn Tables, keys: u64, rng: &mut Rng) -> Result<(), Box<dyn Error>> {
    let snapshot = tables.snapshot();
    measure("get of an existing key", 100_000, || {
        let found = snapshot.get(TABLES[0], &key(rng.below(keys)))?;
        assert!(found.is_some(), "the key was put");
        Ok(())
    })?;
    measure("get of a recent key", 100_000, || {
        let found = snapshot.get(TABLES[0], &key(keys - 1 - rng.below(keys.min(5000))))?;
        assert!(found.is_some(), "the key was put");
        Ok(())
    })?;
    measure("get of a missing key", 100_000, || {
        let missing = [key(rng.below(keys)).as_ref(), b"?"].concat();
        assert!(snapshot.get(TABLES[0], &missing)?.is_none(), "it was never put");
        Ok(())
    })?;
    measure("range of 10", 50_000, || {
        let from = key(rng.below(keys));
        let rows = snapshot.range(TABLES[0], Bound::Included(&from), Bound::Unbounded, Direction::Forward);
        assert!(rows.take(10).all(|row| row.is_ok()), "rows are readable");
        Ok(())
    })
}

/// Keys are spread over the whole key space; the two other tables grow at their ends, as histories do.
fn puts(rng: &mut Rng, first: u64, count: u64) -> Batch {
    let mut batch = Batch::new();
    for number in first..first + count {
        let noise: Vec<u8> = (0..VALUE_BYTES / 8)
            .flat_map(|_| (rng.next_u64() & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes())
            .collect();
        batch.put(TABLES[0], key(number), Bytes::from(noise));
        let row = Bytes::copy_from_slice(&number.to_be_bytes());
        batch.put(TABLES[1], row.clone(), Bytes::from(vec![1; INDEX_VALUE_BYTES]));
        batch.put(TABLES[2], row, Bytes::from(vec![2; INDEX_VALUE_BYTES]));
    }
    batch
}

fn key(number: u64) -> Bytes {
    Bytes::from(format!("user/{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn log(dir: &Path) -> Result<(), Box<dyn Error>> {
    let options = WalOptions::new(ClusterId(1), NodeId(1));
    let (mut wal, _) = Wal::open(Arc::new(RealDisk), dir, options)?;
    let payload = Payload::Command(Bytes::from(vec![7; VALUE_BYTES]));
    let mut next = LogIndex(1);
    for size in [1u64, 16, 128] {
        let mut latencies = Vec::new();
        measure(&format!("log append and sync of {size} entries"), 1000, || {
            let started = Instant::now();
            for _ in 0..size {
                let entry = Entry { term: Term(1), index: next, payload: payload.clone() };
                wal.append(GroupId(1), &LogWrite { entries: vec![entry], ..LogWrite::default() })?;
                next = next.next();
            }
            wal.sync()?;
            latencies.push(started.elapsed());
            wal.maintain()?;
            Ok(())
        })?;
        latencies.sort_unstable();
        println!(
            "    latency p50 {:?}, p99 {:?}",
            latencies[latencies.len() / 2],
            latencies[latencies.len() * 99 / 100]
        );
    }
    wal.close()?;
    measure("log opened again", 1, || {
        let (wal, _) = Wal::open(Arc::new(RealDisk), dir, options)?;
        Ok(wal.close()?)
    })
}

fn measure(
    what: &str,
    rounds: u64,
    mut body: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (started, cpu) = (Instant::now(), cpu_time()?);
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        let round = Instant::now();
        body()?;
        longest = longest.max(round.elapsed());
    }
    let wall = started.elapsed().as_secs_f64() * 1e6 / rounds as f64;
    let cpu = (cpu_time()? - cpu).as_secs_f64() * 1e6 / rounds as f64;
    println!("{what}: {wall:.2} µs, {cpu:.2} µs of CPU, longest {longest:?}");
    Ok(())
}

fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir("/proc/self/task")? {
        if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
            let nanos = text.split_whitespace().next().unwrap_or("0").parse()?;
            total += Duration::from_nanos(nanos);
        }
    }
    Ok(total)
}

fn rss_mib() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse::<u64>()? / 1024)
}

fn disk_mib(dir: &Path) -> Result<u64, Box<dyn Error>> {
    use std::os::unix::fs::MetadataExt;
    let mut blocks = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        blocks += if metadata.is_dir() { disk_mib(&entry.path())? << 11 } else { metadata.blocks() };
    }
    Ok(blocks >> 11)
}
