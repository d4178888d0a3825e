//! Calls in words, for the trace.

use crate::scenario::Call;

fn joined<T>(all: &[T], word: impl Fn(&T) -> String) -> String {
    all.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// A call in words.
pub(super) fn words(call: &Call) -> String {
    match call {
        Call::Get { key } => format!("read register {key}"),
        Call::GetLocal { key } => format!("look at register {key}"),
        Call::Put { key, value } => format!("write {value} to register {key}"),
        Call::CompareAndSet { key, from: 0, to } => format!("write {to} to register {key} if it is empty"),
        Call::CompareAndSet { key, from, to } => format!("write {to} to register {key} if it holds {from}"),
        Call::Transact { reads, appends } => {
            let reads = joined(reads, u64::to_string);
            let appends = joined(appends, |(list, element)| format!("{element} to {list}"));
            format!("read lists [{reads}] and append [{appends}] at one moment")
        }
        Call::Increment { counter } => format!("add one to counter {counter}"),
        Call::Delete { key, end } => format!("delete registers {key} to before {end}"),
        Call::Grant { lease, ttl_s } => format!("make lease {lease} of {ttl_s} s with a key on it"),
        Call::Renew { lease } => format!("renew lease {lease}"),
        Call::Revoke { lease } => format!("end lease {lease}"),
        Call::Lock { lock, lease, ttl_s } => format!("take lock {lock} under lease {lease} of {ttl_s} s"),
        Call::Unlock { lock } => format!("give lock {lock} back"),
        Call::Watch { back: 0 } => "watch all registers from now on".to_owned(),
        Call::Watch { back } => format!("watch all registers from {back} revisions ago"),
        Call::WatchProgress => "ask how far its watch is".to_owned(),
        Call::Compact { keep } => format!("give up history but {keep} revisions"),
    }
}
