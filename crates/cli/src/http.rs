//! One HTTP GET, for the pages that servers have beside gRPC.

use quorate_tls::{Connector, TlsOptions};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// No page is longer.
const MAX_PAGE_LEN_BYTES: u64 = 4 << 20;
/// What is spoken inside TLS.
const HTTP_1: &[&str] = &["http/1.1"];

/// The body of `http://endpoint/path`, or of `https://…` if the endpoint says so, or says nothing and there are options for TLS.
///
/// # Errors
/// If the server cannot be reached, does not answer within `timeout`, or answers with another status than 200.
pub(crate) async fn get(
    endpoint: &str,
    path: &str,
    tls: Option<&TlsOptions>,
    timeout: Duration,
) -> io::Result<String> {
    let (is_secure, address) = match endpoint.split_once("://") {
        Some((scheme, address)) => (scheme == "https", address),
        None => (tls.is_some(), endpoint),
    };
    let address = address.trim_end_matches('/');
    let exchange = async {
        let stream = TcpStream::connect(address).await?;
        if !is_secure {
            return ask(stream, address, path).await;
        }
        let connector =
            Connector::new(&tls.cloned().unwrap_or_default(), HTTP_1).map_err(io::Error::other)?;
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        ask(connector.connect(host, stream).await.map_err(io::Error::other)?, address, path).await
    };
    let answer = tokio::time::timeout(timeout, exchange).await.map_err(|_| io::ErrorKind::TimedOut)??;
    body(&answer).map(str::to_owned)
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str, path: &str) -> io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.take(MAX_PAGE_LEN_BYTES).read_to_string(&mut answer).await?;
    Ok(answer)
}

fn body(answer: &str) -> io::Result<&str> {
    let not_http = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(not_http)?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body),
        Some(status) => Err(io::Error::other(format!("HTTP status {status}: is it a quorate server?"))),
        None => Err(not_http()),
    }
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn only_a_good_answer_has_a_body() {
        assert_eq!(body("HTTP/1.1 200 OK\r\na: b\r\n\r\nyes").expect("good"), "yes");
        assert!(body("HTTP/1.1 404 Not Found\r\n\r\nno").is_err());
        assert!(body("SSH-2.0").is_err());
    }
}
