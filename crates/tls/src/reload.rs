//! A configuration that follows its files.

use crate::TlsError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
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

/// A `T` made of files. Whoever asks for it may have to wait for reading them, a few kilobytes.
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

    /// What the files say, or said when they last made sense.
    pub(crate) fn current(&self) -> Arc<T> {
        self.current_at(Instant::now())
    }

    fn current_at(&self, now: Instant) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.checked_at) >= CHECK_INTERVAL {
            state.checked_at = now;
            self.check(&mut state);
        }
        state.current.clone()
    }

    fn check(&self, state: &mut State<T>) {
        // Taken before reading: what changes meanwhile is found at the next check.
        let stamps = stamps(&self.files);
        if stamps == state.stamps && state.complaint.is_none() {
            return;
        }
        match (self.build)() {
            Ok(built) => {
                tracing::info!(files = ?self.files, "new certificates are in force");
                *state =
                    State { current: Arc::new(built), stamps, checked_at: state.checked_at, complaint: None };
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
        write(&left, "bb");
        write(&right, "bb");
        assert_eq!(*pair.current_at(now), "a", "looked at a moment ago");
        let mut check = |expect: &str| {
            now += CHECK_INTERVAL;
            assert_eq!(*pair.current_at(now), expect);
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
