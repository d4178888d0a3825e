//! Checks of one invariant each.
