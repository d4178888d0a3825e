//! A watch that outlives its connections.
//!
//! **Problem.** A watch stream breaks whenever a server restarts; a reader that starts over "from now" has lost what
//! happened meanwhile. **Idea.** The watcher knows the first revision that it has not delivered; after a break it asks
//! the next endpoint for everything from there on. **Invariant.** Each event is delivered once, in revision order,
//! with none left out, or the watch ends with an error. **Source.** etcd's watch guarantees: ordered, unique, reliable,
//! atomic, resumable, bookmarkable.

use std::sync::Arc;
use std::time::Duration;

use quorate_proto::mvccpb::Event;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status, Streaming};

use crate::call::Core;
use crate::pb::watch_client::WatchClient;
use crate::pb::watch_request::RequestUnion;
use crate::{Error, Keys, pb};

/// Requests that wait to be sent on one stream; a caller beyond that waits its turn.
const MAX_UNSENT_REQUESTS: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a watcher wants to see.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// The first revision of interest; 0 means only what happens from now on.
    pub start_revision: i64,
    /// Deliver, with each event, what the key held before.
    pub prev_kv: bool,
    /// Deliver an empty [`Update`] now and then while nothing happens.
    pub progress_notify: bool,
    /// Leave out puts.
    pub without_puts: bool,
    /// Leave out deletions.
    pub without_deletes: bool,
}

/// Some news from a watch.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The store's revision when this was sent. If `events` is empty, everything up to it has been delivered.
    pub revision: i64,
    /// What happened, oldest first. All events of one revision are in one update.
    pub events: Vec<Event>,
}

/// A running watch.
pub struct Watcher {
    core: Arc<Core>,
    keys: Keys,
    options: WatchOptions,
    /// The first revision that was not delivered yet; 0 until the server has said where "now" is.
    next_revision: i64,
    connection: Option<Connection>,
    /// How long to wait before the next attempt to connect; zero while all is well.
    pause: Duration,
}

struct Connection {
    endpoint: usize,
    requests: mpsc::Sender<pb::WatchRequest>,
    responses: Streaming<pb::WatchResponse>,
}

impl Watcher {
    pub(crate) fn new(core: Arc<Core>, keys: Keys, options: WatchOptions) -> Self {
        let next_revision = options.start_revision;
        Watcher { core, keys, options, next_revision, connection: None, pause: Duration::ZERO }
    }

    /// Waits for news. Reconnects by itself, for as long as it takes. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the server ends the watch for good: the wanted revision is compacted away, or the watch is not allowed.
    pub async fn next(&mut self) -> Result<Update, Error> {
        loop {
            let connection = self.connected().await?;
            let endpoint = connection.endpoint;
            let received = connection.responses.message().await;
            match received {
                Ok(Some(response)) => {
                    if let Some(update) = self.on_response(response)? {
                        return Ok(update);
                    }
                }
                Ok(None) => self.on_break(endpoint),
                Err(status) if may_resume(&status) => self.on_break(endpoint),
                Err(source) => return Err(Error::Refused { call: "watch", source }),
            }
        }
    }

    /// Asks the server to say how far it has come: answered by an empty [`Update`], unless events are on their way.
    ///
    /// # Errors
    /// As [`Watcher::next`], while connecting.
    pub async fn request_progress(&mut self) -> Result<(), Error> {
        let request = RequestUnion::ProgressRequest(pb::WatchProgressRequest {});
        let connection = self.connected().await?;
        // A broken stream drops the request; `next` will notice the break.
        let _ = connection.requests.send(pb::WatchRequest { request_union: Some(request) }).await;
        Ok(())
    }

    /// The first revision that was not delivered yet, to start another watch from; 0 if that is not known.
    #[must_use]
    pub fn next_revision(&self) -> i64 {
        self.next_revision
    }

    fn on_response(&mut self, response: pb::WatchResponse) -> Result<Option<Update>, Error> {
        self.pause = Duration::ZERO;
        if response.compact_revision > 0 {
            self.connection = None;
            return Err(Error::Compacted { oldest: response.compact_revision });
        }
        if response.canceled {
            self.connection = None;
            return Err(Error::WatchEnded { reason: response.cancel_reason });
        }
        let revision = response.header.map_or(0, |header| header.revision);
        if response.created {
            if self.next_revision == 0 {
                self.next_revision = revision + 1;
            }
            return Ok(None);
        }
        // The header may be ahead of the events of a watch that is catching up; only an empty response is a promise.
        let delivered = response.events.last().and_then(|event| event.kv.as_ref()).map(|kv| kv.mod_revision);
        self.next_revision = self.next_revision.max(delivered.unwrap_or(revision) + 1);
        Ok(Some(Update { revision, events: response.events }))
    }

    fn on_break(&mut self, endpoint: usize) {
        self.connection = None;
        self.core.leave(endpoint);
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
    }

    async fn connected(&mut self) -> Result<&mut Connection, Error> {
        while self.connection.is_none() {
            sleep(self.pause).await;
            let (endpoint, channel) = self.core.stream_channel().await?;
            let (requests, receiver) = mpsc::channel(MAX_UNSENT_REQUESTS);
            let create =
                pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(self.create_request())) };
            requests.try_send(create).expect("the channel is new and has room");
            let mut request = Request::new(ReceiverStream::new(receiver));
            self.core.add_headers(request.metadata_mut());
            // A member that lost its leader then ends the stream instead of going silent.
            request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
            let mut client = WatchClient::new(channel).max_decoding_message_size(usize::MAX);
            match timeout(self.core.timeout(), client.watch(request)).await {
                Ok(Ok(response)) => {
                    self.connection =
                        Some(Connection { endpoint, requests, responses: response.into_inner() });
                }
                Ok(Err(source)) if !may_resume(&source) => {
                    return Err(Error::Refused { call: "watch", source });
                }
                Ok(Err(_)) | Err(_) => self.on_break(endpoint),
            }
        }
        Ok(self.connection.as_mut().expect("the loop above ends only with a connection"))
    }

    fn create_request(&self) -> pb::WatchCreateRequest {
        use pb::watch_create_request::FilterType;
        let mut filters = Vec::new();
        if self.options.without_puts {
            filters.push(FilterType::Noput.into());
        }
        if self.options.without_deletes {
            filters.push(FilterType::Nodelete.into());
        }
        pb::WatchCreateRequest {
            key: self.keys.key.clone(),
            range_end: self.keys.range_end.clone(),
            start_revision: self.next_revision,
            progress_notify: self.options.progress_notify,
            prev_kv: self.options.prev_kv,
            filters,
            ..Default::default()
        }
    }
}

/// Whether a stream that ended like this is worth opening again.
fn may_resume(status: &Status) -> bool {
    use std::error::Error as _;
    matches!(status.code(), Code::Unavailable | Code::Internal) || status.source().is_some()
}
