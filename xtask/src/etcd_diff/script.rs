//! The script: its text becomes steps.

use std::iter::Peekable;
use std::str::{Chars, Lines};

/// One call, and what is known about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The heading above it.
    pub section: String,
    /// Why its answer is known to differ.
    pub known: Option<String>,
    /// What the first long number of the answer is called from here on.
    pub name: Option<String>,
    /// The call.
    pub call: Call,
    /// It does not end by itself: these run meanwhile, and once nothing more comes it is stopped.
    pub meanwhile: Option<Vec<Call>>,
}

/// One run of the client.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The line as it was written.
    pub text: String,
    /// What follows the program's name.
    pub arguments: Vec<String>,
    /// What it reads.
    pub input: String,
}

/// The steps of a script. The text is ours, so a mistake in it is a bug.
///
/// # Panics
/// On an indented line that belongs to no call, an open quote, or a count that is none.
pub fn parse(text: &str) -> Vec<Step> {
    let (mut steps, mut section, mut known) = (Vec::new(), String::new(), None);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        } else if let Some(title) = line.strip_prefix("== ") {
            title.clone_into(&mut section);
        } else if let Some(reason) = line.strip_prefix("! ") {
            known = Some(reason.to_owned());
        } else {
            let step = step(line, &mut lines);
            steps.push(Step { section: section.clone(), known: known.take(), ..step });
        }
    }
    steps
}

fn step(line: &str, following: &mut Peekable<Lines<'_>>) -> Step {
    assert!(!line.starts_with(' '), "no call runs while this one does: {line}");
    if let Some(line) = line.strip_prefix("& ") {
        let mut meanwhile = Vec::new();
        while let Some(line) = following.next_if(|line| line.starts_with("  ")) {
            meanwhile.push(call(line.trim_start()));
        }
        return Step { call: call(line), meanwhile: Some(meanwhile), ..Step::default() };
    }
    match line.split_once(" := ") {
        Some((name, line)) => Step { name: Some(name.to_owned()), call: call(line), ..Step::default() },
        None => Step { call: call(line), ..Step::default() },
    }
}

fn call(line: &str) -> Call {
    let (arguments, input) = if let Some((arguments, count)) = line.split_once(" <<* ") {
        (arguments, "x".repeat(count.parse().expect("the script says how many letters")))
    } else {
        let (arguments, input) = line.split_once(" << ").unwrap_or((line, ""));
        (arguments, input.replace("\\n", "\n"))
    };
    Call { text: line.to_owned(), arguments: words(arguments), input }
}

/// Splits at blanks outside of single quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    while rest.peek().is_some() {
        if rest.next_if_eq(&' ').is_none() {
            words.push(word(&mut rest));
        }
    }
    words
}

fn word(rest: &mut Peekable<Chars<'_>>) -> String {
    let (mut word, mut is_quoted) = (String::new(), false);
    while let Some(char) = rest.next_if(|char| is_quoted || *char != ' ') {
        if char == '\'' {
            is_quoted = !is_quoted;
        } else {
            word.push(char);
        }
    }
    assert!(!is_quoted, "the quote before {word:?} is open");
    word
}

#[cfg(test)]
mod tests {
    use super::{Call, parse, words};

    #[test]
    fn quotes_keep_words_together() {
        let check = |text: &str, expect: &[&str]| assert_eq!(words(text), expect);
        check("put a 1", &["put", "a", "1"]);
        check("put  'two words' ''", &["put", "two words", ""]);
        check("--key='a b'", &["--key=a b"]);
        check("", &[]);
    }

    #[test]
    fn lines_say_what_they_are() {
        let steps = parse("# why\n== Put\n! slow\nL := lease grant 5\n& watch a\n  put a 1\ntxn << \\n\\n\n");
        assert_eq!(steps.len(), 3);
        assert_eq!(steps[0].section, "Put");
        assert_eq!(steps[0].known.as_deref(), Some("slow"));
        assert_eq!(steps[0].name.as_deref(), Some("L"));
        assert_eq!(steps[1].known, None);
        let put = Call { text: "put a 1".to_owned(), arguments: words("put a 1"), input: String::new() };
        assert_eq!(steps[1].meanwhile, Some(vec![put]));
        assert_eq!(steps[2].call.input, "\n\n");
        assert_eq!(steps[2].meanwhile, None);
    }

    #[test]
    fn the_script_is_well_formed() {
        let steps = parse(super::super::SCRIPT);
        assert!(steps.len() > 200);
        let known = steps.iter().filter_map(|step| step.known.as_ref());
        assert!(known.count() < steps.len() / 10, "differences are exceptions");
    }
}
