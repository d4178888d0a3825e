//! The hub against scenarios, one per rule, and against a naive model.

mod bounds;
mod log;
mod machine;
mod model;
mod random;
mod rules;
mod script;
