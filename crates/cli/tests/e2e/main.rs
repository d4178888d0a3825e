//! End to end: real `quorate` processes on real disks and sockets, ended by real signals.
//!
//! **Problem.** The cores are tested under every fault that a simulated world can draw, but a wrong thread, file or
//! socket is not seen there. **Idea.** Start the binary as an operator would, take processes away while clients work,
//! and compare what the clients were told with what every node holds afterwards.
//!
//! Each test takes seconds, so all of them together are the slowest of the suite; they run one at a time, so that none
//! takes another's processor. `cargo test -p quorate-cli --test e2e -- --nocapture` shows what they measured, and which were
//! left out for want of a tool.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

mod cluster;
mod crashes;
mod etcd_key;
mod etcdctl;
mod full_disk;
mod history;
mod load;
mod once;
mod pauses;
#[path = "../../../tls/tests/pki/mod.rs"]
#[expect(dead_code, reason = "these tests give options on command lines, not as values")]
mod pki;
mod process;
mod serve;
mod snapshots;
mod tls;
mod up;
mod upkeep;
