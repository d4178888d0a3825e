//! The Watch service: each stream of a client is a stream of the watch hub, with one task between them.
//!
//! Messages that are ready together travel in one buffer. What was handed to the connection is reported to the hub, which
//! sends no more than its window until then; so a slow client holds its own stream up and nobody else's.

use super::convert;
use crate::call::Call;
use crate::counters::Counters;
use crate::error;
use crate::grpc::{Code, Messages, Responses, Status, Streamed, decode, encode_into};
use bytes::BytesMut;
use hyper::body::Incoming;
use quorate_driver::WatchStream;
use quorate_kv::watch::{EventRef, StreamEnd, WatchMessage, WatchRefusal, WatchRequest, WatchSpec};
use quorate_kv::{EventKind, KeyRange};
use quorate_proto::etcdserverpb::watch_create_request::FilterType;
use quorate_proto::etcdserverpb::watch_request::RequestUnion;
use quorate_proto::etcdserverpb::{self as pb, WatchResponse};
use quorate_proto::mvccpb;
use quorate_types::Revision;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Ready messages are joined up to this length.
const JOINED_LEN_BYTES: usize = 64 << 10;
/// The id of what is about no watcher, or about all of a stream.
const NO_WATCHER: i64 = -1;

pub(super) async fn watch(call: Call, requests: Messages<Incoming>) -> Result<Streamed, Status> {
    // Nothing to read yet, but a session's client must not be told of what it has already seen.
    call.view(true).await?;
    let stream = call.served.keyspace.watch();
    let (responses, streamed) = Streamed::channel();
    let watching = Watching::new(call.server.counters.clone());
    tokio::spawn(async move {
        let task = Task { call, requests, stream, watching, buffer: BytesMut::new() };
        if let Err(status) = task.run(&responses).await {
            // The client may have gone.
            let _ = responses.send(Err(status)).await;
        }
    });
    Ok(streamed)
}

struct Task {
    call: Call,
    requests: Messages<Incoming>,
    stream: WatchStream,
    watching: Watching,
    buffer: BytesMut,
}

impl Task {
    async fn run(mut self, responses: &Responses) -> Result<(), Status> {
        let mut stopping = self.call.server.stopping();
        let mut leaderless = self.call.served.leadership.leaderless();
        let needs_leader = self.call.options.require_leader;
        let mut asks = true;
        loop {
            tokio::select! {
                message = self.stream.next() => {
                    let first = message.ok_or_else(error::stopped)?;
                    self.forward(first, responses).await?;
                }
                request = self.requests.next(), if asks => match request? {
                    Some(bytes) => self.request(decode(bytes)?),
                    None => asks = false,
                },
                () = responses.closed() => return Ok(()),
                () = stopping.raised() => return Err(error::stopped()),
                () = leaderless.raised(), if needs_leader => return Err(error::no_leader()),
            }
        }
    }

    fn request(&self, request: pb::WatchRequest) {
        let request = match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => WatchRequest::Create(spec(create)),
            Some(RequestUnion::CancelRequest(cancel)) => WatchRequest::Cancel { id: cancel.watch_id },
            Some(RequestUnion::ProgressRequest(_)) => WatchRequest::Progress,
            None => return,
        };
        self.stream.sender.request(request);
    }

    /// Sends a message, and what else is ready.
    async fn forward(&mut self, first: WatchMessage, responses: &Responses) -> Result<(), Status> {
        let mut len_bytes = 0;
        let mut next = Some(first);
        let mut ended = Ok(());
        while let Some(message) = next.take() {
            len_bytes += message.len_bytes();
            ended = self.response(message).and_then(|response| encode_into(&response, &mut self.buffer));
            if ended.is_err() {
                break;
            }
            if self.buffer.len() < JOINED_LEN_BYTES {
                next = ready(&mut self.stream);
            }
        }
        let frame = self.buffer.split().freeze();
        if !frame.is_empty() && responses.send(Ok(frame)).await.is_err() {
            // The client has gone, which `run` will notice.
            return Ok(());
        }
        self.stream.sender.consumed(len_bytes);
        ended
    }

    fn response(&mut self, message: WatchMessage) -> Result<WatchResponse, Status> {
        match &message {
            WatchMessage::Created { .. } => self.watching.add(1),
            WatchMessage::Canceled { .. } | WatchMessage::Compacted { .. } => self.watching.add(-1),
            _ => {}
        }
        let (revision, response) = response(message)?;
        Ok(WatchResponse { header: Some(self.call.header(revision)), ..response })
    }
}

/// The next message if it is there already.
fn ready(stream: &mut WatchStream) -> Option<WatchMessage> {
    match pin!(stream.next()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(message) => message,
        Poll::Pending => None,
    }
}

/// Counts a stream and its watchers for as long as they are there.
struct Watching {
    counters: Arc<Counters>,
    watchers: i64,
}

impl Watching {
    fn new(counters: Arc<Counters>) -> Self {
        counters.add_watch_streams(1);
        Watching { counters, watchers: 0 }
    }

    fn add(&mut self, change: i64) {
        self.watchers += change;
        self.counters.add_watchers(change);
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.counters.add_watchers(-self.watchers);
        self.counters.add_watch_streams(-1);
    }
}

/// Unknown filters are ignored, as etcd does.
fn spec(create: pb::WatchCreateRequest) -> WatchSpec {
    let filters = |filter: FilterType| create.filters.contains(&(filter as i32));
    WatchSpec {
        id: (create.watch_id != 0).then_some(create.watch_id),
        no_put: filters(FilterType::Noput),
        no_delete: filters(FilterType::Nodelete),
        range: KeyRange { key: create.key, end: create.range_end },
        start_revision: create.start_revision,
        prev_kv: create.prev_kv,
        progress_notify: create.progress_notify,
        fragment: create.fragment,
    }
}

/// The response without its header, and the header's revision.
fn response(message: WatchMessage) -> Result<(Revision, WatchResponse), Status> {
    Ok(match message {
        WatchMessage::Created { id, revision } => {
            (revision, WatchResponse { watch_id: id, created: true, ..WatchResponse::default() })
        }
        WatchMessage::Refused { reason, revision } => (revision, refused(reason)),
        WatchMessage::Events { id, revision, events, fragment } => {
            let events = events.iter().map(event).collect();
            (revision, WatchResponse { watch_id: id, events, fragment, ..WatchResponse::default() })
        }
        WatchMessage::Compacted { id, compact_revision } => {
            let compact_revision = compact_revision.0;
            // This one has no revision, so that nobody goes on from it.
            (
                Revision(0),
                WatchResponse { watch_id: id, canceled: true, compact_revision, ..WatchResponse::default() },
            )
        }
        WatchMessage::Canceled { id, revision } => {
            (revision, WatchResponse { watch_id: id, canceled: true, ..WatchResponse::default() })
        }
        WatchMessage::Progress { id, revision } => {
            (revision, WatchResponse { watch_id: id.unwrap_or(NO_WATCHER), ..WatchResponse::default() })
        }
        WatchMessage::Ended { reason } => return Err(ended(reason)),
    })
}

fn refused(reason: WatchRefusal) -> WatchResponse {
    let reason = match reason {
        WatchRefusal::DuplicateId => "mvcc: duplicate watch ID provided on the WatchStream",
        WatchRefusal::EmptyRange => "mvcc: watcher range is empty",
        WatchRefusal::Compacted => "etcdserver: mvcc: required revision has been compacted",
        WatchRefusal::StreamFull => "etcdserver: the stream has too many watchers",
        WatchRefusal::HubFull => "etcdserver: the member has too many watchers",
    };
    let cancel_reason = reason.to_owned();
    WatchResponse {
        watch_id: NO_WATCHER,
        created: true,
        canceled: true,
        cancel_reason,
        ..WatchResponse::default()
    }
}

fn ended(reason: StreamEnd) -> Status {
    match reason {
        StreamEnd::TooManyStreams => {
            Status::new(Code::ResourceExhausted, "etcdserver: the member has too many watch streams")
        }
        StreamEnd::Overrun => {
            Status::new(Code::ResourceExhausted, "etcdserver: the stream asked for more than it read")
        }
    }
}

fn event(event: EventRef<'_>) -> mvccpb::Event {
    let kind = match event.kind {
        EventKind::Put => mvccpb::event::EventType::Put,
        EventKind::Delete => mvccpb::event::EventType::Delete,
    };
    let pair = |pair: &quorate_kv::KeyValue| convert::key_value(pair.clone());
    mvccpb::Event { r#type: kind as i32, kv: Some(pair(event.kv)), prev_kv: event.prev_kv.map(pair) }
}

#[cfg(test)]
mod tests {
    use super::{NO_WATCHER, response, spec};
    use crate::grpc::Code;
    use quorate_kv::watch::{StreamEnd, WatchMessage, WatchRefusal};
    use quorate_proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
    use quorate_types::Revision;

    fn check(message: WatchMessage, revision: i64, expect: WatchResponse) {
        assert_eq!(response(message).unwrap(), (Revision(revision), expect));
    }

    #[test]
    fn messages_have_etcds_shapes() {
        let none = WatchResponse::default;
        check(
            WatchMessage::Created { id: 3, revision: Revision(9) },
            9,
            WatchResponse { watch_id: 3, created: true, ..none() },
        );
        check(
            WatchMessage::Compacted { id: 3, compact_revision: Revision(5) },
            0,
            WatchResponse { watch_id: 3, canceled: true, compact_revision: 5, ..none() },
        );
        check(
            WatchMessage::Progress { id: None, revision: Revision(9) },
            9,
            WatchResponse { watch_id: NO_WATCHER, ..none() },
        );
        check(
            WatchMessage::Refused { reason: WatchRefusal::EmptyRange, revision: Revision(9) },
            9,
            WatchResponse {
                watch_id: NO_WATCHER,
                created: true,
                canceled: true,
                cancel_reason: "mvcc: watcher range is empty".into(),
                ..none()
            },
        );
        let ended = response(WatchMessage::Ended { reason: StreamEnd::Overrun }).unwrap_err();
        assert_eq!(ended.code(), Code::ResourceExhausted);
    }

    #[test]
    fn a_watcher_is_asked_for_as_the_client_said() {
        let create =
            WatchCreateRequest { filters: vec![1, 7], start_revision: -1, ..WatchCreateRequest::default() };
        let spec = spec(create);
        assert!(spec.no_delete && !spec.no_put && spec.id.is_none() && spec.start_revision == -1);
    }
}
