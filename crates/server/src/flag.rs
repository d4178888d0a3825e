//! Something that may come true, and that tasks wait for.

use tokio::sync::watch;

/// One waiter's end of a flag.
pub(crate) struct Flag(watch::Receiver<bool>);

impl Flag {
    pub(crate) fn of(flag: &watch::Sender<bool>) -> Self {
        Flag(flag.subscribe())
    }

    /// Returns when the flag is true, or when whoever could raise it has gone.
    pub(crate) async fn raised(&mut self) {
        let _ = self.0.wait_for(|raised| *raised).await;
    }

    /// Whether the flag is true now.
    pub(crate) fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the flag is false, or when whoever could lower it has gone.
    #[cfg(test)]
    pub(crate) async fn lowered(&mut self) {
        let _ = self.0.wait_for(|raised| !*raised).await;
    }
}
