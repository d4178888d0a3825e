//! `cargo xtask etcd-suite`: the tests of an etcd client library, unmodified, against a cluster of ours.
//!
//! The library's source comes from the package registry, by way of a throwaway package that depends on it. Its tests expect an
//! etcd on the standard port, so a cluster of ours takes that place. The table below says for each test what it
//! needs of a server and whether that is built; a test that is in no row fails the suite, so the table stays whole.

use crate::cluster::{Cluster, build, empty_dir, free_addresses};
use crate::steps;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

const PACKAGE: &str = "etcd-client";
const VERSION: &str = "0.21.1";
/// Where the suite's tests look for a server.
const ADDRESS: &str = "127.0.0.1:2379";

/// One test of the suite.
struct Case {
    /// Its file under `tests/`.
    file: &'static str,
    /// Its function.
    name: &'static str,
    /// The calls that it makes.
    needs: &'static str,
    /// How many members the cluster has in which it runs.
    members: usize,
    /// Why it does not run yet; empty if it does.
    gap: &'static str,
}

const fn runs(name: &'static str, needs: &'static str) -> Case {
    Case { file: "client", name, needs, members: MEMBERS, gap: "" }
}

const fn waits(name: &'static str, needs: &'static str, gap: &'static str) -> Case {
    Case { file: "client", name, needs, members: MEMBERS, gap }
}

const MEMBERS: usize = 3;
const NO_USERS: &str = "users and roles are not built";
const NO_BLOCKS: &str =
    "the server-side lock and election services are not built; clients that lock through KV work";

const CASES: [Case; 29] = [
    runs("test_put", "Put"),
    runs("test_get", "Put, Range"),
    runs("test_get_stream", "Put, RangeStream"),
    runs("test_get_stream_chunked", "Put, RangeStream (several pieces)"),
    runs("test_delete", "Put, DeleteRange, Range (count)"),
    runs("test_compact", "Put, Range (revision), Compact"),
    runs("test_txn", "Put, Txn, Range"),
    runs("test_watch", "Watch (create, cancel), Put"),
    runs("test_grant_revoke", "LeaseGrant, LeaseRevoke"),
    runs("test_keep_alive", "LeaseGrant, LeaseKeepAlive, LeaseRevoke"),
    runs("test_time_to_live", "LeaseGrant, LeaseTimeToLive, LeaseRevoke"),
    runs("test_leases", "LeaseGrant, LeaseLeases, LeaseRevoke"),
    runs("test_status", "Status"),
    runs("test_alarm", "Alarm (get, deactivate)"),
    runs("test_defragment", "Defragment"),
    runs("test_hash", "Hash"),
    runs("test_hash_kv", "HashKV"),
    runs("test_snapshot", "Snapshot"),
    // With several members it expects a header, which etcd does not send either.
    Case { members: 1, ..runs("test_move_leader", "MemberList, Status, MoveLeader") },
    runs("test_remove_and_add_endpoint", "Put, Range"),
    Case { file: "namespace", ..runs("test_namespace_kv", "Put, Range, DeleteRange") },
    waits("test_lock", "v3lock Lock, Unlock", NO_BLOCKS),
    waits("test_election", "v3election, all calls", NO_BLOCKS),
    waits("test_auth", "AuthEnable, Authenticate", NO_USERS),
    waits("test_auth_refresh_token", "AuthEnable, Authenticate, token expiry", NO_USERS),
    waits("test_auth_refresh_token_once_for_concurrent_calls", "AuthEnable, token expiry, metrics", NO_USERS),
    waits("test_role", "RoleAdd, RoleGet, RoleGrantPermission and others", NO_USERS),
    waits("test_user", "UserAdd, UserGet, UserGrantRole and others", NO_USERS),
    waits(
        "test_cluster",
        "MemberAdd, MemberPromote, MemberRemove",
        "members are fixed when a cluster is made",
    ),
];

/// Runs the suite; with `--all` also the tests that wait, whose outcome is shown and does not count.
///
/// # Errors
/// What could not be prepared, or that a test failed.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let dir = root.join("target/etcd-suite");
    fs::create_dir_all(&dir).map_err(|source| format!("cannot make {}: {source}", dir.display()))?;
    need_protoc()?;
    let suite = fetch(&dir)?;
    need_complete_table(&suite)?;
    let binary = build(root)?;
    let data = dir.join("data");
    for members in [MEMBERS, 1] {
        let _cluster = start(&binary, &data, members)?;
        test(&suite, &dir, |case| case.gap.is_empty() && case.members == members)?;
        if members == MEMBERS && arguments.iter().any(|argument| argument == "--all") {
            let _ = test(&suite, &dir, |case| !case.gap.is_empty());
        }
    }
    println!("{PACKAGE} {VERSION}:\n{}", table());
    Ok(())
}

/// A cluster where the tests look for one, with no data.
fn start(binary: &Path, data: &Path, members: usize) -> Result<Cluster, String> {
    empty_dir(data)?;
    let mut addresses = free_addresses(members - 1)?;
    addresses.insert(0, ADDRESS.to_owned());
    Cluster::start(binary, data, &addresses)
}

/// The tests as a table of Markdown, which `docs/etcd-compatibility.md` contains.
fn table() -> String {
    let mut table = "| test | calls | |\n|---|---|---|\n".to_owned();
    for case in &CASES {
        let state = match case.gap {
            "" if case.members == 1 => "passes (one member)".to_owned(),
            "" => "passes".to_owned(),
            gap => format!("not covered: {gap}"),
        };
        writeln!(table, "| {} | {} | {state} |", case.name, case.needs).expect("a String takes everything");
    }
    table
}

fn test(suite: &Path, dir: &Path, chosen: impl Fn(&Case) -> bool) -> Result<(), String> {
    let manifest = suite.join("Cargo.toml");
    let mut failed = Vec::new();
    for file in ["client", "namespace"] {
        let names: Vec<_> =
            CASES.iter().filter(|case| case.file == file && chosen(case)).map(|case| case.name).collect();
        if names.is_empty() {
            continue;
        }
        let mut command = Command::new("cargo");
        command.args(["test", "--test", file, "--manifest-path"]).arg(&manifest);
        command.arg("--target-dir").arg(dir.join("build"));
        command.args(["--", "--exact", "--include-ignored"]).args(&names);
        failed.extend(steps::run(&mut command).err());
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}

/// The suite's source, fresh from the registry, in a directory of its own.
fn fetch(dir: &Path) -> Result<PathBuf, String> {
    let (throwaway, suite) = (dir.join("fetch"), dir.join("suite"));
    empty_dir(&throwaway)?;
    empty_dir(&suite)?;
    let manifest = format!(
        "[workspace]\n[package]\nname = \"fetch\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\n{PACKAGE} = \"={VERSION}\"\n"
    );
    let written = fs::write(throwaway.join("Cargo.toml"), manifest)
        .and_then(|()| fs::write(throwaway.join("lib.rs"), ""));
    written.map_err(|source| format!("cannot write below {}: {source}", throwaway.display()))?;
    let metadata =
        Command::new("cargo").args(["metadata", "--format-version", "1"]).current_dir(&throwaway).output();
    let metadata = metadata.map_err(|source| format!("cannot run cargo metadata: {source}"))?;
    let json: serde_json::Value = serde_json::from_slice(&metadata.stdout)
        .map_err(|_| format!("cannot fetch {PACKAGE}: {}", String::from_utf8_lossy(&metadata.stderr)))?;
    let packages = json["packages"].as_array().into_iter().flatten();
    let found = packages
        .filter(|package| package["name"] == PACKAGE)
        .find_map(|package| package["manifest_path"].as_str());
    let source =
        found.and_then(|path| Path::new(path).parent()).ok_or("cargo metadata names no such package")?;
    let copied = copy_dir(source, &suite).and_then(|()| {
        // A workspace of its own: the copy lies below ours.
        let manifest = suite.join("Cargo.toml");
        let text = fs::read_to_string(&manifest)?;
        fs::write(&manifest, format!("{text}\n[workspace]\n"))
    });
    copied.map_err(|source| format!("cannot copy {PACKAGE}: {source}"))?;
    Ok(suite)
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::write(&target, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Every test of the suite has a row.
fn need_complete_table(suite: &Path) -> Result<(), String> {
    for file in ["client", "namespace"] {
        let path = suite.join(format!("tests/{file}.rs"));
        let text = fs::read_to_string(&path)
            .map_err(|source| format!("cannot read {}: {source}", path.display()))?;
        let tests = text.lines().filter_map(|line| line.strip_prefix("async fn test_")?.split('(').next());
        let unknown: Vec<_> = tests.filter(|name| !has_row(file, name)).collect();
        if !unknown.is_empty() {
            return Err(format!("tests of {file} without a row in the table: {unknown:?}"));
        }
    }
    Ok(())
}

fn has_row(file: &str, name: &str) -> bool {
    CASES.iter().any(|case| case.file == file && case.name.strip_prefix("test_") == Some(name))
}

/// The suite compiles protocol files with `protoc` and its standard includes; we do not. Takes Debian's where there is none.
fn need_protoc() -> Result<(), String> {
    let works =
        || Command::new("protoc").arg("--version").output().is_ok_and(|output| output.status.success());
    if works() && Path::new("/usr/include/google/protobuf/struct.proto").exists() {
        return Ok(());
    }
    let as_root = fs::metadata("/root").is_ok() && fs::read_dir("/root").is_ok();
    let (program, first): (&str, &[&str]) = if as_root { ("apt-get", &[]) } else { ("sudo", &["apt-get"]) };
    for arguments in [&["update", "-q"][..], &["install", "-q", "-y", "protobuf-compiler", "libprotobuf-dev"]]
    {
        steps::run(Command::new(program).args(first).args(arguments))?;
    }
    if works() {
        Ok(())
    } else {
        Err("needs protoc: install protobuf-compiler and libprotobuf-dev".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{CASES, has_row, table};

    #[test]
    fn the_page_on_compatibility_shows_the_table() {
        let page = include_str!("../../docs/etcd-compatibility.md");
        assert!(page.contains(&table()), "docs/etcd-compatibility.md should contain:\n{}", table());
    }

    #[test]
    fn each_test_has_one_row() {
        for case in &CASES {
            assert_eq!(CASES.iter().filter(|other| other.name == case.name).count(), 1, "{}", case.name);
            assert!(!case.needs.is_empty());
        }
        assert!(
            has_row("client", "put")
                && !has_row("client", "namespace_kv")
                && !has_row("client", "unheard_of")
        );
    }
}
