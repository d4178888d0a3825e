//! EDN, scanned over bytes.
//!
//! **Idea.** One pass and no tree of tokens: values are built where they are wanted and skipped where not. What EDN can say and no
//! checker looks into (floats, ratios, characters, tagged values) is kept as it was written.
//!
//! **Invariant:** the scanner never goes past `bytes`, answers [`Snag::Incomplete`] if the form may go on behind them, and goes at
//! most [`MAX_DEPTH`] calls deep.
//!
//! Source: the EDN specification, with what Clojure prints besides: `##Inf`, `#"regex"`, `#:ns{…}`, `^meta`, octal escapes.

use super::MAX_DEPTH;
use super::bad_input::{Reason, Snag};
use super::words::Words;
use crate::history::Value;

/// A place in EDN text.
pub struct Scanner<'a, 'w> {
    bytes: &'a [u8],
    at: usize,
    /// Whether the text ends where the bytes end.
    ended: bool,
    words: &'w mut Words,
    /// Values of the lists that are open.
    stack: Vec<Value>,
    depth: usize,
}

/// What ends a token: blanks, quotes, brackets and semicolons.
const DELIMITER: [bool; 256] = {
    let mut table = [false; 256];
    let delimiters = b" \t\r\n\x0b\x0c,;\"()[]{}";
    let mut at = 0;
    while at < delimiters.len() {
        table[delimiters[at] as usize] = true;
        at += 1;
    }
    table
};

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\x0b' | b'\x0c' | b',')
}

impl<'a, 'w> Scanner<'a, 'w> {
    /// At the beginning of `bytes`, which `ended` says are the last.
    pub fn new(bytes: &'a [u8], ended: bool, words: &'w mut Words) -> Self {
        Scanner { bytes, at: 0, ended, words, stack: Vec::new(), depth: 0 }
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

    /// Takes blanks, commas, comments, discarded forms and metadata.
    ///
    /// # Errors
    /// If a discarded form is bad, or the bytes end before something that is not blank.
    pub fn skip_blank(&mut self) -> Result<(), Snag> {
        loop {
            let byte = self.peek()?;
            if is_blank(byte) {
                self.at += 1;
            } else if byte == b';' {
                self.skip_line()?;
            } else if byte == b'#' && self.after_next()? == b'_' {
                self.at += 2;
                self.skip()?;
            } else if byte == b'^' {
                self.at += 1;
                self.skip()?;
            } else {
                return Ok(());
            }
        }
    }

    /// Whether nothing but blanks and comments is left of the whole text.
    pub fn is_over(&mut self) -> Result<bool, Snag> {
        match self.skip_blank() {
            Ok(()) => Ok(false),
            Err(Snag::Incomplete) if self.ended && self.at >= self.bytes.len() => Ok(true),
            Err(snag) => Err(snag),
        }
    }

    fn after_next(&self) -> Result<u8, Snag> {
        self.bytes.get(self.at + 1).copied().ok_or(Snag::Incomplete)
    }

    fn skip_line(&mut self) -> Result<(), Snag> {
        match self.bytes[self.at..].iter().position(|byte| *byte == b'\n') {
            Some(length) => self.at += length + 1,
            None if self.ended => self.at = self.bytes.len(),
            None => return Err(Snag::Incomplete),
        }
        Ok(())
    }

    /// The bytes up to the next delimiter.
    ///
    /// # Errors
    /// If the token may go on behind the bytes, or is no UTF-8.
    pub fn token(&mut self) -> Result<&'a str, Snag> {
        let start = self.at;
        let rest = &self.bytes[start..];
        let length = match rest.iter().position(|byte| DELIMITER[*byte as usize]) {
            Some(length) => length,
            None if self.ended => rest.len(),
            None => return Err(Snag::Incomplete),
        };
        self.at += length;
        self.text(start, self.at)
    }

    fn text(&self, from: usize, to: usize) -> Result<&'a str, Snag> {
        std::str::from_utf8(&self.bytes[from..to]).map_err(|_| Snag::bad(from, Reason::NotUtf8))
    }

    /// One value, with blanks before it.
    ///
    /// # Errors
    /// If there is none.
    pub fn value(&mut self) -> Result<Value, Snag> {
        self.skip_blank()?;
        match self.peek()? {
            b'0'..=b'9' => self.number(),
            b'-' | b'+' if self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) => self.number(),
            b':' => self.keyword(),
            b'[' => Ok(Value::List(self.elements(b']')?.collect())),
            b'(' => Ok(Value::List(self.elements(b')')?.collect())),
            b'"' => {
                let words = self.string()?;
                Ok(match words {
                    Text::Plain(text) => Value::Text(self.words.share(text)),
                    Text::Unescaped(text) => Value::Text(self.words.share(&text)),
                })
            }
            b'{' => self.map(),
            b'#' => self.dispatched(),
            b'\\' => self.character(),
            b')' | b']' | b'}' => Err(self.unexpected(self.at, "a value")),
            _ => self.symbol(),
        }
    }

    /// The values up to a bracket. They are gathered at the end of `stack`, so that each list is allocated once and in its size.
    fn elements(&mut self, close: u8) -> Result<std::vec::Drain<'_, Value>, Snag> {
        if self.depth == MAX_DEPTH {
            return Err(Snag::bad(self.at, Reason::TooDeep));
        }
        self.at += 1;
        self.depth += 1;
        let first = self.stack.len();
        loop {
            self.skip_blank()?;
            if self.peek()? == close {
                break;
            }
            let value = self.value()?;
            self.stack.push(value);
        }
        self.at += 1;
        self.depth -= 1;
        Ok(self.stack.drain(first..))
    }

    fn map(&mut self) -> Result<Value, Snag> {
        let mut forms = self.elements(b'}')?;
        if !forms.len().is_multiple_of(2) {
            drop(forms);
            return Err(self.unexpected(self.at - 1, "a value for the map's last key"));
        }
        let pairs = std::iter::from_fn(|| Some((forms.next()?, forms.next()?)));
        Ok(Value::map(pairs))
    }

    /// A keyword with its colon.
    fn keyword(&mut self) -> Result<Value, Snag> {
        let start = self.at;
        self.at += 1;
        match self.token()? {
            "" => Err(self.unexpected(start, "a keyword")),
            word => Ok(Value::Keyword(self.words.share(word))),
        }
    }

    fn symbol(&mut self) -> Result<Value, Snag> {
        let start = self.at;
        match self.token()? {
            "" => Err(self.unexpected(start, "a value")),
            "nil" => Ok(Value::Nil),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            word if word.bytes().any(|byte| byte.is_ascii_control()) => {
                Err(self.unexpected(start, "a value"))
            }
            word => Ok(Value::Keyword(self.words.share(word))),
        }
    }

    /// A number: of 64 bits, or else as it was written.
    fn number(&mut self) -> Result<Value, Snag> {
        const SHORT: usize = 18;
        let start = self.at;
        let mut number: i64 = 0;
        let digits = &self.bytes[start..];
        for (length, byte) in digits.iter().take(SHORT).enumerate() {
            match byte {
                b'0'..=b'9' => number = number * 10 + i64::from(byte - b'0'),
                byte if length > 0 && DELIMITER[*byte as usize] => {
                    self.at += length;
                    return Ok(Value::Int(number));
                }
                _ => break,
            }
        }
        let token = self.token()?;
        written_number(token).ok_or_else(|| self.unexpected(start, "a number"))
    }

    fn character(&mut self) -> Result<Value, Snag> {
        let start = self.at;
        self.at += 1;
        // The character itself may be a delimiter, or the first byte of several.
        let mut length = 1;
        while self.bytes.get(start + 1 + length).is_some_and(|byte| byte & 0xC0 == 0x80) {
            length += 1;
        }
        self.peek()?;
        self.at = (start + 1 + length).min(self.bytes.len());
        self.token()?;
        Ok(Value::Other(self.words.share(self.text(start, self.at)?)))
    }

    /// What begins with `#`: a set, a regular expression, a symbolic or a tagged value.
    fn dispatched(&mut self) -> Result<Value, Snag> {
        let start = self.at;
        match self.after_next()? {
            b'{' => {
                self.at += 1;
                Ok(Value::set(self.elements(b'}')?))
            }
            b'"' => {
                self.at += 1;
                self.string_end()?;
                Ok(Value::Other(self.words.share(self.text(start, self.at)?)))
            }
            b'#' => {
                let token = self.token()?;
                Ok(Value::Other(self.words.share(token)))
            }
            _ => {
                self.tag()?;
                self.skip()?;
                Ok(Value::Other(self.words.share(self.text(start, self.at)?)))
            }
        }
    }

    /// A tag with its `#`, before the value that it tags.
    ///
    /// # Errors
    /// If no word follows the `#`.
    pub fn tag(&mut self) -> Result<(), Snag> {
        let start = self.at;
        self.at += 1;
        if self.token()?.is_empty() { Err(self.unexpected(start, "a tag")) } else { Ok(()) }
    }

    /// Takes a quoted text and gives what it says.
    fn string(&mut self) -> Result<Text<'a>, Snag> {
        let start = self.at;
        let escaped = self.string_end()?;
        let inside = self.text(start + 1, self.at - 1)?;
        if !escaped {
            return Ok(Text::Plain(inside));
        }
        match unescape(inside) {
            Ok(text) => Ok(Text::Unescaped(text)),
            Err(at) => Err(self.unexpected(start + 1 + at, "an escape such as \\n, \\\" or \\u00e9")),
        }
    }

    /// Takes a quoted text, and says whether a backslash is in it.
    fn string_end(&mut self) -> Result<bool, Snag> {
        let mut escaped = false;
        let mut at = self.at + 1;
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
        Ok(escaped)
    }

    /// Takes one value without looking into it; only its brackets and quotes are checked.
    ///
    /// # Errors
    /// If there is none, or its brackets do not match.
    pub fn skip(&mut self) -> Result<(), Snag> {
        if self.depth == MAX_DEPTH {
            return Err(Snag::bad(self.at, Reason::TooDeep));
        }
        self.depth += 1;
        let mut closers: Vec<u8> = Vec::new();
        loop {
            self.skip_blank()?;
            let byte = self.peek()?;
            match byte {
                b'[' | b'(' | b'{' => {
                    self.at += 1;
                    closers.push(if byte == b'(' { b')' } else { byte + 2 });
                }
                b']' | b')' | b'}' => {
                    if closers.pop() != Some(byte) {
                        return Err(self.unexpected(self.at, "another bracket or a value"));
                    }
                    self.at += 1;
                }
                b'"' => {
                    self.string_end()?;
                }
                b'\\' => {
                    self.character()?;
                }
                b'#' if matches!(self.after_next()?, b'{' | b'"') => {
                    self.at += 1;
                    continue;
                }
                b'#' if self.after_next()? != b'#' => {
                    // The value that is tagged is still to come.
                    self.tag()?;
                    continue;
                }
                _ => {
                    self.token()?;
                }
            }
            if closers.is_empty() {
                self.depth -= 1;
                return Ok(());
            }
        }
    }
}

/// What a quoted text says.
enum Text<'a> {
    Plain(&'a str),
    Unescaped(String),
}

/// A number that is not just a few digits; nothing if it is none.
fn written_number(token: &str) -> Option<Value> {
    if let Ok(number) = token.parse() {
        return Some(Value::Int(number));
    }
    let (sign, digits) = match token.as_bytes()[0] {
        b'-' => ("-", &token[1..]),
        b'+' => ("", &token[1..]),
        _ => ("", token),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = digits.strip_suffix('N').unwrap_or(digits);
    if is_digits(whole) {
        let number = format!("{sign}{whole}").parse().map(Value::Int);
        return Some(number.unwrap_or_else(|_| Value::Other(token.into())));
    }
    if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return i64::from_str_radix(&format!("{sign}{digits}"), 16).ok().map(Value::Int);
    }
    let is_ratio = digits.split_once('/').is_some_and(|(over, under)| is_digits(over) && is_digits(under));
    (is_ratio || is_decimal(digits)).then(|| Value::Other(token.into()))
}

/// Digits, perhaps a fraction, perhaps an exponent, perhaps an `M`.
fn is_decimal(digits: &str) -> bool {
    let digits = digits.strip_suffix('M').unwrap_or(digits);
    let (number, exponent) = match digits.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (digits, None),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !whole.is_empty()
        && all(whole)
        && all(fraction)
        && exponent.is_none_or(|text| !text.is_empty() && all(text))
}

/// Replaces escapes; gives the index of the first that is none.
fn unescape(text: &str) -> Result<String, usize> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let bad = text.len() - rest.len() + at;
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let kind = escape.chars().next().ok_or(bad)?;
        let mut taken = kind.len_utf8();
        match kind {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            '"' | '\\' | '/' | '\'' => out.push(kind),
            'u' => {
                let (character, length) = unicode_escape(&escape[1..]).ok_or(bad)?;
                out.push(character);
                taken += length;
            }
            '0'..='7' => {
                taken = escape.bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let code = u32::from_str_radix(&escape[..taken], 8).map_err(|_| bad)?;
                out.push(char::from_u32(code).ok_or(bad)?);
            }
            _ => return Err(bad),
        }
        rest = &escape[taken..];
    }
    out.push_str(rest);
    Ok(out)
}

/// What follows `\u`: four digits, or eight with another `\u` between them for a pair of surrogates. Gives the length too.
pub fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let code = |text: &str| {
        let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = code(text)?;
    if !(0xD800..0xDC00).contains(&first) {
        return Some((char::from_u32(first)?, 4));
    }
    let second = code(text[4..].strip_prefix("\\u")?)?;
    let low = second.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x10000 + ((first - 0xD800) << 10) + low)?, 10))
}

#[cfg(test)]
mod tests;
