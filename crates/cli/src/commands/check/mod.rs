//! `quorate check`: what a history proves.

mod judged;
mod meter;
mod progress;
mod streamed;

use crate::args;
use crate::failure::Failure;
use judged::Judged;
use meter::{Meter, Metered, Threads};
use progress::Progress;
use quorate_check::explain;
use quorate_check::format::{self, BadInput, Format, Loaded, Reason};
use quorate_check::history::History;
use quorate_check::judge::{self, BadHistory, Settings};
use quorate_check::level::Level;
use quorate_check::subject::Subject;
use quorate_check::verdict::Answer;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use streamed::Streamed;

/// Bad input ends with this code, and so does a wrong command line: 2 means that nothing was decided.
pub(crate) const BAD_INPUT: u8 = 3;
/// Files are read in pieces of this size.
const READ_LEN_BYTES: usize = 1 << 18;

/// Say which consistency models a history satisfies, and why it violates the others.
///
/// Reads Jepsen's EDN, elle-cli's JSON, porcupine's logs, the text formats of Plume, PolySI, dbcop and AWDIT, and our own JSON
/// Lines. Format and model are recognised from the content.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  quorate check history.edn
  quorate check store/*/history.edn
  quorate check history.jsonl --model queue --level linearizable --html why.html
  quorate check big.edn --time 10m --memory 16G --json
  quorate check huge.jsonl --stream --model set
  my-test | quorate check -

Exit codes:
  0  every history holds at the level that was demanded
  1  one violates it
  2  none violates it, but one was not decided within the limits
  3  a file or an argument is wrong")]
pub(crate) struct Args {
    /// Histories; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the operations are: register, queue, list-append, bank, … [default: recognised]
    #[arg(long, short)]
    model: Option<Subject>,
    /// The level that must hold, and the only one that is decided [default: the strongest, and all are decided]
    #[arg(long, short)]
    level: Option<Level>,
    /// How the files are written: jepsen-edn, jsonl, … [default: recognised]
    #[arg(long)]
    format: Option<Format>,
    /// For each file: `30` seconds, `500ms`, `2m`
    #[arg(long, value_name = "S", default_value = "60s", value_parser = args::seconds)]
    time: Duration,
    /// For the whole process: `512M`, `8G`
    #[arg(long, value_name = "M", default_value = "4G", value_parser = args::bytes)]
    memory: u64,
    /// How many threads [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Judge events as they are read, in memory that does not grow with the file: --model register, counter or set
    #[arg(long, requires = "model", conflicts_with = "html")]
    stream: bool,
    /// Print JSON, one object a line for each file
    #[arg(long)]
    json: bool,
    /// Write a page that draws the history and what is wrong with it (of one file)
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        // What keeps the command from its work must not end with the code for a violation.
        self.check_all().map_err(|failure| match failure {
            Failure::Stdio(_) => failure,
            failure => Failure::BadInput(failure.to_string()),
        })
    }

    fn check_all(&self) -> Result<ExitCode, Failure> {
        if self.html.is_some() && self.files.len() > 1 {
            return Err(Failure::BadInput("--html draws one history: give one file".to_owned()));
        }
        let mut worst = Ending::Holds;
        for path in &self.files {
            worst = worst.max(self.check(path)?);
        }
        Ok(ExitCode::from(worst.exit_code()))
    }

    /// Judges one file, and prints what was found.
    fn check(&self, path: &Path) -> Result<Ending, Failure> {
        let name = if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() };
        let meter = Arc::new(Meter::start(self.time, self.memory));
        let progress = Progress::show(&name, &meter);
        if self.stream {
            let streamed = self.judge_stream(path, &name, &meter);
            drop(progress);
            return match streamed {
                Ok(streamed) => {
                    let text = if self.json { format!("{}\n", streamed.json()) } else { streamed.text() };
                    io::stdout().lock().write_all(text.as_bytes())?;
                    Ok(Ending::of(streamed.answer()))
                }
                Err(obstacle) => self.print_obstacle(&name, &obstacle),
            };
        }
        let judged = self.judge(path, &name, &meter);
        drop(progress);
        match judged {
            Ok(judged) => {
                self.print(&judged)?;
                Ok(Ending::of(judged.answer()))
            }
            Err(obstacle) => self.print_obstacle(&name, &obstacle),
        }
    }

    fn judge(&self, path: &Path, name: &str, meter: &Arc<Meter>) -> Result<Judged, Obstacle> {
        let Loaded { mut history, format } = self.load(path, name, meter)?;
        format::split_keys(&mut history);
        let read = meter.progress().1;
        let (subject, chosen) = match self.model {
            Some(subject) => (subject, "as asked".to_owned()),
            None => {
                let inferred = Subject::infer(&history)
                    .map_err(|error| Obstacle::Input(format!("{name}: {error}; give --model")))?;
                (inferred.subject, inferred.because.to_owned())
            }
        };
        let threads = Threads(self.threads.unwrap_or_else(cores));
        let settings = Settings { level: self.level, allowance: &**meter, runner: &threads };
        let demanded = self.level.unwrap_or_else(|| judge::demanded(subject, &history));
        let bad = |bad: BadHistory| Obstacle::Input(at_line(name, &history, &bad));
        let report = judge::judge(&history, subject, settings).map_err(bad)?;
        let confirmed = judge::confirm(&history, subject, &report, &**meter).map_err(bad)?;
        let (name, took) = (name.to_owned(), meter.progress().1);
        Ok(Judged { name, format, history, subject, chosen, demanded, report, confirmed, read, took })
    }

    fn load(&self, path: &Path, name: &str, meter: &Arc<Meter>) -> Result<Loaded, Obstacle> {
        meter.begin("reading");
        let input =
            BufReader::with_capacity(READ_LEN_BYTES, Metered::new(open(path, name)?, Arc::clone(meter)));
        match format::read_from(name, input, self.format) {
            Err(BadInput { reason: Reason::OutOfOrder { .. }, .. }) if !is_stdin(path) => {
                let mut bytes = Vec::new();
                let read = Metered::new(open(path, name)?, Arc::clone(meter)).read_to_end(&mut bytes);
                read.map_err(|error| Obstacle::Input(format!("{name}: {error}")))?;
                format::read_as(name, &bytes, self.format).map_err(Obstacle::from)
            }
            loaded => loaded.map_err(Obstacle::from),
        }
    }

    fn print(&self, judged: &Judged) -> Result<(), Failure> {
        if let Some(path) = &self.html {
            let page = explain::html(&judged.history, &judged.report, &judged.name);
            std::fs::write(path, page).map_err(|source| Failure::File { path: path.clone(), source })?;
        }
        let mut out = io::stdout().lock();
        match (self.json, self.files.len()) {
            (true, _) => writeln!(out, "{}", judged.json())?,
            (false, 1) => out.write_all(judged.text().as_bytes())?,
            (false, _) => writeln!(out, "{}", judged.line())?,
        }
        Ok(())
    }

    fn judge_stream(&self, path: &Path, name: &str, meter: &Arc<Meter>) -> Result<Streamed, Obstacle> {
        let input =
            BufReader::with_capacity(READ_LEN_BYTES, Metered::new(open(path, name)?, Arc::clone(meter)));
        streamed::judge(name, input, self.format, (self.model, self.level), meter)
    }

    fn print_obstacle(&self, name: &str, obstacle: &Obstacle) -> Result<Ending, Failure> {
        if self.json {
            let answer = if obstacle.ending() == Ending::Unknown { "unknown" } else { "bad input" };
            println!(
                "{}",
                serde_json::json!({ "file": name, "answer": answer, "why": obstacle.to_string() })
            );
        } else {
            eprintln!("quorate: {obstacle}");
        }
        io::stdout().flush()?;
        Ok(obstacle.ending())
    }
}

/// How a check ended; the later, the more it counts among several files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Ending {
    Holds,
    Unknown,
    Violated,
    BadInput,
}

impl Ending {
    fn of(answer: Answer) -> Self {
        match answer {
            Answer::Holds => Ending::Holds,
            Answer::Violated => Ending::Violated,
            Answer::Unknown => Ending::Unknown,
        }
    }

    fn exit_code(self) -> u8 {
        match self {
            Ending::Holds => 0,
            Ending::Violated => 1,
            Ending::Unknown => 2,
            Ending::BadInput => BAD_INPUT,
        }
    }
}

/// Why a file was not judged.
#[derive(Debug, thiserror::Error)]
enum Obstacle {
    #[error("{0}")]
    Input(String),
    #[error("{0}: the file was not read to its end; give more by --time or --memory")]
    Limit(String),
}

impl Obstacle {
    fn ending(&self) -> Ending {
        match self {
            Obstacle::Input(_) => Ending::BadInput,
            Obstacle::Limit(_) => Ending::Unknown,
        }
    }
}

impl From<BadInput> for Obstacle {
    fn from(bad: BadInput) -> Self {
        match &bad.reason {
            Reason::Io(error) if error.kind() == io::ErrorKind::QuotaExceeded => {
                Obstacle::Limit(format!("{}: {error}", bad.file))
            }
            _ => Obstacle::Input(bad.to_string()),
        }
    }
}

/// What does not fit the model, with its place in the file.
fn at_line(name: &str, history: &History, bad: &BadHistory) -> String {
    match bad.op().map(|id| history.op(id).lines.call) {
        None | Some(0) => format!("{name}: {bad}"),
        Some(line) => format!("{name}:{line}: {bad}"),
    }
}

fn open(path: &Path, name: &str) -> Result<Box<dyn Read>, Obstacle> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).map_err(|error| Obstacle::Input(format!("{name}: {error}")))?;
    Ok(Box::new(file))
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
