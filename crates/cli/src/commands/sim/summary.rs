//! What a run or a campaign has met, as a table for people and as JSON for programs.

use crate::output::counted;
use quorate_sim::Counts;
use serde_json::{Value, json};
use std::time::Duration;

/// What was run, and how long it took.
pub(super) struct Work<'a> {
    pub(super) seeds: u64,
    pub(super) counts: &'a Counts,
    pub(super) took: Duration,
    pub(super) threads: usize,
}

impl Work<'_> {
    /// The table's rows.
    pub(super) fn rows(&self) -> Vec<(&'static str, String)> {
        let counts = self.counts;
        let simulated = Duration::from_nanos(counts.simulated_ns);
        let mut rows = vec![
            ("simulated", span(simulated)),
            (
                "real time",
                format!(
                    "{} on {}, {:.1} seeds/s",
                    span(self.took),
                    counted(self.threads, "thread", "threads"),
                    self.seeds_per_s()
                ),
            ),
            ("simulated s per real s", format!("{:.0}", self.speed())),
            ("calls/s per thread", grouped(self.calls_per_s() as u64)),
            (
                "calls",
                format!(
                    "{}: {} done, {} failed, {} unknown",
                    grouped(self.calls()),
                    grouped(counts.done),
                    grouped(counts.failed),
                    grouped(counts.unknown)
                ),
            ),
            (
                "messages",
                format!("{}, {} of them lost", grouped(counts.messages), grouped(counts.lost_messages)),
            ),
            ("steps", grouped(counts.steps)),
            ("elections won", grouped(counts.elections)),
            ("snapshots installed", grouped(counts.snapshots)),
            (
                "starts",
                format!(
                    "{}, {} refused for a harmed disk",
                    grouped(counts.starts),
                    grouped(counts.refused_starts)
                ),
            ),
            ("faults", grouped(counts.fault_count())),
        ];
        rows.extend(counts.faults.iter().map(|(name, count)| (*name, format!("  {}", grouped(*count)))));
        rows
    }

    /// The same as JSON.
    pub(super) fn json(&self) -> Value {
        let counts = self.counts;
        json!({
            "seeds": self.seeds,
            "simulated_s": Duration::from_nanos(counts.simulated_ns).as_secs_f64(),
            "real_s": self.took.as_secs_f64(),
            "threads": self.threads,
            "seeds_per_s": self.seeds_per_s(),
            "simulated_s_per_real_s": self.speed(),
            "calls_per_s_per_thread": self.calls_per_s(),
            "calls": { "done": counts.done, "failed": counts.failed, "unknown": counts.unknown },
            "messages": counts.messages,
            "lost_messages": counts.lost_messages,
            "steps": counts.steps,
            "elections": counts.elections,
            "snapshots": counts.snapshots,
            "starts": counts.starts,
            "refused_starts": counts.refused_starts,
            "faults": counts.faults,
        })
    }

    fn calls(&self) -> u64 {
        self.counts.done + self.counts.failed + self.counts.unknown
    }

    fn seeds_per_s(&self) -> f64 {
        per(self.seeds as f64, self.took.as_secs_f64())
    }

    fn speed(&self) -> f64 {
        per(Duration::from_nanos(self.counts.simulated_ns).as_secs_f64(), self.took.as_secs_f64())
    }

    fn calls_per_s(&self) -> f64 {
        per(self.calls() as f64, self.took.as_secs_f64() * self.threads as f64)
    }
}

/// Rows as lines, the second column below one another.
pub(super) fn table(rows: &[(&'static str, String)]) -> String {
    rows.iter().map(|(name, value)| format!("  {name:<24}{value}\n")).collect()
}

fn per(amount: f64, of: f64) -> f64 {
    if of > 0.0 { amount / of } else { 0.0 }
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `4.2 s`, `3 min 20 s`, `2 h 5 min`.
pub(super) fn span(time: Duration) -> String {
    const MINUTE_S: u64 = 60;
    const HOUR_S: u64 = 3_600;
    match time.as_secs() {
        s if s < MINUTE_S => format!("{:.1} s", time.as_secs_f64()),
        s if s < HOUR_S => format!("{} min {} s", s / MINUTE_S, s % MINUTE_S),
        s => format!("{} h {} min", s / HOUR_S, s % HOUR_S / MINUTE_S),
    }
}

#[cfg(test)]
mod tests {
    use super::{Work, grouped, span};
    use quorate_sim::Counts;
    use std::time::Duration;

    #[test]
    fn numbers_and_times_can_be_read() {
        let numbers = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
        let times = [1_250, 200_000, 7_500_000].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(times, ["1.2 s", "3 min 20 s", "2 h 5 min"]);
    }

    #[test]
    fn speeds_are_per_real_second() {
        let counts = Counts { simulated_ns: 60_000_000_000, done: 900, unknown: 100, ..Counts::default() };
        let work = Work { seeds: 10, counts: &counts, took: Duration::from_secs(2), threads: 5 };
        let json = work.json();
        assert_eq!(json["simulated_s_per_real_s"], 30.0);
        assert_eq!(json["calls_per_s_per_thread"], 100.0);
        assert_eq!(json["seeds_per_s"], 5.0);
    }
}
