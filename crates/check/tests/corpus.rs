//! Every history of the corpus is judged as a user's would be, and must get the verdicts that its first lines name.
//!
//! A header line is `;; LEVEL: VERDICT (ANOMALY)`, the anomaly being optional, `;; model: NAME`, or `;; finding: ANOMALY`. Each proof is
//! given to the independent verifier, too.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

use quorate_check::explain::verify::Check;
use quorate_check::format;
use quorate_check::judge::{self, Settings, Unlimited};
use quorate_check::level::Level;
use quorate_check::limits::InTurn;
use quorate_check::subject::Subject;
use quorate_check::verdict::{Report, Verdict};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[test]
fn every_history_gets_the_verdicts_that_it_names() {
    let mut paths = Vec::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")), &mut paths);
    paths.sort();
    let mut wrong = String::new();
    for path in &paths {
        check(path, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(paths.len() > 150, "only {} histories", paths.len());
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, paths) } else { paths.push(path) }
    }
}

/// What the first lines demand.
#[derive(Default)]
struct Header {
    model: Option<Subject>,
    /// Level, verdict in a word, anomaly.
    levels: Vec<(Level, String, Option<String>)>,
    findings: Vec<String>,
}

fn header(text: &str) -> Header {
    let mut header = Header::default();
    for line in text.lines().filter_map(|line| line.strip_prefix(";; ")) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match (name, name.parse::<Level>()) {
            ("model", _) => header.model = Some(value.trim().parse().unwrap()),
            ("finding", _) => header.findings.push(value.trim().to_owned()),
            (_, Ok(level)) => {
                let (word, anomaly) = match value.split_once(" (") {
                    Some((word, rest)) => (word, rest.split_once(')').map(|(name, _)| name.to_owned())),
                    None => (value, None),
                };
                header.levels.push((level, word.trim().to_owned(), anomaly));
            }
            _ => {}
        }
    }
    header
}

fn check(path: &Path, wrong: &mut String) {
    let name = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).unwrap().display();
    let bytes = std::fs::read(path).unwrap();
    let header = header(&String::from_utf8_lossy(&bytes));
    let loaded = match format::read(&path.display().to_string(), &bytes) {
        Ok(loaded) => loaded,
        Err(bad) => return writeln!(wrong, "{name}: {bad}").unwrap(),
    };
    let mut history = loaded.history;
    format::split_keys(&mut history);
    let subject = header.model.unwrap_or_else(|| Subject::infer(&history).unwrap().subject);
    let settings = Settings { level: None, allowance: &Unlimited, runner: &InTurn };
    let report = match judge::judge(&history, subject, settings) {
        Ok(report) => report,
        Err(bad) => return writeln!(wrong, "{name}: {bad}").unwrap(),
    };
    compare(&header, &report, &mut |what| writeln!(wrong, "{name}: {what}").unwrap());
    for (level, check) in judge::confirm(&history, subject, &report, &Unlimited).unwrap() {
        if let Check::Flawed(flaw) = check {
            writeln!(wrong, "{name}: the proof for {level} is wrong: {flaw}").unwrap();
        }
    }
}

fn compare(header: &Header, report: &Report, complain: &mut dyn FnMut(String)) {
    if header.levels.is_empty() && header.findings.is_empty() {
        complain("its first lines demand nothing".to_owned());
    }
    for (level, word, anomaly) in &header.levels {
        let Some(verdict) = report.verdict(*level) else {
            complain(format!("{level} was not judged"));
            continue;
        };
        let found = verdict.answer().to_string();
        if found != *word {
            complain(format!("{level}: {found}, not {word}: {verdict:?}"));
        }
        if let (Verdict::Violated(violation), Some(anomaly)) = (verdict, anomaly)
            && violation.anomaly != anomaly
        {
            complain(format!("{level}: {}, not {anomaly}", violation.anomaly));
        }
    }
    for finding in &header.findings {
        if !report.findings.iter().any(|found| found.violation.anomaly == finding) {
            let names: Vec<_> = report.findings.iter().map(|found| found.violation.anomaly).collect();
            complain(format!("{finding} was not found, but {names:?}"));
        }
    }
}
