//! The first bytes of a connection between nodes.
//!
//! ```text
//! dialler:  "QRPEER" 2 B LE version, 8 B LE cluster, 8 B LE from, 8 B LE to, 1 B lane,
//!           2 B LE len, len bytes: the URLs where its clients reach it, separated by commas
//! accepter: 1 B: 0 welcome, else why not
//! ```

use quorate_types::{ClusterId, NodeId};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const MAGIC: &[u8; 6] = b"QRPEER";
/// Grows when old nodes could not understand the frames of new ones.
pub const PROTOCOL_VERSION: u16 = 1;
const FIXED_LEN_BYTES: usize = 6 + 2 + 8 + 8 + 8 + 1 + 2;
/// Longer client URLs are not sent.
const MAX_URLS_LEN_BYTES: usize = 4096;

/// Who dials whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The dialler's protocol version.
    pub version: u16,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Itself.
    pub from: NodeId,
    /// Whom it means to reach.
    pub to: NodeId,
    /// What it will send here: 0 urgent, 1 bulk.
    pub lane: u8,
    /// The URLs where its clients reach it, separated by commas.
    pub client_urls: String,
}

/// Why a connection was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Another protocol version.
    #[error("the node there speaks another version of the peer protocol: run the same release on all nodes")]
    Version,
    /// Another cluster.
    #[error("the node there belongs to another cluster: check the peer addresses and the cluster token")]
    Cluster,
    /// Another node.
    #[error("the node there is not the one configured under this address: check the peer addresses")]
    Receiver,
    /// The dialler is not a member in the accepter's eyes.
    #[error("the node there does not know this node as a member: give all nodes the same member list")]
    Sender,
    /// Not this protocol at all.
    #[error("what listens there does not speak the peer protocol: is it a client port?")]
    Protocol,
}

impl Refused {
    fn code(self) -> u8 {
        match self {
            Refused::Version => 1,
            Refused::Cluster => 2,
            Refused::Receiver => 3,
            Refused::Sender => 4,
            Refused::Protocol => 5,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Refused::Version, Refused::Cluster, Refused::Receiver, Refused::Sender]
            .into_iter()
            .find(|refused| refused.code() == code)
    }
}

/// How a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The other side said no, or this side did.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The two did not come to terms by TLS.
    #[error(transparent)]
    Tls(#[from] quorate_tls::HandshakeError),
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Introduces this node.
///
/// # Errors
/// [`HandshakeError`]; the connection is of no more use.
pub async fn dial(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    hello: &Hello,
) -> Result<(), HandshakeError> {
    let urls = Some(hello.client_urls.as_bytes())
        .filter(|urls| urls.len() <= MAX_URLS_LEN_BYTES)
        .unwrap_or_default();
    let mut bytes = Vec::with_capacity(FIXED_LEN_BYTES + urls.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&hello.version.to_le_bytes());
    bytes.extend_from_slice(&hello.cluster.0.to_le_bytes());
    bytes.extend_from_slice(&hello.from.0.to_le_bytes());
    bytes.extend_from_slice(&hello.to.0.to_le_bytes());
    bytes.push(hello.lane);
    bytes.extend_from_slice(&(urls.len() as u16).to_le_bytes());
    bytes.extend_from_slice(urls);
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    match stream.read_u8().await? {
        0 => Ok(()),
        code => Err(Refused::from_code(code).unwrap_or(Refused::Protocol).into()),
    }
}

/// Hears who is there and answers. `knows` tells whether a node is a member.
///
/// # Errors
/// [`HandshakeError`]; the connection is of no more use.
pub async fn welcome(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    cluster: ClusterId,
    me: NodeId,
    knows: impl Fn(NodeId) -> bool,
) -> Result<Hello, HandshakeError> {
    let mut bytes = [0u8; FIXED_LEN_BYTES];
    stream.read_exact(&mut bytes).await?;
    let mut parsed = parse(&bytes);
    if let Ok((hello, urls_len)) = &mut parsed {
        let mut urls = vec![0u8; *urls_len];
        stream.read_exact(&mut urls).await?;
        hello.client_urls = String::from_utf8_lossy(&urls).into_owned();
    }
    let verdict = parsed.and_then(|(hello, _)| match hello {
        Hello { version, .. } if version != PROTOCOL_VERSION => Err(Refused::Version),
        Hello { cluster: theirs, .. } if theirs != cluster => Err(Refused::Cluster),
        Hello { to, .. } if to != me => Err(Refused::Receiver),
        Hello { from, .. } if !knows(from) => Err(Refused::Sender),
        hello => Ok(hello),
    });
    stream.write_u8(verdict.as_ref().map_or_else(|refused| refused.code(), |_| 0)).await?;
    stream.flush().await?;
    Ok(verdict?)
}

/// The fixed part, and the length of the URLs that follow.
fn parse(bytes: &[u8; FIXED_LEN_BYTES]) -> Result<(Hello, usize), Refused> {
    let (magic, rest) = bytes.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(Refused::Protocol);
    }
    let number = |at: usize| {
        let mut word = [0u8; 8];
        word.copy_from_slice(&rest[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let urls_len = usize::from(u16::from_le_bytes([rest[27], rest[28]]));
    if urls_len > MAX_URLS_LEN_BYTES {
        return Err(Refused::Protocol);
    }
    let hello = Hello {
        version: u16::from_le_bytes([rest[0], rest[1]]),
        cluster: ClusterId(number(2)),
        from: NodeId(number(10)),
        to: NodeId(number(18)),
        lane: rest[26],
        client_urls: String::new(),
    };
    Ok((hello, urls_len))
}

#[cfg(test)]
mod tests {
    use super::{HandshakeError, Hello, PROTOCOL_VERSION, Refused, dial, welcome};
    use quorate_types::{ClusterId, NodeId};
    use tokio::net::{TcpListener, TcpStream};

    async fn check(hello: Hello, expect: Result<(), Refused>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
        let address = listener.local_addr().expect("bound");
        let accepter = async {
            let (mut stream, _) = listener.accept().await.expect("dialled");
            welcome(&mut stream, ClusterId(7), NodeId(2), |node| node == NodeId(1)).await
        };
        let dialler = async {
            let mut stream = TcpStream::connect(address).await.expect("listening");
            dial(&mut stream, &hello).await
        };
        let (heard, said) = tokio::join!(accepter, dialler);
        match expect {
            Ok(()) => assert!(said.is_ok() && heard.expect("welcome") == hello),
            Err(why) => {
                assert!(matches!(said, Err(HandshakeError::Refused(refused)) if refused == why));
                assert!(matches!(heard, Err(HandshakeError::Refused(refused)) if refused == why));
            }
        }
    }

    #[tokio::test]
    async fn only_a_member_of_the_same_cluster_and_version_is_let_in() {
        let good = Hello {
            version: PROTOCOL_VERSION,
            cluster: ClusterId(7),
            from: NodeId(1),
            to: NodeId(2),
            lane: 0,
            client_urls: "http://127.0.0.1:1".to_owned(),
        };
        check(good.clone(), Ok(())).await;
        check(Hello { version: 99, ..good.clone() }, Err(Refused::Version)).await;
        check(Hello { cluster: ClusterId(8), ..good.clone() }, Err(Refused::Cluster)).await;
        check(Hello { to: NodeId(3), ..good.clone() }, Err(Refused::Receiver)).await;
        check(Hello { from: NodeId(3), ..good.clone() }, Err(Refused::Sender)).await;
    }
}
