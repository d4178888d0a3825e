//! Sorting more than fits into memory.
//!
//! Pairs are gathered until they take so much memory, then written to a scratch file as one sorted run; at the end the runs are
//! merged. The file has no name, so it is gone with the process, however that ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Memory that pairs may take before they are written out.
const GATHERED_LEN_BYTES: usize = 32 << 20;
/// What each run reads at a time.
const READ_AHEAD_LEN_BYTES: usize = 16 << 10;
/// What a gathered pair takes beside its bytes, roughly.
const PAIR_OVERHEAD_BYTES: usize = 64;

type Pair = (Vec<u8>, Vec<u8>);

/// See the module.
pub(crate) struct Sorter {
    scratch: PathBuf,
    max_len_bytes: usize,
    gathered: Vec<Pair>,
    gathered_len_bytes: usize,
    file: Option<File>,
    /// Where each run ends in the file.
    ends: Vec<u64>,
}

impl Sorter {
    /// Nothing yet. Runs will lie in the directory `scratch`.
    pub(crate) fn new(scratch: PathBuf) -> Self {
        Sorter::with_limit(scratch, GATHERED_LEN_BYTES)
    }

    fn with_limit(scratch: PathBuf, max_len_bytes: usize) -> Self {
        let (gathered, ends) = (Vec::new(), Vec::new());
        Sorter { scratch, max_len_bytes, gathered, gathered_len_bytes: 0, file: None, ends }
    }

    /// Takes a pair.
    pub(crate) fn push(&mut self, key: Vec<u8>, value: Vec<u8>) -> io::Result<()> {
        self.gathered_len_bytes += key.len() + value.len() + PAIR_OVERHEAD_BYTES;
        self.gathered.push((key, value));
        if self.gathered_len_bytes > self.max_len_bytes { self.write_run() } else { Ok(()) }
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.gathered.sort_unstable();
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(&self.scratch)?,
        };
        let mut end = self.ends.last().copied().unwrap_or_default();
        let mut out = BufWriter::new(file);
        for (key, value) in self.gathered.drain(..) {
            out.write_all(&(key.len() as u64).to_le_bytes())?;
            out.write_all(&(value.len() as u64).to_le_bytes())?;
            out.write_all(&key)?;
            out.write_all(&value)?;
            end += 16 + (key.len() + value.len()) as u64;
        }
        self.file = Some(out.into_inner().map_err(io::IntoInnerError::into_error)?);
        self.ends.push(end);
        self.gathered_len_bytes = 0;
        Ok(())
    }

    /// All pairs by key.
    pub(crate) fn finish(mut self) -> io::Result<Sorted> {
        let file = self.file.take().map(Arc::new);
        self.gathered.sort_unstable();
        let mut runs = vec![Run::Gathered(self.gathered.into_iter())];
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        for (start, end) in starts.zip(self.ends.iter().copied()) {
            let file = Arc::clone(file.as_ref().expect("a run was written to it"));
            let part = Part { file, at: start, end };
            runs.push(Run::Written(BufReader::with_capacity(READ_AHEAD_LEN_BYTES, part)));
        }
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|pair| Reverse((pair, number))));
        }
        Ok(Sorted { runs, heads })
    }
}

/// Sorted pairs in memory, or in the file.
enum Run {
    Gathered(std::vec::IntoIter<Pair>),
    Written(BufReader<Part>),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Pair>> {
        match self {
            Run::Gathered(pairs) => Ok(pairs.next()),
            Run::Written(part) if part.buffer().is_empty() && part.get_ref().is_over() => Ok(None),
            Run::Written(part) => {
                let mut lengths = [0; 16];
                part.read_exact(&mut lengths)?;
                let [key, value] = [0, 8].map(|at| {
                    u64::from_le_bytes(lengths[at..at + 8].try_into().expect("eight bytes")) as usize
                });
                let mut pair = (vec![0; key], vec![0; value]);
                part.read_exact(&mut pair.0)?;
                part.read_exact(&mut pair.1)?;
                Ok(Some(pair))
            }
        }
    }
}

/// One run's part of the file; all runs share its handle, none its position.
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Part {
    fn is_over(&self) -> bool {
        self.at == self.end
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Pairs by key. After an error there is no going on.
pub(crate) struct Sorted {
    runs: Vec<Run>,
    heads: BinaryHeap<Reverse<(Pair, usize)>>,
}

impl Iterator for Sorted {
    type Item = io::Result<Pair>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut head = self.heads.peek_mut()?;
        let number = head.0.1;
        match self.runs[number].next() {
            Ok(Some(pair)) => Some(Ok(std::mem::replace(&mut head.0.0, pair))),
            Ok(None) => Some(Ok(PeekMut::pop(head).0.0)),
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sorter;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_pairs_come_out_sorted(
            pairs in prop::collection::vec((prop::collection::vec(0..4_u8, 0..5), prop::collection::vec(any::<u8>(), 0..40)), 0..200),
            max_len_bytes in prop::sample::select(vec![1, 500, 3000, 1 << 20]),
        ) {
            let mut sorter = Sorter::with_limit(std::env::temp_dir(), max_len_bytes);
            for (key, value) in pairs.clone() {
                sorter.push(key, value).unwrap();
            }
            let found: Vec<_> = sorter.finish().unwrap().map(Result::unwrap).collect();
            let mut expect = pairs;
            expect.sort();
            prop_assert_eq!(found, expect);
        }
    }
}
