//! Takes out of an answer what may differ: ids, addresses, times, sizes, the position in the Raft log.
//!
//! Revisions, versions of keys, counts and texts stay as they are.

use serde_json::Value;

/// What stands for anything masked.
const MASK: &str = "…";
/// Fields whose value is another in every cluster, in lower case.
const FIELDS: [&str; 17] = [
    "clusterid",
    "cluster_id",
    "memberid",
    "member_id",
    "id",
    "raftterm",
    "raft_term",
    "raftindex",
    "raftappliedindex",
    "leader",
    "dbsize",
    "dbsizeinuse",
    "took",
    "ttl",
    "endpoint",
    "peerurl",
    "clienturl",
];
/// Words after which a time stands, and what ends it.
const TIMES: [(&str, char); 2] = [("took = ", '\n'), ("remaining(", ')')];
const LOCAL_ADDRESS: &str = "127.0.0.1:";
/// Hexadecimal digits from which on a number is one that was drawn.
const DRAWN_DIGITS: usize = 12;

/// Numbers that were drawn by this system, and what the script calls them.
#[derive(Default)]
pub struct Names(Vec<(String, u64)>);

impl Names {
    /// Gives the first drawn number in `text` a name.
    pub fn bind(&mut self, name: &str, text: &str) {
        let mut words = text.split(|c: char| !c.is_ascii_hexdigit());
        let drawn = words.find(|word| word.len() >= DRAWN_DIGITS);
        if let Some(number) = drawn.and_then(|word| u64::from_str_radix(word, 16).ok()) {
            self.0.push((name.to_owned(), number));
        }
    }

    /// The numbers in place of their names.
    pub fn insert(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, number)| text.replace(name, &format!("{number:x}")))
    }

    /// The names in place of their numbers, in each way to write them.
    fn extract(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, number)| {
            [format!("{number:016x}"), format!("{number:x}"), number.to_string()]
                .iter()
                .fold(text, |text, written| text.replace(written, name))
        })
    }
}

/// An answer without what may differ.
pub fn mask(text: &str, names: &Names) -> String {
    let text: String = text.lines().filter(|line| !is_log(line)).map(|line| mask_line(line) + "\n").collect();
    let text = TIMES.iter().fold(text, |text, (before, end)| mask_after(&text, before, |c| c == *end));
    let text = mask_after(&text, LOCAL_ADDRESS, |c| !c.is_ascii_digit());
    mask_drawn(&names.extract(&text))
}

/// Masks what was drawn and has no name.
fn mask_drawn(text: &str) -> String {
    let is_drawn = |word: &str| {
        (DRAWN_DIGITS..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let pieces = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let masked = pieces.map(|piece| {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_drawn(word) { piece.replace(word, MASK) } else { piece.to_owned() }
    });
    masked.collect()
}

/// The client's own log repeats errors that it also prints.
fn is_log(line: &str) -> bool {
    line.starts_with("{\"level\":")
}

fn mask_line(line: &str) -> String {
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(line) {
        return mask_json(value).to_string();
    }
    // `"Label" : value`, one line per field.
    match line.split_once("\" : ") {
        Some((label, _)) if is_masked(label.trim_start_matches('"')) => format!("{label}\" : {MASK}"),
        _ => line.to_owned(),
    }
}

fn is_masked(field: &str) -> bool {
    FIELDS.contains(&field.to_ascii_lowercase().as_str())
}

fn mask_json(value: Value) -> Value {
    let masked = |(field, value): (String, Value)| {
        // A server's version is text; a key's version is a number, and stays.
        let value = if is_masked(&field) || (field == "version" && value.is_string()) {
            Value::from(MASK)
        } else {
            mask_json(value)
        };
        (field, value)
    };
    match value {
        Value::Object(fields) => Value::Object(fields.into_iter().map(masked).collect()),
        Value::Array(values) => Value::Array(values.into_iter().map(mask_json).collect()),
        other => other,
    }
}

/// Masks what stands between each `before` and the next character that `ends` it.
fn mask_after(text: &str, before: &str, ends: impl Fn(char) -> bool) -> String {
    let mut pieces = text.split(before);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(&ends).unwrap_or(piece.len());
        out.extend([before, MASK, &piece[end..]]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Names, mask};

    fn check(text: &str, expect: &str) {
        assert_eq!(mask(text, &Names::default()), expect);
    }

    #[test]
    fn what_may_differ_is_masked() {
        check("OK\n", "OK\n");
        check(
            r#"{"header":{"cluster_id":9,"revision":5},"kvs":[{"version":1}]}"#,
            "{\"header\":{\"cluster_id\":\"…\",\"revision\":5},\"kvs\":[{\"version\":1}]}\n",
        );
        check(r#"{"version":"3.5.1"}"#, "{\"version\":\"…\"}\n");
        check("\"RaftTerm\" : 7\n\"Revision\" : 3\n", "\"RaftTerm\" : …\n\"Revision\" : 3\n");
        check("127.0.0.1:23 is healthy: took = 1.2ms\nx", "127.0.0.1:… is healthy: took = …\nx\n");
        check(
            "granted with TTL(5s), remaining(4s), attached",
            "granted with TTL(5s), remaining(…), attached\n",
        );
        check("president/3ac3e9bf6b81c2b\n", "president/…\n");
        check("{\"level\":\"warn\"}\nError: no\n", "Error: no\n");
    }

    #[test]
    fn drawn_numbers_have_one_name() {
        let mut names = Names::default();
        names.bind("LEASE", "lease 0cd0000000000001 granted with TTL(5s)");
        assert_eq!(names.insert("lease revoke LEASE"), "lease revoke cd0000000000001");
        let written = format!("0cd0000000000001 cd0000000000001 {}", 0x0cd0_0000_0000_0001_u64);
        assert_eq!(mask(&written, &names), "LEASE LEASE LEASE\n");
        names.bind("NONE", "Error: face");
        assert_eq!(names.insert("NONE"), "NONE");
    }
}
