//! Tables of EDN.

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

fn check(text: &str, expect: Value) {
    assert_eq!(parse(text), Ok(expect), "{text}");
    // Skipping takes as much as reading.
    let (mut words, again) = (Words::default(), format!("{text} 7"));
    let mut scanner = Scanner::new(again.as_bytes(), true, &mut words);
    scanner.skip().unwrap();
    assert_eq!(scanner.value().unwrap(), Value::Int(7), "{text}");
}

fn keyword(word: &str) -> Value {
    Value::Keyword(word.into())
}

fn other(text: &str) -> Value {
    Value::Other(text.into())
}

#[test]
fn atoms() {
    for (text, expect) in [
        ("nil", Value::Nil),
        ("true", Value::Bool(true)),
        (" , false,", Value::Bool(false)),
        ("0", 0.into()),
        ("-7", (-7).into()),
        ("+7", 7.into()),
        ("007", 7.into()),
        ("5N", 5.into()),
        ("-5N", (-5).into()),
        ("0xFF", 255.into()),
        ("9223372036854775807", i64::MAX.into()),
        ("-9223372036854775808", i64::MIN.into()),
        ("9223372036854775808", other("9223372036854775808")),
        ("123456789012345678901N", other("123456789012345678901N")),
        ("1/3", other("1/3")),
        ("1.5", other("1.5")),
        ("-2.5e-3M", other("-2.5e-3M")),
        ("1e9", other("1e9")),
        ("##Inf", other("##Inf")),
        (":a", keyword("a")),
        (":jepsen.core/a-b?", keyword("jepsen.core/a-b?")),
        ("::x", keyword(":x")),
        ("a.b/c", keyword("a.b/c")),
        ("-", keyword("-")),
        ("+x", keyword("+x")),
        ("\\a", other("\\a")),
        ("\\newline", other("\\newline")),
        ("\\(", other("\\(")),
        ("\\é", other("\\é")),
        ("\\\\", other("\\\\")),
    ] {
        check(text, expect);
    }
}

#[test]
fn texts() {
    for (text, expect) in [
        (r#""""#, ""),
        (r#""a b""#, "a b"),
        (r#""a\"b\\c\nd\te""#, "a\"b\\c\nd\te"),
        (r#""\u00e9\ud83d\ude00""#, "é😀"),
        (r#""\101""#, "A"),
        ("\"two\nlines\"", "two\nlines"),
        (r#""; no comment""#, "; no comment"),
        ("\"é\"", "é"),
    ] {
        check(text, Value::text(expect));
    }
}

#[test]
fn collections() {
    let list = |values: &[i64]| Value::list(values.iter().map(|value| Value::Int(*value)));
    check("[]", list(&[]));
    check("[1 2]", list(&[1, 2]));
    check("(1,2)", list(&[1, 2]));
    check("[1[2]]", Value::list([1.into(), list(&[2])]));
    check("#{2 1 2}", Value::set([1.into(), 2.into()]));
    check("{}", Value::map([]));
    check("{:a 1, \"b\" [2]}", Value::map([(keyword("a"), 1.into()), ("b".into(), list(&[2]))]));
    check("[1 ; two\n 3]", list(&[1, 3]));
    check("[1 #_2 3 #_ [4 5]]", list(&[1, 3]));
    check("[#_ #_ 1 2 3]", list(&[3]));
    check("#_{:a #_b 1} 4", 4.into());
    check("^{:m 1} [1]", list(&[1]));
    check("^:m [1]", list(&[1]));
}

#[test]
fn what_is_tagged_is_kept_as_written() {
    for text in [
        "#inst \"2020-01-01\"",
        "#object[a.B 0x1 \"x]\"]",
        "#a/b #c {:d #{1}}",
        "#:ns{:a 1}",
        "#\"a\\\"b\"",
        "#jepsen.history.Op{:index 0}",
    ] {
        check(text, other(text));
    }
    check("[#inst \"x\" 1]", Value::list([other("#inst \"x\""), 1.into()]));
}

#[test]
fn what_is_wrong_is_named() {
    let deep = "[".repeat(100);
    let discards = "#_".repeat(100_000);
    for (text, expect) in [
        ("", "incomplete"),
        ("[1", "incomplete"),
        ("\"a", "incomplete"),
        ("\"a\\", "incomplete"),
        ("#", "incomplete"),
        ("[1 }", "3: found `}`, expected a value"),
        ("]", "0: found `]`, expected a value"),
        ("{:a}", "3: found `}`, expected a value for the map's last key"),
        ("12ab", "0: found `12ab`, expected a number"),
        ("1.2.3", "0: found `1.2.3`, expected a number"),
        ("1/", "0: found `1/`, expected a number"),
        (": a", "0: found `:`, expected a keyword"),
        ("# a", "0: found `#`, expected a tag"),
        ("\"\\x\"", "1: found `\\\\x\\\"`, expected an escape such as \\n, \\\" or \\u00e9"),
        ("\"\\ud83d\"", "1: found `\\\\ud83d\\\"`, expected an escape such as \\n, \\\" or \\u00e9"),
        ("#a [1 )", "6: found `)`, expected another bracket or a value"),
        ("1 2", "more at 2"),
        (&*deep, "64: values are nested more than 64 deep"),
        (&*discards, "130: values are nested more than 64 deep"),
    ] {
        assert_eq!(parse(text), Err(expect.to_owned()), "{text:.40}");
    }
}

#[test]
fn a_token_may_go_on_behind_the_window() {
    for text in ["12", ":a", "nil", "[1 2", "\"a", "\\", "; c", "#", "#_"] {
        let mut words = Words::default();
        let mut scanner = Scanner::new(text.as_bytes(), false, &mut words);
        assert!(matches!(scanner.value(), Err(Snag::Incomplete)), "{text}");
    }
}
