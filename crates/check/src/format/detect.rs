//! Which format a text is in, told from how it begins.

use super::Format;

/// Bytes that are looked at.
pub const LOOK_BYTES: usize = 1 << 16;

/// The format of a text that begins like this, if any is known that does.
pub fn detect(bytes: &[u8]) -> Option<Format> {
    let bytes = &bytes[..bytes.len().min(LOOK_BYTES)];
    if bytes.iter().take(64).any(|byte| *byte == 0) {
        return Some(Format::DbcopBincode);
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{FEFF}');
    let is_comment = |line: &str| line.starts_with(';') || line.starts_with("//");
    let mut rest = text.trim_start();
    while is_comment(rest) {
        if rest.starts_with("//") {
            return Some(Format::DbcopText);
        }
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    let line = rest.lines().next().unwrap_or_default().trim_end();
    if rest.is_empty() {
        // Nothing but comments, if there is anything.
        return (!text.trim().is_empty()).then_some(Format::Edn);
    }
    if text.contains(super::porcupine::LOGGER) && !rest.starts_with(['{', '[', '(', '#']) {
        return Some(Format::PorcupineLog);
    }
    match rest.as_bytes()[0] {
        b'{' => Some(object(rest)),
        b'(' | b'#' | b',' => Some(Format::Edn),
        b'[' => Some(list(&rest[1..])),
        b'=' => Some(Format::Awdit),
        b'-' if line == "---" => Some(Format::DbcopText),
        b'-' if line.bytes().all(|byte| byte == b'-') => Some(Format::Awdit),
        b'r' | b'w' | b'R' | b'W' if rest[1..].trim_start().starts_with('(') => Some(Format::Plume),
        b'r' | b'w' if line.split_whitespace().count() == 3 => Some(Format::Awdit),
        _ => None,
    }
}

/// Of a text that begins with an object or a map.
fn object(text: &str) -> Format {
    if !is_json(text) {
        return Format::Edn;
    }
    if text.starts_with("{\"events\"") || has_key(text, "\"data\"") && has_key(text, "\"events\"") {
        return Format::DbcopJson;
    }
    if has_key(text, "\"ClientId\"") && has_key(text, "\"Call\"") {
        Format::Operations
    } else {
        Format::JsonLines
    }
}

/// Whether a map's first key is text with a colon behind it.
fn is_json(text: &str) -> bool {
    let inside = text[1..].trim_start();
    let after_key = inside.strip_prefix('"').and_then(|rest| rest.split_once('"')).map(|(_, rest)| rest);
    after_key.is_some_and(|rest| {
        let close = rest.starts_with(':');
        let rest = rest.trim_start();
        // In EDN a keyword may follow a key that is text: `{"type" :ok}`.
        rest.strip_prefix(':').is_some_and(|rest| close || !rest.starts_with(char::is_alphabetic))
    })
}

/// Of a text that begins with a bracket, which is cut off.
fn list(inside: &str) -> Format {
    let first = inside.trim_start();
    match first.as_bytes().first() {
        Some(b'{') if is_json(first) => match object(first) {
            Format::JsonLines => Format::Json,
            format => format,
        },
        Some(b'[') if has_key(first, "\"events\"") || first[1..].trim_start().starts_with(']') => {
            Format::DbcopJson
        }
        Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => Format::DbcopText,
        _ => Format::Edn,
    }
}

fn has_key(text: &str, key: &str) -> bool {
    text.contains(key)
}

#[cfg(test)]
mod tests {
    use super::{Format, detect};

    #[test]
    fn each_format_is_recognised() {
        let check =
            |text: &str, expect: Option<Format>| assert_eq!(detect(text.as_bytes()), expect, "{text}");
        for text in [
            "{:type :ok}",
            "; {\"a\": 1}\n\n{:a 1}",
            "[{:a 1}]",
            "({:a 1})",
            "[]",
            "{}",
            "{\"type\" :ok}",
            "#_1 {}",
            "; nothing",
            "[\n]",
        ] {
            check(text, Some(Format::Edn));
        }
        for text in ["{\"type\": \"ok\"}", "{\"type\":\"ok\"}", "{ \"type\" : \"ok\"}", "\u{FEFF}{\"a\":1}"] {
            check(text, Some(Format::JsonLines));
        }
        check("[{\"type\":\"ok\"}]", Some(Format::Json));
        check("[{\"ClientId\":1,\"Call\":2}]", Some(Format::Operations));
        check("{\"ClientId\":1,\"Call\":2}", Some(Format::Operations));
        check("[[{\"events\":[]}]]", Some(Format::DbcopJson));
        check("{\"params\":{},\"data\":[[{\"events\":[]}]]}", Some(Format::DbcopJson));
        check("[x:=1]", Some(Format::DbcopText));
        check("// x\n[x:=1]", Some(Format::DbcopText));
        check("INFO  jepsen.util - 0\t:invoke\t:read\tnil", Some(Format::PorcupineLog));
        check("w(1,2,3,4)", Some(Format::Plume));
        check("r (1,2,3,4)", Some(Format::Plume));
        check("w 1 2", Some(Format::Awdit));
        check("=====\nw 1 2", Some(Format::Awdit));
        check("\0\0\0\0\0\0\0\0", Some(Format::DbcopBincode));
        for text in ["", "hello", "w 1", "<html>", "3"] {
            check(text, None);
        }
    }
}
