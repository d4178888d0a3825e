//! Linearizability.
