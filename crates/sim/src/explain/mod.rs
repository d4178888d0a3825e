//! One run, explained: to a terminal in some lines, and to a browser as one page.
//!
//! **Problem:** a run that breaks a promise is thousands of events long, and nobody reads thousands of events.
//! **Idea:** [`text`] picks the events that matter and says how many it leaves out between them; [`html`] draws all of them over time, to be
//! zoomed into. **Invariant:** what is said comes from the [`Story`](crate::trace::Story) alone, so the same run is explained in the same bytes.

mod page;
mod pick;
mod text;
mod words;

pub use page::{MAX_DRAWN, html};
pub use text::text;
pub use words::fault_words;
