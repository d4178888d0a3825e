//! A follower that was away for so long that the log no longer has what it missed.

use crate::cluster::{Cluster, NODES, others};
use quorate_client::pb::RangeRequest;
use quorate_client::{Client, Keys};
use std::time::Duration;
use tokio::task::JoinSet;

const VALUE_LEN_BYTES: usize = 100_000;
/// In all 90 MB: more than the log keeps for followers (32 MiB) by more than what makes the tables durable (32 MiB).
const VALUES: usize = 900;
/// So many writes are under way at a time.
const WRITERS: usize = 8;
const PAGE_LEN: i64 = 100;
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// What a leader logs when it has sent a whole snapshot.
const SNAPSHOT_SENT: &str = "sent the last piece of a snapshot";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_far_behind_gets_a_snapshot() {
    let mut cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let away = others(leader)[0];
    let client = cluster.client(&others(away), CALL_TIMEOUT);
    client.put("data/before", value("data/before")).await.unwrap();
    cluster.kill(away);
    write_all(&client).await;
    cluster.start_all();
    let accounts = cluster.settled().await;
    assert!(accounts.iter().all(|account| account["keys"] == VALUES + 1), "{accounts:#?}");
    assert!(accounts.iter().all(|account| account["revision"] == accounts[0]["revision"]), "{accounts:#?}");
    let logs: String = (0..NODES).map(|at| cluster.log(at)).collect();
    assert!(logs.contains(SNAPSHOT_SENT), "the follower caught up, but not by a snapshot");
    check_all(&cluster, away).await;

    // It has the data on its own disk, and takes part again.
    cluster.kill(away);
    cluster.start_all();
    cluster.client(&[away], CALL_TIMEOUT).put("data/after", value("data/after")).await.unwrap();
    cluster.settled().await;
    check_all(&cluster, away).await;
}

async fn write_all(client: &Client) {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let client = client.clone();
        writers.spawn(async move {
            for number in (writer..VALUES).step_by(WRITERS) {
                let key = format!("data/{number:06}");
                client.put(key.clone(), value(&key)).await.unwrap();
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
}

/// Reads everything from the node's own tables.
async fn check_all(cluster: &Cluster, at: usize) {
    let client = cluster.client(&[at], CALL_TIMEOUT);
    let Keys { key: mut first, range_end } = Keys::prefix("data/");
    loop {
        let request = RangeRequest {
            key: first,
            range_end: range_end.clone(),
            limit: PAGE_LEN,
            serializable: true,
            ..Default::default()
        };
        let page = client.range(request).await.unwrap();
        for kv in &page.kvs {
            assert!(kv.value == value(std::str::from_utf8(&kv.key).unwrap()), "{:?} is damaged", kv.key);
        }
        let Some(last) = page.kvs.last().filter(|_| page.more) else { return };
        first = [&last.key[..], &[0]].concat().into();
    }
}

/// The value that belongs to a key.
fn value(key: &str) -> String {
    let mut value = key.repeat(VALUE_LEN_BYTES / key.len() + 1);
    value.truncate(VALUE_LEN_BYTES);
    value
}
