//! Messages in words.

use quorate_consensus::raft::{Body, Message};
use quorate_node::PeerMessage;
use quorate_types::Term;

/// What kind of message it is, and of which term; a checkpoint has none.
pub fn kind(message: &PeerMessage) -> (&'static str, Term) {
    let PeerMessage::Raft(Message { term, body }) = message else { return ("Checkpoint", Term(0)) };
    let kind = match body {
        Body::PreVote { .. } => "PreVote",
        Body::PreVoteReply { .. } => "PreVoteReply",
        Body::Vote { .. } => "Vote",
        Body::VoteReply { .. } => "VoteReply",
        Body::Append { .. } => "Append",
        Body::AppendAccepted { .. } => "AppendAccepted",
        Body::AppendRejected { .. } => "AppendRejected",
        Body::Heartbeat { .. } => "Heartbeat",
        Body::HeartbeatReply { .. } => "HeartbeatReply",
        Body::SnapshotChunk { .. } => "SnapshotChunk",
        Body::SnapshotProgress { .. } => "SnapshotProgress",
        Body::Forward { .. } => "Forward",
        Body::ForwardRejected { .. } => "ForwardRejected",
        Body::ReadIndex { .. } => "ReadIndex",
        Body::ReadIndexReply { .. } => "ReadIndexReply",
        Body::TimeoutNow => "TimeoutNow",
    };
    (kind, *term)
}

/// What matters of its contents.
pub fn message(message: &PeerMessage) -> String {
    let body = match message {
        PeerMessage::Raft(Message { body, .. }) => body,
        PeerMessage::Checkpoint { index, .. } => return format!("at {index}"),
    };
    match body {
        Body::PreVote { last_index, last_term } | Body::Vote { last_index, last_term, .. } => {
            format!("with a log up to {last_index} of term {last_term}")
        }
        Body::PreVoteReply { granted } | Body::VoteReply { granted } => {
            if *granted {
                "yes".to_owned()
            } else {
                "no".to_owned()
            }
        }
        Body::Append { previous_index, previous_term, entries, commit } => {
            let entries = match (entries.first(), entries.last()) {
                (Some(first), Some(last)) => {
                    format!("{}..{} of terms {}..{}", first.index, last.index, first.term, last.term)
                }
                _ => "nothing".to_owned(),
            };
            format!("{entries} after {previous_index} of term {previous_term}, commit {commit}")
        }
        Body::AppendAccepted { matched } => format!("up to {matched}"),
        Body::AppendRejected { rejected, hint_index, hint_term } => {
            format!("nothing fits after {rejected}, try {hint_index} of term {hint_term}")
        }
        Body::Heartbeat { commit, round } => format!("commit {commit}, round {round}"),
        Body::HeartbeatReply { round } => format!("round {round}"),
        Body::SnapshotChunk { meta, sequence, last, .. } => {
            format!("piece {sequence} of {}{}", meta.index, if *last { ", the last" } else { "" })
        }
        Body::SnapshotProgress { index, next } if *next == u64::MAX => format!("{index} is installed"),
        Body::SnapshotProgress { index, next } => format!("{index}, next piece {next}"),
        Body::Forward { proposals, .. } => format!("{} proposals", proposals.len()),
        Body::ForwardRejected { ids, reason, .. } => format!("{} proposals: {reason:?}", ids.len()),
        Body::ReadIndex { .. } | Body::TimeoutNow => String::new(),
        Body::ReadIndexReply { index: Some(index), .. } => format!("at {index}"),
        Body::ReadIndexReply { index: None, .. } => "ask again".to_owned(),
    }
}
