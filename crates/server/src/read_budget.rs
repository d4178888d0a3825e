//! Room for large answers.
//!
//! **Problem.** Some reads of everything at once can take all memory, and hold up the threads that serve small requests.
//! **Idea.** A read of few rows is done at once. A larger one is done on a thread for blocking work, after it has taken
//! what its answer will roughly need from a budget; the room is given back when the answer was sent or its client has gone.
//! **Invariant.** The large answers under way need no more than the budget, or there is only one.

use quorate_kv::{KeyRange, RangeRequest, SortTarget, View};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A read of so many rows is done at once.
pub(crate) const SMALL_ROWS: u64 = 1000;
/// The budget is kept in units of this.
const UNIT_LEN_BYTES: usize = 1 << 10;
/// An answer takes about so much beside the pairs themselves: the pairs are held, then copied into the message.
const COPIES: u64 = 2;

/// See the module.
pub(crate) struct ReadBudget {
    units: Arc<Semaphore>,
    all: u32,
}

impl ReadBudget {
    pub(crate) fn new(len_bytes: usize) -> Self {
        let all = u32::try_from(len_bytes / UNIT_LEN_BYTES).unwrap_or(u32::MAX >> 4).clamp(1, u32::MAX >> 4);
        ReadBudget { units: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// Waits for room for so much; what is more than the whole budget waits for all of it.
    pub(crate) async fn take(&self, len_bytes: u64) -> OwnedSemaphorePermit {
        let units = u32::try_from(len_bytes / UNIT_LEN_BYTES as u64).unwrap_or(self.all).clamp(1, self.all);
        self.units.clone().acquire_many_owned(units).await.expect("the semaphore is never closed")
    }
}

/// Roughly what the answer with so many rows of `view` takes.
pub(crate) fn answer_len_bytes(view: &View, rows: u64) -> u64 {
    let row_len_bytes = view.live_len_bytes() / view.key_count().max(1);
    rows.saturating_mul(row_len_bytes).saturating_mul(COPIES)
}

/// Roughly how many rows a range answers with if it may touch more than [`SMALL_ROWS`]; `None` if it is small.
pub(crate) fn large_rows(view: &View, request: &RangeRequest) -> Option<u64> {
    if request.range.is_one_key() {
        return None;
    }
    let is_now = request.revision <= 0 || request.revision == view.revision().0;
    let limit = u64::try_from(request.limit).ok().filter(|limit| *limit > 0).unwrap_or(u64::MAX);
    if is_now && (request.count_only || limit <= SMALL_ROWS && stops_at_limit(request)) {
        return None;
    }
    let rows = count(view, &request.range);
    // Reading the past costs also what has changed since, so it never counts as small.
    let is_large = !is_now || rows > SMALL_ROWS;
    let answered = if request.count_only { 0 } else { rows.min(limit) };
    is_large.then_some(answered)
}

/// Whether no more rows are read than the limit says.
fn stops_at_limit(request: &RangeRequest) -> bool {
    let filters = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    request.sort_target == SortTarget::Key && filters.iter().all(|bound| *bound == 0)
}

fn count(view: &View, range: &KeyRange) -> u64 {
    let request = RangeRequest { range: range.clone(), count_only: true, ..RangeRequest::default() };
    view.range(&request).map_or(0, |response| u64::try_from(response.count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::ReadBudget;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[tokio::test]
    async fn large_answers_wait_for_each_other() {
        let budget = ReadBudget::new(100 << 10);
        let mut context = Context::from_waker(Waker::noop());
        let first = budget.take(60 << 10).await;
        let mut second = pin!(budget.take(60 << 10));
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(first);
        drop(second.await);
        // More than there is gets all that there is, and nothing else beside it.
        let _all = budget.take(u64::MAX).await;
        assert!(pin!(budget.take(1)).poll(&mut context).is_pending());
    }
}
