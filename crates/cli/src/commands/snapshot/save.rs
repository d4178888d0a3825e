//! `quorate snapshot save`: a backup of a running cluster.

use crate::connection::{ConnectionArgs, block_on};
use crate::failure::Failure;
use quorate_client::SnapshotStream;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);
const MIB: u64 = 1 << 20;

/// Save a backup of a running cluster, as one of its nodes has it
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  quorate snapshot save backup.db
  quorate snapshot save --endpoints 10.0.0.2:2379 /backup/$(date +%F).db

The file is what etcdctl saves: etcd's own tools can check and restore it, and this command saves from an etcd, too. It holds the keys, \
all revisions that were not compacted, and the leases; no users and no members. It gets its name only once it is whole.")]
pub(crate) struct Args {
    /// The file; one that is there is replaced
    file: PathBuf,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl Args {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut name =
            self.file.file_name().ok_or_else(|| Failure::Usage("FILE needs a name".to_owned()))?.to_owned();
        name.push(".part");
        let part = self.file.with_file_name(name);
        let saved = block_on(self.receive(&part));
        let saved = saved.and_then(|len_bytes| {
            put_in_place(&part, &self.file)
                .map_err(|source| Failure::File { path: self.file.clone(), source })?;
            Ok(len_bytes)
        });
        match saved {
            Ok(len_bytes) => {
                println!("saved {len_bytes} bytes to {}", self.file.display());
                Ok(())
            }
            Err(failure) => {
                // What came is not whole. If it cannot be removed, its name says so.
                let _ = std::fs::remove_file(&part);
                Err(failure)
            }
        }
    }

    /// Writes the stream to a file and makes it durable. Gives its length.
    async fn receive(&self, part: &Path) -> Result<u64, Failure> {
        let failed = |source| Failure::File { path: part.to_owned(), source };
        let client = self.connection.client()?;
        let mut stream = client.snapshot().await?;
        // Everything is in there: it is for its owner alone.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part);
        let mut out = BufWriter::new(file.map_err(failed)?);
        let mut progress = Progress::new();
        let mut len_bytes = 0;
        while let Some(bytes) = stream.next().await? {
            out.write_all(&bytes).map_err(failed)?;
            len_bytes += bytes.len() as u64;
            progress.show(&stream);
        }
        progress.end();
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok(len_bytes)
    }
}

/// Gives a whole file its name, durably.
fn put_in_place(part: &Path, file: &Path) -> io::Result<()> {
    std::fs::rename(part, file)?;
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

/// A line on the terminal that is written anew.
struct Progress {
    shown: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    fn new() -> Self {
        Progress { shown: None, is_terminal: io::stderr().is_terminal() }
    }

    fn show(&mut self, stream: &SnapshotStream) {
        let is_due = self.shown.is_none_or(|shown| shown.elapsed() >= PROGRESS_INTERVAL);
        if self.is_terminal && is_due {
            let (received, left) = stream.progress();
            eprint!("\r{} of {} MiB", received / MIB, (received + left) / MIB);
            self.shown = Some(Instant::now());
        }
    }

    fn end(&self) {
        if self.shown.is_some() {
            eprintln!();
        }
    }
}
