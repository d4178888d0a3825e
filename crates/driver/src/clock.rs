//! The one place where time is read.

use quorate_types::Time;
use std::time::{Duration, Instant};

/// A monotonic clock that starts with the process part that made it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts one second ago, so that moments a little before the start can be expressed.
    #[must_use]
    pub fn start() -> Self {
        Clock { start: Instant::now() }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from_millis(1000) + self.start.elapsed()
    }

    /// The same moment for the operating system's timers.
    #[must_use]
    pub fn instant(&self, time: Time) -> Instant {
        self.start + Duration::from_nanos(time.0.saturating_sub(Time::from_millis(1000).0))
    }

    /// How long until `time`; zero if it has passed.
    #[must_use]
    pub fn until(&self, time: Time) -> Duration {
        time.since(self.now())
    }
}
