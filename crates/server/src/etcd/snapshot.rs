//! A backup of the keyspace as a stream: etcd's database file in chunks, then its checksum.
//!
//! **Problem.** A store of any size is to be copied while it serves, by a client that may be slow or go away. **Idea.** One immutable view
//! is written to a nameless file on a thread for that; then the file is sent, chunk by chunk, as fast as the client takes it.
//! **Invariant.** All chunks are of one view; memory holds a few of them; few backups are made at a time.

use crate::call::Call;
use crate::error;
use crate::flag::Flag;
use crate::grpc::{Messages, Responses, Status, Streamed, decode, encode};
use crate::options::COMPATIBILITY_LEVEL;
use hyper::body::Incoming;
use quorate_proto::etcdserverpb as pb;
use quorate_snapshot::{ExportError, Exported, export};
use quorate_types::Bytes;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// What a message carries.
const CHUNK_LEN_BYTES: usize = 32 << 10;
/// What is read from the file at a time.
const READ_LEN_BYTES: usize = 32 * CHUNK_LEN_BYTES;
/// How long a client may take for a chunk. Longer, and it keeps others from theirs.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(60);

/// Streams the state that this member has now; it may lag behind the leader's.
pub(super) async fn snapshot(call: Call, mut messages: Messages<Incoming>) -> Result<Streamed, Status> {
    let _: pb::SnapshotRequest = decode(messages.only().await?)?;
    let permit = call.server.snapshots.clone().try_acquire_owned().map_err(|_| error::overloaded())?;
    let (responses, streamed) = Streamed::channel();
    tokio::spawn(async move {
        let stopping = call.server.stopping();
        if let Err(status) = send(&call, &responses, stopping, permit).await {
            // The client may have gone.
            let _ = responses.send(Err(status)).await;
        }
    });
    Ok(streamed)
}

async fn send(
    call: &Call,
    responses: &Responses,
    mut stopping: Flag,
    _permit: OwnedSemaphorePermit,
) -> Result<(), Status> {
    let Exported { file, len_bytes } = made(call, responses).await?;
    tracing::info!(len_bytes, "sends a snapshot");
    let mut file = Some(file);
    let mut sum = Sha256::new();
    let mut left = len_bytes;
    while left > 0 {
        let len_bytes = usize::try_from(left).map_or(READ_LEN_BYTES, |left| left.min(READ_LEN_BYTES));
        let read = file.take().expect("it comes back after each read");
        let (back, bytes) = blocking(move || read_next(read, len_bytes)).await??;
        file = Some(back);
        for at in (0..bytes.len()).step_by(CHUNK_LEN_BYTES) {
            let blob = bytes.slice(at..bytes.len().min(at + CHUNK_LEN_BYTES));
            sum.update(&blob);
            left -= blob.len() as u64;
            put(responses, &mut stopping, blob, left).await?;
        }
    }
    put(responses, &mut stopping, Bytes::copy_from_slice(&sum.finalize()), 0).await
}

/// The file, from the newest view.
async fn made(call: &Call, responses: &Responses) -> Result<Exported, Status> {
    let keyspace = &call.served.keyspace;
    let (view, now_ns) = (keyspace.local_view(), keyspace.cluster_time_ns());
    let scratch = call.server.handle.data_dir().map_or_else(std::env::temp_dir, Path::to_path_buf);
    let (client, stopping) = (responses.clone(), call.server.stopping());
    let is_wanted = move || !client.is_closed() && !stopping.is_raised();
    let made = blocking(move || export(&view, now_ns, &scratch, &is_wanted)).await?;
    made.map_err(|failure| match failure {
        ExportError::Tables(source) => error::tables(&source),
        ExportError::Unwanted => error::stopped(),
        failure => Status::unavailable(format!("this member cannot make a snapshot: {failure}")),
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Status::internal("the snapshot failed on this member"))
}

fn read_next(mut file: File, len_bytes: usize) -> Result<(File, Bytes), Status> {
    let mut bytes = vec![0; len_bytes];
    let read = file.read_exact(&mut bytes);
    read.map_err(|failure| {
        Status::unavailable(format!("this member cannot read its temporary file: {failure}"))
    })?;
    Ok((file, Bytes::from(bytes)))
}

async fn put(responses: &Responses, stopping: &mut Flag, blob: Bytes, left: u64) -> Result<(), Status> {
    let version = COMPATIBILITY_LEVEL.to_owned();
    let response = pb::SnapshotResponse { header: None, remaining_bytes: left, blob, version };
    let frame = encode(&response)?;
    tokio::select! {
        sent = tokio::time::timeout(CHUNK_TIMEOUT, responses.send(Ok(frame))) => match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Status::cancelled("context canceled")),
            Err(_) => Err(Status::deadline_exceeded("the client takes the snapshot too slowly")),
        },
        () = stopping.raised() => Err(error::stopped()),
    }
}
