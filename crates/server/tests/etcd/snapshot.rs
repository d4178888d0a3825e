//! Backups over the wire.

use super::{Fixture, put};
use quorate_proto::etcdserverpb as pb;
use quorate_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use quorate_snapshot::Backup;
use quorate_table::MemoryTables;
use quorate_types::{LogIndex, Term};
use sha2::{Digest, Sha256};

const CHUNK_LEN_BYTES: usize = 32 << 10;
const SUM_LEN_BYTES: usize = 32;

#[tokio::test]
async fn a_snapshot_is_a_whole_backup() {
    let fixture = Fixture::start().await;
    let mut kv = fixture.kv().await;
    for number in 0..50 {
        let key = format!("key/{number}").into();
        kv.put(pb::PutRequest { key, value: vec![7; 2000].into(), ..Default::default() }).await.unwrap();
    }
    kv.put(put("key/7", "newer")).await.unwrap();
    let revision = kv.range(super::all()).await.unwrap().into_inner().header.unwrap().revision;

    let mut client = MaintenanceClient::new(fixture.channel().await);
    let mut chunks = client.snapshot(pb::SnapshotRequest {}).await.unwrap().into_inner();
    let mut file: Vec<u8> = Vec::new();
    let mut left = None;
    while let Some(chunk) = chunks.message().await.unwrap() {
        assert!(chunk.header.is_none() && chunk.blob.len() <= CHUNK_LEN_BYTES);
        assert!(left.is_none_or(|left| left == chunk.remaining_bytes + chunk.blob.len() as u64 || left == 0));
        left = Some(chunk.remaining_bytes);
        file.extend_from_slice(&chunk.blob);
    }
    let (body, sum) = file.split_at(file.len() - SUM_LEN_BYTES);
    assert_eq!(Sha256::digest(body)[..], *sum);
    assert_eq!(file.len() % 512, SUM_LEN_BYTES);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("snapshot");
    std::fs::write(&path, &file).unwrap();
    let backup = Backup::open(&path, false).unwrap();
    let filled = backup.fill(Box::new(MemoryTables::new()), None, (LogIndex(1), Term(1))).unwrap().1;
    assert_eq!((filled.keys, filled.revision.0), (50, revision));
    fixture.close().await;
}

#[tokio::test]
async fn only_some_are_made_at_a_time_and_a_stopping_server_ends_them() {
    let fixture = Fixture::start().await;
    let mut kv = fixture.kv().await;
    for number in 0..40 {
        let key = format!("key/{number}").into();
        kv.put(pb::PutRequest { key, value: vec![7; 500_000].into(), ..Default::default() }).await.unwrap();
    }
    let mut client = MaintenanceClient::new(fixture.channel().await);
    let first = client.snapshot(pb::SnapshotRequest {}).await.unwrap();
    let mut second = client.snapshot(pb::SnapshotRequest {}).await.unwrap().into_inner();
    let refused = client.snapshot(pb::SnapshotRequest {}).await;
    super::check(refused, super::Code::ResourceExhausted, "etcdserver: too many requests");
    drop(first);
    fixture.close().await;
    let end = loop {
        match second.message().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    super::check(end, super::Code::Unavailable, "etcdserver: server stopped");
}
