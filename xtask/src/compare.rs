//! `cargo xtask compare`: etcd and Quorate side by side, as a page of Markdown.
//!
//! **Problem.** Figures from two machines, or from one machine at two times of day, say nothing about two programs.
//! **Idea.** Three servers of each run on this machine in turn, never at the same time, with whoever goes first
//! changing each round; both get the same load from the same generator; medians over the rounds are compared, and
//! server CPU time per operation beside them, which other work on the machine disturbs least.

use crate::etcd::{self, Binaries, Servers, System};
use crate::steps;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const NODES: usize = 3;
const VALUE_BYTES: &str = "256";
const WORKLOADS: [&str; 2] = ["put", "get"];
/// Connections, and calls in flight on each.
const SHAPES: [(&str, &str); 3] = [("1", "1"), ("8", "1"), ("16", "16")];
const MEMORY_KEYS: &str = "1000000";
/// The leader dies this long after the load begins, which goes on for `OUTAGE_LOAD`.
const OUTAGE_AFTER: Duration = Duration::from_secs(3);
const OUTAGE_LOAD: &str = "12s";

const USAGE: &str = "\
options:
  --rounds N        rounds of each (3)
  --seconds N       measured seconds of each load (5)
  --memory          also write a million distinct keys and report resident memory
  --outage          also kill the leader under load and report the longest gap between writes
  --only etcd|quorate
  --binary FILE     take this quorate instead of building one
  --out FILE        write the Markdown there instead of printing it";

struct Options {
    rounds: usize,
    seconds: String,
    memory: bool,
    outage: bool,
    systems: Vec<System>,
    binary: Option<PathBuf>,
    out: Option<PathBuf>,
}

/// A figure's name: workload, shape, and what was measured.
type Name = (&'static str, String, &'static str);

/// All measurements.
#[derive(Default)]
struct Figures {
    /// The figures in the order in which they came up.
    names: Vec<Name>,
    values: BTreeMap<(System, Name), Vec<f64>>,
}

impl Figures {
    fn add(&mut self, system: System, name: Name, value: f64) {
        if !self.names.contains(&name) {
            self.names.push(name.clone());
        }
        self.values.entry((system, name)).or_default().push(value);
    }

    fn median(&self, system: System, name: &Name) -> Option<f64> {
        self.values.get(&(system, name.clone())).map(|values| median(values))
    }
}

/// Runs the comparison.
///
/// # Errors
/// What could not be built, fetched, started or measured.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let options = parse(arguments)?;
    let quorate = match &options.binary {
        Some(binary) => binary.clone(),
        None => build(root)?,
    };
    let binaries = Binaries { etcd: etcd::fetch(root)?, quorate };
    let dir = root.join("target/compare");
    let mut figures = Figures::default();
    for round in 0..options.rounds {
        let mut systems = options.systems.clone();
        systems.rotate_left(round % options.systems.len());
        for system in systems {
            eprintln!("round {} of {}: {system:?}", round + 1, options.rounds);
            let servers = Servers::start(system, &binaries, &dir, NODES)?;
            measure_loads(system, &servers, &binaries, &options, &mut figures)?;
            drop(servers);
            if options.outage {
                measure_outage(system, &binaries, &dir, &mut figures)?;
            }
            if options.memory && round == 0 {
                measure_memory(system, &binaries, &dir, &mut figures)?;
            }
        }
    }
    let page = render(&options, &figures);
    match &options.out {
        Some(file) => {
            std::fs::write(file, page).map_err(|source| format!("cannot write {}: {source}", file.display()))
        }
        None => {
            print!("{page}");
            Ok(())
        }
    }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options {
        rounds: 3,
        seconds: "5s".to_owned(),
        memory: false,
        outage: false,
        systems: vec![System::Etcd, System::Quorate],
        binary: None,
        out: None,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value\n{USAGE}"));
        let number = |text: &String| match text.parse::<usize>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("{argument} takes a number from 1 on")),
        };
        match argument.as_str() {
            "--rounds" => options.rounds = number(value()?)?,
            "--seconds" => options.seconds = format!("{}s", number(value()?)?),
            "--memory" => options.memory = true,
            "--outage" => options.outage = true,
            "--binary" => options.binary = Some(value()?.into()),
            "--out" => options.out = Some(value()?.into()),
            "--only" => {
                options.systems = match value()?.as_str() {
                    "etcd" => vec![System::Etcd],
                    "quorate" => vec![System::Quorate],
                    other => return Err(format!("{other:?} is neither etcd nor quorate")),
                }
            }
            other => return Err(format!("unknown option {other:?}\n{USAGE}")),
        }
    }
    Ok(options)
}

fn build(root: &Path) -> Result<PathBuf, String> {
    steps::cargo(
        root,
        &["build", "--locked", "--release", "--package", "quorate-cli", "--bin", "quorate"],
        &[],
    )?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(root.join(target).join("release/quorate"))
}

fn measure_loads(
    system: System,
    servers: &Servers,
    binaries: &Binaries,
    options: &Options,
    figures: &mut Figures,
) -> Result<(), String> {
    for workload in WORKLOADS {
        for (connections, in_flight) in SHAPES {
            let shape = ["--connections", connections, "--in-flight", in_flight];
            let pids = servers.pids();
            let rest = ["--duration", &options.seconds, "--server-pids", &pids];
            let report = finish(bench(&binaries.quorate, servers, workload, &[&shape[..], &rest].concat())?)?;
            let shape = format!("{connections} × {in_flight}");
            let values = [
                ("per second", &report["per_second"]),
                ("p50 µs", &report["latency"]["p50_us"]),
                ("p99 µs", &report["latency"]["p99_us"]),
                ("server CPU µs", &report["server"]["cpu_us_per_op"]),
                ("generator CPU µs", &report["client_cpu_us_per_op"]),
            ];
            for (name, value) in values {
                let value = value.as_f64().ok_or_else(|| format!("the report has no {name}"))?;
                figures.add(system, (workload, shape.clone(), name), value);
            }
            if report["errors"] != serde_json::json!({}) {
                eprintln!("{system:?}, {workload} {shape}: errors {}", report["errors"]);
            }
        }
    }
    Ok(())
}

fn measure_outage(
    system: System,
    binaries: &Binaries,
    dir: &Path,
    figures: &mut Figures,
) -> Result<(), String> {
    let mut servers = Servers::start(system, binaries, dir, NODES)?;
    let load = ["--connections", "8", "--in-flight", "1", "--timeout", "1s", "--duration", OUTAGE_LOAD];
    let running = bench(&binaries.quorate, &servers, "put", &load)?;
    thread::sleep(OUTAGE_AFTER);
    let killed = servers.kill_leader(&binaries.quorate);
    let report = finish(running)?;
    killed?;
    let gap = report["longest_gap_ms"].as_f64().ok_or("the report has no gap")?;
    figures.add(system, ("put, leader killed", "8 × 1".to_owned(), "longest gap ms"), gap);
    Ok(())
}

fn measure_memory(
    system: System,
    binaries: &Binaries,
    dir: &Path,
    figures: &mut Figures,
) -> Result<(), String> {
    let servers = Servers::start(system, binaries, dir, NODES)?;
    let pids = servers.pids();
    let load = [
        "--server-pids",
        &pids,
        "--count",
        MEMORY_KEYS,
        "--keys",
        MEMORY_KEYS,
        "--distribution",
        "sequential",
    ];
    let report = finish(bench(&binaries.quorate, &servers, "put", &load)?)?;
    let rss = report["server"]["rss_bytes"].as_array().ok_or("the report has no memory")?;
    let mib = rss.iter().filter_map(Value::as_f64).sum::<f64>() / NODES as f64 / f64::from(1 << 20);
    let what = "put, a million keys";
    figures.add(system, (what, String::new(), "RSS MiB per node"), mib);
    let rate = report["per_second"].as_f64().ok_or("the report has no rate")?;
    figures.add(system, (what, String::new(), "per second"), rate);
    Ok(())
}

/// Starts the load generator.
fn bench(quorate: &Path, servers: &Servers, workload: &str, arguments: &[&str]) -> Result<Child, String> {
    let mut command = Command::new(quorate);
    command.args([
        "bench",
        workload,
        "--json",
        "--value-size",
        VALUE_BYTES,
        "--endpoints",
        &servers.endpoints(),
    ]);
    command.args(arguments).stdout(Stdio::piped());
    command.spawn().map_err(|source| format!("cannot run {}: {source}", quorate.display()))
}

fn finish(bench: Child) -> Result<Value, String> {
    let output =
        bench.wait_with_output().map_err(|source| format!("the load generator is lost: {source}"))?;
    if !output.status.success() {
        return Err("the load generator failed; its words are above".to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|source| format!("the load generator's report: {source}"))
}

fn render(options: &Options, figures: &Figures) -> String {
    let mut page = String::new();
    let mut line = |text: String| writeln!(page, "{text}").expect("a String takes everything");
    line(format!(
        "{NODES} nodes on one machine, values of {VALUE_BYTES} bytes, medians of {} rounds of {} each. etcd is {}.\n",
        options.rounds,
        options.seconds,
        etcd::PACKAGE.rsplit("==").next().unwrap_or_default(),
    ));
    line("| load | connections × in flight | | etcd | Quorate | Quorate / etcd |".to_owned());
    line("|---|---|---|---:|---:|---:|".to_owned());
    for name in &figures.names {
        let (etcd, quorate) = (figures.median(System::Etcd, name), figures.median(System::Quorate, name));
        let ratio =
            etcd.zip(quorate).map_or_else(String::new, |(etcd, quorate)| format!("{:.2}", quorate / etcd));
        let cell = |value: Option<f64>| value.map_or_else(String::new, readable);
        line(format!(
            "| {} | {} | {} | {} | {} | {ratio} |",
            name.0,
            name.1,
            name.2,
            cell(etcd),
            cell(quorate)
        ));
    }
    page
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

fn readable(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::{Figures, System, median, parse, render};

    #[test]
    fn medians() {
        let check =
            |values: &[f64], expect: f64| assert!((median(values) - expect).abs() < 1e-9, "{values:?}");
        check(&[3.0], 3.0);
        check(&[9.0, 1.0, 5.0], 5.0);
        check(&[4.0, 1.0, 2.0, 9.0], 3.0);
    }

    #[test]
    fn a_ratio_needs_both_systems() {
        let options = parse(&["--rounds".to_owned(), "1".to_owned()]).expect("well-formed");
        let name = ("put", "1 × 1".to_owned(), "per second");
        let mut figures = Figures::default();
        figures.add(System::Etcd, name.clone(), 100.0);
        assert!(render(&options, &figures).contains("| put | 1 × 1 | per second | 100 |  |  |"));
        figures.add(System::Quorate, name, 250.0);
        assert!(render(&options, &figures).contains("| put | 1 × 1 | per second | 100 | 250 | 2.50 |"));
    }

    #[test]
    fn wrong_options_are_told() {
        let check = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            parse(&arguments).err().expect("it is wrong")
        };
        assert!(check(&["--rounds"]).contains("needs a value"));
        assert!(check(&["--rounds", "0"]).contains("from 1 on"));
        assert!(check(&["--only", "redis"]).contains("neither"));
        assert!(check(&["--fast"]).contains("--seconds"));
    }
}
