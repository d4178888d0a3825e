//! Why a history fails: the smallest part that does, in words, drawn, and confirmed by somebody who trusts no checker.
//!
//! **Idea.** A checker's answer is a claim with a certificate. [`verify`] confirms the certificate with programs small enough to be
//! read in one sitting; [`shrink`](shrink()) cuts the history down to what the claim needs; [`text`] and [`html`](html()) say and
//! draw what is left.
//!
//! **Invariant:** nothing in here decides. An explanation of a wrong verdict may be wrong; [`verify`] finds that out.

mod html;
mod keep;
mod mops;
mod shapes;
mod shrink;
pub mod verify;
mod words;

#[cfg(test)]
mod tests;

pub use html::{MAX_DRAWN, html};
pub use keep::Keep;
pub use shrink::{Shrunk, shrink};
pub use words::text;
