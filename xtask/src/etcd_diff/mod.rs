//! `cargo xtask etcd-diff`: the same calls of etcd's command line client against etcd and against Quorate.
//!
//! **Problem.** A compatible server is one whose answers cannot be told from the original's, and nobody's memory of the
//! original is as good as the original. **Idea.** One server of each, empty, gets the same script; what each call prints on
//! both of its outputs and how it ends is compared, after masking what is drawn anew in every cluster. A difference that
//! is meant stands in the script with its reason; it fails the run when it is gone, so that the list stays true.

mod client;
mod mask;
mod script;

use crate::cluster;
use crate::etcd::{self, Binaries, Servers, System};
use client::Client;
use script::Step;
use std::path::{Path, PathBuf};
use std::thread;

/// What is called.
const SCRIPT: &str = include_str!("calls.txt");

const USAGE: &str = "\
options:
  --etcdctl FILE    take this client instead of the one that comes with etcd
  --binary FILE     take this quorate instead of building one
  --only TEXT       show the answers to calls that contain TEXT, equal ones too";

#[derive(Default)]
struct Options {
    etcdctl: Option<PathBuf>,
    binary: Option<PathBuf>,
    only: Option<String>,
}

/// Runs the script and shows what differs.
///
/// # Errors
/// What could not be prepared, or that answers differ which should not.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let options = parse(arguments)?;
    let etcd = etcd::fetch(root)?;
    let etcdctl = options.etcdctl.clone().map_or_else(|| etcd::client(&etcd), Ok)?;
    let quorate = options.binary.clone().map_or_else(|| cluster::build(root), Ok)?;
    let binaries = Binaries { etcd, quorate };
    let steps = script::parse(SCRIPT);
    let dir = root.join("target/etcd-diff");
    let answers = |system: System, name: &str| {
        let own = dir.join(name);
        let servers = Servers::start(system, &binaries, &own, 1)?;
        let mut client = Client::new(&etcdctl, servers.endpoints(), &own);
        steps.iter().map(|step| client.run(step)).collect::<Result<Vec<_>, String>>()
    };
    let (theirs, ours) = thread::scope(|scope| {
        let theirs = scope.spawn(|| answers(System::Etcd, "etcd"));
        let ours = answers(System::Quorate, "quorate");
        (theirs.join().expect("asking etcd does not panic"), ours)
    });
    report(&steps, &theirs?, &ours?, options.only.as_deref())
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} needs a value\n{USAGE}"))?;
        match argument.as_str() {
            "--etcdctl" => options.etcdctl = Some(value.into()),
            "--binary" => options.binary = Some(value.into()),
            "--only" => options.only = Some(value.to_owned()),
            other => return Err(format!("unknown option {other:?}\n{USAGE}")),
        }
    }
    Ok(options)
}

fn report(steps: &[Step], theirs: &[String], ours: &[String], only: Option<&str>) -> Result<(), String> {
    let (mut unexpected, mut known) = (0, 0);
    for ((step, etcd), quorate) in steps.iter().zip(theirs).zip(ours) {
        let differs = etcd != quorate;
        let is_fine = differs == step.known.is_some();
        unexpected += usize::from(!is_fine);
        known += usize::from(differs && is_fine);
        let is_shown = only.map_or(!is_fine, |only| step.call.text.contains(only));
        if is_shown {
            print!("{}", shown(step, etcd, quorate));
        }
    }
    println!("{} calls: {known} answered differently as the script says, {unexpected} not", steps.len());
    if unexpected == 0 { Ok(()) } else { Err("answers differ, or no longer do".to_owned()) }
}

fn shown(step: &Step, etcd: &str, quorate: &str) -> String {
    let head = format!("── {}: etcdctl {}\n", step.section, step.call.text);
    if etcd == quorate {
        let expected = step.known.as_ref().map(|known| format!("   should differ: {known}\n"));
        return head + &expected.unwrap_or_default() + &indented("both", etcd);
    }
    head + &indented("etcd", etcd) + &indented("quorate", quorate)
}

fn indented(who: &str, answer: &str) -> String {
    answer.lines().map(|line| format!("   {who:<8}{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Step, parse, report, shown};

    #[test]
    fn only_what_is_known_may_differ() {
        let check = |known: Option<&str>, etcd: &str, quorate: &str, expect: bool| {
            let step = Step { known: known.map(str::to_owned), ..Step::default() };
            let outcome = report(&[step], &[etcd.to_owned()], &[quorate.to_owned()], None);
            assert_eq!(outcome.is_ok(), expect, "{known:?} {etcd} {quorate}");
        };
        check(None, "OK\n", "OK\n", true);
        check(None, "OK\n", "Error\n", false);
        check(Some("slower"), "OK\n", "Error\n", true);
        check(Some("slower"), "OK\n", "OK\n", false);
    }

    #[test]
    fn a_difference_shows_both_sides() {
        let text = shown(&Step::default(), "a\nb\n", "c\n");
        assert!(text.ends_with("   etcd    a\n   etcd    b\n   quorate c\n"), "{text}");
    }

    #[test]
    fn wrong_options_are_told() {
        let check = |argument: &str| parse(&[argument.to_owned(), "x".to_owned()]).is_ok();
        assert!(check("--etcdctl") && check("--binary") && check("--only") && !check("--fast"));
        assert!(parse(&["--only".to_owned()]).is_err());
    }
}
