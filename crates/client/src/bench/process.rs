//! CPU time and memory of local processes, from Linux's `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

/// Every Linux that runs on our targets counts process time in hundredths of a second towards user space.
const TICKS_PER_SECOND: u64 = 100;
/// Fields of `/proc/PID/stat` after the parenthesised name: the state is number 3, user time 14, system time 15.
const USER_TIME_AFTER_NAME: usize = 14 - 3;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    /// In user mode and in the kernel, by all threads.
    pub(super) cpu: Duration,
    /// Resident now.
    pub(super) rss_bytes: u64,
}

/// Looks at a process; `pid` may be `self`.
pub(super) fn look(pid: &str) -> io::Result<Use> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "/proc is not as expected");
    let cpu = cpu_time(&stat).ok_or_else(malformed)?;
    Ok(Use { cpu, rss_bytes: resident(&status).unwrap_or(0) })
}

fn cpu_time(stat: &str) -> Option<Duration> {
    // The name may hold spaces and parentheses; the last closing one ends it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(USER_TIME_AFTER_NAME);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 9 0 100 1 2";
        assert_eq!(super::cpu_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(super::resident("Name:\tx\nVmRSS:\t   12 kB\n"), Some(12 * 1024));
    }
}
