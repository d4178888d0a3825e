//! The bytes of messages and log entries: round trips, golden files of every kind, and noise.
//!
//! The golden files in `fixtures/` pin the layout: a program that reads them today must read them always. `UPDATE=1` writes those
//! that are missing and never changes one.

use proptest::prelude::*;
use quorate_consensus::raft::{
    Body, Configuration, Entry, ForwardId, HardState, Message, Payload, Proposal, ProposalId, ReadId,
    Rejection, SnapshotMeta, wire,
};
use quorate_types::codec::DecodeError;
use quorate_types::{Bytes, LogIndex, NodeId, Term};
use std::path::PathBuf;

fn bytes_of<T: ?Sized>(encode: impl Fn(&T, &mut Vec<u8>), value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out);
    out
}

fn position() -> impl Strategy<Value = (LogIndex, Term)> {
    (0..u64::MAX / 2, any::<u64>()).prop_map(|(index, term)| (LogIndex(index), Term(term)))
}

fn data() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn members() -> impl Strategy<Value = Configuration> {
    let ids = || proptest::collection::vec((1..u64::MAX).prop_map(NodeId), 0..5);
    (ids(), ids(), ids())
        .prop_map(|(voters, outgoing, learners)| Configuration::new(voters, outgoing, learners))
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::NoOp),
        data().prop_map(Payload::Command),
        members().prop_map(Payload::Configuration)
    ]
}

fn proposal_id() -> impl Strategy<Value = ProposalId> {
    (any::<u64>(), any::<u64>())
        .prop_map(|(origin, sequence)| ProposalId { origin: NodeId(origin), sequence })
}

fn forward_id() -> impl Strategy<Value = ForwardId> {
    (any::<u64>(), any::<u64>()).prop_map(|(life, number)| ForwardId { life, number })
}

fn rejection() -> impl Strategy<Value = Rejection> {
    prop_oneof![
        proptest::option::of(1..u64::MAX).prop_map(|id| Rejection::NotLeader { leader: id.map(NodeId) }),
        Just(Rejection::Overloaded),
        Just(Rejection::Transferring),
        Just(Rejection::DiskFailed),
    ]
}

fn meta() -> impl Strategy<Value = SnapshotMeta> {
    (position(), members()).prop_map(|((index, term), configuration)| SnapshotMeta {
        index,
        term,
        configuration,
    })
}

/// An `Append` as a leader of the last term would send it.
fn append() -> impl Strategy<Value = Message> {
    let entries = proptest::collection::vec((0..3u64, payload()), 0..5);
    (0..1u64 << 40, 0..1u64 << 40, entries, 0..1u64 << 40).prop_map(|(index, term, list, commit)| {
        let (previous_index, previous_term) = (LogIndex(index), Term(term));
        let (mut last, mut entries) = ((previous_index, previous_term), Vec::new());
        for (rise, payload) in list {
            last = (last.0.next(), Term(last.1.0 + rise));
            entries.push(Entry { index: last.0, term: last.1, payload });
        }
        let body = Body::Append { previous_index, previous_term, entries, commit: LogIndex(commit) };
        Message { term: last.1, body }
    })
}

fn election_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        position().prop_map(|(last_index, last_term)| Body::PreVote { last_index, last_term }),
        any::<bool>().prop_map(|granted| Body::PreVoteReply { granted }),
        (position(), any::<bool>()).prop_map(|((last_index, last_term), transfer)| Body::Vote {
            last_index,
            last_term,
            transfer
        }),
        any::<bool>().prop_map(|granted| Body::VoteReply { granted }),
        Just(Body::TimeoutNow),
    ]
}

fn leader_body() -> impl Strategy<Value = Body> {
    prop_oneof![
        position().prop_map(|(matched, _)| Body::AppendAccepted { matched }),
        (position(), position()).prop_map(|((rejected, _), (hint_index, hint_term))| Body::AppendRejected {
            rejected,
            hint_index,
            hint_term
        }),
        (position(), any::<u64>()).prop_map(|((commit, _), round)| Body::Heartbeat { commit, round }),
        any::<u64>().prop_map(|round| Body::HeartbeatReply { round }),
        (meta(), any::<u64>(), data(), any::<bool>())
            .prop_map(|(meta, sequence, data, last)| Body::SnapshotChunk { meta, sequence, data, last }),
        (position(), any::<u64>()).prop_map(|((index, _), next)| Body::SnapshotProgress { index, next }),
    ]
}

fn request_body() -> impl Strategy<Value = Body> {
    let proposals = proptest::collection::vec(
        (proposal_id(), data()).prop_map(|(id, command)| Proposal { id, command }),
        0..4,
    );
    let ids = proptest::collection::vec(proposal_id(), 0..4);
    prop_oneof![
        (forward_id(), proposals).prop_map(|(forward, proposals)| Body::Forward { forward, proposals }),
        (forward_id(), ids, rejection()).prop_map(|(forward, ids, reason)| Body::ForwardRejected {
            forward,
            ids,
            reason
        }),
        any::<u64>().prop_map(|id| Body::ReadIndex { id: ReadId(id) }),
        (any::<u64>(), proptest::option::of(position())).prop_map(|(id, index)| Body::ReadIndexReply {
            id: ReadId(id),
            index: index.map(|(index, _)| index)
        }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let body = prop_oneof![election_body(), leader_body(), request_body()];
    prop_oneof![append(), (any::<u64>(), body).prop_map(|(term, body)| Message { term: Term(term), body })]
}

proptest! {
    #[test]
    fn messages_survive_the_wire(message in message()) {
        let bytes = bytes_of(wire::encode, &message);
        prop_assert_eq!(wire::decode(Bytes::from(bytes)), Ok(message));
    }

    #[test]
    fn what_is_logged_survives_the_disk((index, term) in position(), payload in payload(), meta in meta(), vote: u64) {
        let entry = Entry { term, index, payload };
        prop_assert_eq!(wire::decode_entry(bytes_of(wire::encode_entry, &entry).into()), Ok(entry));
        let state = HardState { term, vote: (vote != 0).then_some(NodeId(vote)) };
        prop_assert_eq!(wire::decode_hard_state(bytes_of(wire::encode_hard_state, &state).into()), Ok(state));
        let members = &meta.configuration;
        prop_assert_eq!(&wire::decode_configuration(bytes_of(wire::encode_configuration, members).into()), &Ok(members.clone()));
        prop_assert_eq!(wire::decode_snapshot_meta(bytes_of(wire::encode_snapshot_meta, &meta).into()), Ok(meta));
    }

    #[test]
    fn cut_and_lengthened_messages_are_refused(message in message(), cut: prop::sample::Index) {
        let mut bytes = bytes_of(wire::encode, &message);
        let len = cut.index(bytes.len());
        prop_assert!(wire::decode(Bytes::copy_from_slice(&bytes[..len])).is_err());
        bytes.push(0);
        prop_assert_eq!(wire::decode(Bytes::from(bytes)), Err(DecodeError::Trailing { len_bytes: 1 }));
    }

    #[test]
    fn noise_is_refused_or_well_formed(noise: Vec<u8>) {
        if let Ok(message) = wire::decode(Bytes::from(noise)) {
            let bytes = bytes_of(wire::encode, &message);
            prop_assert_eq!(wire::decode(Bytes::from(bytes)), Ok(message));
        }
    }
}

#[test]
fn an_append_that_the_log_would_choke_on_is_refused() {
    let check = |entries: &[(u64, u64)]| {
        let entry = |(index, term): &(u64, u64)| Entry {
            index: LogIndex(*index),
            term: Term(*term),
            payload: Payload::NoOp,
        };
        let body = Body::Append {
            previous_index: LogIndex(7),
            previous_term: Term(3),
            entries: entries.iter().map(entry).collect(),
            commit: LogIndex(0),
        };
        let bytes = bytes_of(wire::encode, &Message { term: Term(5), body });
        wire::decode(Bytes::from(bytes)).is_ok()
    };
    assert!(check(&[(8, 3), (9, 5)]));
    assert!(!check(&[(9, 3)]), "a gap");
    assert!(!check(&[(8, 2)]), "a term that falls");
    assert!(!check(&[(8, 6)]), "a term to come");
}

fn golden_messages() -> Vec<(&'static str, Message)> {
    let (last_index, last_term) = (LogIndex(300), Term(6));
    let configuration = Configuration::new(
        vec![NodeId(1), NodeId(2), NodeId(3)],
        vec![NodeId(3), NodeId(4)],
        vec![NodeId(5)],
    );
    let entry = |index, payload| Entry { index: LogIndex(index), term: Term(7), payload };
    let entries = vec![
        entry(301, Payload::NoOp),
        entry(302, Payload::Command(Bytes::from_static(b"command"))),
        entry(303, Payload::Configuration(configuration.clone())),
    ];
    let meta = SnapshotMeta { index: last_index, term: last_term, configuration };
    let forward = ForwardId { life: u64::MAX, number: 9 };
    let id = ProposalId { origin: NodeId(2), sequence: 1 << 33 };
    let (data, reason) = (Bytes::from_static(b"piece"), Rejection::NotLeader { leader: Some(NodeId(3)) });
    let bodies = [
        ("pre_vote", Body::PreVote { last_index, last_term }),
        ("pre_vote_reply", Body::PreVoteReply { granted: true }),
        ("vote", Body::Vote { last_index, last_term, transfer: true }),
        ("vote_reply", Body::VoteReply { granted: false }),
        (
            "append",
            Body::Append {
                previous_index: last_index,
                previous_term: last_term,
                entries,
                commit: LogIndex(299),
            },
        ),
        ("append_accepted", Body::AppendAccepted { matched: last_index }),
        (
            "append_rejected",
            Body::AppendRejected { rejected: LogIndex(301), hint_index: last_index, hint_term: last_term },
        ),
        ("heartbeat", Body::Heartbeat { commit: last_index, round: 17 }),
        ("heartbeat_reply", Body::HeartbeatReply { round: 17 }),
        ("snapshot_chunk", Body::SnapshotChunk { meta, sequence: 2, data, last: true }),
        ("snapshot_progress", Body::SnapshotProgress { index: last_index, next: u64::MAX }),
        (
            "forward",
            Body::Forward { forward, proposals: vec![Proposal { id, command: Bytes::from_static(b"put") }] },
        ),
        ("forward_rejected", Body::ForwardRejected { forward, ids: vec![id], reason }),
        ("read_index", Body::ReadIndex { id: ReadId(77) }),
        ("read_index_reply", Body::ReadIndexReply { id: ReadId(77), index: Some(last_index) }),
        ("timeout_now", Body::TimeoutNow),
    ];
    bodies.into_iter().map(|(name, body)| (name, Message { term: Term(7), body })).collect()
}

fn fixture(name: &str, bytes: &[u8]) -> Bytes {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    if !path.exists() && std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, bytes).expect("it can be written");
    }
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE=1 makes it", path.display()))
        .into()
}

#[test]
fn golden_files_of_every_kind_are_read_and_written_alike() {
    for (name, message) in golden_messages() {
        let bytes = bytes_of(wire::encode, &message);
        let golden = fixture(&format!("message_{name}.bin"), &bytes);
        assert_eq!(golden, bytes, "{name} is written as ever");
        assert_eq!(wire::decode(golden), Ok(message), "{name} is read as ever");
    }
    let state = HardState { term: Term(300), vote: Some(NodeId(2)) };
    let bytes = bytes_of(wire::encode_hard_state, &state);
    assert_eq!(wire::decode_hard_state(fixture("hard_state.bin", &bytes)), Ok(state));
    assert_eq!(fixture("hard_state.bin", &bytes), bytes);
}

#[test]
fn damaged_golden_files_are_refused() {
    let check = |name: &str, bytes: &[u8], expect| {
        assert_eq!(wire::decode(fixture(name, bytes)), Err(expect), "{name}");
    };
    check("corrupt_kind.bin", &[99, 7], DecodeError::Invalid { field: "message kind" });
    check("corrupt_truncated.bin", &[5, 7, 1], DecodeError::Truncated);
    check("corrupt_flag.bin", &[4, 7, 2], DecodeError::Invalid { field: "flag" });
    check("corrupt_count.bin", &[5, 7, 1, 1, 255, 1], DecodeError::Truncated);
    check("corrupt_trailing.bin", &[16, 7, 0, 0], DecodeError::Trailing { len_bytes: 2 });
}
