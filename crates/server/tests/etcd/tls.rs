//! The port with TLS: who gets in, who does not, and certificates that change while it serves.

use super::pki::{Authority, Wish, side};
use super::serve_with;
use quorate_client::{Client, Config, Error, TlsOptions};
use quorate_driver::Quorate;
use quorate_node::declaration::Declarations;
use quorate_server::ServerOptions;
use quorate_tls::{Acceptor, HTTP};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Files are looked at once a second; it takes no longer than this to see a change.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// How long a call may take that should succeed,
const PATIENCE: Duration = Duration::from_secs(5);
/// and one that should not, or will be made again.
const IMPATIENCE: Duration = Duration::from_millis(500);

struct Secured {
    dir: TempDir,
    authority: Authority,
    node: Quorate,
    front: super::Front,
}

impl Secured {
    /// A node whose port shows a certificate of a new authority, set up as `change` says.
    async fn start(change: impl FnOnce(&mut TlsOptions, &Authority)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new(dir.path(), "authority");
        let mut options = TlsOptions {
            identity: Some(authority.issue("server", &Wish::default())),
            ..TlsOptions::default()
        };
        change(&mut options, &authority);
        let node = Quorate::open_with(None, Declarations::default()).unwrap();
        let tls = Some(Acceptor::new(&options, HTTP).unwrap());
        let front =
            serve_with(node.handle().clone(), ServerOptions { tls, ..ServerOptions::default() }).await;
        Secured { dir, authority, node, front }
    }

    fn client(&self, tls: TlsOptions) -> Client {
        self.client_within(PATIENCE, tls)
    }

    fn client_within(&self, timeout: Duration, tls: TlsOptions) -> Client {
        let mut config = Config::new([format!("https://localhost:{}", self.front.address.port())]);
        config.tls = Some(tls);
        config.timeout = timeout;
        Client::connect(config).unwrap()
    }

    /// A client that shows a certificate.
    fn with_certificate(&self, wish: &Wish) -> TlsOptions {
        let identity = self.authority.issue(&format!("client-{}", wish.serial), wish);
        side(Some(identity), &self.authority)
    }

    /// What a client that should not get in hears. In TLS 1.3 it may send before it hears of it, so the words differ.
    async fn refused(&self, tls: TlsOptions) -> String {
        let outcome = self.client_within(IMPATIENCE, tls).get("a").await;
        outcome.expect_err("this client must not get in").to_string()
    }

    /// Asks again until the outcome is as expected: with a new connection each time.
    async fn until(&self, tls: &TlsOptions, is_as_expected: impl Fn(&Result<(), Error>) -> bool) {
        let deadline = Instant::now() + SEEN_WITHIN;
        loop {
            let outcome = self.client_within(IMPATIENCE, tls.clone()).get("a").await.map(drop);
            if is_as_expected(&outcome) {
                return;
            }
            assert!(Instant::now() < deadline, "{outcome:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn close(self) {
        self.front.close().await;
        self.node.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_get_in_by_the_right_authority() {
    let secured = Secured::start(|_, _| {}).await;
    let client = secured.client(side(None, &secured.authority));
    client.put("a", "1").await.unwrap();
    assert_eq!(client.get("a").await.unwrap().unwrap().value, "1");
    let other = Authority::new(secured.dir.path(), "other");
    let said = secured.refused(side(None, &other)).await;
    assert!(said.contains("UnknownIssuer"), "{said}");
    let blind = TlsOptions { skip_verify: true, ..TlsOptions::default() };
    assert!(secured.client(blind).get("a").await.unwrap().is_some());
    secured.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_certificates_are_demanded_and_judged() {
    let secured = Secured::start(|options, authority| {
        options.client_cert_auth = true;
        options.trusted_ca = Some(authority.file.clone());
        options.crl = Some(authority.revoke(&[66]));
        options.allowed.hostnames = vec!["localhost".to_owned()];
    })
    .await;
    let wish = |serial: u64| Wish { serial, ..Wish::default() };
    let good = secured.client(secured.with_certificate(&wish(2)));
    good.put("a", "1").await.unwrap();
    secured.refused(side(None, &secured.authority)).await;
    secured.refused(secured.with_certificate(&wish(66))).await;
    secured.refused(secured.with_certificate(&Wish { until_year: 2001, ..wish(3) })).await;
    secured.refused(secured.with_certificate(&Wish { hosts: &["elsewhere.example"], ..wish(4) })).await;
    let other = Authority::new(secured.dir.path(), "other");
    secured.refused(side(Some(other.issue("client", &wish(5))), &secured.authority)).await;
    assert!(good.get("a").await.unwrap().is_some());
    secured.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_files_count_without_a_restart() {
    let secured = Secured::start(|options, authority| {
        options.trusted_ca = Some(authority.file.clone());
        options.crl = Some(authority.revoke(&[66]));
    })
    .await;
    let kept = secured.client(secured.with_certificate(&Wish { serial: 2, ..Wish::default() }));
    kept.put("a", "1").await.unwrap();
    let client = secured.with_certificate(&Wish { serial: 3, ..Wish::default() });
    secured.until(&client, Result::is_ok).await;
    secured.authority.revoke(&[3, 66]);
    secured.until(&client, Result::is_err).await;
    secured.authority.revoke(&[66]);
    secured.until(&client, Result::is_ok).await;
    secured.authority.issue("server", &Wish { hosts: &["elsewhere.example"], ..Wish::default() });
    secured.until(&client, Result::is_err).await;
    // A half-written pair: the last whole one stays.
    let server = secured.authority.issue("server", &Wish::default());
    secured.until(&client, Result::is_ok).await;
    std::fs::write(&server.key, "-----BEGIN").unwrap();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    secured.client(client).get("a").await.unwrap();
    assert!(kept.get("a").await.unwrap().is_some(), "connections that stand go on");
    secured.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_is_closed_and_disturbs_nobody() {
    let secured = Secured::start(|_, _| {}).await;
    let mut plain = TcpStream::connect(secured.front.address).await.unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // An alert, or the connection's end: nothing that could be taken for an answer.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
    let _silent = TcpStream::connect(secured.front.address).await.unwrap();
    secured.client(side(None, &secured.authority)).put("a", "1").await.unwrap();
    secured.close().await;
}
