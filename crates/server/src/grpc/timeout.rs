//! How long a client waits, from the `grpc-timeout` header: up to eight digits and a unit.

use http::HeaderMap;
use std::time::Duration;

const HEADER: &str = "grpc-timeout";
const MAX_DIGITS: usize = 8;

/// The client's patience; `None` if it named none, or none that can be read.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    parse(headers.get(HEADER)?.as_bytes())
}

fn parse(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount = digits.iter().fold(0, |amount: u64, digit| amount * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(amount * 3600)),
        b'M' => Some(Duration::from_secs(amount * 60)),
        b'S' => Some(Duration::from_secs(amount)),
        b'm' => Some(Duration::from_millis(amount)),
        b'u' => Some(Duration::from_micros(amount)),
        b'n' => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn units() {
        let check = |text: &str, expect| assert_eq!(parse(text.as_bytes()), expect, "{text}");
        check("2H", Some(Duration::from_secs(7200)));
        check("3M", Some(Duration::from_secs(180)));
        check("5S", Some(Duration::from_secs(5)));
        check("4999m", Some(Duration::from_millis(4999)));
        check("99999999u", Some(Duration::from_micros(99_999_999)));
        check("0n", Some(Duration::ZERO));
        for bad in ["", "S", "1", "123456789S", "-1S", "1.5S", "1s"] {
            check(bad, None);
        }
    }
}
