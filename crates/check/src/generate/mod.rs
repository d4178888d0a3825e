//! Histories made up: of systems that are right, and of such that have a known fault.
//!
//! **Problem.** A checker is tested and measured on histories whose answer is known beforehand. **Idea.** Simulated clients call an
//! object that does everything at one hidden point between call and return, so that what they see is linearizable by the way it
//! came about. [`mutate`] then spoils one result, and a [`Fault`] lets a few transactions slip through as a broken system would.
//!
//! **Invariant:** equal options give equal histories. The objects here share no code with the models in [`crate::model`].

mod collections;
mod mutate;
mod numbers;
mod object;
mod objects;
mod registers;
mod rng;
mod transactions;

pub use mutate::mutate;
pub use objects::{Objects, objects};
pub use rng::Rng;
pub use transactions::{Fault, Transactions, transactions};
