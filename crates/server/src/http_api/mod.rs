//! HTTP beside gRPC: health, version, metrics, status.

mod health;
mod metrics;
mod status;

use crate::grpc::Body;
use crate::options::{COMPATIBILITY_LEVEL, COMPATIBILITY_VERSION};
use crate::server::Server;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use quorate_types::Bytes;
use std::sync::Arc;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// An answer's parts.
struct Page {
    status: StatusCode,
    kind: &'static str,
    text: String,
}

impl Page {
    fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Page { status, kind: TEXT, text: text.into() }
    }

    fn json(status: StatusCode, text: String) -> Self {
        Page { status, kind: JSON, text }
    }
}

/// Answers a request that is not gRPC.
pub(crate) async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Response<Body> {
    let Page { status, kind, text } = page(&server, &request).await;
    let is_head = request.method() == Method::HEAD;
    let body = Body::Whole((!is_head).then(|| Bytes::from(text)));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

async fn page(server: &Arc<Server>, request: &Request<Incoming>) -> Page {
    let uri = request.uri();
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Page::text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    }
    let query = Query(uri.query().unwrap_or_default());
    let mut segments = uri.path().trim_start_matches('/').splitn(2, '/');
    match (segments.next().unwrap_or_default(), segments.next()) {
        ("health", None) => health::health(server, query).await,
        ("livez", check) => health::checks(server, health::LIVE, check, query).await,
        ("readyz", check) => health::checks(server, health::READY, check, query).await,
        ("version", None) => Page::json(StatusCode::OK, version()),
        ("metrics", None) => Page::text(StatusCode::OK, metrics::metrics(server)),
        ("v1", Some("status")) => Page::json(StatusCode::OK, status::status(server)),
        _ => Page::text(StatusCode::NOT_FOUND, "404 page not found\n"),
    }
}

fn version() -> String {
    format!(
        r#"{{"etcdserver":"{COMPATIBILITY_VERSION}","etcdcluster":"{COMPATIBILITY_LEVEL}","storage":"{COMPATIBILITY_LEVEL}","quorate":"{}"}}"#,
        env!("CARGO_PKG_VERSION")
    )
}

/// The part of a URL after the `?`. None of the values that are asked for needs an escape.
#[derive(Clone, Copy)]
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// All values of `name`; empty ones for a name alone.
    fn all(self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.filter(move |pair| pair.0 == name).map(|pair| pair.1)
    }

    fn has(self, name: &str) -> bool {
        self.0.split('&').any(|pair| pair.split('=').next() == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn queries() {
        let query = Query("verbose&exclude=a&exclude=b&serializable=true");
        assert!(query.has("verbose") && !query.has("a") && !Query("").has("verbose"));
        assert_eq!(query.all("exclude").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(query.all("verbose").collect::<Vec<_>>(), [""]);
    }
}
