//! The client against servers that fail in every way that matters: what is sent again, and what is never.

mod fake;

use std::time::Duration;

use fake::{Answer, Fake};
use quorate_client::{Client, Config, Error, User, WatchOptions, mvccpb, pb};
use tonic::Status;

const PATIENCE: Duration = Duration::from_secs(5);

fn client(endpoints: &[&str], timeout: Duration) -> Client {
    let mut config = Config::new(endpoints.iter().copied());
    config.timeout = timeout;
    config.exactly_once = false;
    Client::connect(config).expect("the endpoints are addresses")
}

/// An endpoint where nobody listens.
fn closed() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

#[tokio::test]
async fn a_read_moves_on_to_an_endpoint_that_answers() {
    let sick = Fake::start([Answer::Fail(Status::unavailable("etcdserver: no leader"))]).await;
    let well = Fake::start([Answer::Ok]).await;
    let client = client(&[&closed(), &sick.address, &well.address], PATIENCE);
    assert_eq!(client.get("k").await.expect("the third answers"), None);
    assert_eq!((sick.requests(), well.requests()), (1, 1));
}

#[tokio::test]
async fn a_write_moves_on_only_from_where_it_was_never_sent() {
    let sick = Fake::start([Answer::Fail(Status::unavailable("etcdserver: request timed out"))]).await;
    let well = Fake::start([Answer::Ok]).await;
    let nobody = closed();
    let endpoints = [&*nobody, &sick.address, &well.address];
    let error = client(&endpoints, PATIENCE).put("k", "v").await.expect_err("the second loses it");
    assert!(error.is_ambiguous(), "{error}");
    assert_eq!((sick.requests(), well.requests()), (1, 0));
}

#[tokio::test]
async fn a_write_without_an_answer_is_of_unknown_outcome() {
    let mute = Fake::start([Answer::Never]).await;
    let error = client(&[&mute.address], Duration::from_millis(100)).put("k", "v").await;
    assert!(error.expect_err("nobody answers").is_ambiguous());
    assert_eq!(mute.requests(), 1);
}

#[tokio::test]
async fn a_write_whose_connection_breaks_is_of_unknown_outcome() {
    let dying = Fake::start([Answer::Die]).await;
    let well = Fake::start([Answer::Ok]).await;
    let endpoints = [&*dying.address, &well.address];
    let error = client(&endpoints, PATIENCE).put("k", "v").await.expect_err("the connection broke");
    assert!(error.is_ambiguous(), "{error}");
    assert_eq!(well.requests(), 0);
}

#[tokio::test]
async fn with_nobody_there_nothing_was_changed() {
    let client = client(&[&closed()], Duration::from_millis(100));
    for error in [client.get("k").await.expect_err("closed"), client.put("k", "v").await.expect_err("closed")]
    {
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_words() {
    let text = "etcdserver: mvcc: required revision has been compacted";
    let server = Fake::start([Answer::Fail(Status::out_of_range(text))]).await;
    let error = client(&[&server.address], PATIENCE).get("k").await.expect_err("refused");
    assert_eq!(error.to_string(), format!("get: {text}"));
    assert_eq!(error.code(), Some(tonic::Code::OutOfRange));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_rejected_login_is_renewed_once() {
    let server =
        Fake::start([Answer::Fail(Status::unauthenticated("etcdserver: invalid auth token")), Answer::Ok])
            .await;
    let mut config = Config::new([server.address.clone()]);
    config.exactly_once = false;
    config.user = Some(User { name: "root".to_owned(), password: "pw".to_owned() });
    let client = Client::connect(config).expect("an address");
    client.put("k", "v").await.expect("the second token is good");
    assert_eq!(server.tokens(), ["token-1", "token-2"]);
}

#[tokio::test]
async fn the_keyspace_goes_with_every_call() {
    let server = Fake::start([Answer::Ok]).await;
    let mut config = Config::new([server.address.clone()]);
    config.exactly_once = false;
    config.keyspace = Some("orders".to_owned());
    Client::connect(config).expect("an address").put("k", "v").await.expect("answered");
    assert_eq!(server.keyspaces(), ["orders"]);
}

fn event(revision: i64) -> pb::WatchResponse {
    let kv = mvccpb::KeyValue { key: "k".into(), mod_revision: revision, ..Default::default() };
    let event = mvccpb::Event { kv: Some(kv), ..Default::default() };
    pb::WatchResponse { header: fake::header(revision), events: vec![event], ..Default::default() }
}

fn created(revision: i64) -> pb::WatchResponse {
    pb::WatchResponse { header: fake::header(revision), created: true, ..Default::default() }
}

#[tokio::test]
async fn a_watch_goes_on_where_it_broke_off() {
    let progress = pb::WatchResponse { header: fake::header(9), ..Default::default() };
    let first = Fake::start([Answer::Watch(vec![created(4), event(5), event(6)])]).await;
    let second = Fake::start([Answer::Watch(vec![created(8), event(7), progress])]).await;
    let compacted = pb::WatchResponse { compact_revision: 20, canceled: true, ..Default::default() };
    first.then(Answer::Watch(vec![created(30), compacted]));
    let client = client(&[&first.address, &second.address], PATIENCE);
    let mut watcher = client.watch("k", WatchOptions::default());
    for (revision, events) in [(5, 1), (6, 1), (7, 1), (9, 0)] {
        let update = watcher.next().await.expect("the watch goes on");
        assert_eq!((update.revision, update.events.len()), (revision, events));
    }
    let error = watcher.next().await.expect_err("compacted");
    assert!(matches!(error, Error::Compacted { oldest: 20 }), "{error}");
    assert_eq!((first.watch_starts(), second.watch_starts()), (vec![0, 10], vec![7]));
}

#[tokio::test]
async fn a_watch_that_broke_before_its_first_event_misses_nothing() {
    let server =
        Fake::start([Answer::Watch(vec![created(4)]), Answer::Watch(vec![created(9), event(5)])]).await;
    let mut watcher = client(&[&server.address], PATIENCE).watch("k", WatchOptions::default());
    assert_eq!(watcher.next().await.expect("the watch goes on").revision, 5);
    assert_eq!(server.watch_starts(), [0, 5]);
}

#[tokio::test]
async fn a_lease_is_renewed_until_it_is_gone() {
    let server = Fake::start([Answer::KeepAlive(vec![3, 2, 0])]).await;
    let client = client(&[&server.address], PATIENCE);
    let mut keeper = client.keep_alive(7);
    assert_eq!(keeper.renew().await.expect("alive"), 3);
    assert_eq!(keeper.renew().await.expect("alive"), 2);
    let error = keeper.renew().await.expect_err("expired");
    assert!(matches!(error, Error::LeaseGone { id: 7 }), "{error}");
}
