//! Checks in bounded memory.
