//! The text form of transactions, as etcdctl reads it.
//!
//! ```text
//! condition := FIELD '(' KEY ')' OP VALUE       FIELD: version create mod value lease    OP: = != < >
//! operation := 'put' … | 'get' … | 'del' …      words as in the command line, with double quotes where needed
//! script    := conditions, empty line, operations if they hold, empty line, operations if not
//! ```

use clap::Parser;
use quorate_client::{Compare, Op, Subject, Txn};

use super::{del, get, put};
use crate::args::lease_id;

/// The parts of a script, in order.
const PARTS: usize = 3;

/// Reads a whole script.
pub(super) fn parse_script(script: &str) -> Result<Txn, String> {
    let mut txn = Txn::new();
    let mut part = 0;
    for (number, line) in script.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            part += 1;
            continue;
        }
        let at = |reason: String| format!("line {}: {reason}", number + 1);
        txn = match part {
            0 => txn.when(parse_condition(line).map_err(at)?),
            1 => txn.then(parse_operation(line).map_err(at)?),
            2 => txn.or_else(parse_operation(line).map_err(at)?),
            _ => {
                return Err(at(format!(
                    "a transaction has {PARTS} parts; remove the empty line before this one"
                )));
            }
        };
    }
    Ok(txn)
}

/// Reads a condition such as `mod("key") > 5`.
pub(super) fn parse_condition(line: &str) -> Result<Compare, String> {
    let form = || format!("'{line}' is not a condition; write FIELD(KEY) OP VALUE, such as mod(key) > 5");
    let (field, rest) = line.split_once('(').ok_or_else(form)?;
    let (key, rest) = take_word(rest, ')').ok_or_else(form)?;
    let rest = rest.trim_start().strip_prefix(')').ok_or_else(form)?.trim_start();
    let operator_len = rest.find(|c| !"=!<>".contains(c)).ok_or_else(form)?;
    let (operator, rest) = rest.split_at(operator_len);
    let (value, rest) = take_word(rest.trim_start(), '\0').ok_or_else(form)?;
    if !rest.trim().is_empty() {
        return Err(form());
    }
    let integer = || value.parse::<i64>().map_err(|_| format!("'{value}' is not a number"));
    match field.trim() {
        "value" | "val" => compare(Compare::value(key), operator, value),
        "version" | "ver" => compare(Compare::version(key), operator, integer()?),
        "create" | "c" => compare(Compare::create_revision(key), operator, integer()?),
        "mod" | "m" => compare(Compare::mod_revision(key), operator, integer()?),
        "lease" => compare(Compare::lease(key), operator, lease_id(&value)?),
        other => Err(format!("'{other}' is not a field; take version, create, mod, value or lease")),
    }
}

fn compare<V>(subject: Subject<V>, operator: &str, value: impl Into<V>) -> Result<Compare, String> {
    match operator {
        "=" | "==" => Ok(subject.eq(value)),
        "!=" => Ok(subject.ne(value)),
        "<" => Ok(subject.lt(value)),
        ">" => Ok(subject.gt(value)),
        other => Err(format!("'{other}' is not a comparison; take =, !=, < or >")),
    }
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
enum Operation {
    Put(put::Args),
    Get(get::Args),
    Del(del::Args),
}

/// Reads an operation such as `put key "a value"`.
pub(super) fn parse_operation(line: &str) -> Result<Op, String> {
    let words = split_words(line).ok_or_else(|| format!("a quote is not closed in '{line}'"))?;
    let operation = Operation::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        format!("'{line}': {}", first.strip_prefix("error: ").unwrap_or(first))
    })?;
    match operation {
        Operation::Put(args) => {
            args.request().map(Op::from).ok_or_else(|| format!("'{line}': put needs a value"))
        }
        Operation::Get(args) => Ok(args.request().into()),
        Operation::Del(args) => Ok(args.request().into()),
    }
}

fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = take_word(rest, '\0')?;
        words.push(word);
        rest = after.trim_start();
    }
    Some(words)
}

/// Takes a word off the front: in double quotes with `\"`, `\\`, `\n`, `\t` and `\xNN` escapes of ASCII, or up to
/// white space or `stop`. `None` if there is no word, or its quote is not closed.
fn take_word(text: &str, stop: char) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c.is_whitespace() || c == stop).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut word = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((word, &quoted[at + 1..])),
            '\\' => word.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'x' => {
                    let digits = [chars.next()?.1, chars.next()?.1].map(|digit| digit.to_digit(16));
                    let code = digits[0]? * 16 + digits[1]?;
                    char::from_u32(code).filter(char::is_ascii)?
                }
                other => other,
            }),
            other => word.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use quorate_client::{Compare, Keys, Op, Txn, pb};

    use super::{parse_condition, parse_operation, parse_script};

    #[test]
    fn conditions() {
        let check =
            |line: &str, expect: Option<Compare>| assert_eq!(parse_condition(line).ok(), expect, "{line}");
        check(r#"mod("key 1") > "5""#, Some(Compare::mod_revision("key 1").gt(5)));
        check("ver(k)=0", Some(Compare::version("k").eq(0)));
        check("create(k) < -1", Some(Compare::create_revision("k").lt(-1)));
        check(r#"val("a\"\x62") != "x y""#, Some(Compare::value("a\"b").ne("x y")));
        check("lease(k) = ff", Some(Compare::lease("k").eq(255)));
        check("value(k) = ", None);
        check("value(k) => v", None);
        check("size(k) = 1", None);
        check("mod(k) = x", None);
        check("mod(k) = 1 2", None);
        check("mod k = 1", None);
        check(r#"value("k) = 1"#, None);
    }

    #[test]
    fn operations() {
        let check = |line: &str, expect: Option<Op>| assert_eq!(parse_operation(line).ok(), expect, "{line}");
        check(r#"put k "a b""#, Some(Op::put("k", "a b")));
        check("put k -5", Some(Op::put("k", "-5")));
        let leased = pb::PutRequest { key: "k".into(), value: "v".into(), lease: 16, ..Default::default() };
        check("put k v --lease 10", Some(leased.into()));
        check("get --prefix k", Some(Op::get(Keys::prefix("k"))));
        check("del a b", Some(Op::delete(Keys::range("a", "b"))));
        check("put k", None);
        check("get", None);
        check("drop k", None);
        check(r#"put k "v"#, None);
    }

    #[test]
    fn a_script_has_three_parts() {
        let script = "mod(k) = 1\nmod(l) = 2\n\nput k v\n\nget k\n";
        let expect = Txn::new()
            .when(Compare::mod_revision("k").eq(1))
            .when(Compare::mod_revision("l").eq(2))
            .then(Op::put("k", "v"))
            .or_else(Op::get("k"));
        assert_eq!(parse_script(script), Ok(expect));
        assert_eq!(parse_script("\nput k v"), Ok(Txn::new().then(Op::put("k", "v"))));
        assert!(parse_script("mod(k) = 1\n\nputt k v").is_err_and(|reason| reason.starts_with("line 3: ")));
        assert!(parse_script("\n\n\nput k v").is_err());
    }
}
