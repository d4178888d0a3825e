//! Sequential and causal consistency, PRAM, session guarantees.
