//! JSON, scanned over bytes.
//!
//! **Idea.** As [`super::edn`], for the other syntax. What JSON cannot say is written so: a keyword as text that begins with a
//! colon (`":r"`), and the rest as an object with one key: `{"$set": […]}`, `{"$map": [[k, v], …]}`, `{"$text": ":not a keyword"}`
//! and `{"$edn": "1/3"}`.
//!
//! **Invariant:** as in [`super::edn`].
//!
//! Source: RFC 8259; commas and the words before them are taken as they come.

use super::MAX_DEPTH;
use super::bad_input::{Reason, Snag};
use super::edn::unicode_escape;
use super::words::Words;
use crate::history::Value;

/// A place in JSON text.
pub struct Scanner<'a, 'w> {
    bytes: &'a [u8],
    at: usize,
    /// Whether the text ends where the bytes end.
    ended: bool,
    words: &'w mut Words,
    depth: usize,
}

impl<'a, 'w> Scanner<'a, 'w> {
    /// At the beginning of `bytes`, which `ended` says are the last.
    pub fn new(bytes: &'a [u8], ended: bool, words: &'w mut Words) -> Self {
        Scanner { bytes, at: 0, ended, words, depth: 0 }
    }

    /// The index of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next byte, not yet taken.
    ///
    /// # Errors
    /// If there is none.
    pub fn peek(&self) -> Result<u8, Snag> {
        self.bytes.get(self.at).copied().ok_or(Snag::Incomplete)
    }

    /// Takes one byte.
    pub fn bump(&mut self) {
        self.at += 1;
    }

    /// A complaint about what stands at `at`.
    pub fn unexpected(&self, at: usize, wanted: &'static str) -> Snag {
        Snag::unexpected(self.bytes, at, wanted)
    }

    /// Takes blanks.
    ///
    /// # Errors
    /// If nothing follows them.
    pub fn skip_blank(&mut self) -> Result<(), Snag> {
        while matches!(self.peek()?, b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
        Ok(())
    }

    /// Takes blanks, then a comma if there is one, then blanks again.
    ///
    /// # Errors
    /// If nothing follows them.
    pub fn skip_comma(&mut self) -> Result<bool, Snag> {
        self.skip_blank()?;
        let comma = self.peek()? == b',';
        if comma {
            self.at += 1;
            self.skip_blank()?;
        }
        Ok(comma)
    }

    /// Whether nothing but blanks and a comma is left of the whole text.
    pub fn is_over(&mut self) -> Result<bool, Snag> {
        match self.skip_comma() {
            Ok(_) => Ok(false),
            Err(Snag::Incomplete) if self.ended => Ok(true),
            Err(snag) => Err(snag),
        }
    }

    /// One value, with blanks before it.
    ///
    /// # Errors
    /// If there is none.
    pub fn value(&mut self) -> Result<Value, Snag> {
        self.skip_blank()?;
        match self.peek()? {
            b'0'..=b'9' | b'-' => self.number(),
            b'"' => {
                let text = self.string()?;
                Ok(match text.as_str().strip_prefix(':') {
                    Some(word) => Value::Keyword(self.words.share(word)),
                    None => Value::Text(self.words.share(text.as_str())),
                })
            }
            b'[' => {
                let mut values = Vec::new();
                self.each(b']', |scanner| {
                    values.push(scanner.value()?);
                    Ok(())
                })?;
                Ok(Value::List(values.into()))
            }
            b'{' => self.object(),
            _ => self.literal(),
        }
    }

    /// Takes what stands in brackets, calling `item` at the beginning of each item.
    ///
    /// # Errors
    /// If `item` fails, or commas and brackets are not where they must be.
    pub fn each(
        &mut self,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), Snag>,
    ) -> Result<(), Snag> {
        if self.depth == MAX_DEPTH {
            return Err(Snag::bad(self.at, Reason::TooDeep));
        }
        self.at += 1;
        self.depth += 1;
        self.skip_blank()?;
        while self.peek()? != close {
            item(self)?;
            if !self.skip_comma()? && self.peek()? != close {
                return Err(self.unexpected(self.at, "a comma or the closing bracket"));
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// A key with its colon.
    ///
    /// # Errors
    /// If there is none.
    pub fn key(&mut self) -> Result<Text<'a>, Snag> {
        if self.peek()? != b'"' {
            return Err(self.unexpected(self.at, "a key in quotes"));
        }
        let key = self.string()?;
        self.skip_blank()?;
        if self.peek()? != b':' {
            return Err(self.unexpected(self.at, "a colon"));
        }
        self.at += 1;
        Ok(key)
    }

    fn object(&mut self) -> Result<Value, Snag> {
        let start = self.at;
        let mut pairs: Vec<(Value, Value)> = Vec::new();
        self.each(b'}', |scanner| {
            let key = scanner.key()?;
            let value = scanner.value()?;
            pairs.push((Value::Text(scanner.words.share(key.as_str())), value));
            Ok(())
        })?;
        if let [(Value::Text(key), _)] = &pairs[..]
            && key.starts_with('$')
        {
            let (key, value) = pairs.swap_remove(0);
            return match escaped(key.as_word().unwrap_or_default(), value) {
                Ok(value) => Ok(value),
                Err(wanted) => Err(self.unexpected(start, wanted)),
            };
        }
        Ok(Value::map(pairs))
    }

    fn literal(&mut self) -> Result<Value, Snag> {
        let start = self.at;
        match self.word()? {
            b"null" => Ok(Value::Nil),
            b"true" => Ok(Value::Bool(true)),
            b"false" => Ok(Value::Bool(false)),
            _ => Err(self.unexpected(start, "a value")),
        }
    }

    /// The bytes up to the next blank, comma, colon, quote or bracket.
    fn word(&mut self) -> Result<&'a [u8], Snag> {
        let rest = &self.bytes[self.at..];
        let ends = |byte: &u8| {
            matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b'"' | b'[' | b']' | b'{' | b'}')
        };
        let length = match rest.iter().position(ends) {
            Some(length) => length,
            None if self.ended => rest.len(),
            None => return Err(Snag::Incomplete),
        };
        self.at += length;
        Ok(&rest[..length])
    }

    fn number(&mut self) -> Result<Value, Snag> {
        let start = self.at;
        let word = self.word()?;
        let text = std::str::from_utf8(word).map_err(|_| Snag::bad(start, Reason::NotUtf8))?;
        if let Ok(number) = text.parse() {
            return Ok(Value::Int(number));
        }
        if is_number(text) { Ok(Value::Other(text.into())) } else { Err(self.unexpected(start, "a number")) }
    }

    fn string(&mut self) -> Result<Text<'a>, Snag> {
        let start = self.at;
        let mut escaped = false;
        let mut at = start + 1;
        loop {
            match self.bytes.get(at).ok_or(Snag::Incomplete)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.at = at + 1;
        let inside = std::str::from_utf8(&self.bytes[start + 1..at]);
        let inside = inside.map_err(|_| Snag::bad(start, Reason::NotUtf8))?;
        if !escaped {
            return Ok(Text::Plain(inside));
        }
        unescape(inside)
            .map(Text::Unescaped)
            .map_err(|bad| self.unexpected(start + 1 + bad, "an escape such as \\n, \\\" or \\u00e9"))
    }

    /// Takes one value without keeping it.
    ///
    /// # Errors
    /// If there is none.
    pub fn skip(&mut self) -> Result<(), Snag> {
        self.value().map(drop)
    }
}

/// What a quoted text says.
pub enum Text<'a> {
    /// As it stands.
    Plain(&'a str),
    /// With its escapes replaced.
    Unescaped(String),
}

impl Text<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Text::Plain(text) => text,
            Text::Unescaped(text) => text,
        }
    }
}

/// The value that an object with one `$` key stands for, or what it should have been.
fn escaped(key: &str, value: Value) -> Result<Value, &'static str> {
    match (key, value) {
        ("$set", Value::List(values)) => Ok(Value::set(values.into_vec())),
        ("$map", Value::List(pairs)) => {
            let pairs =
                pairs.iter().map(|pair| pair.as_pair().map(|(key, value)| (key.clone(), value.clone())));
            pairs.collect::<Option<Vec<_>>>().map(Value::map).ok_or("`$map` with a list of pairs")
        }
        ("$text", Value::Text(text)) => Ok(Value::Text(text)),
        ("$text", Value::Keyword(text)) => Ok(Value::text(&format!(":{text}"))),
        ("$edn", Value::Text(text)) => Ok(Value::Other(text)),
        ("$edn", Value::Keyword(text)) => Ok(Value::Other(format!(":{text}").into())),
        ("$set" | "$map", _) => Err("a list after `$set` or `$map`"),
        ("$text" | "$edn", _) => Err("text after `$text` or `$edn`"),
        (key, value) => Ok(Value::map([(Value::text(key), value)])),
    }
}

/// Whether JSON calls it a number.
pub fn is_number(text: &str) -> bool {
    let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (text, "0"),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    all(whole) && all(fraction) && all(exponent)
}

/// Replaces escapes; gives the index of the first that is none.
fn unescape(text: &str) -> Result<String, usize> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let bad = text.len() - rest.len() + at;
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let mut taken = 1;
        match escape.as_bytes().first().ok_or(bad)? {
            b'n' => out.push('\n'),
            b't' => out.push('\t'),
            b'r' => out.push('\r'),
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            byte @ (b'"' | b'\\' | b'/') => out.push(char::from(*byte)),
            b'u' => {
                // Half a pair of surrogates is no character; it is read as the mark for one that was lost.
                let (character, length) = unicode_escape(&escape[1..]).unwrap_or(('\u{FFFD}', 4));
                if !escape.as_bytes().get(1..5).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
                {
                    return Err(bad);
                }
                out.push(character);
                taken += length;
            }
            _ => return Err(bad),
        }
        rest = &escape[taken..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests;
