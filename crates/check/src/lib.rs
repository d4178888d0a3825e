//! Histories, and what they prove.
//!
//! A history is what clients saw: who asked for what, when, and what the answer was. This crate reads one from any of the usual
//! formats, and decides for each consistency model whether some execution of that model could have produced it.
//!
//! The floors, from the ground up; each module uses only those before it:
//!
//! | module | what it holds |
//! |---|---|
//! | [`history`] | operations, their values and their order; building and recording them |
//! | [`limits`] | how much time and memory a decision may take |
//! | [`level`] | the consistency models and which implies which |
//! | [`verdict`] | holds, violated or unknown, each with its certificate |
//! | [`format`](mod@format) | reading and writing histories |
//! | [`model`] | sequential specifications: register, queue, lock, … |
//! | [`linear`] | linearizability |
//! | [`order`] | sequential and causal consistency, PRAM, session guarantees |
//! | [`txn`] | transactions: anomalies and isolation levels |
//! | [`workload`] | checks of one invariant: bank, counter, set, queue, unique ids |
//! | [`subject`] | as which of these a history is to be judged |
//! | [`generate`] | histories made up for tests and measurements, right and with known faults |
//! | [`stream`] | checks in bounded memory of histories that do not fit |
//! | [`explain`] | the smallest part that fails, in words and drawn; the independent verifier |
//! | [`judge`] | everything about one history: the strongest level that held |
//!
//! **Invariant:** an answer is `Holds` or `Violated` only with proof. Whoever runs out of time or memory answers `Unknown`.
//!
//! **Invariant:** the crate reads no clock, file or environment and starts no thread; time, memory and parallelism are given
//! to it ([`limits::Budget`], [`limits::Runner`]).

#![forbid(unsafe_code)]

pub mod explain;
pub mod format;
pub mod generate;
pub mod history;
pub mod judge;
pub mod level;
pub mod limits;
pub mod linear;
pub mod model;
pub mod order;
pub mod stream;
pub mod subject;
pub mod txn;
pub mod verdict;
pub mod workload;
