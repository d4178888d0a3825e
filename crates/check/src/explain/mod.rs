//! Why a history fails.
