//! Named, timed steps, and the lists of them that make up a command.

use crate::tidy;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Checks everything. Stops at the first step that fails.
///
/// # Errors
/// Which step failed, and how to run it alone.
pub fn ci(root: &Path) -> Result<(), String> {
    let start = Instant::now();
    let mut done = Vec::new();
    let mut step = |name: &'static str, run: &dyn Fn() -> Result<(), String>| {
        println!("── {name}");
        let start = Instant::now();
        let outcome = run();
        done.push((name, start.elapsed()));
        outcome.map_err(|reason| format!("step `{name}` failed after {}: {reason}", seconds(start.elapsed())))
    };
    step("tidy", &|| tidy::run(root))?;
    step("format", &|| cargo(root, &["fmt", "--all", "--", "--check"], &[]))?;
    step("clippy", &|| {
        cargo(root, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[])
    })?;
    step("docs", &|| {
        cargo(root, &["doc", "--workspace", "--no-deps", "--locked"], &[("RUSTDOCFLAGS", "-D warnings")])
    })?;
    step("tests", &|| cargo(root, &["test", "--workspace", "--locked"], &[]))?;
    step("smoke", &|| smoke(root))?;
    step("planted", &|| planted(root))?;
    println!("── all passed");
    done.iter().for_each(|(name, time)| println!("   {name:<8} {:>8}", seconds(*time)));
    println!("   {:<8} {:>8}", "total", seconds(start.elapsed()));
    Ok(())
}

/// Runs all tests.
///
/// # Errors
/// That a test failed.
pub fn test(root: &Path, arguments: &[String]) -> Result<(), String> {
    let mut all = vec!["test", "--workspace"];
    all.extend(arguments.iter().map(String::as_str));
    cargo(root, &all, &[])
}

/// What the simulator runs for every change.
pub const SMOKE_SEEDS: &str = "0..5000";

/// The simulator's campaign of every change: all promises kept, and all usual marks reached. Uses what `cargo test` has built.
///
/// # Errors
/// A promise was broken, or a mark not reached.
pub fn smoke(root: &Path) -> Result<(), String> {
    let quorate = ["run", "--quiet", "--locked", "--profile", "test", "--package", "quorate-cli"];
    let campaign = ["--", "sim", "--seeds", SMOKE_SEEDS, "--require-marks"];
    cargo(root, &[&quorate[..], &campaign[..]].concat(), &[])
}

/// Every known mistake is planted, and must be found.
///
/// # Errors
/// One was not.
pub fn planted(root: &Path) -> Result<(), String> {
    let test = ["test", "--quiet", "--locked", "--profile", "mistakes", "--package", "quorate-sim"];
    let which = ["--features", "mistakes", "--test", "planted", "--test", "found", "--", "--nocapture"];
    cargo(root, &[&test[..], &which[..]].concat(), &[("RUST_BACKTRACE", "0")])
}

/// Writes what can be written by a machine.
///
/// # Errors
/// Which tool failed.
pub fn fix(root: &Path) -> Result<(), String> {
    cargo(
        root,
        &["clippy", "--fix", "--workspace", "--all-targets", "--allow-dirty", "--allow-staged"],
        &[],
    )?;
    cargo(root, &["fmt", "--all"], &[])?;
    tidy::shrink_ratchet(root).map_err(|source| format!("cannot write the ratchet: {source}"))
}

/// Runs cargo in `dir`, with its output on ours.
///
/// # Errors
/// The command line and how it ended.
pub fn cargo<S: AsRef<OsStr>>(
    dir: &Path,
    arguments: &[S],
    environment: &[(&str, &str)],
) -> Result<(), String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(dir).args(arguments).envs(environment.iter().copied());
    run(&mut command)
}

/// Runs a command, with its output on ours.
///
/// # Errors
/// The command line and how it ended.
pub fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(source) => Err(format!("{command:?}: {source}")),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
