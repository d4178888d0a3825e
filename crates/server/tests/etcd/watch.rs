//! The Watch service.

use super::{Fixture, put};
use quorate_proto::etcdserverpb as pb;
use quorate_proto::etcdserverpb::watch_request::RequestUnion;
use quorate_proto::mvccpb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Streaming};

struct Watching {
    requests: mpsc::UnboundedSender<pb::WatchRequest>,
    responses: Streaming<pb::WatchResponse>,
}

impl Watching {
    async fn open(fixture: &Fixture) -> Self {
        let (requests, stream) = mpsc::unbounded_channel();
        let mut client = pb::watch_client::WatchClient::new(fixture.channel().await);
        let responses = client.watch(UnboundedReceiverStream::new(stream)).await.unwrap().into_inner();
        Watching { requests, responses }
    }

    fn ask(&self, request: RequestUnion) {
        self.requests.send(pb::WatchRequest { request_union: Some(request) }).unwrap();
    }

    async fn next(&mut self) -> pb::WatchResponse {
        self.responses.message().await.unwrap().unwrap()
    }

    async fn create(&mut self, request: pb::WatchCreateRequest) -> pb::WatchResponse {
        self.ask(RequestUnion::CreateRequest(request));
        self.next().await
    }
}

fn all() -> pb::WatchCreateRequest {
    pb::WatchCreateRequest { range_end: vec![0].into(), ..Default::default() }
}

#[tokio::test]
async fn events_arrive_in_order_and_from_the_past() {
    let fixture = Fixture::start().await;
    let mut kv = fixture.kv().await;
    kv.put(put("a", "1")).await.unwrap();
    let mut watching = Watching::open(&fixture).await;
    let created = watching.create(pb::WatchCreateRequest { start_revision: 2, prev_kv: true, ..all() }).await;
    assert!(created.created && !created.canceled && created.watch_id == 0);
    assert_eq!(created.header.unwrap().revision, 2);
    kv.put(put("a", "2")).await.unwrap();
    kv.delete_range(pb::DeleteRangeRequest { key: "a".into(), ..Default::default() }).await.unwrap();
    let mut events = Vec::new();
    while events.len() < 3 {
        let response = watching.next().await;
        assert!(response.header.unwrap().cluster_id != 0);
        events.extend(response.events);
    }
    let revisions: Vec<_> = events.iter().map(|event| event.kv.as_ref().unwrap().mod_revision).collect();
    assert_eq!(revisions, [2, 3, 4]);
    assert_eq!(events[1].prev_kv.as_ref().unwrap().value, "1");
    assert_eq!(events[2].r#type, mvccpb::event::EventType::Delete as i32);
    assert_eq!(events[2].kv.as_ref().unwrap().version, 0);
    watching.ask(RequestUnion::ProgressRequest(pb::WatchProgressRequest {}));
    let progress = watching.next().await;
    assert_eq!((progress.watch_id, progress.header.unwrap().revision), (-1, 4));
    watching.ask(RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: 0 }));
    let canceled = watching.next().await;
    assert!(canceled.canceled && canceled.watch_id == 0 && canceled.cancel_reason.is_empty());
    fixture.close().await;
}

#[tokio::test]
async fn what_cannot_be_watched_is_told_in_etcds_way() {
    let fixture = Fixture::start().await;
    let mut kv = fixture.kv().await;
    for _ in 0..3 {
        kv.put(put("a", "1")).await.unwrap();
    }
    kv.compact(pb::CompactionRequest { revision: 3, ..Default::default() }).await.unwrap();
    let mut watching = Watching::open(&fixture).await;
    let empty = pb::WatchCreateRequest { key: "b".into(), range_end: "a".into(), ..Default::default() };
    let refused = watching.create(empty).await;
    assert!(refused.created && refused.canceled && refused.watch_id == -1);
    assert_eq!(refused.cancel_reason, "mvcc: watcher range is empty");
    assert!(watching.create(pb::WatchCreateRequest { watch_id: 7, ..all() }).await.created);
    let refused = watching.create(pb::WatchCreateRequest { watch_id: 7, ..all() }).await;
    assert_eq!(refused.cancel_reason, "mvcc: duplicate watch ID provided on the WatchStream");
    assert!(watching.create(pb::WatchCreateRequest { start_revision: 2, ..all() }).await.created);
    let compacted = watching.next().await;
    assert!(compacted.canceled && compacted.cancel_reason.is_empty());
    assert_eq!((compacted.compact_revision, compacted.header.unwrap().revision), (3, 0));
    fixture.close().await;
}

#[tokio::test]
async fn a_stopping_server_ends_streams_with_a_status() {
    let fixture = Fixture::start().await;
    let mut watching = Watching::open(&fixture).await;
    assert!(watching.create(all()).await.created);
    fixture.close().await;
    let ended = watching.responses.message().await.unwrap_err();
    assert_eq!((ended.code(), ended.message()), (Code::Unavailable, "etcdserver: server stopped"));
}
