//! Lease renewals, gathered.
//!
//! **Problem.** Each client renews its leases every few seconds, and a renewal is an entry in the log. **Idea.** Renewals that
//! arrive within a millisecond travel as one entry. **Invariant.** What waits here is bounded by [`QUEUE_LEN`]; each renewal is
//! answered only when its entry was applied.

use quorate_driver::{Keyspace, RequestError, RequestOptions};
use quorate_kv::{Command, Outcome};
use quorate_types::LeaseId;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// So many renewals may wait to be gathered.
const QUEUE_LEN: usize = 4096;
/// How long the first one waits for others.
const GATHER: Duration = Duration::from_millis(1);
/// An entry renews about so many leases at most.
const ENTRY_LEASES: usize = 4096;

type Answer = Result<Vec<Option<i64>>, RequestError>;

struct Renewal {
    ids: Vec<LeaseId>,
    answer: oneshot::Sender<Answer>,
}

/// The way to a keyspace's gatherer.
pub(crate) struct Renewals {
    queue: mpsc::Sender<Renewal>,
}

impl Renewals {
    /// The way, and the gatherer, which ends when the way is gone.
    pub(crate) fn new(keyspace: Keyspace) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (queue, renewals) = mpsc::channel(QUEUE_LEN);
        (Renewals { queue }, gather(keyspace, renewals))
    }

    /// Renews leases; the answer has the granted seconds of each, in order, and `None` for those that do not exist.
    pub(crate) async fn renew(&self, ids: Vec<LeaseId>) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Renewal { ids, answer }).map_err(|_| RequestError::Overloaded)?;
        answered.await.unwrap_or(Err(RequestError::Stopped))
    }
}

async fn gather(keyspace: Keyspace, mut renewals: mpsc::Receiver<Renewal>) {
    while let Some(first) = renewals.recv().await {
        tokio::time::sleep(GATHER).await;
        let mut leases = first.ids.len();
        let mut gathered = vec![first];
        while leases < ENTRY_LEASES
            && let Ok(next) = renewals.try_recv()
        {
            leases += next.ids.len();
            gathered.push(next);
        }
        tokio::spawn(renew(keyspace.clone(), gathered));
    }
}

async fn renew(keyspace: Keyspace, gathered: Vec<Renewal>) {
    let ids = gathered.iter().flat_map(|renewal| &renewal.ids).copied().collect();
    let answer = keyspace.execute(Command::LeaseRenew { ids }, RequestOptions::default()).await;
    let mut ttls_s = match answer.map(|answer| answer.outcome) {
        Ok(Ok(Outcome::LeaseRenewed { ttls_s })) => Ok(ttls_s.into_iter()),
        Ok(other) => unreachable!("a renewal is never refused and has its own outcome, not {other:?}"),
        Err(error) => Err(error),
    };
    for renewal in gathered {
        let answer = match &mut ttls_s {
            Ok(ttls_s) => Ok(ttls_s.take(renewal.ids.len()).collect()),
            Err(error) => Err(error.clone()),
        };
        // The stream that asked may have ended.
        let _ = renewal.answer.send(answer);
    }
}
