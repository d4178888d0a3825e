//! A disk that is full, under the log or under the tables.

use crate::history::{History, RECORDED};
use crate::process::{Process, free_address, run, take_turn};
use quorate_client::pb::RangeRequest;
use quorate_client::{Client, Config};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The whole disk, and what of it is taken by a file that can be removed.
const DISK_LEN_MIB: usize = 160;
const BALLAST_LEN_MIB: usize = 128;
const VALUE_LEN_BYTES: usize = 200_000;
/// More than fit, also where each is written several times.
const MAX_WRITES: usize = 2 * (DISK_LEN_MIB << 20) / VALUE_LEN_BYTES;
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// A small file system in memory; it goes when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` if this process may not mount.
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let size = format!("size={DISK_LEN_MIB}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).stderr(Stdio::null());
        if !mount.status().is_ok_and(|status| status.success()) {
            println!("skipped: this process may not mount a small disk");
            return None;
        }
        let disk = SmallDisk(at);
        fs::write(disk.ballast(), vec![0; BALLAST_LEN_MIB << 20]).unwrap();
        Some(disk)
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.0.display());
        }
    }
}

/// A cluster of one node.
struct Node {
    dir: PathBuf,
    endpoint: String,
}

impl Node {
    /// Makes a node, a part of whose data directory lies on a disk of its own.
    fn with_part_on(dir: &Path, part: &str, disk: &SmallDisk) -> Self {
        let node = Node { dir: dir.to_owned(), endpoint: free_address() };
        assert!(node.start().terminate().success());
        let (original, moved) = (node.data().join(part), disk.0.join(part));
        let copied = Command::new("cp").arg("-a").arg(&original).arg(&moved).status().unwrap();
        assert!(copied.success());
        fs::remove_dir_all(&original).unwrap();
        std::os::unix::fs::symlink(&moved, &original).unwrap();
        node
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join("node.log")
    }

    fn start(&self) -> Process {
        let data = self.data();
        let arguments = ["serve", "--listen-client", &self.endpoint, "--data", data.to_str().unwrap()];
        let process = Process::start(&arguments, &self.log_file());
        process.wait_for("ready: ");
        process
    }

    fn client(&self) -> Client {
        let mut config = Config::new([&self.endpoint]);
        config.timeout = CALL_TIMEOUT;
        Client::connect(config).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_the_log_stops_writes_and_loses_nothing() {
    let _turn = take_turn();
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path().join("disk")) else { return };
    let node = Node::with_part_on(dir.path(), "log", &disk);
    let process = node.start();
    let history = History::new();
    let error = write_until_it_fails(&node.client(), &history).await;
    assert!(error.contains("disk takes no more writes"), "{error}");
    // Reads that need no quorum go on, and the operator is told.
    let request =
        RangeRequest { key: format!("{RECORDED}000000").into(), serializable: true, ..Default::default() };
    assert_eq!(node.client().range(request).await.unwrap().count, 1);
    let status: Value =
        serde_json::from_slice(&run(&["status", "--json", "--endpoints", &node.endpoint]).stdout).unwrap();
    let failure = status[0]["status"]["failure"].as_str().expect("the node says what is wrong");
    assert!(failure.contains("no room is left on the disk"), "{failure}");
    drop(process);
    check_after_room_was_made(&node, &disk, &history).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_the_tables_ends_the_node_and_loses_nothing() {
    let _turn = take_turn();
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path().join("disk")) else { return };
    let node = Node::with_part_on(dir.path(), "tables", &disk);
    let process = node.start();
    let history = History::new();
    write_until_it_fails(&node.client(), &history).await;
    assert_eq!(process.wait().code(), Some(1));
    let said = fs::read_to_string(node.log_file()).unwrap();
    let last = said.lines().last().unwrap();
    assert_eq!(last, "quorate: n1: keyspace default had to stop on this node: the disk is full");
    check_after_room_was_made(&node, &disk, &history).await;
}

/// What was acknowledged is there, and the node takes writes again.
async fn check_after_room_was_made(node: &Node, disk: &SmallDisk, history: &History) {
    disk.make_room();
    let _process = node.start();
    history.read_all(&node.client(), "final reads").await;
    history.judge();
    node.client().put("after", "x").await.unwrap();
}

/// Writes until two writes in a row fail, and says why the second did: the first was under way when it happened.
async fn write_until_it_fails(client: &Client, history: &History) -> String {
    let mut caller = history.caller("writer", client.clone());
    let mut has_failed = false;
    for number in 0..MAX_WRITES {
        let (key, mut value) =
            (format!("{RECORDED}{number:06}"), format!("{number:06}").repeat(VALUE_LEN_BYTES / 6 + 1));
        value.truncate(VALUE_LEN_BYTES);
        match caller.put(&key, &value).await {
            Err(error) if has_failed => return error.to_string(),
            answer => has_failed = answer.is_err(),
        }
    }
    panic!("{MAX_WRITES} values of {VALUE_LEN_BYTES} bytes fit on {DISK_LEN_MIB} MiB");
}
