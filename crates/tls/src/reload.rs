//! A configuration that follows its files.

use crate::TlsError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Files are looked at no more often than this.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What tells one version of a file from the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    modified: SystemTime,
    len_bytes: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Stamp { modified: found.modified().ok()?, len_bytes: found.len() })
    }
}

type Build<T> = Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>;

/// A `T` made of files.
pub(crate) struct Reloading<T> {
    files: Vec<PathBuf>,
    build: Build<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    current: Arc<T>,
    /// Of the files, before `current` was read from them; `None` where a file could not be looked at.
    stamps: Vec<Option<Stamp>>,
    checked_at: Instant,
    /// Why the files make no `T`, if they do not.
    complaint: Option<String>,
}

impl<T> Reloading<T> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// Those of `build`.
    pub(crate) fn new(
        files: Vec<PathBuf>,
        build: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let stamps = stamps(&files);
        let current = Arc::new(build()?);
        let state = State { current, stamps, checked_at: Instant::now(), complaint: None };
        Ok(Reloading { files, build: Box::new(build), state: Mutex::new(state) })
    }

    /// What the files say, or said when they last made sense. They are read on a thread that may wait for a disk.
    pub(crate) async fn current(self: &Arc<Self>) -> Arc<T>
    where
        T: Send + Sync + 'static,
    {
        if self.is_due(Instant::now()) {
            let this = self.clone();
            // Fails only while the process ends.
            let _ = tokio::task::spawn_blocking(move || this.check()).await;
        }
        self.lock().current.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the caller is to look at the files: nobody has for a while, and nobody else will now.
    fn is_due(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let is_due = now.saturating_duration_since(state.checked_at) >= CHECK_INTERVAL;
        if is_due {
            state.checked_at = now;
        }
        is_due
    }

    /// Looks at the files, and takes what they say if they changed. Nobody waits for it but its caller.
    fn check(&self) {
        // Taken before reading: what changes meanwhile is found at the next check.
        let stamps = stamps(&self.files);
        {
            let state = self.lock();
            if stamps == state.stamps && state.complaint.is_none() {
                return;
            }
        }
        let built = (self.build)();
        let mut state = self.lock();
        match built {
            Ok(built) => {
                tracing::info!(files = ?self.files, "new certificates are in force");
                state.current = Arc::new(built);
                state.stamps = stamps;
                state.complaint = None;
            }
            Err(error) => {
                let complaint = error.to_string();
                if state.complaint.as_ref() != Some(&complaint) {
                    tracing::warn!(
                        "changed certificates are not taken, the last good ones stay in force: {complaint}"
                    );
                }
                state.complaint = Some(complaint);
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|path| Stamp::of(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::{CHECK_INTERVAL, Reloading};
    use crate::TlsError;
    use std::time::Instant;

    #[test]
    fn changes_are_seen_once_the_files_make_sense() {
        let dir = tempfile::tempdir().unwrap();
        let (left, right) = (dir.path().join("left"), dir.path().join("right"));
        let write = |path, text: &str| std::fs::write(path, text).unwrap();
        write(&left, "a");
        write(&right, "a");
        let files = vec![left.clone(), right.clone()];
        let read = files.clone();
        let build = move || {
            let text = |at: usize| std::fs::read_to_string(&read[at]).unwrap_or_default();
            let same = text(0) == text(1) && !text(0).is_empty();
            same.then(|| text(0)).ok_or(TlsError::NothingToVerifyBy)
        };
        let pair = Reloading::new(files, build).unwrap();
        let mut now = Instant::now();
        assert!(!pair.is_due(now), "looked at a moment ago");
        write(&left, "bb");
        write(&right, "bb");
        let mut check = |expect: &str| {
            now += CHECK_INTERVAL;
            assert!(pair.is_due(now) && !pair.is_due(now));
            pair.check();
            assert_eq!(*pair.lock().current, expect);
        };
        check("bb");
        write(&left, "ccc");
        check("bb");
        check("bb");
        write(&right, "ccc");
        check("ccc");
        std::fs::remove_file(&left).unwrap();
        check("ccc");
        write(&left, "ccc");
        check("ccc");
        write(&right, "dddd");
        write(&left, "dddd");
        check("dddd");
    }
}
