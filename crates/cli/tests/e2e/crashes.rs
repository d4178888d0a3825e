//! Processes that are killed while clients work: nothing acknowledged is lost, and the rest goes on.

use crate::cluster::{Cluster, NODES, others};
use crate::load::Load;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long the load runs before something happens to it.
const BEFORE: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_are_killed_and_nothing_acknowledged_is_lost() {
    const KILLS: usize = 3;
    let mut cluster = Cluster::start().await;
    let load = Load::start(&cluster, &[0, 1, 2]);
    for _ in 0..KILLS {
        sleep(BEFORE).await;
        let leader = cluster.leader().await;
        load.history().fault("kill", leader);
        cluster.kill(leader);
        load.more_writes().await;
        load.history().fault("restart", leader);
        cluster.start_all();
        load.more_reads(leader).await;
    }
    let history = load.stop().await;
    history.check(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_are_killed_at_once_and_nothing_acknowledged_is_lost() {
    const KILLS: usize = 2;
    let mut cluster = Cluster::start().await;
    let load = Load::start(&cluster, &[0, 1, 2]);
    for _ in 0..KILLS {
        sleep(BEFORE).await;
        load.more_writes().await;
        cluster.kill_all();
        cluster.start_all();
        load.more_writes().await;
    }
    let history = load.stop().await;
    history.check(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_soon_after_the_leader_is_killed() {
    const ROUNDS: usize = 7;
    /// Generous: the machine may be busy. What is usual is printed, and stands in the documentation.
    const MAX_GAP: Duration = Duration::from_secs(5);
    let mut cluster = Cluster::start().await;
    let mut gaps = Vec::new();
    for _ in 0..ROUNDS {
        let leader = cluster.leader().await;
        gaps.push(gap_around_kill(&mut cluster, leader).await);
        cluster.start_all();
        cluster.settled().await;
    }
    println!("the longest time between two acknowledged writes when the leader was killed: {gaps:?}");
    gaps.sort();
    println!("median: {:?}", gaps[ROUNDS / 2]);
    assert!(gaps[ROUNDS - 1] < MAX_GAP);
}

/// One client writes to the survivors, one write after another, while the leader is killed.
async fn gap_around_kill(cluster: &mut Cluster, leader: usize) -> Duration {
    const AFTER: Duration = Duration::from_millis(1000);
    let client = cluster.client(&others(leader), Duration::from_secs(5));
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let writer = tokio::spawn(async move {
        let mut done_at = vec![Instant::now()];
        while !stopped.load(Ordering::SeqCst) {
            if client.put("outage", "x").await.is_ok() {
                done_at.push(Instant::now());
            }
        }
        done_at
    });
    sleep(BEFORE).await;
    let killed_at = Instant::now();
    cluster.kill(leader);
    sleep(AFTER).await;
    stop.store(true, Ordering::SeqCst);
    let done_at = writer.await.unwrap();
    assert!(done_at.len() > NODES, "the writer was at work");
    // What was committed already may be acknowledged a moment after the kill: the longest pause from there on counts.
    let around = done_at.windows(2).filter(|pair| pair[1] >= killed_at);
    around.map(|pair| pair[1] - pair[0]).max().expect("writes go on after the kill")
}
