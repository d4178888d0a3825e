//! etcd's own command-line client, unmodified.

use crate::cluster::{Cluster, NODES};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// One client of a cluster.
pub struct Etcdctl {
    endpoints: String,
}

impl Etcdctl {
    pub fn new(endpoints: String) -> Self {
        Etcdctl { endpoints }
    }

    pub fn is_installed() -> bool {
        Command::new("etcdctl").arg("version").output().is_ok()
    }

    /// Whether it ends without an error.
    pub fn succeeds(&self, arguments: &[&str]) -> bool {
        self.command(arguments).output().unwrap().status.success()
    }

    /// Runs what must fail; gives what it says.
    pub fn run_and_fail(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?} succeeds");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.endpoints]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it with `input`; gives what it prints.
    fn run_with(&self, arguments: &[&str], input: &str) -> String {
        let mut child = self.command(arguments).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} fails: {said}");
        // Some of its commands tell their result to standard error.
        String::from_utf8_lossy(&output.stdout).into_owned() + &said
    }

    pub fn run(&self, arguments: &[&str]) -> String {
        self.run_with(arguments, "")
    }

    pub fn check(&self, arguments: &[&str], expect: &str) {
        assert_eq!(self.run(arguments), expect, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcdctl_works_as_with_etcd() {
    if !Etcdctl::is_installed() {
        println!("skipped: etcdctl is not installed");
        return;
    }
    let cluster = Cluster::start().await;
    let etcdctl = Etcdctl::new(cluster.endpoints());
    keys(&etcdctl);
    transactions(&etcdctl);
    watches(&etcdctl);
    leases(&etcdctl);
    etcdctl.check(&["lock", "inventory", "echo", "held"], "held\n");
    operators(&etcdctl, &cluster.endpoints());
}

fn keys(etcdctl: &Etcdctl) {
    etcdctl.check(&["put", "greeting", "hello"], "OK\n");
    etcdctl.check(&["put", "greeting", "hallo", "--prev-kv"], "OK\ngreeting\nhello\n");
    etcdctl.check(&["get", "greeting"], "greeting\nhallo\n");
    etcdctl.check(&["get", "greeting", "--rev", "2"], "greeting\nhello\n");
    etcdctl.check(&["get", "--prefix", "greet", "--keys-only"], "greeting\n\n");
    etcdctl.check(&["get", "--prefix", "", "--consistency", "s", "--print-value-only"], "hallo\n");
    etcdctl.check(&["del", "greeting"], "1\n");
    etcdctl.check(&["del", "greeting"], "0\n");
    etcdctl.check(&["get", "greeting"], "");
}

fn transactions(etcdctl: &Etcdctl) {
    etcdctl.check(&["put", "account", "10"], "OK\n");
    let swap = "value(\"account\") = \"10\"\n\nput account 20\nget account\n\nget account\n\n";
    assert_eq!(etcdctl.run_with(&["txn"], swap), "SUCCESS\n\nOK\n\naccount\n20\n");
    assert_eq!(etcdctl.run_with(&["txn"], swap), "FAILURE\n\naccount\n20\n");
}

fn watches(etcdctl: &Etcdctl) {
    let mut watch = Killed(etcdctl.command(&["watch", "--prefix", "orders/", "--rev", "1"]).spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    let mut next = |count: usize| -> Vec<String> { lines.by_ref().take(count).map(Result::unwrap).collect() };
    etcdctl.check(&["put", "orders/1", "reserved"], "OK\n");
    assert_eq!(next(3), ["PUT", "orders/1", "reserved"]);
    etcdctl.check(&["put", "unrelated", "x"], "OK\n");
    etcdctl.check(&["del", "orders/1"], "1\n");
    assert_eq!(next(3), ["DELETE", "orders/1", ""]);
}

fn leases(etcdctl: &Etcdctl) {
    let granted = etcdctl.run(&["lease", "grant", "60"]);
    let id = granted.split(' ').nth(1).unwrap();
    assert_eq!(granted, format!("lease {id} granted with TTL(60s)\n"));
    etcdctl.check(&["put", "--lease", id, "session", "x"], "OK\n");
    etcdctl.check(&["lease", "keep-alive", "--once", id], &format!("lease {id} keepalived with TTL(60)\n"));
    let left = etcdctl.run(&["lease", "timetolive", id, "--keys"]);
    assert!(left.starts_with(&format!("lease {id} granted with TTL(60s), remaining(")), "{left}");
    assert!(left.ends_with("), attached keys([session])\n"), "{left}");
    etcdctl.check(&["lease", "list"], &format!("found 1 leases\n{id}\n"));
    etcdctl.check(&["lease", "revoke", id], &format!("lease {id} revoked\n"));
    etcdctl.check(&["get", "session"], "");
    etcdctl.check(&["lease", "timetolive", id], &format!("lease {id} already expired\n"));
}

fn operators(etcdctl: &Etcdctl, endpoints: &str) {
    let health = etcdctl.run(&["endpoint", "health"]);
    assert_eq!(
        health.matches(" is healthy: successfully committed proposal: took = ").count(),
        NODES,
        "{health}"
    );
    let status = etcdctl.run(&["endpoint", "status", "-w", "table"]);
    assert!(status.contains("ENDPOINT") && status.contains("RAFT TERM"), "{status}");
    assert!(endpoints.split(',').all(|endpoint| status.contains(endpoint)), "{status}");
    assert_eq!(status.matches("| true |").count() + status.matches("|      true |").count(), 1, "{status}");
    let members = etcdctl.run(&["member", "list"]);
    assert_eq!(members.lines().filter(|line| line.contains(", started, n")).count(), NODES, "{members}");
    assert!(endpoints.split(',').all(|endpoint| members.contains(endpoint)), "{members}");
}

/// A child that ends with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Killing fails only for a process that has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
