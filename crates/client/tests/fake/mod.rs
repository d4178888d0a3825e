//! A gRPC server that answers as a test tells it to, one scripted answer after the other. It is written on bare
//! HTTP/2, so that it can also do what no server library does: die in the middle of a call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use prost::Message;
use quorate_client::pb;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tonic::Status;

const FRAME_HEADER_BYTES: usize = 5;

/// What becomes of one request.
#[derive(Clone)]
pub enum Answer {
    /// An empty message.
    Ok,
    /// This error.
    Fail(Status),
    /// Nothing, ever.
    Never,
    /// The server drops the connection.
    Die,
    /// On a watch: these responses, and then the stream breaks.
    Watch(Vec<pb::WatchResponse>),
    /// On a keep-alive stream: renewals with these times to live.
    KeepAlive(Vec<i64>),
}

/// A running server; it stops with the test's runtime.
pub struct Fake {
    pub address: String,
    state: State,
}

type State = Arc<Mutex<Seen>>;

/// What is still to be answered, and what was asked so far.
#[derive(Default)]
struct Seen {
    script: VecDeque<Answer>,
    requests: usize,
    logins: usize,
    tokens: Vec<String>,
    keyspaces: Vec<String>,
    watch_starts: Vec<i64>,
}

impl Fake {
    pub async fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let state = State::default();
        lock(&state).script.extend(script);
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("the listener lives as long as the test");
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Fake { address, state }
    }

    /// Adds an answer to the script.
    pub fn then(&self, answer: Answer) {
        lock(&self.state).script.push_back(answer);
    }

    /// How many requests arrived, logins aside.
    pub fn requests(&self) -> usize {
        lock(&self.state).requests
    }

    /// The login tokens that they carried.
    pub fn tokens(&self) -> Vec<String> {
        lock(&self.state).tokens.clone()
    }

    /// The keyspaces that they named.
    pub fn keyspaces(&self) -> Vec<String> {
        lock(&self.state).keyspaces.clone()
    }

    /// The revisions that watches began with.
    pub fn watch_starts(&self) -> Vec<i64> {
        lock(&self.state).watch_starts.clone()
    }
}

pub fn header(revision: i64) -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader { revision, ..Default::default() })
}

fn lock(state: &State) -> MutexGuard<'_, Seen> {
    state.lock().expect("no test panics while it holds this lock")
}

async fn serve(stream: TcpStream, state: State) {
    let death = Arc::new(Notify::new());
    let mut connection = h2::server::handshake(stream).await.expect("the client speaks HTTP/2");
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                tokio::spawn(answer(request, respond, Arc::clone(&state), Arc::clone(&death)));
            }
            () = death.notified() => return,
        }
    }
}

/// Plays the next answer of the script. A client that goes away early is no fault of the test.
async fn answer(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    state: State,
    death: Arc<Notify>,
) {
    let answer = next_answer(&request, &state);
    let body = request.into_body();
    let _ = match answer {
        Script::Login(token) => unary(respond, &pb::AuthenticateResponse { token, ..Default::default() }),
        Script::Play(Answer::Ok) => unary(respond, &pb::PutResponse::default()),
        Script::Play(Answer::Fail(status)) => fail(respond, &status),
        Script::Play(Answer::Never) => std::future::pending().await,
        Script::Play(Answer::Die) => {
            death.notify_one();
            Ok(())
        }
        Script::Play(Answer::Watch(responses)) => watch(body, respond, responses, &state).await,
        Script::Play(Answer::KeepAlive(ttls)) => keep_alive(body, respond, ttls).await,
    };
}

enum Script {
    Login(String),
    Play(Answer),
}

fn next_answer(request: &Request<RecvStream>, state: &State) -> Script {
    let mut seen = lock(state);
    if request.uri().path().ends_with("/Authenticate") {
        seen.logins += 1;
        return Script::Login(format!("token-{}", seen.logins));
    }
    seen.requests += 1;
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    seen.tokens.extend(header("token"));
    seen.keyspaces.extend(header("quorate-keyspace"));
    Script::Play(seen.script.pop_front().unwrap_or(Answer::Never))
}

fn unary(respond: SendResponse<Bytes>, message: &impl Message) -> Result<(), h2::Error> {
    let mut stream = open(respond)?;
    stream.send_data(frame(message), false)?;
    end(&mut stream, "0")
}

fn fail(mut respond: SendResponse<Bytes>, status: &Status) -> Result<(), h2::Error> {
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", i32::from(status.code()))
        .header("grpc-message", status.message());
    respond.send_response(response.body(()).expect("plain text"), true).map(drop)
}

async fn watch(
    mut body: RecvStream,
    respond: SendResponse<Bytes>,
    responses: Vec<pb::WatchResponse>,
    state: &State,
) -> Result<(), h2::Error> {
    let request: pb::WatchRequest = receive(&mut body).await;
    if let Some(pb::watch_request::RequestUnion::CreateRequest(create)) = request.request_union {
        lock(state).watch_starts.push(create.start_revision);
    }
    let mut stream = open(respond)?;
    for response in responses {
        stream.send_data(frame(&response), false)?;
    }
    end(&mut stream, "14")
}

async fn keep_alive(
    mut body: RecvStream,
    respond: SendResponse<Bytes>,
    ttls: Vec<i64>,
) -> Result<(), h2::Error> {
    let mut stream = open(respond)?;
    for ttl in ttls {
        let request: pb::LeaseKeepAliveRequest = receive(&mut body).await;
        let renewed = pb::LeaseKeepAliveResponse { id: request.id, ttl, ..Default::default() };
        stream.send_data(frame(&renewed), false)?;
    }
    end(&mut stream, "0")
}

fn open(mut respond: SendResponse<Bytes>) -> Result<SendStream<Bytes>, h2::Error> {
    let response = Response::builder().header("content-type", "application/grpc");
    respond.send_response(response.body(()).expect("a constant"), false)
}

fn end(stream: &mut SendStream<Bytes>, status: &'static str) -> Result<(), h2::Error> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static(status));
    stream.send_trailers(trailers)
}

fn frame(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.encoded_len() as u32);
    message.encode(&mut frame).expect("the buffer grows");
    frame.freeze()
}

/// The next message; the tests' messages come one to a chunk.
async fn receive<M: Message + Default>(body: &mut RecvStream) -> M {
    let mut chunk = body.data().await.expect("the test sends it").expect("the connection holds");
    chunk.advance(FRAME_HEADER_BYTES);
    M::decode(chunk).expect("a well-formed message")
}
