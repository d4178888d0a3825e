//! A backup, streamed from one server and checked as it comes.
//!
//! **Problem.** A backup that was cut short or changed on the way must not look like one. **Idea.** The last message is the SHA-256 of all
//! before it; it is compared here, and kept, because etcd's tools look for it at the end of the file. **Invariant.** Who gets the end of the
//! stream from [`SnapshotStream::next`] has received what the server sent.

use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use tonic::{Request, Status, Streaming};

use crate::call::{Call, Core};
use crate::error::fate;
use crate::pb::maintenance_client::MaintenanceClient;
use crate::{Error, pb};

/// How long the server may prepare a backup, or pause between two messages.
const PAUSE_MAX: Duration = Duration::from_secs(600);
const SUM_LEN_BYTES: usize = 32;
const CALL: Call = Call::read("snapshot");

/// See the module.
#[derive(Debug)]
pub struct SnapshotStream {
    responses: Streaming<pb::SnapshotResponse>,
    sum: Sha256,
    /// The newest message's bytes: the next one decides whether they are content or checksum.
    held: Bytes,
    received_len_bytes: u64,
    left_len_bytes: u64,
    is_over: bool,
}

impl SnapshotStream {
    /// Asks the endpoints one after the other until one begins.
    pub(crate) async fn open(core: &Core) -> Result<Self, Error> {
        let mut left = core.endpoint_count();
        loop {
            let (endpoint, channel) = core.stream_channel().await?;
            let mut request = Request::new(pb::SnapshotRequest {});
            core.add_headers(request.metadata_mut());
            let mut client = MaintenanceClient::new(channel);
            let status = match timeout(core.timeout(), client.snapshot(request)).await {
                Ok(Ok(response)) => return Ok(SnapshotStream::of(response.into_inner())),
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded("no answer in time"),
            };
            core.leave(endpoint);
            left = left.saturating_sub(1);
            if left == 0 {
                return Err(failed(status));
            }
        }
    }

    fn of(responses: Streaming<pb::SnapshotResponse>) -> Self {
        let (sum, held) = (Sha256::new(), Bytes::new());
        SnapshotStream { responses, sum, held, received_len_bytes: 0, left_len_bytes: 0, is_over: false }
    }

    /// Bytes received so far, and bytes to come as the server tells it.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.received_len_bytes, self.left_len_bytes)
    }

    /// The next bytes of the file, the checksum at its end included; `None` once all was received and the checksum is right.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the stream broke off or what was sent is not whole; then what was received is of no use.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.is_over {
            let message = timeout(PAUSE_MAX, self.responses.message()).await;
            let message = message.map_err(|_| failed(Status::deadline_exceeded("the stream has stalled")))?;
            let Some(message) = message.map_err(failed)? else {
                self.is_over = true;
                self.check()?;
                return Ok(Some(std::mem::take(&mut self.held)));
            };
            self.received_len_bytes += message.blob.len() as u64;
            self.left_len_bytes = message.remaining_bytes;
            let content = std::mem::replace(&mut self.held, message.blob);
            self.sum.update(&content);
            if !content.is_empty() {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }

    fn check(&self) -> Result<(), Error> {
        let is_whole = self.held.len() == SUM_LEN_BYTES && self.sum.clone().finalize()[..] == self.held[..];
        let what = "what was received is damaged or incomplete: its checksum is wrong";
        if is_whole { Ok(()) } else { Err(failed(Status::data_loss(what))) }
    }
}

fn failed(status: Status) -> Error {
    let fate = fate(&status);
    CALL.failed(status, fate)
}
