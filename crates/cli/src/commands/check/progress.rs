//! A line on the terminal that says what a long check is doing.

use super::meter::Meter;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// What takes less than this needs no line.
const FIRST: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(200);
const CLEAR_LINE: &str = "\r\x1b[K";

/// Shows the line until it is dropped. Nothing is shown unless the standard error is a terminal.
pub(super) struct Progress {
    shown: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to show what a meter's phases are.
    pub(super) fn show(name: &str, meter: &Arc<Meter>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Progress { shown: None };
        }
        let (stop, stopped) = channel::<()>();
        let (name, meter) = (name.to_owned(), Arc::clone(meter));
        let thread = std::thread::spawn(move || {
            let mut wait = FIRST;
            let mut is_drawn = false;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let (phase, elapsed) = meter.progress();
                eprint!("{CLEAR_LINE}{name}: {phase}, {} s", elapsed.as_secs());
                // A terminal that takes no more is no reason to stop checking.
                drop(std::io::stderr().flush());
                (wait, is_drawn) = (INTERVAL, true);
            }
            if is_drawn {
                eprint!("{CLEAR_LINE}");
            }
        });
        Progress { shown: Some((stop, thread)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.shown.take() {
            drop(stop);
            // The thread ends as soon as its channel is closed; if it panicked, the line is lost and nothing else.
            drop(thread.join());
        }
    }
}
