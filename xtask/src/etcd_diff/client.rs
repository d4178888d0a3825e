//! Runs the client against one system, step by step.

use super::mask::{Names, mask};
use super::script::{Call, Step};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread;
use std::time::Duration;

/// A call that does not end by itself has said everything once it was silent for so long.
const SILENCE: Duration = Duration::from_millis(900);

/// Stands in the script for the directory of a system.
const SCRATCH: &str = "SCRATCH";

/// One system's client.
pub struct Client<'a> {
    program: &'a Path,
    endpoint: String,
    scratch: String,
    names: Names,
}

impl<'a> Client<'a> {
    /// A client of the server at `endpoint`, which writes its files to `scratch`.
    pub fn new(program: &'a Path, endpoint: String, scratch: &Path) -> Self {
        Client { program, endpoint, scratch: scratch.display().to_string(), names: Names::default() }
    }

    /// Runs a step. Returns what it said and how it ended, with everything masked that may differ.
    ///
    /// # Errors
    /// That the program does not run.
    pub fn run(&mut self, step: &Step) -> Result<String, String> {
        let Some(meanwhile) = &step.meanwhile else {
            let said = said(&self.to_the_end(&step.call)?);
            if let Some(name) = &step.name {
                self.names.bind(name, &said);
            }
            return Ok(self.mask(&said));
        };
        let mut running = Running::start(self.start(&step.call)?);
        running.wait_for_silence();
        let mut told = String::new();
        for call in meanwhile {
            told.push_str(&said(&self.to_the_end(call)?));
        }
        running.wait_for_silence();
        Ok(self.mask(&(told + &running.stop())))
    }

    fn mask(&self, said: &str) -> String {
        mask(&said.replace(&self.scratch, SCRATCH), &self.names)
    }

    fn start(&self, call: &Call) -> Result<Child, String> {
        let mut command = Command::new(self.program);
        command.args(["--endpoints", &self.endpoint]);
        command.args(
            call.arguments
                .iter()
                .map(|argument| self.names.insert(&argument.replace(SCRATCH, &self.scratch))),
        );
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| self.lost(&source))?;
        let input = self.names.insert(&call.input);
        // A client that has ended, because it dislikes its arguments, reads nothing.
        let _ = child.stdin.as_mut().map(|stdin| stdin.write_all(input.as_bytes()));
        Ok(child)
    }

    fn to_the_end(&self, call: &Call) -> Result<Output, String> {
        self.start(call)?.wait_with_output().map_err(|source| self.lost(&source))
    }

    fn lost(&self, source: &std::io::Error) -> String {
        format!("cannot run {}: {source}", self.program.display())
    }
}

fn said(output: &Output) -> String {
    let end = output.status.code().map_or_else(|| "killed".to_owned(), |code| format!("exit {code}"));
    page(&output.stdout, &output.stderr, &end)
}

/// What was said and how it ended, each on lines of its own.
fn page(out: &[u8], err: &[u8], end: &str) -> String {
    let whole_lines = |bytes: &[u8]| {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str("⏎\n");
        }
        text
    };
    format!("{}{}{end}\n", whole_lines(out), whole_lines(err))
}

/// A client that does not end by itself.
struct Running {
    child: Child,
    /// What it says on each of its outputs; closed once it has ended.
    pieces: Receiver<(Stream, Vec<u8>)>,
    out: Vec<u8>,
    err: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

impl Running {
    fn start(mut child: Child) -> Running {
        let (sender, pieces) = mpsc::channel();
        let (out, err) = (child.stdout.take(), child.stderr.take());
        out.into_iter().for_each(|pipe| forward(Stream::Out, pipe, sender.clone()));
        err.into_iter().for_each(|pipe| forward(Stream::Err, pipe, sender.clone()));
        Running { child, pieces, out: Vec::new(), err: Vec::new() }
    }

    fn wait_for_silence(&mut self) {
        while let Ok((stream, piece)) = self.pieces.recv_timeout(SILENCE) {
            match stream {
                Stream::Out => self.out.extend(piece),
                Stream::Err => self.err.extend(piece),
            }
        }
    }

    /// Stops it, and returns what it said; it may have ended before.
    fn stop(mut self) -> String {
        let ended = matches!(self.pieces.try_recv(), Err(TryRecvError::Disconnected));
        if !ended {
            // Killing fails only for a client that has ended just now.
            let _ = self.child.kill();
        }
        let code = self.child.wait().ok().filter(|_| ended).and_then(|status| status.code());
        let end = code.map_or_else(|| "goes on".to_owned(), |code| format!("exit {code}"));
        page(&self.out, &self.err, &end)
    }
}

fn forward(stream: Stream, mut pipe: impl Read + Send + 'static, sender: Sender<(Stream, Vec<u8>)>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // Ends with the pipe, or when nobody listens any more.
        while let Ok(len_bytes @ 1..) = pipe.read(&mut buffer) {
            if sender.send((stream, buffer[..len_bytes].to_vec())).is_err() {
                break;
            }
        }
    });
}
