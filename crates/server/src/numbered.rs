//! Numbered writes: what a client adds to a call so that it may send it again.
//!
//! ```text
//! quorate-write: open                           with Status: opens a session; the answer's header of that name is its id
//! quorate-write: SESSION/NUMBER/ACKNOWLEDGED    with a write: id in hex, its number, and up to which number the client has all answers
//! ```
//!
//! See `quorate_kv::InSession`.

use quorate_kv::{Command, InSession};
use quorate_types::SessionId;

/// The metadata's name, both ways.
pub(crate) const HEADER: &str = "quorate-write";
const OPEN: &[u8] = b"open";

/// What a call asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Numbered {
    /// A new session.
    Open,
    /// To do its write once.
    Write {
        /// Whose.
        session: SessionId,
        /// Its number.
        sequence: u64,
        /// See [`InSession::acknowledged`].
        acknowledged: u64,
    },
}

impl Numbered {
    /// Reads the header's value; `None` if it is neither form.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        if value == OPEN {
            return Some(Numbered::Open);
        }
        let mut parts = str::from_utf8(value).ok()?.split('/');
        let session = SessionId(u64::from_str_radix(parts.next()?, 16).ok()?);
        let (sequence, acknowledged) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Numbered::Write { session, sequence, acknowledged })
    }

    /// `command` as the log is to carry it; `None` if no session is asked to carry it.
    pub(crate) fn carry(self, command: Command) -> Option<Command> {
        let Numbered::Write { session, sequence, acknowledged } = self else { return None };
        Some(Command::InSession(InSession { session, sequence, acknowledged, command: Box::new(command) }))
    }
}

#[cfg(test)]
mod tests {
    use super::Numbered;
    use quorate_types::SessionId;

    #[test]
    fn headers_are_read_or_refused() {
        let check = |text: &str, expect| assert_eq!(Numbered::parse(text.as_bytes()), expect, "{text}");
        check("open", Some(Numbered::Open));
        let write = Numbered::Write { session: SessionId(0x1f), sequence: 7, acknowledged: 6 };
        check("1f/7/6", Some(write));
        for bad in ["", "1f", "1f/7", "1f/7/6/5", "x/7/6", "1f/-7/6", "1f/7/", "Open"] {
            check(bad, None);
        }
        assert_eq!(Numbered::parse(b"\xff"), None);
    }
}
