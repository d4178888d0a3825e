//! `cargo xtask check-speed`: how long `quorate check` takes, and how much memory, as histories grow.
//!
//! Histories are generated from seeds, correct ones, because those are the slow ones: a violation ends a search early. Each is
//! written to a file and judged by the release binary as a user would, so that reading the file counts.

use quorate_check::format;
use quorate_check::generate::{self, Objects, Transactions};
use quorate_check::history::History;
use quorate_check::level::Level;
use quorate_check::model::Kind;
use quorate_check::txn;
use serde_json::Value;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const SEED: u64 = 1;
const PROCESSES: [u32; 3] = [5, 20, 50];
const MANY_HISTORIES: usize = 100;
const TIME_LIMIT: &str = "300s";
const MEMORY_LIMIT: &str = "8G";

/// Measures everything and prints tables. `--max N` leaves out histories of more than N operations.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let max = match arguments {
        [] => usize::MAX,
        [flag, max] if flag == "--max" => max.parse().map_err(|_| "--max wants a number".to_owned())?,
        _ => return Err("usage: cargo xtask check-speed [--max OPERATIONS]".to_owned()),
    };
    crate::steps::cargo(root, &["build", "--release", "--locked", "-p", "quorate-cli"], &[])?;
    let bench = Bench { binary: root.join("target/release/quorate"), dir: root.join("target/check-speed") };
    std::fs::create_dir_all(&bench.dir).map_err(|error| format!("{}: {error}", bench.dir.display()))?;
    bench.many()?;
    println!(
        "\n| history | level | operations | processes | ms | µs per operation | of it reading, ms | peak MiB |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|");
    bench.objects(max)?;
    bench.transactions(max)
}

struct Bench {
    binary: PathBuf,
    dir: PathBuf,
}

impl Bench {
    /// A hundred histories of eighty operations, in one call.
    fn many(&self) -> Result<(), String> {
        let mut paths = Vec::new();
        for seed in 0..MANY_HISTORIES as u64 {
            let options = Objects { ops: 80, domain: 5, ..Objects::new(Kind::Register, seed) };
            paths.push(self.write(&format!("many-{seed}"), &generate::objects(&options))?);
        }
        let started = Instant::now();
        let output =
            Command::new(&self.binary).args(["check", "--level", "linearizable"]).args(&paths).output();
        let took = started.elapsed();
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        println!("{MANY_HISTORIES} histories of 80 operations, one process: {} ms in all", took.as_millis());
        Ok(())
    }

    fn objects(&self, max: usize) -> Result<(), String> {
        /// How many operations one key gets.
        const ALL: usize = usize::MAX;
        let cases = [
            ("register, each value once", Kind::Register, 0, ALL),
            ("register, five values", Kind::Register, 5, ALL),
            ("kv, five values, 100 operations a key", Kind::Kv, 5, 100),
        ];
        for (name, kind, domain, ops_per_key) in cases {
            for ops in [100, 1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|ops| *ops <= max) {
                for processes in PROCESSES {
                    let options = Objects {
                        ops,
                        processes,
                        keys: (ops / ops_per_key).max(1) as u32,
                        domain,
                        plain: true,
                        ..Objects::new(kind, SEED)
                    };
                    let path = self.write("objects", &generate::objects(&options))?;
                    self.measure(name, Level::Linearizable, &path, (ops, processes))?;
                }
            }
        }
        Ok(())
    }

    fn transactions(&self, max: usize) -> Result<(), String> {
        let processes = 20;
        // Registers do not tell the order of their versions: more of them is a search that may not end in time.
        let cases = [
            ("list-append", txn::Kind::ListAppend, 1_000_000),
            ("rw-register", txn::Kind::RwRegister, 100_000),
        ];
        for (name, kind, most) in cases {
            let max = max.min(most);
            for txns in [10_000, 100_000, 1_000_000].into_iter().filter(|txns| *txns <= max) {
                let options = Transactions { txns, processes, keys: 20, ..Transactions::new(kind, SEED) };
                let path = self.write("transactions", &generate::transactions(&options))?;
                for level in [Level::Serializable, Level::StrictSerializable] {
                    self.measure(name, level, &path, (txns, processes))?;
                }
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, history: &History) -> Result<PathBuf, String> {
        let path = self.dir.join(name).with_extension("edn");
        let write = || {
            let mut out = BufWriter::new(File::create(&path)?);
            format::write_edn(history, &mut out)?;
            out.flush()
        };
        write().map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    fn measure(
        &self,
        name: &str,
        level: Level,
        path: &Path,
        (ops, processes): (usize, u32),
    ) -> Result<(), String> {
        let limits = ["--time", TIME_LIMIT, "--memory", MEMORY_LIMIT, "--level", level.name()];
        let output = Command::new(&self.binary).args(["check", "--json"]).args(limits).arg(path).output();
        let output = output.map_err(|error| error.to_string())?;
        let said: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
        let number = |field: &str| said[field].as_u64().unwrap_or_default();
        let (answer, took_ms) = (said["answer"].as_str().unwrap_or("nothing"), number("took_ms"));
        let per_op_us = took_ms as f64 * 1e3 / ops as f64;
        let (reading_ms, peak_mib) = (number("read_ms"), number("peak_memory_bytes") >> 20);
        let remark = if answer == "holds" { String::new() } else { format!(" ({answer})") };
        println!(
            "| {name} | {level} | {ops} | {processes} | {took_ms}{remark} | {per_op_us:.2} | {reading_ms} | {peak_mib} |"
        );
        Ok(())
    }
}
