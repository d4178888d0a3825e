//! Everything about one history.
