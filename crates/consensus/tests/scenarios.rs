//! Stories of small groups, told in text files with everything that is written, sent and answered.
//!
//! A line at the margin is a command, the indented lines below it are what came of it. `UPDATE=1` rewrites the files with what comes
//! of the commands now; read the difference before committing it.
//!
//! ```text
//! members 1 2 3 [outgoing 3 4 5] [learners 6]   tail N (entries kept behind compaction, of the next `members`)
//! tick N        fires the timer of N             wait MS        moves the clock
//! deliver       all messages, until silence      deliver A->B   those of one link only
//! drop A->B     loses what is on a link          cut A->B, isolate N, heal
//! hold N        the disk of N stops writing      persist N      and goes on;  fail N: it fails
//! crash N       restart N                        compact N      propose N TEXT     read N ID     transfer A B
//! show          one line for each member         # comment
//! ```

mod support;

use quorate_consensus::raft::{Configuration, Input};
use quorate_types::NodeId;
use std::path::Path;
use std::time::Duration;
use support::{Cluster, text};

struct Story {
    cluster: Option<Cluster>,
    tail: usize,
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("`{word}` is not a number"))
}

fn node(word: &str) -> NodeId {
    NodeId(number(word))
}

fn link(word: &str) -> (NodeId, NodeId) {
    let (from, to) = word.split_once("->").unwrap_or_else(|| panic!("`{word}` is not a link"));
    (node(from), node(to))
}

fn configuration(words: &[&str]) -> Configuration {
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    let mut list = 0;
    for word in words {
        match *word {
            "outgoing" => list = 1,
            "learners" => list = 2,
            word => lists[list].push(node(word)),
        }
    }
    let [voters, outgoing, learners] = lists;
    Configuration::new(voters, outgoing, learners)
}

impl Story {
    fn run(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["tail", count] => {
                self.tail = number(count) as usize;
                return String::new();
            }
            ["members", ..] => {
                let tail = self.tail;
                let cluster = Cluster::new(&configuration(&words[1..]), |config| {
                    config.max_log_tail_entries = tail;
                    config.snapshot_retry = Duration::from_millis(100);
                });
                self.cluster = Some(cluster);
                return String::new();
            }
            _ => {}
        }
        let cluster = self.cluster.as_mut().expect("a story starts with `members`");
        match words[..] {
            ["tick", id] => cluster.tick(node(id)),
            ["wait", ms] => cluster.wait(Duration::from_millis(number(ms))),
            ["deliver"] => cluster.deliver(),
            ["deliver", on] => cluster.deliver_where(|from, to| (from, to) == link(on)),
            ["drop", on] => cluster.drop_where(|from, to| (from, to) == link(on)),
            ["cut", on] => drop(cluster.cut.insert(link(on))),
            ["isolate", id] => cluster.isolate(node(id)),
            ["heal"] => cluster.cut.clear(),
            ["hold", id] => cluster.member(node(id)).disk.is_held = true,
            ["persist", id] => {
                cluster.member(node(id)).disk.is_held = false;
                cluster.persist(node(id));
            }
            ["fail", id] => cluster.step(node(id), Input::DiskFailed),
            ["crash", id] => cluster.crash(node(id)),
            ["restart", id] => cluster.restart(node(id)),
            ["compact", id] => cluster.compact(node(id)),
            ["propose", id, command] => cluster.propose(node(id), command),
            ["read", id, read] => cluster.read(node(id), number(read)),
            ["transfer", from, to] => cluster.step(node(from), Input::TransferLeadership { to: node(to) }),
            ["show"] => return show(cluster),
            _ => panic!("`{line}` is not a command"),
        }
        cluster.take_trace()
    }
}

fn show(cluster: &Cluster) -> String {
    let line = |(id, member): (&NodeId, &support::Member)| match &member.raft {
        None => format!("  {id} is down, disk holds [{}]\n", text::entries(&member.disk.entries)),
        Some(raft) => format!(
            "  {id} {:?} t{} log {}..{} durable {} commit {} applied [{}]\n",
            raft.role(),
            raft.term(),
            raft.first_index(),
            raft.last_index(),
            raft.durable_index(),
            raft.commit(),
            cluster.commands(*id).join(" "),
        ),
    };
    cluster.members.iter().map(line).collect()
}

/// The story as it comes out now.
fn retell(story: &str) -> String {
    let mut told = String::new();
    let mut state = Story { cluster: None, tail: 1000 };
    for line in story.lines().filter(|line| !line.starts_with(' ')) {
        told.push_str(line);
        told.push('\n');
        if !line.is_empty() && !line.starts_with('#') {
            told.push_str(&state.run(line));
        }
    }
    told
}

#[test]
fn every_story_ends_as_it_is_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let files = std::fs::read_dir(directory).expect("the stories are there");
    let mut paths: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are stories");
    for path in paths {
        let story = std::fs::read_to_string(&path).expect("it can be read");
        let told = retell(&story);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, told).expect("it can be written");
        } else {
            let parts_at = told.lines().zip(story.lines()).position(|(told, written)| told != written);
            let line = parts_at.unwrap_or(told.lines().count().min(story.lines().count()));
            let (now, then) = (told.lines().nth(line), story.lines().nth(line));
            assert!(
                told == story,
                "{}:{}: {now:?}, was {then:?}; UPDATE=1 rewrites it",
                path.display(),
                line + 1
            );
        }
    }
}
