//! What `up` and `serve` share: front ends on listeners, and when to stop.

use crate::failure::Failure;
use quorate_driver::{Handle, NodeFailure};
use quorate_node::declaration::Declarations;
use quorate_server::{ServerOptions, serve};
use std::io::IsTerminal;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

const LOG_VARIABLE: &str = "QUORATE_LOG";
/// How long open requests may go on once the process is to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs a server's main task on a runtime of its own, with log lines on standard error. `QUORATE_LOG` chooses which; else those of `level` and above.
///
/// # Errors
/// The task's own, or that there is no runtime.
pub(crate) fn run(level: &str, task: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(level));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_terminal)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
    runtime.block_on(task)
}

/// Front ends that run.
pub(crate) struct Served {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Served {
    /// Serves each node on its listener, by TLS if there is an acceptor.
    ///
    /// # Errors
    /// [`Failure`] if a listener cannot be used.
    pub(crate) fn start(
        nodes: impl IntoIterator<Item = (Handle, TcpListener)>,
        options: &ServerOptions,
    ) -> Result<Self, Failure> {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (node, listener) in nodes {
            let listener = listener
                .set_nonblocking(true)
                .and_then(|()| tokio::net::TcpListener::from_std(listener))
                .map_err(|error| Failure::new(format!("cannot listen for clients: {error}")))?;
            let mut stopped = stopped.clone();
            let options = options.clone();
            tasks.spawn(async move {
                let stop = async move {
                    let _ = stopped.wait_for(|stop| *stop).await;
                };
                if let Err(error) = serve(listener, node, options, stop).await {
                    tracing::error!("the front end for clients has ended: {error}");
                }
            });
        }
        Ok(Served { stop, tasks })
    }

    /// Takes no more requests, lets the open ones end for a moment, and returns.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, drained).await;
    }
}

/// The declarations in a file; without one, the default keyspace alone.
///
/// # Errors
/// [`Failure`] that names the file.
pub(crate) fn declarations(file: Option<&Path>) -> Result<Declarations, Failure> {
    let Some(file) = file else { return Ok(Declarations::default()) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))?;
    Declarations::parse(&text).map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}

/// The signals that tell the process to stop, listened for from the moment that this is made: before the process says that it
/// is ready, or who stops it at once kills it.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Listens from now on.
    ///
    /// # Errors
    /// [`Failure`] if the system does not let it.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::new(format!("cannot listen for signals: {error}")));
        let (interrupt, terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        Ok(StopSignals { interrupt, terminate })
    }

    /// Returns when the process is told to stop, or with an error when a node can go on no more.
    ///
    /// # Errors
    /// [`Failure`]: the node's own words.
    pub(crate) async fn wait(mut self, nodes: &[Handle]) -> Result<(), Failure> {
        let mut failures = JoinSet::new();
        for node in nodes {
            let mut failure = node.failure();
            let name = node.name().to_owned();
            failures.spawn(async move {
                // A node whose log failed still serves reads: only a failed machine ends the process.
                let fatal = |failure: &Option<NodeFailure>| {
                    matches!(failure, Some(NodeFailure::Machine { .. } | NodeFailure::Panicked { .. }))
                };
                match failure.wait_for(fatal).await {
                    Ok(failure) => failure.as_ref().map(|failure| format!("{name}: {failure}")),
                    Err(_) => None,
                }
            });
        }
        tokio::select! {
            _ = self.interrupt.recv() => Ok(()),
            _ = self.terminate.recv() => Ok(()),
            Some(Ok(Some(failure))) = failures.join_next() => Err(Failure::new(failure)),
        }
    }
}
