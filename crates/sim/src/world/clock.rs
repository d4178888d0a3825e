//! A host's clock: it starts anywhere, drifts, and jumps.
//!
//! **Invariant:** between two changes local time runs linearly with true time, so each can be computed from the other.

use crate::scenario::ClockSettings;
use quorate_types::Time;

const MILLION: i128 = 1_000_000;

/// See the module.
#[derive(Clone, Debug)]
pub struct HostClock {
    /// The moment of the last change, in true time and as the clock showed it.
    base: (Time, Time),
    drift_ppm: i64,
    /// How it drifts when no fault makes it.
    usual_ppm: i64,
    /// The latest that it has ever shown in this life.
    latest: Time,
}

impl HostClock {
    /// A clock at the start of a run.
    #[must_use]
    pub fn new(settings: ClockSettings) -> Self {
        let shown = Time::from_millis(settings.offset_ms);
        HostClock {
            base: (Time(0), shown),
            drift_ppm: settings.drift_ppm,
            usual_ppm: settings.drift_ppm,
            latest: shown,
        }
    }

    /// What it shows at `now`.
    #[must_use]
    pub fn local(&self, now: Time) -> Time {
        let passed = i128::from(now.0.saturating_sub(self.base.0.0));
        let local = i128::from(self.base.1.0) + passed + passed * i128::from(self.drift_ppm) / MILLION;
        Time(u64::try_from(local.max(0)).unwrap_or(u64::MAX))
    }

    /// When it shows at least `local`, if nothing changes it.
    #[must_use]
    pub fn when(&self, local: Time) -> Time {
        let ahead = i128::from(local.0) - i128::from(self.base.1.0);
        let rate = MILLION + i128::from(self.drift_ppm);
        // Rounded up, so that the clock does show it then.
        let passed = (ahead.max(0) * MILLION + rate - 1) / rate;
        Time(self.base.0.0.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)))
    }

    fn rebase(&mut self, now: Time) {
        let shown = self.local(now);
        self.latest = self.latest.max(shown);
        self.base = (now, shown);
    }

    /// A new life of the node's process: its clock starts at `shown`.
    pub fn restart(&mut self, now: Time, shown: Time) {
        self.base = (now, shown);
        self.latest = shown;
    }

    /// From now on it drifts so, or as usual.
    pub fn set_drift(&mut self, now: Time, ppm: Option<i64>) {
        self.rebase(now);
        self.drift_ppm = ppm.unwrap_or(self.usual_ppm).clamp(-900_000, 10_000_000);
    }

    /// It jumps. It never shows less than 0.
    pub fn jump(&mut self, now: Time, by_ms: i64) {
        self.rebase(now);
        let by_ns = by_ms.saturating_mul(1_000_000);
        self.base.1 = Time(self.base.1.0.saturating_add_signed(by_ns));
        self.latest = self.latest.max(self.base.1);
    }

    /// It is set right: it goes on from the latest that it has shown, and drifts as usual.
    pub fn heal(&mut self, now: Time) {
        self.set_drift(now, None);
        self.base.1 = self.latest;
    }
}

#[cfg(test)]
mod tests {
    use super::HostClock;
    use crate::scenario::ClockSettings;
    use quorate_types::Time;

    fn clock(drift_ppm: i64) -> HostClock {
        HostClock::new(ClockSettings { offset_ms: 1000, drift_ppm })
    }

    #[test]
    fn local_and_true_time_are_computed_from_each_other() {
        for drift in [0, 50_000, -50_000, 333] {
            let mut clock = clock(drift);
            clock.jump(Time::from_millis(5), 70);
            for local_ms in [1080, 2000, 99_999] {
                let local = Time::from_millis(local_ms);
                let at = clock.when(local);
                assert!(clock.local(at) >= local, "{drift}: {local} at {at}");
                assert!(clock.local(Time(at.0 - 2)) < local, "{drift}: not much too late");
            }
        }
    }

    #[test]
    fn a_jump_back_is_healed_to_the_latest_shown() {
        let mut clock = clock(0);
        clock.jump(Time::from_millis(10), -500);
        assert_eq!(clock.local(Time::from_millis(10)), Time::from_millis(510));
        clock.set_drift(Time::from_millis(20), Some(1_000_000));
        assert_eq!(clock.local(Time::from_millis(30)), Time::from_millis(540));
        clock.heal(Time::from_millis(30));
        assert_eq!(clock.local(Time::from_millis(31)), Time::from_millis(1011));
    }
}
