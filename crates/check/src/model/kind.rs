//! The models by name.

use super::{
    Counter, FencedLock, Kv, Leaderboard, Model, MultiRegister, Mutex, PriorityQueue, Queue, RateLimiter,
    Register, Set, Stack,
};
use std::fmt;
use std::str::FromStr;

/// One of the models that come with this crate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// [`Register`], also known as compare-and-set register.
    Register,
    /// [`MultiRegister`].
    MultiRegister,
    /// [`Kv`].
    Kv,
    /// [`Counter`].
    Counter,
    /// [`Set`].
    Set,
    /// [`Queue`].
    Queue,
    /// [`Stack`].
    Stack,
    /// [`PriorityQueue`].
    PriorityQueue,
    /// [`Mutex`].
    Mutex,
    /// [`FencedLock`].
    FencedLock,
    /// [`RateLimiter`].
    RateLimiter,
    /// [`Leaderboard`].
    Leaderboard,
}

/// Does something with whichever model it is given.
pub trait Visitor {
    /// What comes of it.
    type Output;

    /// Called with a new model.
    fn visit<M: Model>(self, model: M) -> Self::Output;
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 12] = [
        Kind::Register,
        Kind::MultiRegister,
        Kind::Kv,
        Kind::Counter,
        Kind::Set,
        Kind::Queue,
        Kind::Stack,
        Kind::PriorityQueue,
        Kind::Mutex,
        Kind::FencedLock,
        Kind::RateLimiter,
        Kind::Leaderboard,
    ];

    /// Calls the visitor with a new model of this kind.
    pub fn visit<V: Visitor>(self, visitor: V) -> V::Output {
        match self {
            Kind::Register => visitor.visit(Register::default()),
            Kind::MultiRegister => visitor.visit(MultiRegister::default()),
            Kind::Kv => visitor.visit(Kv::default()),
            Kind::Counter => visitor.visit(Counter::default()),
            Kind::Set => visitor.visit(Set::default()),
            Kind::Queue => visitor.visit(Queue::default()),
            Kind::Stack => visitor.visit(Stack::default()),
            Kind::PriorityQueue => visitor.visit(PriorityQueue::default()),
            Kind::Mutex => visitor.visit(Mutex::default()),
            Kind::FencedLock => visitor.visit(FencedLock::default()),
            Kind::RateLimiter => visitor.visit(RateLimiter::default()),
            Kind::Leaderboard => visitor.visit(Leaderboard::default()),
        }
    }

    /// As people write it, and the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Register => Register::NAME,
            Kind::MultiRegister => MultiRegister::NAME,
            Kind::Kv => Kv::NAME,
            Kind::Counter => Counter::NAME,
            Kind::Set => Set::NAME,
            Kind::Queue => Queue::NAME,
            Kind::Stack => Stack::NAME,
            Kind::PriorityQueue => PriorityQueue::NAME,
            Kind::Mutex => Mutex::NAME,
            Kind::FencedLock => FencedLock::NAME,
            Kind::RateLimiter => RateLimiter::NAME,
            Kind::Leaderboard => Leaderboard::NAME,
        }
    }

    /// Other names that are taken for it.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Kind::Register => &["cas-register", "rw", "cas"],
            Kind::MultiRegister => &["multi", "registers"],
            Kind::Kv => &["key-value", "map", "dict"],
            Kind::Counter => &["fetch-and-add"],
            Kind::Set => &["grow-only-set"],
            Kind::Queue => &["fifo-queue", "fifo"],
            Kind::Stack => &["lifo", "lifo-queue"],
            Kind::PriorityQueue => &["heap", "pqueue"],
            Kind::Mutex => &["lock"],
            Kind::FencedLock => &["fenced-mutex", "fencing", "fencing-lock"],
            Kind::RateLimiter => &["rate-limit", "limiter"],
            Kind::Leaderboard => &["sorted-set", "zset"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no model.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no model is called {given:?}; the models are {}", names())]
pub struct NoSuchKind {
    /// The word.
    pub given: String,
}

fn names() -> String {
    Kind::ALL.map(Kind::name).join(", ")
}

impl FromStr for Kind {
    type Err = NoSuchKind;

    fn from_str(given: &str) -> Result<Self, NoSuchKind> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == given || kind.aliases().contains(&given));
        kind.ok_or_else(|| NoSuchKind { given: given.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Visitor};
    use crate::model::Model;

    struct Name;

    impl Visitor for Name {
        type Output = &'static str;

        fn visit<M: Model>(self, _: M) -> &'static str {
            M::NAME
        }
    }

    #[test]
    fn each_name_is_read_back_and_gives_its_model() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(kind.visit(Name), kind.name());
            for alias in kind.aliases() {
                assert_eq!(alias.parse(), Ok(kind));
            }
        }
        let error = "que".parse::<Kind>().unwrap_err().to_string();
        assert!(error.contains("priority-queue, mutex"), "{error}");
    }
}
