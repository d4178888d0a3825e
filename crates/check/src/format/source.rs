//! A window over a text that need not fit into memory.
//!
//! **Idea.** The reader of a form sees the bytes that are there. If the form goes on behind them it asks for more and begins the form
//! again, so that it never has to stop in the middle. The window doubles if one form fills it.
//!
//! **Invariant:** what is before the window has been consumed, and `line` is the line on which the window begins.

use std::io::{self, BufRead};

/// Bytes asked for at a time.
const CHUNK_BYTES: usize = 1 << 18;

/// The part of a text that has been read and not yet consumed.
#[derive(Debug)]
pub struct Source<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    line: u32,
    ended: bool,
}

impl<R: BufRead> Source<R> {
    /// At the beginning.
    pub fn new(reader: R) -> Self {
        Source { reader, buffer: Vec::new(), start: 0, line: 1, ended: false }
    }

    /// What is there.
    pub fn window(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Whether nothing follows the window.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The line on which the window begins, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The line on which byte `at` of the window stands.
    pub fn line_at(&self, at: usize) -> u32 {
        self.line.saturating_add(newlines(&self.window()[..at]))
    }

    /// Enlarges the window, or finds that the text has ended.
    ///
    /// # Errors
    /// If the reader fails; the window stays.
    pub fn more(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let wanted = CHUNK_BYTES.max(self.buffer.len());
        let before = self.buffer.len();
        while self.buffer.len() - before < wanted {
            let bytes = match self.reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let count = bytes.len().min(wanted);
            self.buffer.extend_from_slice(&bytes[..count]);
            self.reader.consume(count);
            if count == 0 {
                self.ended = true;
                break;
            }
        }
        Ok(())
    }

    /// Moves the window's beginning.
    ///
    /// # Panics
    /// If the window is shorter.
    pub fn consume(&mut self, count: usize) {
        self.line = self.line_at(count);
        self.start += count;
    }

    /// Everything that is left.
    ///
    /// # Errors
    /// If the reader fails.
    pub fn rest(&mut self) -> io::Result<&[u8]> {
        while !self.ended {
            self.more()?;
        }
        Ok(self.window())
    }
}

fn newlines(bytes: &[u8]) -> u32 {
    // By blocks whose counts fit a byte, which the compiler turns into vector instructions.
    let blocks = bytes.chunks(255);
    blocks.map(|block| u32::from(block.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>())).sum()
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn lines_are_counted_over_any_window() {
        let text = "a\n".repeat(300_000);
        let mut source = Source::new(text.as_bytes());
        source.more().unwrap();
        source.consume(2_001);
        assert_eq!((source.line(), source.line_at(1)), (1001, 1002));
        assert_eq!(source.rest().unwrap().len(), 600_000 - 2_001);
        source.consume(1);
        assert_eq!(source.line(), 1002);
    }
}
