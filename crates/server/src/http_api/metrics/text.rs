//! Prometheus' text format.

use quorate_driver::Counted;
use std::fmt::{Display, Write};
use std::time::Duration;

/// The text under construction.
pub(super) struct Text(String);

impl Text {
    pub(super) fn new() -> Self {
        Text(String::with_capacity(16 << 10))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// Opens a family; its samples follow.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample, with its labels in braces.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// A family of one value that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    /// A family of one value that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, "", value);
    }

    /// The samples of a histogram, in seconds; `label` without braces, empty for none.
    pub(super) fn histogram(&mut self, name: &str, label: &str, counted: &Counted) {
        let comma = if label.is_empty() { "" } else { "," };
        for (bound, count) in &counted.upto {
            let bound = seconds(*bound);
            let _ = writeln!(self.0, "{name}_bucket{{{label}{comma}le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(self.0, "{name}_bucket{{{label}{comma}le=\"+Inf\"}} {}", counted.count);
        let labels = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        self.sample(&format!("{name}_sum"), &labels, seconds(counted.sum));
        self.sample(&format!("{name}_count"), &labels, counted.count);
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::Text;
    use quorate_driver::Counted;
    use std::time::Duration;

    #[test]
    fn text_format() {
        let mut text = Text(String::new());
        text.gauge("a", "What.", 1);
        text.sample("b", "{c=\"d\"}", 2);
        assert_eq!(text.0, "# HELP a What.\n# TYPE a gauge\na 1\nb{c=\"d\"} 2\n");
    }

    #[test]
    fn histograms_are_in_seconds() {
        let ms = Duration::from_millis;
        let counted = Counted { upto: vec![(ms(1), 2), (ms(8192), 3)], count: 4, sum: ms(20_500) };
        let mut text = Text(String::new());
        text.histogram("h", "", &counted);
        let expect = "h_bucket{le=\"0.001\"} 2\nh_bucket{le=\"8.192\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 20.5\nh_count 4\n";
        assert_eq!(text.0, expect);
        let mut text = Text(String::new());
        text.histogram("h", "To=\"a\"", &Counted { upto: vec![(ms(1), 0)], count: 0, sum: ms(0) });
        let expect = "h_bucket{To=\"a\",le=\"0.001\"} 0\nh_bucket{To=\"a\",le=\"+Inf\"} 0\nh_sum{To=\"a\"} 0\nh_count{To=\"a\"} 0\n";
        assert_eq!(text.0, expect);
    }
}
