//! Keeping a lease alive.
//!
//! **Problem.** A holder must know that its lease is gone no later than the rest of the world does. **Idea.** Renew
//! three times within each life; count the life from *before* the renewal was sent, so that it ends here first.
//! **Invariant.** [`KeepAlive::run`] goes on only while the lease is certainly alive. **Source.** Gray and Cheriton,
//! "Leases" (1989): the holder's clock starts before the grantor's.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};

use crate::call::Core;
use crate::pb::lease_client::LeaseClient;
use crate::{Error, pb};

/// A renewal is answered before the next one is sent.
const MAX_UNSENT_RENEWALS: usize = 1;
const RENEWALS_PER_LIFE: u32 = 3;
/// How soon a renewal that got no answer is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Renews one lease, on one stream for as long as that lasts.
pub struct KeepAlive {
    core: Arc<Core>,
    id: i64,
    stream: Option<Stream>,
}

struct Stream {
    endpoint: usize,
    requests: mpsc::Sender<pb::LeaseKeepAliveRequest>,
    responses: Streaming<pb::LeaseKeepAliveResponse>,
}

impl KeepAlive {
    pub(crate) fn new(core: Arc<Core>, id: i64) -> Self {
        KeepAlive { core, id, stream: None }
    }

    /// Renews the lease once, and gives the seconds that it lives from now on.
    ///
    /// # Errors
    /// [`Error::LeaseGone`] once it is too late; [`Error::Unavailable`] if no answer came, and then it may or may not
    /// have been renewed.
    pub async fn renew(&mut self) -> Result<i64, Error> {
        let limit = self.core.timeout();
        // The stream is put back only when it is known to be in step: a renewal that was given up leaves none.
        let (stream, outcome) = match self.stream.take() {
            Some(mut stream) => {
                let outcome = timeout(limit, exchange(&mut stream, self.id)).await;
                (stream, outcome)
            }
            None => {
                let mut stream = self.open().await?;
                let outcome = timeout(limit, answer(&mut stream)).await;
                (stream, outcome)
            }
        };
        let status = match outcome {
            Ok(Ok(answer)) if answer.ttl <= 0 => return Err(Error::LeaseGone { id: self.id }),
            Ok(Ok(answer)) => {
                self.stream = Some(stream);
                return Ok(answer.ttl);
            }
            Ok(Err(status)) => status,
            Err(_) => Status::deadline_exceeded("no answer in time"),
        };
        self.core.leave(stream.endpoint);
        if status.code() == Code::NotFound {
            return Err(Error::LeaseGone { id: self.id });
        }
        Err(Error::Unavailable { call: "lease keep-alive", source: status })
    }

    /// Renews the lease until it is lost, calling `renewed` with the seconds left after each renewal.
    ///
    /// # Errors
    /// Always ends with one: [`Error::LeaseGone`] when the lease is gone, or can no longer be told to be alive.
    pub async fn run(&mut self, mut renewed: impl FnMut(i64)) -> Result<std::convert::Infallible, Error> {
        let mut alive_until: Option<Instant> = None;
        loop {
            let begun = Instant::now();
            let patience =
                alive_until.map_or(self.core.timeout(), |until| until.saturating_duration_since(begun));
            match timeout(patience, self.renew()).await {
                Ok(Ok(ttl_s)) => {
                    renewed(ttl_s);
                    let life = Duration::from_secs(ttl_s.unsigned_abs());
                    alive_until = Some(begun + life);
                    sleep(life / RENEWALS_PER_LIFE).await;
                }
                Ok(Err(error @ Error::Unavailable { .. })) if alive_until.is_none() => return Err(error),
                Ok(Err(Error::Unavailable { .. })) => sleep(RETRY_PAUSE).await,
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(Error::LeaseGone { id: self.id }),
            }
        }
    }

    /// Opens a stream with a first renewal on it: a server need not even accept a stream that carries nothing.
    async fn open(&self) -> Result<Stream, Error> {
        let (endpoint, channel) = self.core.stream_channel().await?;
        let (requests, receiver) = mpsc::channel(MAX_UNSENT_RENEWALS);
        requests
            .try_send(pb::LeaseKeepAliveRequest { id: self.id })
            .expect("the channel is new and has room");
        let mut request = Request::new(ReceiverStream::new(receiver));
        self.core.add_headers(request.metadata_mut());
        let opened = timeout(self.core.timeout(), LeaseClient::new(channel).lease_keep_alive(request)).await;
        let status = match opened {
            Ok(Ok(response)) => {
                return Ok(Stream { endpoint, requests, responses: response.into_inner() });
            }
            Ok(Err(status)) => status,
            Err(_) => Status::deadline_exceeded("no answer in time"),
        };
        self.core.leave(endpoint);
        Err(Error::Unavailable { call: "lease keep-alive", source: status })
    }
}

/// Sends a renewal and waits for its answer.
async fn exchange(stream: &mut Stream, id: i64) -> Result<pb::LeaseKeepAliveResponse, Status> {
    stream.requests.send(pb::LeaseKeepAliveRequest { id }).await.map_err(|_| closed())?;
    answer(stream).await
}

/// Waits for the answer to the one renewal that is on its way.
async fn answer(stream: &mut Stream) -> Result<pb::LeaseKeepAliveResponse, Status> {
    stream.responses.message().await?.ok_or_else(closed)
}

fn closed() -> Status {
    Status::unavailable("the stream was closed")
}
