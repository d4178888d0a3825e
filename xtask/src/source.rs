//! Just enough understanding of Rust text for the tidy rules.
//!
//! A full parser would be exact and slow to build. The rules need three things: the code without comments and
//! literals, the code without tests, and where functions begin and end. Blanking keeps every line in its place, so a
//! position in the blanked text is a position in the file.

/// A function with a body.
#[derive(PartialEq, Eq, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of `fn`, from 1.
    pub line: usize,
    /// From `fn` to the closing brace.
    pub line_count: usize,
}

/// The text with comments and the insides of literals replaced by blanks.
pub fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'\'' => char_end(bytes, at),
            b'r' if !follows_word(bytes, at) => raw_string_end(bytes, at),
            _ => at,
        };
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8(out).expect("blanking replaces whole characters by spaces")
}

/// Blanked code with every `#[cfg(test)]` item blanked as well.
pub fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let start = from + found;
        let end = item_end(code.as_bytes(), start + "#[cfg(test)]".len());
        out[start..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        from = end;
    }
    String::from_utf8(out).expect("blanked code without its tests ends on character borders")
}

/// How many lines the file has outside of its test items.
pub fn line_count_without_tests(text: &str) -> usize {
    let code = blank(text);
    let mut count = text.lines().count();
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let start = from + found;
        let end = item_end(code.as_bytes(), start + "#[cfg(test)]".len());
        count -= text[start..end].lines().count();
        from = end;
    }
    count
}

/// The functions with bodies in blanked code, inner ones too.
pub fn functions(code: &str) -> Vec<Function> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    for at in words(code, "fn") {
        let name: String = code[at + 2..].trim_start().chars().take_while(|c| is_word(*c as u32)).collect();
        // A function type has no name.
        let Some(open) = body_start(bytes, at).filter(|_| !name.is_empty()) else { continue };
        let end = matching_brace(bytes, open);
        found.push(Function {
            name,
            line: line_of(code, at),
            line_count: code[at..end].matches('\n').count() + 1,
        });
    }
    found
}

/// Where `word` stands as a whole word.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let after = code.as_bytes().get(at + word.len());
        !follows_word(code.as_bytes(), *at) && !after.is_some_and(|byte| is_word(u32::from(*byte)))
    })
}

/// The line of a position, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Whether the file holds only tests, measurements or build steps.
pub fn is_test_path(path: &str) -> bool {
    let mut parts = path.split('/');
    path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.ends_with("/build.rs")
        || parts.any(|part| matches!(part, "tests" | "examples" | "benches"))
}

fn is_word(c: u32) -> bool {
    char::from_u32(c).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && is_word(u32::from(bytes[at - 1])) && !(bytes[at - 1] == b'b' && bytes[at] == b'r')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |found| at + found)
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start + 2, 1);
    while at < bytes.len() && depth > 0 {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    bytes.len().min(at + 1)
}

/// The end of a character literal, or `start` for a lifetime.
fn char_end(bytes: &[u8], start: usize) -> usize {
    if bytes.get(start + 1) == Some(&b'\\') {
        let close = bytes[(start + 3).min(bytes.len())..].iter().position(|byte| *byte == b'\'');
        return close.map_or(start, |found| start + 3 + found + 1);
    }
    // One character of up to four bytes, then the closing quote.
    (2..=5)
        .find(|len| bytes.get(start + len) == Some(&b'\''))
        .filter(|len| {
            std::str::from_utf8(&bytes[start + 1..start + len]).is_ok_and(|s| s.chars().count() == 1)
        })
        .map_or(start, |len| start + len + 1)
}

/// The end of `r"…"` or `r#"…"#`, or `start` if this is something else.
fn raw_string_end(bytes: &[u8], start: usize) -> usize {
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(start + 1 + hashes) != Some(&b'"') {
        return start;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = start + 2 + hashes;
    let found = bytes[body..].windows(close.len()).position(|window| window == close);
    found.map_or(bytes.len(), |found| body + found + close.len())
}

/// The end of the item that starts at `from`: its closing brace, or its semicolon.
fn item_end(bytes: &[u8], from: usize) -> usize {
    let found = bytes[from..].iter().position(|byte| matches!(byte, b'{' | b';'));
    match found.map(|found| from + found) {
        None => bytes.len(),
        Some(at) if bytes[at] == b';' => at + 1,
        Some(at) => matching_brace(bytes, at),
    }
}

/// Where the body of the function at `from` opens; `None` for one without a body.
fn body_start(bytes: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in bytes[from..].iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(from + offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The position after the brace that closes the one at `open`.
fn matching_brace(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0;
    for (offset, byte) in bytes[open..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + offset + 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{Function, blank, functions, is_test_path, line_count_without_tests, without_tests};

    #[test]
    fn comments_and_literals_become_blanks() {
        for (text, kept) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("{ \" }")"#, "f(        )"),
            (r##"r#"x " y"# z"##, "           z"),
            ("('{', '\\'', &'a str)", "(   ,     , &'a str)"),
            ("'é' x", "     x"),
            ("for r in 0..1", "for r in 0..1"),
        ] {
            assert_eq!(blank(text), kept, "{text}");
        }
    }

    #[test]
    fn test_items_are_left_out() {
        let text = "fn a() {}\n#[cfg(test)]\nuse x;\n#[cfg(test)]\nmod tests {\n    fn b() { if x {} }\n}\nfn c() {}\n";
        let code = without_tests(&blank(text));
        assert!(code.contains("fn a") && code.contains("fn c"));
        assert!(!code.contains("fn b") && !code.contains("use x"));
        assert_eq!(line_count_without_tests(text), 2);
    }

    #[test]
    fn functions_are_measured() {
        let code = "fn a<T>(f: fn(T) -> u8) -> u8\nwhere\n    T: Sized,\n{\n    fn b() {}\n}\ntrait X { fn c(); }\nstruct Y { f: fn() -> u8, g: u8 }";
        let lens = |name: &str, line, line_count| Function { name: name.to_owned(), line, line_count };
        assert_eq!(functions(code), [lens("a", 1, 6), lens("b", 5, 1)]);
    }

    #[test]
    fn test_paths() {
        for path in
            ["crates/a/tests/b.rs", "crates/a/src/b/tests.rs", "crates/a/examples/c.rs", "crates/a/build.rs"]
        {
            assert!(is_test_path(path), "{path}");
        }
        assert!(!is_test_path("crates/a/src/testing.rs"));
    }
}
