//! A line on the terminal that says how far a campaign or a shrinking is.

use super::summary::{grouped, span};
use quorate_sim::{campaign, shrink};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(200);
const CLEAR_LINE: &str = "\r\x1b[K";
const BAR_LEN: u64 = 24;

/// The line. Nothing is shown unless the standard error is a terminal. It is gone when this is dropped.
pub(super) struct Line {
    started: Instant,
    /// When it was last drawn; absent where nothing is shown.
    drawn: Option<Mutex<Option<Instant>>>,
}

impl Line {
    /// Nothing is shown yet.
    pub(super) fn new() -> Self {
        let drawn = std::io::stderr().is_terminal().then(|| Mutex::new(None));
        Line { started: Instant::now(), drawn }
    }

    /// How far a campaign is, of so many seeds or of so much time.
    pub(super) fn campaign(&self, progress: &campaign::Progress<'_>, (seeds, time): (u64, Option<Duration>)) {
        self.draw(|elapsed| {
            let seeds_run = progress.seeds_run;
            let (done, all) = match time {
                Some(time) => (elapsed.as_millis() as u64, time.as_millis() as u64),
                None => (seeds_run, seeds),
            };
            let per_s = seeds_run as f64 / elapsed.as_secs_f64();
            let counts = progress.counts;
            let calls = counts.done + counts.failed + counts.unknown;
            format!(
                "{} {} seeds, {per_s:.1}/s, {} simulated, {} faults, {} calls",
                bar(done, all),
                grouped(seeds_run),
                span(Duration::from_nanos(counts.simulated_ns)),
                grouped(counts.fault_count()),
                grouped(calls),
            )
        });
    }

    /// How far a shrinking is.
    pub(super) fn shrinking(&self, progress: &shrink::Progress) {
        self.draw(|_| {
            let size = progress.size;
            format!(
                "{stage}: run {runs} of at most {max}; {nodes} nodes, {faults} faults, {calls} calls, {ms} ms",
                stage = progress.stage,
                runs = grouped(progress.runs),
                max = grouped(progress.max_runs),
                nodes = size.nodes,
                faults = size.faults,
                calls = size.operations,
                ms = size.faulty_ms,
            )
        });
    }

    fn draw(&self, words: impl FnOnce(Duration) -> String) {
        let Some(drawn) = &self.drawn else { return };
        let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.is_none_or(|drawn| drawn.elapsed() >= INTERVAL) {
            *drawn = Some(Instant::now());
            eprint!("{CLEAR_LINE}{}", words(self.started.elapsed()));
            // A terminal that takes no more is no reason to stop.
            drop(std::io::stderr().flush());
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let is_drawn =
            |drawn: &Mutex<Option<Instant>>| drawn.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if self.drawn.as_ref().is_some_and(is_drawn) {
            eprint!("{CLEAR_LINE}");
        }
    }
}

fn bar(done: u64, all: u64) -> String {
    let full = (u128::from(done.min(all)) * u128::from(BAR_LEN)).checked_div(all.into()).unwrap_or_default();
    let full = usize::try_from(full).unwrap_or_default();
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR_LEN as usize - full))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_bar_fills() {
        let full = |done, all| super::bar(done, all).matches('#').count();
        assert_eq!([full(0, 10), full(5, 10), full(10, 10), full(20, 10), full(0, 0)], [0, 12, 24, 24, 0]);
        assert_eq!(full(u64::MAX - 1, u64::MAX), 23);
    }
}
