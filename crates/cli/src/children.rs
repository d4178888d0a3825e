//! Nodes in processes of their own, so that one can be killed and is seen to come back.
//!
//! A child stops in order when its standard input closes. So all of them stop with their parent, however the parent ends.

use crate::failure::Failure;
use crate::upkeep::UpkeepArgs;
use quorate_driver::Member;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a child may take to say that it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a child that was told to stop may take before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a killed node stays away, so that one can look at the others meanwhile.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// What all children are told.
pub(crate) struct ChildrenConfig {
    /// Distinguishes the cluster.
    pub(crate) token: String,
    /// The nodes.
    pub(crate) members: Vec<Member>,
    /// Where their data lies, each in a directory of its name.
    pub(crate) data: PathBuf,
    /// The file with the `[[keyspace]]` declarations.
    pub(crate) declarations: Option<PathBuf>,
    /// What a leader does by itself.
    pub(crate) upkeep: UpkeepArgs,
}

/// Running children, each watched over by a task that starts it again when it ends.
pub(crate) struct Children {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Their process ids at the start, in the order of the members.
    pub(crate) pids: Vec<u32>,
}

impl Children {
    /// Starts all, and waits until each is ready.
    pub(crate) async fn start(config: &ChildrenConfig) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let (stop, stopped) = watch::channel(false);
        let mut children = Children { stop, tasks: JoinSet::new(), pids: Vec::new() };
        let mut starting = Vec::new();
        for member in &config.members {
            let arguments = arguments(config, member);
            let process = spawn(&program, &arguments)?;
            starting.push((member.name.clone(), arguments, process));
        }
        for (name, arguments, mut process) in starting {
            wait_until_ready(&name, &mut process).await?;
            children.pids.push(process.id().unwrap_or_default());
            let stopped = stopped.clone();
            let program = program.clone();
            children
                .tasks
                .spawn(async move { watch_over(&name, &program, &arguments, process, stopped).await });
        }
        Ok(children)
    }

    /// Stops all in order.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

fn arguments(config: &ChildrenConfig, member: &Member) -> Vec<String> {
    let cluster: Vec<String> =
        config.members.iter().map(|member| format!("{}={}", member.name, member.peer_address)).collect();
    let client = member.client_urls.first().map_or("", |url| url.trim_start_matches("http://"));
    let mut arguments: Vec<String> = ["serve", "--until-stdin-closes"].map(str::to_owned).to_vec();
    let mut flag = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    flag("--name", member.name.clone());
    flag("--data", config.data.join(&member.name).display().to_string());
    flag("--listen-client", client.to_owned());
    flag("--cluster", cluster.join(","));
    flag("--cluster-token", config.token.clone());
    if let Some(file) = &config.declarations {
        flag("--config", file.display().to_string());
    }
    arguments.extend(config.upkeep.flags());
    arguments
}

fn spawn(program: &Path, arguments: &[String]) -> Result<Child, Failure> {
    Command::new(program)
        .args(arguments)
        .env("QUORATE_LOG", std::env::var("QUORATE_LOG").unwrap_or_else(|_| "warn".to_owned()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::new(format!("cannot start {}: {error}", program.display())))
}

async fn wait_until_ready(name: &str, process: &mut Child) -> Result<(), Failure> {
    let Some(output) = process.stdout.take() else { return Ok(()) };
    let mut lines = BufReader::new(output).lines();
    match tokio::time::timeout(READY_TIMEOUT, lines.next_line()).await {
        Ok(Ok(Some(line))) if line.starts_with("ready") => Ok(()),
        Ok(_) => Err(Failure::new(format!("{name} ended before it was ready; its message stands above"))),
        Err(_) => Err(Failure::new(format!("{name} was not ready within {READY_TIMEOUT:?}"))),
    }
}

async fn watch_over(
    name: &str,
    program: &Path,
    arguments: &[String],
    mut process: Child,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        // Waiting for a process closes its input, so the input is held here.
        let input = process.stdin.take();
        let mut stop = stopped.clone();
        tokio::select! {
            status = process.wait() => {
                let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                println!("{name} has ended ({how}); it comes back in {} s", RESTART_PAUSE.as_secs());
            }
            () = told(&mut stop) => {
                drop(input);
                if tokio::time::timeout(STOP_TIMEOUT, process.wait()).await.is_err() {
                    eprintln!("{name} does not stop within {STOP_TIMEOUT:?} and is killed");
                    let _ = process.kill().await;
                }
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(RESTART_PAUSE) => {}
            () = told(&mut stopped) => return,
        }
        match spawn(program, arguments) {
            Ok(next) => process = next,
            Err(failure) => {
                eprintln!("{name}: {failure}");
                return;
            }
        }
        match wait_until_ready(name, &mut process).await {
            Ok(()) => println!("{name} is back, as process {}", process.id().unwrap_or_default()),
            Err(failure) => eprintln!("{failure}"),
        }
    }
}

/// Waits until the flag is set, or nobody is left to set it.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
