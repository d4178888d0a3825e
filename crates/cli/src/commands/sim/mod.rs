//! `quorate sim`: a whole cluster in virtual time, under faults.

mod campaign;
mod drawn;
mod failing;
mod list;
mod progress;
mod single;
mod summary;

use crate::failure::Failure;
use drawn::Drawn;
use quorate_sim::Scenario;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Bad input ends with this code, and so does a wrong command line: 2 means that nothing was decided.
pub(super) const BAD_INPUT: u8 = 3;
/// What is run without being asked for anything: about half a minute's work.
const DEFAULT_SEEDS: Range<u64> = 0..200;

/// Run a whole cluster in virtual time under faults, and say whether every promise is kept.
///
/// A seed decides a run to the last byte: settings, faults, what clients ask. A run that breaks a promise is run again, made
/// smaller, explained, and saved as a file that replays it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  quorate sim
  quorate sim --seeds 0..5000 --threads 8
  quorate sim --minutes 10 --faults crash,partition --workload register,locks
  quorate sim --seed 17 --html run.html
  quorate sim --seed 17 --trace | less
  quorate sim --scenario quorate-sim-17.toml
  quorate sim --list

Exit codes:
  0  every promise was kept
  1  one was broken, or two runs of a seed differed
  2  none was broken, but a history was not decided, or a listed mark not reached with --require-marks
  3  a file or an argument is wrong")]
pub(crate) struct Args {
    /// Run this seed alone, and show what it did
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "minutes", "scenario"])]
    seed: Option<u64>,
    /// Run these seeds, the last one left out [default: 0..200]
    #[arg(long, value_name = "A..B", value_parser = drawn::seeds, conflicts_with = "scenario")]
    seeds: Option<Range<u64>>,
    /// Run seeds until so many minutes are over
    #[arg(long, value_name = "M", value_parser = drawn::minutes, conflicts_with = "scenario")]
    minutes: Option<Duration>,
    /// Run a saved scenario again; it is made smaller only if --save says where to
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "faults", "workload"])]
    scenario: Option<PathBuf>,
    #[command(flatten)]
    drawn: Drawn,
    /// How many threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a page that draws the run: the one of --seed or --scenario, else the first that breaks a promise
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Where to save the scenario that breaks a promise [default: quorate-sim-SEED.toml]
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Do not make the scenario smaller
    #[arg(long)]
    no_shrink: bool,
    /// At most so many runs to make the scenario smaller
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    shrink_runs: u64,
    /// Print every event of the run
    #[arg(long, conflicts_with_all = ["seeds", "minutes", "json"])]
    trace: bool,
    /// End with code 2 if a situation that cores name was never met: all that are not rare, or the rare ones too
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "usual")]
    require_marks: Option<Marks>,
    /// Print what can be named: faults, workloads, promises and mistakes
    #[arg(long, exclusive = true)]
    list: bool,
}

/// Which situations a campaign must have met.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Marks {
    /// Those that are met once in a hundred seeds or more often.
    Usual,
    /// The rare ones too.
    All,
}

impl Args {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        // What keeps the command from its work must not end with the code for a broken promise.
        self.ending().map(|ending| ExitCode::from(ending.exit_code())).map_err(|failure| match failure {
            Failure::Stdio(_) => failure,
            failure => Failure::BadInput(failure.to_string()),
        })
    }

    fn ending(&self) -> Result<Ending, Failure> {
        if self.list {
            list::print()?;
            return Ok(Ending::Held);
        }
        if let Some(path) = &self.scenario {
            let scenario = self.drawn.planted(read(path)?)?;
            let again = format!("--scenario {}", path.display());
            return single::run(self, &scenario, &again);
        }
        if let Some(seed) = self.seed {
            return single::run(self, &self.drawn.scenario(seed)?, &self.drawn.again(seed));
        }
        if self.trace {
            return Err(Failure::BadInput("--trace prints one run: give --seed or --scenario".to_owned()));
        }
        campaign::run(self)
    }

    /// The seeds of a campaign.
    fn range(&self) -> Range<u64> {
        match (&self.seeds, self.minutes) {
            (Some(seeds), _) => seeds.clone(),
            (None, Some(_)) => 0..u64::MAX,
            (None, None) => DEFAULT_SEEDS,
        }
    }

    fn thread_count(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, |threads| usize::try_from(threads).unwrap_or(usize::MAX))
    }
}

fn read(path: &PathBuf) -> Result<Scenario, Failure> {
    let bad = |why: String| Failure::BadInput(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    Scenario::from_toml(&text).map_err(|error| bad(error.to_string().trim_end().to_owned()))
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    Held,
    Violated,
    Inconclusive,
}

impl Ending {
    fn exit_code(self) -> u8 {
        match self {
            Ending::Held => 0,
            Ending::Violated => 1,
            Ending::Inconclusive => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Ending::Held => "held",
            Ending::Violated => "violated",
            Ending::Inconclusive => "inconclusive",
        }
    }
}
