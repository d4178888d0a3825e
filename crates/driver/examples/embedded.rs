//! A store inside this process, on disk, without a port: `cargo run -p quorate-driver --example embedded`.

use quorate_driver::{Quorate, Watched};
use quorate_kv::{Compare, CompareResult, CompareTarget, KeyRange, Operation, PutRequest, TxnRequest};
use quorate_types::{Bytes, Revision};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join("quorate-embedded-example");
    let store = Quorate::open(&dir)?;

    let revision = store.put("config/colour", "green").await?;
    println!("written at revision {revision}");

    // Compare-and-set: only the first of many that try succeeds.
    let key = Bytes::from_static(b"jobs/42/owner");
    let claim = TxnRequest {
        compare: vec![Compare {
            range: KeyRange { key: key.clone(), end: Bytes::new() },
            result: CompareResult::Equal,
            target: CompareTarget::Create(0),
        }],
        success: vec![Operation::Put(PutRequest {
            key,
            value: Bytes::from_static(b"me"),
            ..PutRequest::default()
        })],
        failure: Vec::new(),
    };
    println!("claimed: {}", store.txn(claim).await?.succeeded);

    // Everything that happened under a prefix since the start, then whatever happens next.
    let prefix = KeyRange { key: Bytes::from_static(b"config/"), end: Bytes::from_static(b"config0") };
    let mut watcher = store.watch(prefix, Revision(revision.0));
    if let Some(Watched::Events(events)) = watcher.next().await {
        for event in events {
            println!("{:?} {:?} = {:?}", event.kind, event.kv.key, event.kv.value);
        }
    }

    store.close().await;
    Ok(())
}
