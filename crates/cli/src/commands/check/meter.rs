//! The clock, the memory and the threads that the checkers are given.

use quorate_check::judge::{Allowance, Share};
use quorate_check::limits::{Budget, Exhausted, Limits, Poll, Runner};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at the process's memory.
const MEMORY_LOOK_INTERVAL_MS: u64 = 20;
/// By so much more than it held at a phase's beginning may a process grow that holds more than its limit already: the allocator gives
/// back late what an earlier phase used.
const RETAINED_SLACK_BYTES: u64 = 64 << 20;
/// A history may take this part of the memory: sorting it takes about as much again, and so does judging it.
const READING_PARTS: u64 = 2;
/// A phase after which others come may take the time that is left, divided by this.
const PARTS: u32 = 2;

/// What judging one file may take: time from its start, memory of the whole process.
pub(super) struct Meter {
    started: Instant,
    time: Duration,
    memory_bytes: u64,
    /// When the current phase must end, in milliseconds from the start.
    phase_end_ms: AtomicU64,
    memory_look_ms: AtomicU64,
    /// What the process held when the phase began: what an earlier phase has given back may still be counted as held.
    phase_memory_bytes: AtomicU64,
    phase: Mutex<String>,
}

impl Meter {
    /// Starts the clock.
    pub(super) fn start(time: Duration, memory_bytes: u64) -> Self {
        let phase_end_ms = AtomicU64::new(u64::MAX);
        let [memory_look_ms, phase_memory_bytes] = [const { AtomicU64::new(0) }; 2];
        let phase = Mutex::new(String::new());
        Meter {
            started: Instant::now(),
            time,
            memory_bytes,
            phase_end_ms,
            memory_look_ms,
            phase_memory_bytes,
            phase,
        }
    }

    /// What is being done, and since when the file is worked on.
    pub(super) fn progress(&self) -> (String, Duration) {
        (self.phase.lock().unwrap_or_else(PoisonError::into_inner).clone(), self.started.elapsed())
    }

    /// Says what is being done, and that it may take all the time that is left.
    pub(super) fn begin(&self, phase: &str) {
        phase.clone_into(&mut self.phase.lock().unwrap_or_else(PoisonError::into_inner));
        let end = self.time.as_millis().try_into().unwrap_or(u64::MAX);
        self.phase_end_ms.store(end, Ordering::Relaxed);
    }

    /// Whether the process holds more memory than it may. Looks now and then only, because a look costs a system call.
    fn is_over_memory(&self, now_ms: u64, limit_bytes: u64) -> bool {
        if now_ms < self.memory_look_ms.load(Ordering::Relaxed) {
            return false;
        }
        self.memory_look_ms.store(now_ms + MEMORY_LOOK_INTERVAL_MS, Ordering::Relaxed);
        resident_bytes().is_some_and(|bytes| bytes > limit_bytes)
    }
}

impl Poll for Meter {
    fn poll(&self) -> Result<(), Exhausted> {
        self.poll_below(self.memory_bytes.max(self.phase_memory_bytes.load(Ordering::Relaxed)))
    }
}

impl Meter {
    fn poll_below(&self, limit_bytes: u64) -> Result<(), Exhausted> {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now_ms >= self.phase_end_ms.load(Ordering::Relaxed) {
            return Err(Exhausted::Time);
        }
        if self.is_over_memory(now_ms, limit_bytes) { Err(Exhausted::Memory) } else { Ok(()) }
    }
}

impl Allowance for Meter {
    fn budget(&self, phase: &str, share: Share) -> Budget<'_> {
        self.begin(phase);
        let held = resident_bytes().unwrap_or(0);
        let retained = if held > self.memory_bytes { held.saturating_add(RETAINED_SLACK_BYTES) } else { 0 };
        self.phase_memory_bytes.store(retained, Ordering::Relaxed);
        if share == Share::Part {
            let elapsed = self.started.elapsed();
            let end = elapsed + self.time.saturating_sub(elapsed) / PARTS;
            self.phase_end_ms.store(end.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        Budget::new(Limits { memory_bytes: self.memory_bytes, poll: self, ..Limits::default() })
    }
}

/// Input that ends with an error as soon as a limit is reached: a file may be too large to be read at all.
pub(super) struct Metered<R> {
    input: R,
    meter: Arc<Meter>,
}

impl<R> Metered<R> {
    /// Reads `input`, watched by `meter`.
    pub(super) fn new(input: R, meter: Arc<Meter>) -> Self {
        Metered { input, meter }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Err(limit) = self.meter.poll_below(self.meter.memory_bytes / READING_PARTS) {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, limit));
        }
        self.input.read(buffer)
    }
}

/// What this process holds in memory, where the system tells.
fn resident_bytes() -> Option<u64> {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

/// Runs jobs on a number of threads.
pub(super) struct Threads(pub(super) usize);

impl Runner for Threads {
    fn run(&self, count: usize, job: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= count {
                    break;
                }
                job(at);
            }
        };
        std::thread::scope(|scope| {
            // This thread works too.
            for _ in 1..self.0.min(count) {
                scope.spawn(work);
            }
            work();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Meter, Threads};
    use quorate_check::judge::{Allowance, Share};
    use quorate_check::limits::{Exhausted, Runner};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[test]
    fn each_job_runs_once() {
        let ran: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
        Threads(4).run(ran.len(), &|at| {
            ran[at].fetch_add(1, Ordering::Relaxed);
        });
        assert!(ran.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn limits_are_noticed() {
        let meter = Meter::start(Duration::ZERO, u64::MAX);
        assert_eq!(meter.budget("anything", Share::Rest).poll(), Err(Exhausted::Time));
        let meter = Meter::start(Duration::MAX, u64::MAX);
        assert_eq!(meter.budget("anything", Share::Rest).poll(), Ok(()));
        let meter = Meter::start(Duration::MAX, 1);
        assert_eq!(meter.poll_below(1), Err(Exhausted::Memory));
        assert_eq!(meter.budget("anything", Share::Rest).hold(2).err(), Some(Exhausted::Memory));
    }
}
