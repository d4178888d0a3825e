//! Answers that are lost on the way: the client asks again, and each write is done once.

use crate::cluster::Cluster;
use quorate_client::{Client, Config};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

const WRITES: i64 = 20;
const BUFFER_LEN_BYTES: usize = 16 << 10;

/// Forwards connections to `server`; once `lose` is set it swallows the next bytes from there and closes the connection.
async fn proxy(listener: TcpListener, server: String, lose: Arc<AtomicBool>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, lose) = (server.clone(), lose.clone());
        tokio::spawn(async move {
            let server = TcpStream::connect(server).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let asking = tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
            let mut buffer = vec![0; BUFFER_LEN_BYTES];
            while let Ok(len) = from_server.read(&mut buffer).await
                && len > 0
                && !is_answer_to_lose(&buffer[..len], &lose)
                && to_client.write_all(&buffer[..len]).await.is_ok()
            {}
            asking.abort();
        });
    }
}

/// Whether these bytes are to be lost: a frame of HTTP/2 that carries data (type 0), not one that only keeps house.
fn is_answer_to_lose(bytes: &[u8], lose: &AtomicBool) -> bool {
    let mut rest = bytes;
    while let Some((head, body)) = rest.split_at_checked(9) {
        if head[3] == 0 {
            return lose.swap(false, Ordering::SeqCst);
        }
        let len = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        rest = body.get(len..).unwrap_or_default();
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_is_lost_is_sent_again_and_done_once() {
    let cluster = Cluster::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Config::new([listener.local_addr().unwrap().to_string()]);
    config.timeout = Duration::from_secs(10);
    let lose = Arc::new(AtomicBool::new(false));
    let proxy = tokio::spawn(proxy(listener, cluster.endpoint(0).to_owned(), lose.clone()));
    let client = Client::connect(config).unwrap();
    client.put("k", "0").await.unwrap();
    for number in 1..=WRITES {
        lose.store(true, Ordering::SeqCst);
        client.put("k", number.to_string()).await.unwrap();
        assert!(!lose.load(Ordering::SeqCst), "the answer to write {number} was lost");
    }
    let pair = client.get("k").await.unwrap().unwrap();
    assert_eq!((pair.value.as_ref(), pair.version), (b"20".as_slice(), WRITES + 1));
    proxy.abort();
}
