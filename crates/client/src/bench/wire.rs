//! The little of gRPC that a load generator needs, straight on HTTP/2.
//!
//! A message travels as one byte of flags (0: not compressed), four bytes of length and the protobuf bytes; how the
//! call ended travels in the trailers as `grpc-status`.
//!
//! ```text
//! +-------+--------------------+-----------------
//! | 0     | length, big endian | message …
//! +-------+--------------------+-----------------
//! 1 byte   4 bytes
//! ```

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::target::Target;

const FRAME_HEADER_BYTES: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Windows so wide that updates of them are rare.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 24;

/// Why a call did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failure {
    /// The server said so, with this code.
    Status(i32),
    /// The connection could not be made, or broke.
    Transport,
    /// No answer in time.
    Timeout,
    /// The key that was to be read is not there.
    Missing,
}

impl Failure {
    /// What reports call it.
    pub(super) fn name(self) -> String {
        match self {
            Failure::Status(code) => format!("{:?}", tonic::Code::from(code)),
            Failure::Transport => "connection".to_owned(),
            Failure::Timeout => "timeout".to_owned(),
            Failure::Missing => "missing key".to_owned(),
        }
    }
}

/// Opens a connection, and drives it on this thread until it ends.
pub(super) async fn connect(target: &Target) -> io::Result<SendRequest<Bytes>> {
    tokio::time::timeout(CONNECT_TIMEOUT, connect_once(target)).await.map_err(|_| io::ErrorKind::TimedOut)?
}

async fn connect_once(target: &Target) -> io::Result<SendRequest<Bytes>> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    match &target.secure {
        None => converse(stream).await,
        Some((host, connector)) => {
            converse(connector.connect(host, stream).await.map_err(io::Error::other)?).await
        }
    }
}

async fn converse<S>(stream: S) -> io::Result<SendRequest<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (sender, connection) = h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .handshake(stream)
        .await
        .map_err(io::Error::other)?;
    // How it ends shows in the calls that were under way.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

/// A method's requests, all alike but for their bodies.
pub(super) fn method(path: &str, target: &Target, keyspace: Option<&HeaderValue>) -> Request<()> {
    let mut request = Request::post(format!("{}://{}{path}", target.scheme(), target.address))
        .version(http::Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(keyspace) = keyspace {
        request = request.header(crate::call::KEYSPACE_HEADER, keyspace);
    }
    request
        .body(())
        .expect("the parts are checked: scheme, path and headers are constants, the authority is an address")
}

/// A message in its frame.
pub(super) fn frame(message: &impl Message) -> Bytes {
    let len_bytes = message.encoded_len();
    let mut frame = BytesMut::with_capacity(FRAME_HEADER_BYTES + len_bytes);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(len_bytes).expect("a request is far below 4 GiB"));
    message.encode(&mut frame).expect("the buffer was made to fit");
    frame.freeze()
}

/// One call: a framed request in, the framed answer out.
pub(super) async fn unary(
    sender: &mut SendRequest<Bytes>,
    method: &Request<()>,
    body: Bytes,
) -> Result<Bytes, Failure> {
    poll_fn(|context| sender.poll_ready(context)).await?;
    let (response, mut stream) = sender.send_request(method.clone(), false)?;
    stream.send_data(body, true)?;
    let (head, mut body) = response.await?.into_parts();
    let mut answer = Bytes::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        if answer.is_empty() {
            answer = chunk;
        } else {
            let mut longer = BytesMut::from(answer);
            longer.extend_from_slice(&chunk);
            answer = longer.freeze();
        }
    }
    match body.trailers().await? {
        Some(trailers) => check_status(&trailers)?,
        None => check_status(&head.headers)?,
    }
    Ok(answer)
}

/// Takes the message out of an answer.
pub(super) fn decode<M: Message + Default>(mut answer: Bytes) -> Result<M, Failure> {
    if answer.len() < FRAME_HEADER_BYTES {
        return Err(Failure::Transport);
    }
    answer.advance(FRAME_HEADER_BYTES);
    M::decode(answer).map_err(|_| Failure::Transport)
}

/// A call that streams both ways.
pub(super) struct Stream {
    outgoing: SendStream<Bytes>,
    incoming: Incoming,
}

enum Incoming {
    /// A server may keep its response headers until it has something to say.
    Waiting(h2::client::ResponseFuture),
    Open {
        body: RecvStream,
        received: BytesMut,
    },
    Ended,
}

impl Stream {
    pub(super) async fn open(sender: &mut SendRequest<Bytes>, method: &Request<()>) -> Result<Self, Failure> {
        poll_fn(|context| sender.poll_ready(context)).await?;
        let (response, outgoing) = sender.send_request(method.clone(), false)?;
        Ok(Stream { outgoing, incoming: Incoming::Waiting(response) })
    }

    pub(super) fn send(&mut self, message: &impl Message) -> Result<(), Failure> {
        Ok(self.outgoing.send_data(frame(message), false)?)
    }

    /// The next message.
    pub(super) async fn receive<M: Message + Default>(&mut self) -> Result<M, Failure> {
        if let Incoming::Waiting(response) = &mut self.incoming {
            let (head, body) = response.await?.into_parts();
            check_status_if_ended(&head.headers)?;
            self.incoming = Incoming::Open { body, received: BytesMut::new() };
        }
        let Incoming::Open { body, received } = &mut self.incoming else { return Err(Failure::Transport) };
        loop {
            if let Some(message) = take_frame(received) {
                return M::decode(message).map_err(|_| Failure::Transport);
            }
            let Some(chunk) = body.data().await else {
                let trailers = body.trailers().await?.unwrap_or_default();
                self.incoming = Incoming::Ended;
                check_status(&trailers)?;
                return Err(Failure::Transport);
            };
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            received.extend_from_slice(&chunk);
        }
    }
}

/// Splits the first whole message off what was received.
fn take_frame(received: &mut BytesMut) -> Option<Bytes> {
    let header = received.first_chunk::<FRAME_HEADER_BYTES>()?;
    let len_bytes = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
    if received.len() < FRAME_HEADER_BYTES + len_bytes {
        return None;
    }
    received.advance(FRAME_HEADER_BYTES);
    Some(received.split_to(len_bytes).freeze())
}

fn check_status(headers: &HeaderMap) -> Result<(), Failure> {
    let code =
        headers.get("grpc-status").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    match code {
        Some(0) => Ok(()),
        Some(code) => Err(Failure::Status(code)),
        None => Err(Failure::Transport),
    }
}

/// Response headers carry a status only when nothing else follows.
fn check_status_if_ended(headers: &HeaderMap) -> Result<(), Failure> {
    if headers.contains_key("grpc-status") { check_status(headers) } else { Ok(()) }
}

impl From<h2::Error> for Failure {
    fn from(_: h2::Error) -> Self {
        Failure::Transport
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use quorate_proto::etcdserverpb::LeaseKeepAliveRequest;

    use super::{decode, frame, take_frame};

    #[test]
    fn frames_are_taken_only_whole() {
        let first = frame(&LeaseKeepAliveRequest { id: 300 });
        let second = frame(&LeaseKeepAliveRequest { id: 0 });
        assert_eq!(&first[..], [0, 0, 0, 0, 3, 0x08, 0xac, 0x02]);
        let whole: Vec<u8> = [&first[..], &second[..]].concat();
        for cut in 0..first.len() {
            let mut received = BytesMut::from(&whole[..cut]);
            assert_eq!(take_frame(&mut received), None, "cut at {cut}");
            received.extend_from_slice(&whole[cut..]);
            assert_eq!(take_frame(&mut received).as_deref(), Some(&first[5..]));
            assert_eq!(take_frame(&mut received).as_deref(), Some(&second[5..]));
            assert_eq!(take_frame(&mut received), None);
        }
        assert_eq!(decode::<LeaseKeepAliveRequest>(first), Ok(LeaseKeepAliveRequest { id: 300 }));
    }
}
