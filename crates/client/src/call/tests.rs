//! What is sent how often, and what its end means.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::{Call, Core, MAX_ATTEMPTS, SESSION_HEADER};
use crate::once::HEADER;
use crate::{Config, Error, Routing};

fn core(endpoints: usize, timeout: Duration) -> Core {
    let mut config = Config::new((0..endpoints).map(|number| format!("127.0.0.1:{}", number + 1)));
    config.timeout = timeout;
    config.exactly_once = false;
    Core::new(config).expect("the endpoints are addresses")
}

/// How a call ends and how often it was sent, when every attempt ends in `status`.
async fn check(call: Call, core: &Core, status: impl Fn() -> Status) -> (Error, u32) {
    let sent = AtomicU32::new(0);
    let send = |_: Channel, _: Request<()>| {
        sent.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Err::<Response<()>, _>(status()))
    };
    let error = core.call(call, (), send).await.expect_err("no attempt succeeds");
    (error, sent.into_inner())
}

fn never_sent() -> Status {
    let mut status = Status::unavailable("tcp connect error");
    status.set_source(std::sync::Arc::new(tonic::ConnectError("refused".into())));
    status
}

const READ: Call = Call::read("read");
const WRITE: Call = Call::write("write");
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_read_goes_on_until_the_bound() {
    let (error, sent) = check(READ, &core(3, HOUR), || Status::unavailable("no leader")).await;
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(sent, MAX_ATTEMPTS);
}

#[tokio::test(start_paused = true)]
async fn a_read_goes_on_until_its_deadline() {
    let begun = tokio::time::Instant::now();
    let (error, sent) = check(READ, &core(1, Duration::from_secs(1)), || Status::unavailable("")).await;
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(begun.elapsed() <= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!((2..MAX_ATTEMPTS).contains(&sent), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn a_write_is_sent_once() {
    let (error, sent) = check(WRITE, &core(3, HOUR), || Status::unavailable("request timed out")).await;
    assert!(error.is_ambiguous(), "{error}");
    assert_eq!(sent, 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_never_left_is_tried_elsewhere() {
    let (error, sent) = check(WRITE, &core(3, HOUR), never_sent).await;
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(sent, MAX_ATTEMPTS);
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_of_a_numbered_write_does_not_speak_for_the_first() {
    let last: [fn() -> Status; 2] = [never_sent, || Status::resource_exhausted("space exceeded")];
    for last in last {
        let mut core = core(1, Duration::from_secs(1));
        core.config.exactly_once = true;
        let mut opened = MetadataMap::new();
        opened.insert(HEADER, "1f".parse().expect("text"));
        core.once.opened(&opened);
        let first = Mutex::new(Some(Status::unavailable("the leader is lost")));
        let (error, sent) = check(WRITE, &core, || first.lock().unwrap().take().unwrap_or_else(last)).await;
        assert!(error.is_ambiguous(), "{error}");
        assert!(sent > 1, "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final() {
    for call in [READ, WRITE] {
        let (error, sent) = check(call, &core(3, HOUR), || Status::not_found("no such lease")).await;
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert_eq!(sent, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_endpoint_costs_a_read_only_its_share() {
    let core = core(3, Duration::from_secs(3));
    let begun = tokio::time::Instant::now();
    let attempt = AtomicU32::new(0);
    let send = |_: Channel, _: Request<()>| {
        let first = attempt.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            Ok(Response::new(7))
        }
    };
    assert_eq!(core.call(READ, (), send).await.expect("the second endpoint answers"), 7);
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}

#[tokio::test]
async fn failing_endpoints_are_left_once_and_round_robin_takes_turns() {
    let sticky = core(3, HOUR);
    assert_eq!([sticky.pick(0).0, sticky.pick(0).0], [0, 0]);
    sticky.leave(0);
    sticky.leave(0);
    assert_eq!(sticky.pick(0).0, 1);
    let mut config = Config::new(["127.0.0.1:1", "127.0.0.1:2"]);
    config.routing = Routing::RoundRobin;
    let turns = Core::new(config).expect("the endpoints are addresses");
    assert_eq!([turns.pick(0).0, turns.pick(0).0, turns.pick(0).0], [0, 1, 0]);
}

#[tokio::test]
async fn the_newest_session_token_is_carried_on() {
    let core = core(1, HOUR);
    let send = |_: Channel, request: Request<()>| {
        let seen = request
            .metadata()
            .get(SESSION_HEADER)
            .map_or("none".to_owned(), |token| token.to_str().expect("tests send text").to_owned());
        let mut response = Response::new(seen);
        response.metadata_mut().insert(SESSION_HEADER, "s1".parse().expect("text"));
        std::future::ready(Ok(response))
    };
    assert_eq!(core.call(READ, (), send).await.expect("answered"), "none");
    assert_eq!(core.call(READ, (), send).await.expect("answered"), "s1");
    assert_eq!(core.session().as_deref(), Some("s1"));
}
