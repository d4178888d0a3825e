//! Messages and effects in one line of words each.

use quorate_consensus::raft::{Body, Effect, Entry, LogWrite, Message, Payload};
use quorate_types::{LogIndex, NodeId, Term};
use std::fmt::Write;

fn at(index: LogIndex, term: Term) -> String {
    format!("{index}@{term}")
}

pub fn entries(entries: &[Entry]) -> String {
    let words = entries.iter().map(|entry| {
        let payload = match &entry.payload {
            Payload::NoOp => String::new(),
            Payload::Command(bytes) => format!("={}", String::from_utf8_lossy(bytes)),
            Payload::Configuration(_) => "=members".to_string(),
        };
        format!("{}{payload}", at(entry.index, entry.term))
    });
    words.collect::<Vec<_>>().join(" ")
}

fn body(body: &Body) -> String {
    match body {
        Body::PreVote { last_index, last_term } => format!("pre-vote? last {}", at(*last_index, *last_term)),
        Body::PreVoteReply { granted } => format!("pre-vote {}", if *granted { "yes" } else { "no" }),
        Body::Vote { last_index, last_term, transfer } => {
            format!(
                "vote? last {}{}",
                at(*last_index, *last_term),
                if *transfer { " (transfer)" } else { "" }
            )
        }
        Body::VoteReply { granted } => format!("vote {}", if *granted { "yes" } else { "no" }),
        Body::Append { previous_index, previous_term, entries: list, commit } => {
            format!(
                "append after {} [{}] commit {commit}",
                at(*previous_index, *previous_term),
                entries(list)
            )
        }
        Body::AppendAccepted { matched } => format!("accepted to {matched}"),
        Body::AppendRejected { rejected, hint_index, hint_term } => {
            format!("rejected {rejected}, try {}", at(*hint_index, *hint_term))
        }
        Body::Heartbeat { commit, round } => format!("heartbeat round {round} commit {commit}"),
        Body::HeartbeatReply { round } => format!("heard round {round}"),
        Body::SnapshotChunk { meta, sequence, last, .. } => {
            format!(
                "snapshot {} piece {sequence}{}",
                at(meta.index, meta.term),
                if *last { " (last)" } else { "" }
            )
        }
        Body::SnapshotProgress { index, next: u64::MAX } => format!("snapshot {index} installed"),
        Body::SnapshotProgress { index, next } => format!("snapshot {index} wants piece {next}"),
        Body::Forward { proposals, .. } => format!("forward {} proposals", proposals.len()),
        Body::ForwardRejected { ids, reason, .. } => format!("refused {} proposals: {reason:?}", ids.len()),
        Body::ReadIndex { .. } => "read index?".to_string(),
        Body::ReadIndexReply { index: Some(index), .. } => format!("read index {index}"),
        Body::ReadIndexReply { index: None, .. } => "read index unknown".to_string(),
        Body::TimeoutNow => "timeout now".to_string(),
    }
}

pub fn message(from: NodeId, to: NodeId, message: &Message) -> String {
    format!("  {from}->{to} t{} {}\n", message.term, body(&message.body))
}

fn write(log: &LogWrite) -> String {
    let mut words = String::new();
    if let Some(meta) = &log.reset {
        let _ = write!(words, " reset to {}", at(meta.index, meta.term));
    }
    if let Some(state) = log.hard_state {
        let _ = write!(
            words,
            " term {} vote {}",
            state.term,
            state.vote.map_or("none".to_string(), |id| id.to_string())
        );
    }
    if !log.entries.is_empty() {
        let _ = write!(words, " [{}]", entries(&log.entries));
    }
    words
}

pub fn effect(id: NodeId, effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Append { log, .. } => format!("  {id} writes{}\n", write(log)),
        Effect::Send { to, message: sent } => message(id, *to, sent),
        Effect::Apply { entries: list } => format!("  {id} applies [{}]\n", entries(list)),
        Effect::ReadReady { id: read, index } => format!("  {id} serves read {} at {index}\n", read.0),
        Effect::ReadRejected { id: read, reason } => format!("  {id} refuses read {}: {reason:?}\n", read.0),
        Effect::Rejected { ids, reason } => format!("  {id} refuses {} proposals: {reason:?}\n", ids.len()),
        Effect::ReadSnapshot { .. } => return None,
        Effect::StoreSnapshot { meta, sequence, .. } => {
            format!("  {id} stores snapshot {} piece {sequence}\n", meta.index)
        }
        Effect::Became { role, term, leader } => {
            let leader = leader.map_or("nobody".to_string(), |id| id.to_string());
            format!("  {id} is {role:?} in term {term}, led by {leader}\n")
        }
    })
}
