//! What a leader does by itself, as flags and in a file; names and meanings are etcd's.

use crate::failure::Failure;
use quorate_driver::{AutoCompaction, Quota, UpkeepOptions};
use std::time::Duration;

/// See the module.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct UpkeepArgs {
    /// Refuse what makes a keyspace grow beyond so many bytes of keys and newest values; 0: no bound [default: 0]
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    pub(crate) quota_backend_bytes: Option<i64>,
    /// Give up history by its age (`periodic`) or by how many revisions it has (`revision`) [default: periodic]
    #[arg(long, value_name = "MODE")]
    pub(crate) auto_compaction_mode: Option<String>,
    /// How much history is kept: a time such as 30m, or a number of hours or of revisions; 0: all of it [default: 0]
    #[arg(long, value_name = "TIME|NUMBER")]
    pub(crate) auto_compaction_retention: Option<String>,
}

impl UpkeepArgs {
    /// What was given here, or else in `file`.
    pub(crate) fn or(self, file: UpkeepArgs) -> UpkeepArgs {
        UpkeepArgs {
            quota_backend_bytes: self.quota_backend_bytes.or(file.quota_backend_bytes),
            auto_compaction_mode: self.auto_compaction_mode.or(file.auto_compaction_mode),
            auto_compaction_retention: self.auto_compaction_retention.or(file.auto_compaction_retention),
        }
    }

    /// The flags that say the same.
    pub(crate) fn flags(&self) -> Vec<String> {
        let bytes = self.quota_backend_bytes.map(|bytes| bytes.to_string());
        let flags = [
            ("--quota-backend-bytes", &bytes),
            ("--auto-compaction-mode", &self.auto_compaction_mode),
            ("--auto-compaction-retention", &self.auto_compaction_retention),
        ];
        flags.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?))).collect()
    }

    /// The node's options. A negative quota is none, as in etcd.
    ///
    /// # Errors
    /// [`Failure`] that names the flag.
    pub(crate) fn options(&self) -> Result<UpkeepOptions, Failure> {
        let len_bytes = u64::try_from(self.quota_backend_bytes.unwrap_or(0)).unwrap_or(0);
        let mode = self.auto_compaction_mode.as_deref().unwrap_or("periodic");
        let retention = self.auto_compaction_retention.as_deref().unwrap_or("0");
        Ok(UpkeepOptions { quota: Quota { len_bytes }, auto_compaction: auto_compaction(mode, retention)? })
    }
}

fn auto_compaction(mode: &str, retention: &str) -> Result<AutoCompaction, Failure> {
    let number: Option<u64> = retention.parse().ok();
    let bad = |expected: &str| {
        Failure::new(format!("--auto-compaction-retention: {retention:?} is not {expected}"))
    };
    match mode {
        _ if number == Some(0) => Ok(AutoCompaction::Off),
        "revision" => {
            let retention = number.ok_or_else(|| bad("a number of revisions, such as 1000"))?;
            Ok(AutoCompaction::Revision { retention })
        }
        "periodic" => {
            let hours = |hours: u64| hours.checked_mul(3600).map(Duration::from_secs);
            let retention = number.map_or_else(|| duration(retention), hours);
            let retention = retention.ok_or_else(|| bad("a time, such as 30m, or a number of hours"))?;
            Ok(AutoCompaction::Periodic { retention })
        }
        _ => Err(Failure::new(format!("--auto-compaction-mode: {mode:?} is neither periodic nor revision"))),
    }
}

const NS_PER_S: u64 = 1_000_000_000;
const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", NS_PER_S),
    ("m", 60 * NS_PER_S),
    ("h", 3600 * NS_PER_S),
];

/// A time as Go writes it: numbers with units, such as `1h30m` or `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut ns: u64 = 0;
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_len);
        let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        let unit_ns = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        ns = ns.checked_add(scaled(number, unit_ns)?)?;
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::from_nanos(ns))
}

/// A decimal number times `unit_ns`, rounded down.
fn scaled(number: &str, unit_ns: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut ns = whole.checked_mul(unit_ns)?;
    let mut digit_ns = unit_ns;
    for digit in part.chars() {
        digit_ns /= 10;
        ns = ns.checked_add(u64::from(digit.to_digit(10)?) * digit_ns)?;
    }
    Some(ns)
}

#[cfg(test)]
mod tests {
    use super::{UpkeepArgs, auto_compaction, duration};
    use quorate_driver::AutoCompaction;
    use std::time::Duration;

    #[test]
    fn times_are_read_as_go_writes_them() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(duration(text), expect.map(Duration::from_millis), "{text}");
        };
        check("1h", Some(3_600_000));
        check("1h30m0.5s", Some(5_400_500));
        check("250ms", Some(250));
        check(".5s", Some(500));
        for bad in ["", "1", "h", "1x", "1.2.3s", ".s", "-1h", "99999999999h"] {
            check(bad, None);
        }
    }

    #[test]
    fn retentions() {
        let check = |mode: &str, retention: &str, expect: Option<AutoCompaction>| {
            assert_eq!(auto_compaction(mode, retention).ok(), expect, "{mode} {retention}");
        };
        let hours = |hours: u64| AutoCompaction::Periodic { retention: Duration::from_secs(hours * 3600) };
        check("periodic", "2", Some(hours(2)));
        check("periodic", "72h", Some(hours(72)));
        check("periodic", "0", Some(AutoCompaction::Off));
        check("revision", "1000", Some(AutoCompaction::Revision { retention: 1000 }));
        check("revision", "1h", None);
        check("periodic", "-1", None);
        check("hourly", "1", None);
    }

    #[test]
    fn flags_say_what_was_given() {
        let args = UpkeepArgs { quota_backend_bytes: Some(-1), ..UpkeepArgs::default() };
        assert_eq!(args.flags(), ["--quota-backend-bytes=-1"]);
        assert_eq!(args.options().expect("a quota alone").quota.len_bytes, 0);
        let file = UpkeepArgs { auto_compaction_retention: Some("1h".to_owned()), ..UpkeepArgs::default() };
        assert_eq!(args.or(file).flags(), ["--quota-backend-bytes=-1", "--auto-compaction-retention=1h"]);
    }
}
