//! How a command can fail: one line that says what happened and what to do, and an exit code that scripts can test.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use quorate_client::Error;
use quorate_client::bench::BenchError;

/// The exit codes, as `--help` shows them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused, or failed on this machine; nothing was changed
  2  the command line is wrong
  3  no server could be reached; nothing was changed
  4  the answer to a write was lost; it may or may not have happened
  5  the key or lease does not exist";

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}{advice}", advice = advice(.0))]
    Client(#[from] Error),
    #[error("{0}{cause}; check --endpoints and that the server runs", cause = cause(.0))]
    Bench(#[from] BenchError),
    #[error("there is no key '{0}'")]
    NoSuchKey(String),
    #[error("there is no lease {0:x}")]
    NoSuchLease(i64),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    BadInput(String),
    #[error("{0}")]
    Stopped(String),
    #[error("cannot write to {path}: {source}", path = .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("cannot read or print: {0}")]
    Stdio(#[from] io::Error),
}

impl Failure {
    /// What kept a command from going on, in one line that says what to do.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Failure::Stopped(reason.into())
    }

    /// Prints the one line, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        // Whoever reads the output may stop early, as `head` does.
        if matches!(self, Failure::Stdio(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        eprintln!("quorate: {self}");
        ExitCode::from(self.exit_code())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_)
            | Failure::Client(Error::NoEndpoint | Error::BadEndpoint { .. } | Error::BadHeader { .. })
            | Failure::Bench(BenchError::BadEndpoint { .. }) => 2,
            Failure::BadInput(_)
            | Failure::Client(Error::Unavailable { .. })
            | Failure::Bench(BenchError::Unreachable { .. }) => 3,
            Failure::Client(Error::OutcomeUnknown { .. }) => 4,
            Failure::NoSuchKey(_) | Failure::NoSuchLease(_) | Failure::Client(Error::LeaseGone { .. }) => 5,
            Failure::Client(_)
            | Failure::Bench(_)
            | Failure::Stopped(_)
            | Failure::File { .. }
            | Failure::Stdio(_) => 1,
        }
    }
}

fn advice(error: &Error) -> &'static str {
    match error {
        Error::Unavailable { .. } => "; check --endpoints and that a quorum of the servers runs",
        Error::OutcomeUnknown { .. } => "; read it back before you try again",
        Error::Compacted { .. } => "; read the keys, then watch from there on",
        Error::NoEndpoint => "; give --endpoints HOST:PORT",
        _ => "",
    }
}

fn cause(error: &BenchError) -> String {
    std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default()
}
