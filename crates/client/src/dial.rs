//! Channels whose connections speak TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use quorate_tls::{Connector, DialledStream};
use tokio::net::TcpStream;
use tonic::codegen::Service;

/// Opens connections to `https://host:port`. The channel sets the deadline.
#[derive(Clone)]
pub(crate) struct SecureDial(pub(crate) Connector);

impl Service<Uri> for SecureDial {
    type Response = TokioIo<DialledStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.0.clone();
        Box::pin(async move {
            let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            let address = host.trim_start_matches('[').trim_end_matches(']');
            let socket = TcpStream::connect((address, port)).await?;
            socket.set_nodelay(true)?;
            Ok(TokioIo::new(connector.connect(host, socket).await.map_err(io::Error::other)?))
        })
    }
}
