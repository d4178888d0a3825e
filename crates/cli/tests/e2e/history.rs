//! What clients were told about their writes, held against what the nodes hold afterwards.

use crate::cluster::{Cluster, NODES};
use quorate_client::pb::{PutResponse, RangeRequest};
use quorate_client::{Client, Error, Keys, mvccpb::KeyValue};
use std::collections::BTreeMap;
use std::time::Duration;

/// Every key that [`History`] knows begins with this.
pub const ONCE: &str = "once/";
/// Instead of a revision.
pub const NEWEST: i64 = 0;
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// What became of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was acknowledged.
    Done { revision: i64 },
    /// It may have been done, or not.
    Unknown,
    /// It was not done, and never will be.
    Refused,
}

impl Outcome {
    pub fn of(answer: &Result<PutResponse, Error>) -> Self {
        match answer {
            Ok(answer) => Outcome::Done { revision: answer.header.as_ref().unwrap().revision },
            Err(error) if error.is_ambiguous() => Outcome::Unknown,
            Err(_) => Outcome::Refused,
        }
    }
}

/// Writes of unique values, each to a key of its own.
#[derive(Default)]
pub struct History {
    writes: BTreeMap<String, (String, Outcome)>,
}

impl History {
    pub fn record(&mut self, key: String, value: String, outcome: Outcome) {
        let old = self.writes.insert(key, (value, outcome));
        assert!(old.is_none(), "each key is written once");
    }

    pub fn merge(&mut self, other: History) {
        for (key, (value, outcome)) in other.writes {
            self.record(key, value, outcome);
        }
    }

    /// How many ended in each way: done, unknown, refused.
    fn counts(&self) -> [usize; 3] {
        let count = |wanted: fn(&Outcome) -> bool| {
            self.writes.values().filter(|(_, outcome)| wanted(outcome)).count()
        };
        [
            count(|outcome| matches!(outcome, Outcome::Done { .. })),
            count(|outcome| *outcome == Outcome::Unknown),
            count(|outcome| *outcome == Outcome::Refused),
        ]
    }

    /// Asks each node, and compares with what it holds; see [`History::check_at`].
    ///
    /// # Panics
    /// On the first difference, also among the nodes.
    pub async fn check(&self, cluster: &Cluster) {
        let [done, unknown, refused] = self.counts();
        println!("{done} writes done, {unknown} unknown, {refused} refused");
        let mut revision = NEWEST;
        for at in 0..NODES {
            // The others are asked for the first one's revision, so that they must be equal.
            revision = self.check_at(&cluster.client(&[at], READ_TIMEOUT), revision).await;
        }
    }

    /// Reads all keys at one revision, and compares: what was done is there, once, at the revision that its writer was
    /// told; what was refused is not; what is unknown happened at most once; and there is nothing else. Gives the revision.
    ///
    /// # Panics
    /// On the first difference.
    pub async fn check_at(&self, client: &Client, revision: i64) -> i64 {
        assert!(self.counts()[0] > 0, "a history without a success shows nothing");
        let Keys { key, range_end } = Keys::prefix(ONCE);
        let request = RangeRequest { key, range_end, revision, ..Default::default() };
        let answer = client.range(request).await.unwrap();
        self.compare(&answer.kvs).unwrap();
        if revision == NEWEST { answer.header.as_ref().unwrap().revision } else { revision }
    }

    fn compare(&self, kvs: &[KeyValue]) -> Result<(), String> {
        let mut found: BTreeMap<&str, &KeyValue> =
            kvs.iter().map(|kv| (std::str::from_utf8(&kv.key).unwrap(), kv)).collect();
        for (key, (value, outcome)) in &self.writes {
            let kv = found.remove(key.as_str());
            if kv.is_some_and(|kv| kv.version != 1) {
                return Err(format!("{key} was written more than once"));
            }
            if kv.is_some_and(|kv| kv.value != value.as_bytes()) {
                return Err(format!("{key} has a value that nobody wrote to it"));
            }
            match (outcome, kv) {
                (Outcome::Done { .. }, None) => return Err(format!("{key} was acknowledged, and is gone")),
                (Outcome::Done { revision }, Some(kv)) if kv.create_revision != *revision => {
                    return Err(format!("{key} has revision {}, not {revision}", kv.create_revision));
                }
                (Outcome::Refused, Some(_)) => return Err(format!("{key} was refused, and is there")),
                _ => {}
            }
        }
        match found.keys().next() {
            Some(key) => Err(format!("{key} was never written, and is there")),
            None => Ok(()),
        }
    }
}

#[test]
fn each_difference_is_found() {
    let pair = |key: &str, revision, version| KeyValue {
        key: format!("{ONCE}{key}").into(),
        value: format!("value of {key}").into(),
        create_revision: revision,
        version,
        ..Default::default()
    };
    let mut history = History::default();
    let outcomes = [
        ("done", Outcome::Done { revision: 7 }),
        ("unknown", Outcome::Unknown),
        ("refused", Outcome::Refused),
    ];
    for (key, outcome) in outcomes {
        history.record(format!("{ONCE}{key}"), format!("value of {key}"), outcome);
    }
    let check = |kvs: &[KeyValue], expect: &str| {
        assert_eq!(history.compare(kvs).err().unwrap_or_default(), expect);
    };
    check(&[pair("done", 7, 1)], "");
    check(&[pair("done", 7, 1), pair("unknown", 8, 1)], "");
    check(&[], "once/done was acknowledged, and is gone");
    check(&[pair("done", 8, 1)], "once/done has revision 8, not 7");
    check(&[pair("done", 7, 2)], "once/done was written more than once");
    check(&[pair("done", 7, 1), pair("unknown", 8, 2)], "once/unknown was written more than once");
    check(&[pair("done", 7, 1), pair("refused", 8, 1)], "once/refused was refused, and is there");
    check(&[pair("done", 7, 1), pair("other", 8, 1)], "once/other was never written, and is there");
    let damaged = KeyValue { value: "else".into(), ..pair("done", 7, 1) };
    check(&[damaged], "once/done has a value that nobody wrote to it");
}
