//! Writes that may be sent again: numbered within a session that the cluster keeps, so that each is done once.
//!
//! **Invariant:** a number is given to one write only, and is acknowledged once nobody will ask for it again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

/// The metadata that carries a session's number, and the session's id when it is opened.
pub(crate) const HEADER: &str = "quorate-write";
/// Asks for a session.
pub(crate) const OPEN: &str = "open";
/// So far above the acknowledged one a number may lie; the cluster's bound is 256.
const WINDOW: u64 = 200;
/// What the cluster says of a session that it does not have (any more).
const NO_SESSION: &str = "no such write session";
/// What it says of a write whose answer it did not keep.
const NOT_KEPT: &str = "done before; its answer was too large to keep";

#[derive(Default)]
enum Session {
    /// Nobody has asked for one yet.
    #[default]
    Unopened,
    /// The servers know nothing of sessions.
    Unsupported,
    Open(Arc<str>),
}

#[derive(Default)]
struct State {
    session: Session,
    /// The last number that was given out.
    last: u64,
    outstanding: BTreeSet<u64>,
}

/// What a client knows of its session.
#[derive(Default)]
pub(crate) struct Once {
    state: Mutex<State>,
    /// Held by who opens the session.
    pub(crate) opening: tokio::sync::Mutex<()>,
}

/// What there is for a write.
pub(crate) enum Given<'a> {
    /// A number.
    Number(Number<'a>),
    /// None: it may be sent once only.
    Nothing,
    /// The session must be opened first.
    MustOpen,
}

impl Once {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }

    /// The next number, if there is a session and it has room.
    pub(crate) fn next(&self) -> Given<'_> {
        let mut state = self.state();
        let session = match &state.session {
            Session::Unopened => return Given::MustOpen,
            Session::Unsupported => return Given::Nothing,
            Session::Open(session) => session.clone(),
        };
        if state.last + 1 - state.acknowledged() > WINDOW {
            return Given::Nothing;
        }
        state.last += 1;
        let number = state.last;
        state.outstanding.insert(number);
        Given::Number(Number { once: self, session, number })
    }

    /// Whether nobody has opened a session yet.
    pub(crate) fn must_open(&self) -> bool {
        matches!(self.state().session, Session::Unopened)
    }

    /// What the cluster answered to [`OPEN`]: an id, or nothing.
    pub(crate) fn opened(&self, answer: &MetadataMap) {
        let id = answer.get(HEADER).and_then(|id| id.to_str().ok());
        let session = id.map_or(Session::Unsupported, |id| Session::Open(id.into()));
        *self.state() = State { session, ..State::default() };
    }

    fn forget(&self, session: &Arc<str>) {
        let mut state = self.state();
        if matches!(&state.session, Session::Open(known) if Arc::ptr_eq(known, session)) {
            *state = State::default();
        }
    }
}

impl State {
    fn acknowledged(&self) -> u64 {
        self.outstanding.first().map_or(self.last, |first| first - 1)
    }
}

/// A write's number, for as long as it may be sent again.
pub(crate) struct Number<'a> {
    once: &'a Once,
    session: Arc<str>,
    number: u64,
}

impl Number<'_> {
    /// The header of an attempt that is about to be sent.
    pub(crate) fn header(&self) -> MetadataValue<Ascii> {
        let acknowledged = self.once.state().acknowledged().min(self.number - 1);
        let text = format!("{}/{}/{acknowledged}", self.session, self.number);
        text.parse().expect("an id that came in a header, and digits")
    }

    /// Whether `words` say that the session is gone; then the next number is of a new one.
    pub(crate) fn session_is_gone(&self, words: &str) -> bool {
        let is_gone = words.contains(NO_SESSION);
        if is_gone {
            self.once.forget(&self.session);
        }
        is_gone
    }
}

impl Drop for Number<'_> {
    fn drop(&mut self) {
        let mut state = self.once.state();
        if matches!(&state.session, Session::Open(session) if Arc::ptr_eq(session, &self.session)) {
            state.outstanding.remove(&self.number);
        }
    }
}

/// Whether `words` say that a write was done and its answer is lost.
pub(crate) fn was_done(words: &str) -> bool {
    words.contains(NOT_KEPT)
}

#[cfg(test)]
mod tests {
    use super::{Given, HEADER, Number, Once, WINDOW};
    use tonic::metadata::MetadataMap;

    fn open(once: &Once, id: &'static str) {
        let mut answer = MetadataMap::new();
        answer.insert(HEADER, id.parse().expect("text"));
        once.opened(&answer);
    }

    fn number(once: &Once) -> Number<'_> {
        match once.next() {
            Given::Number(number) => number,
            Given::Nothing | Given::MustOpen => panic!("no number"),
        }
    }

    #[test]
    fn what_nobody_asks_for_any_more_is_acknowledged() {
        let once = Once::default();
        assert!(matches!(once.next(), Given::MustOpen));
        open(&once, "1f");
        let (first, second, third) = (number(&once), number(&once), number(&once));
        let check = |number: &Number<'_>, expect: &str| assert_eq!(number.header(), expect);
        check(&first, "1f/1/0");
        check(&third, "1f/3/0");
        drop(first);
        check(&third, "1f/3/1");
        drop(second);
        check(&third, "1f/3/2");
    }

    #[test]
    fn there_is_a_bound_on_what_is_outstanding() {
        let once = Once::default();
        open(&once, "1");
        let numbers: Vec<Number<'_>> = (0..WINDOW).map(|_| number(&once)).collect();
        assert!(matches!(once.next(), Given::Nothing));
        drop(numbers);
        assert_eq!(number(&once).header(), format!("1/{}/{WINDOW}", WINDOW + 1).as_str());
    }

    #[test]
    fn a_session_that_is_gone_is_opened_anew_once() {
        let once = Once::default();
        open(&once, "1");
        let (first, second) = (number(&once), number(&once));
        assert!(!first.session_is_gone("key is not provided"));
        assert!(first.session_is_gone("etcdserver: no such write session; …"));
        assert!(matches!(once.next(), Given::MustOpen));
        open(&once, "2");
        assert!(second.session_is_gone("no such write session"));
        drop((first, second));
        assert_eq!(number(&once).header(), "2/1/0", "the new one is left alone");
    }

    #[test]
    fn servers_without_sessions_are_asked_once() {
        let once = Once::default();
        once.opened(&MetadataMap::new());
        assert!(matches!(once.next(), Given::Nothing));
    }
}
