//! A store that watches over itself, as etcd's own command-line client sees it.

use crate::cluster::{Cluster, NODES};
use crate::etcdctl::Etcdctl;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks until the answer is as it should be.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} in time");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_says_so_and_mends_itself() {
    if !Etcdctl::is_installed() {
        println!("skipped: etcdctl is not installed");
        return;
    }
    let arguments =
        ["--quota-backend-bytes=100000", "--auto-compaction-mode=periodic", "--auto-compaction-retention=1s"];
    let cluster = Cluster::with(&arguments).await;
    let etcdctl = Etcdctl::new(cluster.endpoints());
    let value = "v".repeat(20_000);
    for key in ["a", "b", "c", "d"] {
        etcdctl.check(&["put", key, &value], "OK\n");
    }
    etcdctl.check(&["put", "e", &value[..15_500]], "OK\n");
    hashes_are_equal(&etcdctl);
    let refused = etcdctl.run_and_fail(&["put", "f", &value]);
    assert!(refused.contains("etcdserver: mvcc: database space exceeded"), "{refused}");
    let alarms = etcdctl.run(&["alarm", "list"]);
    assert_eq!(alarms.matches("alarm:NOSPACE").count(), 1, "{alarms}");
    wait_until("every member shows the alarm", || {
        let status = etcdctl.run(&["endpoint", "status"]);
        status.matches("alarm:NOSPACE").count() == NODES
    });
    etcdctl.check(&["del", "a"], "1\n");
    wait_until("the alarm ends", || etcdctl.run(&["alarm", "list"]).is_empty());
    wait_until("the client's member takes writes", || etcdctl.succeeds(&["put", "small", "1"]));
    wait_until("history is given up", || {
        !etcdctl.succeeds(&["get", "a", "--rev", "2"])
            && etcdctl.run_and_fail(&["get", "a", "--rev", "2"]).contains("has been compacted")
    });
    hashes_are_equal(&etcdctl);
}

/// While nobody writes, all members come to say the same.
fn hashes_are_equal(etcdctl: &Etcdctl) {
    wait_until("the members' hashes are equal", || {
        let said = etcdctl.run(&["endpoint", "hashkv"]);
        let hashes: Vec<&str> = said.lines().filter_map(|line| line.split(", ").nth(1)).collect();
        hashes.len() == NODES && hashes.iter().all(|hash| *hash == hashes[0] && *hash != "0")
    });
}
