//! How values on the command line are read.

use std::time::Duration;

/// A time such as `500ms`, `10s`, `2m` or `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "write a number and a unit, such as 500ms or 10s")?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("the unit must be ms, s, m or h"),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or("that is too long")
}

/// The same; a number alone is in seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => duration(text),
    }
}

/// An amount of memory such as `512M` or `8G`.
pub(crate) fn bytes(text: &str) -> Result<u64, &'static str> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "write a number and a unit, such as 512M or 8G")?;
    let shift = match unit {
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return Err("the unit must be K, M or G"),
    };
    number.checked_mul(1 << shift).ok_or("that is too much")
}

/// A lease's id, as this program prints it: in hexadecimal.
pub(crate) fn lease_id(text: &str) -> Result<i64, &'static str> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16)
        .map(u64::cast_signed)
        .map_err(|_| "write the id as it was printed, in hexadecimal")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn durations_need_a_unit() {
        let check = |text, expect: Option<u64>| {
            assert_eq!(super::duration(text).ok(), expect.map(Duration::from_millis), "{text}");
        };
        check("500ms", Some(500));
        check("10s", Some(10_000));
        check("2m", Some(120_000));
        check("1h", Some(3_600_000));
        check("10", None);
        check("s", None);
        check("1.5s", None);
        check("99999999999999999999s", None);
        check("18446744073709551615h", None);
    }

    #[test]
    fn seconds_need_none() {
        assert_eq!(super::seconds("30"), Ok(Duration::from_secs(30)));
        assert_eq!(super::seconds("30ms"), Ok(Duration::from_millis(30)));
        assert!(super::seconds("soon").is_err());
    }

    #[test]
    fn memory_needs_a_unit() {
        let check = |text, expect: Option<u64>| assert_eq!(super::bytes(text).ok(), expect, "{text}");
        check("512M", Some(512 << 20));
        check("4GiB", Some(4 << 30));
        check("1K", Some(1024));
        check("4", None);
        check("G", None);
        check("99999999999999G", None);
    }

    #[test]
    fn lease_ids_are_hexadecimal_of_either_sign() {
        assert_eq!(super::lease_id("12c8a209cc3ae709"), Ok(0x12c8_a209_cc3a_e709));
        assert_eq!(super::lease_id("0xff"), Ok(255));
        assert_eq!(super::lease_id("ffffffffffffffff"), Ok(-1));
        assert!(super::lease_id("xyz").is_err());
    }
}
