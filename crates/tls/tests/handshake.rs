//! Both sides, on a connection in memory.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

mod pki;

use pki::{Authority, Wish, side};
use quorate_tls::{
    Acceptor, Allowed, Connector, HTTP, HTTP_2, HandshakeError, TlsOptions, Version, self_signed,
};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LIMIT: Duration = Duration::from_secs(5);

/// What both sides say after a handshake with `host`: the accepter whom it sees.
async fn meet(server: &TlsOptions, client: &TlsOptions, host: &str) -> Result<Option<String>, String> {
    let (near, far) = tokio::io::duplex(1 << 14);
    let text = |error: HandshakeError| error.to_string();
    let acceptor = Acceptor::new(server, HTTP).map_err(|error| error.to_string())?;
    let connector = Connector::new(client, HTTP_2).map_err(|error| error.to_string())?;
    let accept = async {
        let mut accepted = acceptor.accept(far, LIMIT).await.map_err(text)?;
        accepted.stream.write_all(b"x").await.unwrap();
        assert_eq!(accepted.stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Ok(accepted.peer.map(|peer| peer.common_name.unwrap_or_default()))
    };
    let dial = async {
        let mut stream = connector.connect(host, near).await.map_err(text)?;
        stream.read_u8().await.map_err(|error| error.to_string())
    };
    let (accepted, dialled): (Result<_, String>, _) = tokio::join!(accept, dial);
    match (accepted, dialled) {
        (Ok(peer), Ok(b'x')) => Ok(peer),
        (Err(ours), Err(theirs)) => Err(format!("{ours}; {theirs}")),
        other => panic!("the two disagree: {other:?}"),
    }
}

struct Case {
    _dir: tempfile::TempDir,
    good: Authority,
    other: Authority,
}

impl Case {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (good, other) = (Authority::new(dir.path(), "good"), Authority::new(dir.path(), "other"));
        Case { _dir: dir, good, other }
    }

    /// A server that shows a certificate, and demands one if so asked.
    fn server(&self, demands: bool) -> TlsOptions {
        let mut options = side(Some(self.good.issue("server", &Wish::default())), &self.good);
        if !demands {
            options.trusted_ca = None;
        }
        options
    }

    fn client(&self, common_name: &'static str, serial: u64) -> TlsOptions {
        let wish = Wish { common_name, serial, ..Wish::default() };
        side(Some(self.good.issue(&format!("client-{serial}"), &wish)), &self.good)
    }
}

fn refused(outcome: Result<Option<String>, String>, part: &str) {
    let said = outcome.unwrap_err();
    assert!(said.contains(part), "{said}");
}

#[tokio::test]
async fn a_server_is_known_by_authority_and_name() {
    let case = Case::new();
    let (server, client) = (case.server(false), side(None, &case.good));
    assert_eq!(meet(&server, &client, "localhost").await, Ok(None));
    assert_eq!(meet(&server, &client, "127.0.0.1").await, Ok(None));
    refused(meet(&server, &client, "elsewhere.example").await, "not valid for name");
    refused(meet(&server, &side(None, &case.other), "localhost").await, "UnknownIssuer");
    let blind = TlsOptions { skip_verify: true, ..TlsOptions::default() };
    assert_eq!(meet(&server, &blind, "elsewhere.example").await, Ok(None));
    let past = Wish { until_year: 2001, ..Wish::default() };
    let old = TlsOptions { identity: Some(case.good.issue("old", &past)), ..TlsOptions::default() };
    refused(meet(&old, &client, "localhost").await, "expired");
}

#[tokio::test]
async fn a_client_is_known_by_authority_date_and_name() {
    let case = Case::new();
    let server = case.server(true);
    assert_eq!(meet(&server, &case.client("root", 2), "localhost").await, Ok(Some("root".to_owned())));
    refused(meet(&server, &side(None, &case.good), "localhost").await, "peer sent no certificates");
    let stranger = side(Some(case.other.issue("client", &Wish::default())), &case.good);
    refused(meet(&server, &stranger, "localhost").await, "UnknownIssuer");
    let past = Wish { until_year: 2001, ..Wish::default() };
    let old = side(Some(case.good.issue("old", &past)), &case.good);
    refused(meet(&server, &old, "localhost").await, "xpired");
    let named = |common_name: &str| {
        let allowed = Allowed { common_names: vec![common_name.to_owned()], ..Allowed::default() };
        TlsOptions { allowed, ..server.clone() }
    };
    assert!(meet(&named("root"), &case.client("root", 2), "localhost").await.is_ok());
}

#[tokio::test]
async fn a_name_that_is_not_allowed_is_cut_off() {
    let case = Case::new();
    let mut server = case.server(true);
    server.allowed.common_names = vec!["root".to_owned()];
    let (near, far) = tokio::io::duplex(1 << 14);
    let acceptor = Acceptor::new(&server, HTTP).unwrap();
    let connector = Connector::new(&case.client("guest", 2), HTTP_2).unwrap();
    let dial =
        async { connector.connect("localhost", near).await?.read_u8().await.map_err(HandshakeError::from) };
    let (accepted, dialled) = tokio::join!(acceptor.accept(far, LIMIT), async { dial.await.is_err() });
    assert!(matches!(accepted, Err(HandshakeError::NotAllowed)));
    drop(accepted);
    assert!(dialled);
}

#[tokio::test]
async fn what_is_revoked_counts_no_more() {
    let case = Case::new();
    let server = TlsOptions { crl: Some(case.good.revoke(&[7])), ..case.server(true) };
    assert!(meet(&server, &case.client("kept", 6), "localhost").await.is_ok());
    refused(meet(&server, &case.client("lost", 7), "localhost").await, "Revoked");
    let client = TlsOptions { crl: Some(case.good.revoke(&[1])), ..case.client("kept", 6) };
    refused(meet(&case.server(false), &client, "localhost").await, "Revoked");
}

#[tokio::test]
async fn versions_must_meet() {
    let case = Case::new();
    let check = async |server: (Option<Version>, Option<Version>), client: Option<Version>, expect: bool| {
        let mut options = case.server(false);
        (options.protocol.min, options.protocol.max) = server;
        let mut dials = side(None, &case.good);
        dials.protocol.max = client;
        assert_eq!(meet(&options, &dials, "localhost").await.is_ok(), expect);
    };
    let (old, new) = (Some(Version::Tls12), Some(Version::Tls13));
    check((None, None), None, true).await;
    check((None, None), old, true).await;
    check((new, None), old, false).await;
    check((None, old), None, true).await;
    check((new, new), None, true).await;
}

#[tokio::test]
async fn a_suite_of_a_list_is_chosen_and_no_other() {
    let case = Case::new();
    let with = |name: &str| {
        let mut options = case.server(false);
        options.protocol.suites = vec![name.parse().unwrap()];
        options.protocol.max = Some(Version::Tls12);
        options
    };
    let client = side(None, &case.good);
    // The certificate's key is for ECDSA.
    assert!(meet(&with("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"), &client, "localhost").await.is_ok());
    assert!(meet(&with("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), &client, "localhost").await.is_err());
}

#[tokio::test]
async fn a_self_signed_certificate_may_be_trusted_by_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let made = self_signed(dir.path(), &["localhost".to_owned()]).unwrap();
    let client = TlsOptions { trusted_ca: Some(made.cert.clone()), ..TlsOptions::default() };
    let server = TlsOptions { identity: Some(made), ..TlsOptions::default() };
    assert_eq!(meet(&server, &client, "localhost").await, Ok(None));
}

#[tokio::test]
async fn plain_text_and_silence_are_refused() {
    let case = Case::new();
    let acceptor = Acceptor::new(&case.server(false), HTTP).unwrap();
    let (mut near, far) = tokio::io::duplex(1 << 14);
    near.write_all(b"GET /health HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(matches!(acceptor.accept(far, LIMIT).await, Err(HandshakeError::Failed(_))));
    let (_near, far) = tokio::io::duplex(1 << 14);
    let late = acceptor.accept(far, Duration::from_millis(1)).await;
    assert!(matches!(late, Err(HandshakeError::Late(_))));
}

#[test]
fn files_and_options_that_make_no_sense_are_named() {
    let case = Case::new();
    let good = case.server(true);
    let check = |options: TlsOptions, part: &str| {
        let said = Acceptor::new(&options, HTTP).unwrap_err().to_string();
        assert!(said.contains(part), "{said}");
    };
    check(TlsOptions { identity: None, ..good.clone() }, "a certificate and its key are needed");
    check(TlsOptions { trusted_ca: None, client_cert_auth: true, ..good.clone() }, "name a CA file");
    let mut mixed = good.clone();
    mixed.identity.as_mut().unwrap().key = case.good.issue("another", &Wish::default()).key;
    check(mixed, "cannot be used together");
    let mut swapped = good.clone();
    let identity = swapped.identity.as_mut().unwrap();
    std::mem::swap(&mut identity.cert, &mut identity.key);
    check(swapped, "holds no private key");
    check(
        TlsOptions { trusted_ca: Some("/nowhere/ca.pem".into()), ..good.clone() },
        "cannot read /nowhere/ca.pem",
    );
    let both = Allowed { common_names: vec!["a".to_owned()], hostnames: vec!["b".to_owned()] };
    check(TlsOptions { allowed: both, ..good }, "mutually exclusive");
}
