//! Processes of the binary that is tested, and the ports that they get.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// How long a process may take until it says what is waited for, or until it ends.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How much of its log a failed test shows.
const SHOWN_LOG_LINES: usize = 30;

/// The binary.
pub fn quorate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_quorate"))
}

/// Runs the binary until it ends by itself.
pub fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    quorate().args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Whoever holds this runs the only end-to-end test at the moment.
pub struct Turn {
    _held: MutexGuard<'static, ()>,
}

/// Waits for the other tests to end.
pub fn take_turn() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed in its turn has ended its processes all the same.
    Turn { _held: TURN.lock().unwrap_or_else(PoisonError::into_inner) }
}

/// A running process; it is killed when this is dropped.
pub struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    log: PathBuf,
}

impl Process {
    /// Starts the binary. What it writes to standard error is added to the file `log`.
    pub fn start<S: AsRef<OsStr>>(arguments: &[S], log: &Path) -> Self {
        let file = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = quorate();
        command.args(arguments).env_remove("QUORATE_LOG").stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        // Reads on to the end, so that the process never waits for a full pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Process { child, lines, log: log.to_owned() }
    }

    /// Waits until it prints a line with `part`; gives all that it printed up to there.
    pub fn wait_for(&self, part: &str) -> String {
        let deadline = Instant::now() + TIMEOUT;
        let mut text = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("the process ended or did not print {part:?} in time; it printed:\n{text}");
            };
            text += &line;
            text.push('\n');
            if line.contains(part) {
                return text;
            }
        }
    }

    /// Sends a signal, named without its `SIG`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success(), "SIG{name} reaches the process {pid}");
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the process does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Killing fails only for a process that has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(SHOWN_LOG_LINES)..];
            eprintln!("the end of {}:\n{}\n", self.log.display(), shown.join("\n"));
        }
    }
}

/// An address on loopback whose port nobody has. It lies below the ports that the system hands to outgoing connections:
/// one of those could take it while the node that it belongs to is down.
pub fn free_address() -> String {
    const FIRST: u16 = 10_000;
    const PER_PROCESS: u16 = 20;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = FIRST + PER_PROCESS * (std::process::id() % 1000) as u16;
    loop {
        let address = format!("127.0.0.1:{}", first + NEXT.fetch_add(1, Ordering::Relaxed));
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}
