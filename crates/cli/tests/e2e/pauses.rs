//! A leader that stands still for a while and comes back believing that it still leads.

use crate::cluster::{Cluster, NODES, others};
use crate::load::Load;
use quorate_client::pb::PutRequest;
use std::time::Duration;
use tokio::time::sleep;

/// Longer than the lease lives without renewal.
const PAUSE: Duration = Duration::from_millis(2500);
const LEASE_TTL_S: i64 = 2;
const RENEWAL_INTERVAL: Duration = Duration::from_millis(200);
const CALL_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the old leader is watched after it has come back.
const AFTER: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_paused_answers_no_stale_read_and_revokes_no_renewed_lease() {
    check(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_that_reads_under_a_leader_lease() {
    check(&["--lease-read-drift-ppm", "1000"]).await;
}

async fn check(arguments: &[&str]) {
    let cluster = Cluster::with(arguments).await;
    let old = cluster.leader().await;
    let client = cluster.client(&others(old), CALL_TIMEOUT);
    let lease = client.lease_grant(LEASE_TTL_S, 0).await.unwrap();
    assert_eq!(lease.ttl, LEASE_TTL_S, "the pause is longer than the lease's life");
    let leased = PutRequest { key: "leased".into(), lease: lease.id, ..Default::default() };
    client.put_with(leased).await.unwrap();
    let mut keep_alive = client.keep_alive(lease.id);
    let renewals = tokio::spawn(async move {
        loop {
            // Without a leader a renewal fails; that it is too late must never be said.
            if let Err(error) = keep_alive.renew().await {
                assert!(matches!(error, quorate_client::Error::Unavailable { .. }), "{error}");
            }
            sleep(RENEWAL_INTERVAL).await;
        }
    });

    // Readers ask the old leader too: their requests wait in its sockets until it goes on.
    let load = Load::start(&cluster, &others(old));
    load.more_reads(old).await;
    load.history().fault("pause", old);
    cluster.pause(old);
    load.more_writes().await;
    sleep(PAUSE).await;
    load.more_writes().await;
    load.history().fault("resume", old);
    cluster.resume(old);
    load.more_reads(old).await;
    sleep(AFTER).await;
    load.more_reads(old).await;

    let history = load.stop().await;
    history.check(&cluster).await;
    assert!(!renewals.is_finished(), "every renewal was answered, or repeated");
    for at in 0..NODES {
        let client = cluster.client(&[at], CALL_TIMEOUT);
        assert!(
            client.get("leased").await.unwrap().is_some(),
            "node {at} has lost a key under a renewed lease"
        );
        assert!(client.lease_ttl(lease.id, false).await.unwrap().ttl >= 0);
    }
    renewals.abort();
}
