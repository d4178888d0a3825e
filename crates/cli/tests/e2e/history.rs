//! What clients asked and what they were told: recorded, and judged by the checker.
//!
//! **Idea.** Nothing here compares values. Every call of every client goes into one history, at the end also a read of every key
//! on every node, and the checker says whether a store that executes one call at a time could have answered like that. That
//! covers lost writes, stale reads, writes that were refused or never made and are there, and writes done twice.

use crate::cluster::{Cluster, NODES};
use crate::etcd_key::EtcdKey;
use quorate_check::history::{self, Recorder, Value};
use quorate_check::limits::{Budget, InTurn};
use quorate_check::verdict::{Answer, Verdict};
use quorate_check::{explain, format, linear, model};
use quorate_client::mvccpb::KeyValue;
use quorate_client::pb::{PutResponse, RangeRequest};
use quorate_client::{Client, Error, Keys};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Every key that a [`History`] is about begins with this.
pub const RECORDED: &str = "recorded/";
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// More than any test does.
const MAX_OPS: usize = 2_000_000;

/// The calls of all clients of one test.
#[derive(Clone)]
pub struct History {
    recorder: Recorder,
    /// All keys that somebody tried to write: they are read at the end even if they are missing.
    keys: Arc<Mutex<BTreeSet<String>>>,
}

/// A client whose calls are recorded.
pub struct Caller {
    client: Client,
    recorded: history::Client,
    keys: Arc<Mutex<BTreeSet<String>>>,
}

impl Caller {
    /// Writes a key.
    pub async fn put(&mut self, key: &str, value: &str) -> Result<PutResponse, Error> {
        self.keys.lock().unwrap().insert(key.to_owned());
        let call = self.recorded.invoke("put", key, value);
        let answer = self.client.put(key.to_owned(), value.to_owned()).await;
        match &answer {
            Ok(answer) => call.ok(answer.header.as_ref().unwrap().revision),
            Err(error) if error.is_ambiguous() => call.info(),
            Err(_) => call.fail(Value::Nil),
        }
        answer
    }

    /// Reads a key.
    pub async fn get(&mut self, key: &str) -> Result<(), Error> {
        let call = self.recorded.invoke("get", key, Value::Nil);
        match self.client.get(key.to_owned()).await {
            Ok(kv) => call.ok(kv.as_ref().map_or(Value::Nil, seen)),
            Err(error) => {
                call.fail(Value::Nil);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// A pair as the model's `get` gives it.
fn seen(kv: &KeyValue) -> Value {
    let text = String::from_utf8_lossy(&kv.value);
    Value::list([Value::text(&text), kv.version.into(), kv.mod_revision.into()])
}

impl History {
    /// An empty one.
    pub fn new() -> Self {
        History { recorder: Recorder::new(MAX_OPS), keys: Arc::default() }
    }

    /// Records what a client does from now on.
    pub fn caller(&self, name: &str, client: Client) -> Caller {
        Caller { client, recorded: self.recorder.client(name), keys: Arc::clone(&self.keys) }
    }

    /// Records a fault, so that it is drawn beside the calls.
    pub fn fault(&self, f: &str, node: usize) {
        self.recorder.fault(f, node as i64).end();
    }

    /// Reads every key through each node, and judges everything.
    ///
    /// # Panics
    /// If no store could have answered like that.
    pub async fn check(&self, cluster: &Cluster) {
        for at in 0..NODES {
            self.read_all(&cluster.client(&[at], READ_TIMEOUT), &format!("final reads of node {at}")).await;
        }
        self.judge();
    }

    /// Reads every key in one call, which is recorded as a read of each.
    pub async fn read_all(&self, client: &Client, name: &str) {
        let keys: BTreeSet<String> = self.keys.lock().unwrap().clone();
        let mut readers: Vec<_> =
            keys.iter().map(|key| self.recorder.client(&format!("{name}: {key}"))).collect();
        let calls: Vec<_> = readers
            .iter_mut()
            .zip(&keys)
            .map(|(reader, key)| reader.invoke("get", &**key, Value::Nil))
            .collect();
        let Keys { key, range_end } = Keys::prefix(RECORDED);
        let answer = client.range(RangeRequest { key, range_end, ..Default::default() }).await.unwrap();
        let mut found: BTreeMap<&[u8], &KeyValue> = answer.kvs.iter().map(|kv| (&kv.key[..], kv)).collect();
        for (call, key) in calls.into_iter().zip(&keys) {
            call.ok(found.remove(key.as_bytes()).map_or(Value::Nil, seen));
        }
        for (key, kv) in found {
            let key = String::from_utf8_lossy(key);
            self.recorder.client(&format!("{name}: {key}")).invoke("get", &*key, Value::Nil).ok(seen(kv));
        }
    }

    /// Says whether all that was recorded could have been.
    ///
    /// # Panics
    /// If not, or if it shows nothing; the history is kept, in a file that the message names.
    pub fn judge(&self) {
        assert_eq!(self.recorder.refused_count(), 0, "the recorder is too small");
        let history = self.recorder.snapshot();
        let done = history.ops.iter().filter(|op| &*op.f == "put" && op.outcome == history::Outcome::Ok);
        println!(
            "{} calls recorded, {} of them writes that were acknowledged",
            history.ops.len(),
            done.clone().count()
        );
        assert!(done.count() > 0, "a history without a success shows nothing");
        let verdict = verdict(&history);
        if verdict.answer() != Answer::Holds {
            panic!("{}\nThe history is in {}", words(&history, &verdict), keep(&history).display());
        }
    }
}

fn verdict(history: &history::History) -> Verdict {
    let mut model = EtcdKey::default();
    let items = model::parse(&mut model, history).unwrap();
    linear::decide(&model, &items, &Budget::unlimited(), &InTurn)
}

fn words(history: &history::History, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Holds(_) => "it is linearizable".to_owned(),
        Verdict::Violated(violation) => explain::text(history, violation),
        Verdict::Unknown(unknown) => unknown.to_string(),
    }
}

fn keep(history: &history::History) -> PathBuf {
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("history-{}.jsonl", std::process::id()));
    format::write_jsonl(history, std::fs::File::create(&path).unwrap()).unwrap();
    path
}

/// Plays a store that answers like this, and says whether it is found out.
#[test]
fn each_mistake_is_found() {
    const HOLDS: Answer = Answer::Holds;
    const VIOLATED: Answer = Answer::Violated;
    type Pair = (&'static str, i64, i64);
    let check = |what: &str, expect: Answer, reads: &[(&str, Option<Pair>)]| {
        let history = History::new();
        let mut writer = history.recorder.client("writer");
        writer.invoke("put", "done", "a").ok(7);
        writer.invoke("put", "refused", "b").fail(Value::Nil);
        writer.invoke("put", "unknown", "c").info();
        let mut reader = history.recorder.client("reader");
        for (key, pair) in reads {
            let seen = pair.map_or(Value::Nil, |(value, version, revision)| {
                Value::list([Value::text(value), version.into(), revision.into()])
            });
            reader.invoke("get", *key, Value::Nil).ok(seen);
        }
        let history = history.recorder.snapshot();
        let verdict = verdict(&history);
        assert_eq!(verdict.answer(), expect, "{what}: {}", words(&history, &verdict));
    };
    check("as it should be", HOLDS, &[("done", Some(("a", 1, 7))), ("refused", None)]);
    check("the unknown write is there", HOLDS, &[("unknown", Some(("c", 1, 8)))]);
    check("it is not", HOLDS, &[("unknown", None)]);
    check("it comes late", HOLDS, &[("unknown", None), ("unknown", Some(("c", 1, 8)))]);
    check("it comes and goes", VIOLATED, &[("unknown", Some(("c", 1, 8))), ("unknown", None)]);
    check("it is done twice", VIOLATED, &[("unknown", Some(("c", 2, 8)))]);
    check("an acknowledged write is lost", VIOLATED, &[("done", None)]);
    check("at another revision", VIOLATED, &[("done", Some(("a", 1, 8)))]);
    check("with another value", VIOLATED, &[("done", Some(("x", 1, 7)))]);
    check("a refused write is there", VIOLATED, &[("refused", Some(("b", 1, 8)))]);
    check("nobody wrote this", VIOLATED, &[("other", Some(("x", 1, 8)))]);
}
