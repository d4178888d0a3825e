//! The front end on a real port, asked by clients that were generated from the protocol's definitions.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

mod cluster;
mod kv;
mod lease;
mod maintenance;
mod numbered;
mod outside;
#[path = "../../../tls/tests/pki/mod.rs"]
mod pki;
mod session;
mod snapshot;
mod tls;
mod watch;

use quorate_driver::Quorate;
use quorate_node::declaration::Declarations;
use quorate_proto::etcdserverpb as pb;
use quorate_server::{ServerOptions, serve};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// A front end on a port of its own.
struct Front {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Front {
    async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    async fn close(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

async fn serve_node(handle: quorate_driver::Handle) -> Front {
    serve_with(handle, ServerOptions::default()).await
}

async fn serve_with(handle: quorate_driver::Handle, options: ServerOptions) -> Front {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let options = ServerOptions { shutdown_grace: Duration::from_millis(500), ..options };
    let task = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        serve(listener, handle, options, stopped).await.unwrap();
    });
    Front { address, stop, task }
}

/// A cluster of one in memory, with its front end.
struct Fixture {
    node: Quorate,
    front: Front,
}

impl Fixture {
    async fn start() -> Self {
        Fixture::with("").await
    }

    /// Keyspaces as in a declaration file.
    async fn with(declarations: &str) -> Self {
        let declarations = Declarations::parse(declarations).unwrap();
        let node = Quorate::open_with(None, declarations).unwrap();
        let front = serve_node(node.handle().clone()).await;
        for keyspace in node.handle().keyspaces() {
            let mut status = keyspace.status();
            status.wait_for(|status| status.leader.is_some()).await.unwrap();
        }
        Fixture { node, front }
    }

    async fn channel(&self) -> Channel {
        self.front.channel().await
    }

    async fn kv(&self) -> pb::kv_client::KvClient<Channel> {
        pb::kv_client::KvClient::new(self.channel().await)
    }

    async fn close(self) {
        self.front.close().await;
        self.node.close().await;
    }
}

/// A request with metadata.
fn with<T>(message: T, name: &'static str, value: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(name, MetadataValue::try_from(value).unwrap());
    request
}

fn put(key: &'static str, value: &'static str) -> pb::PutRequest {
    pb::PutRequest { key: key.into(), value: value.into(), ..Default::default() }
}

fn get(key: &'static str) -> pb::RangeRequest {
    pb::RangeRequest { key: key.into(), ..Default::default() }
}

/// All keys.
fn all() -> pb::RangeRequest {
    pb::RangeRequest { key: vec![0].into(), range_end: vec![0].into(), ..Default::default() }
}

fn check<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, text: &str) {
    let status = answer.unwrap_err();
    assert_eq!((status.code(), status.message()), (code, text));
}
