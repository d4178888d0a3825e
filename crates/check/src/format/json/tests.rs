//! Tables of JSON.

use super::Scanner;
use crate::format::bad_input::Snag;
use crate::format::words::Words;
use crate::history::Value;

fn parse(text: &str) -> Result<Value, String> {
    let mut words = Words::default();
    let mut scanner = Scanner::new(text.as_bytes(), true, &mut words);
    let show = |snag| match snag {
        Snag::Incomplete => "incomplete".to_owned(),
        Snag::Bad { at, reason } => format!("{at}: {reason}"),
    };
    let value = scanner.value().map_err(show)?;
    match scanner.is_over() {
        Ok(true) => Ok(value),
        Ok(false) => Err(format!("more at {}", scanner.at())),
        Err(snag) => Err(show(snag)),
    }
}

fn other(text: &str) -> Value {
    Value::Other(text.into())
}

#[test]
fn values() {
    let check = |text: &str, expect: Value| assert_eq!(parse(text), Ok(expect), "{text}");
    check(" null ", Value::Nil);
    check("true", Value::Bool(true));
    check("-12", (-12).into());
    check("1.50", other("1.50"));
    check("1e-3", other("1e-3"));
    check("99999999999999999999", other("99999999999999999999"));
    check(r#""a\"\\\/\b\f\n\r\tb""#, "a\"\\/\u{8}\u{c}\n\r\tb".into());
    check(r#""\u00E9\ud83d\ude00\ud83d""#, "é😀\u{FFFD}".into());
    check(r#"":r""#, Value::Keyword("r".into()));
    check(r#"[1, [2],{"a":3 , "b":[]}]"#, {
        let map = Value::map([("a".into(), 3.into()), ("b".into(), Value::list([]))]);
        Value::list([1.into(), Value::list([2.into()]), map])
    });
    check(r#"{"$set": [2, 1, 2]}"#, Value::set([1.into(), 2.into()]));
    check(r#"{"$map": [[1, 2]]}"#, Value::map([(1.into(), 2.into())]));
    check(r#"{"$text": ":r"}"#, ":r".into());
    check(r#"{"$edn": "1/3"}"#, other("1/3"));
    check(r#"{"$what": 1}"#, Value::map([("$what".into(), 1.into())]));
}

#[test]
fn what_is_wrong_is_named() {
    let deep = "[".repeat(100);
    for (text, expect) in [
        ("", "incomplete"),
        ("[1", "incomplete"),
        ("\"a", "incomplete"),
        ("nul", "0: found `nul`, expected a value"),
        ("[1 2]", "3: found `2`, expected a comma or the closing bracket"),
        ("[1}", "2: found `}`, expected a comma or the closing bracket"),
        ("{1:2}", "1: found `1:2`, expected a key in quotes"),
        ("{\"a\" 2}", "5: found `2`, expected a colon"),
        ("1x", "0: found `1x`, expected a number"),
        ("-", "0: found `-`, expected a number"),
        ("{\"$map\": [1]}", "0: found `{`, expected `$map` with a list of pairs"),
        ("{\"$set\": 1}", "0: found `{`, expected a list after `$set` or `$map`"),
        ("{\"$edn\": 1}", "0: found `{`, expected text after `$text` or `$edn`"),
        (&*deep, "64: values are nested more than 64 deep"),
    ] {
        assert_eq!(parse(text), Err(expect.to_owned()), "{text:.40}");
    }
}
