//! The log's form of commands: what was written is read back, noise is refused, and shipped bytes keep their meaning.

#![expect(clippy::unwrap_used, reason = "the functions here are tests' parts")]

mod support;

use proptest::prelude::*;
use quorate_kv::{
    Alarm, AlarmCommand, AlarmKind, Command, Compare, CompareResult, CompareTarget, DeleteRequest, InSession,
    KeyRange, Operation, PutRequest, RaisedBy, RangeRequest, SortOrder, SortTarget, Stamped, TxnRequest,
};
use quorate_types::codec::{DecodeError, Reader};
use quorate_types::{Bytes, LeaseId, NodeId, Revision, SessionId};
use support::{bytes, strategy};

fn encoded(stamped: &Stamped) -> Bytes {
    let mut out = Vec::new();
    stamped.encode(&mut out);
    out.into()
}

fn decoded(bytes: Bytes) -> Result<Stamped, DecodeError> {
    let mut reader = Reader::new(bytes);
    let stamped = Stamped::decode(&mut reader)?;
    reader.finish()?;
    Ok(stamped)
}

proptest! {
    #[test]
    fn commands_round_trip(cluster_time_ns: u64, command in strategy::command()) {
        let stamped = Stamped { cluster_time_ns, command };
        prop_assert_eq!(decoded(encoded(&stamped)), Ok(stamped));
    }

    #[test]
    fn noise_and_cut_or_changed_commands_never_panic(
        command in strategy::command(),
        noise: Vec<u8>,
        position: prop::sample::Index,
        flip in 1u8..,
    ) {
        let whole = encoded(&Stamped { cluster_time_ns: 7, command });
        let position = position.index(whole.len());
        prop_assert!(decoded(whole.slice(..position)).is_err());
        let mut changed = whole.to_vec();
        changed[position] ^= flip;
        let _ = decoded(changed.into());
        let _ = decoded([&[1u8, 0][..], &noise].concat().into());
    }
}

#[test]
fn nesting_is_bounded() {
    // version, time, then one transaction in another: no compare, one operation.
    let nested = |levels: usize| {
        let mut out = vec![1, 0];
        (0..levels).for_each(|_| out.extend([3, 0, 1]));
        out.extend([3, 0, 0, 0]);
        out.extend(vec![0; levels]);
        Bytes::from(out)
    };
    assert!(decoded(nested(3)).is_ok());
    assert!(decoded(nested(128)).is_ok());
    assert_eq!(decoded(nested(129)), Err(DecodeError::Invalid { field: "txn depth" }));
    assert!(decoded(nested(100_000)).is_err());
}

/// Version 1 as it shipped. These bytes lie in logs: a change here needs a new version.
#[test]
fn version_1_is_what_it_was() {
    let put = PutRequest {
        key: bytes("k"),
        value: bytes("v"),
        lease: Some(LeaseId(-2)),
        prev_kv: true,
        ignore_value: false,
        ignore_lease: true,
    };
    let range = RangeRequest {
        range: KeyRange { key: bytes("a"), end: bytes("b") },
        limit: 3,
        revision: -1,
        sort_order: SortOrder::Descend,
        sort_target: SortTarget::Value,
        keys_only: true,
        count_only: true,
        min_mod_revision: 1,
        max_mod_revision: 2,
        min_create_revision: 3,
        max_create_revision: 4,
    };
    let delete = DeleteRequest { range: KeyRange::one("k"), prev_kv: true };
    let compare = Compare {
        range: KeyRange::one("k"),
        result: CompareResult::NotEqual,
        target: CompareTarget::Lease(5),
    };
    let txn = TxnRequest {
        compare: vec![compare],
        success: vec![Operation::Range(range), Operation::Put(put.clone())],
        failure: vec![Operation::Delete(delete.clone()), Operation::Txn(TxnRequest::default())],
    };
    let check = |command: Command, expect: &[u8]| {
        let stamped = Stamped { cluster_time_ns: 300, command };
        let whole = [&[1, 0xac, 0x02], expect].concat();
        assert_eq!(encoded(&stamped), whole, "{stamped:?}");
        assert_eq!(decoded(whole.into()).unwrap(), stamped);
    };
    check(Command::Put(put), &[1, 1, b'k', 1, b'v', 3, 5]);
    check(Command::Delete(delete), &[2, 1, b'k', 0, 1]);
    #[rustfmt::skip]
    check(Command::Txn(txn), &[
        3, 1, 1, b'k', 0, 3, 3, 10,
        2, 10, 1, b'a', 1, b'b', 6, 1, 2, 4, 3, 2, 4, 6, 8, 1, 1, b'k', 1, b'v', 3, 5,
        2, 2, 1, b'k', 0, 1, 3, 0, 0, 0,
    ]);
    check(Command::Compact { revision: Revision(9) }, &[4, 18]);
    check(Command::LeaseGrant { id: LeaseId(1), ttl_s: 60 }, &[5, 2, 120]);
    check(Command::LeaseRevoke { id: LeaseId(1) }, &[6, 2]);
    check(Command::LeaseRenew { ids: vec![LeaseId(1), LeaseId(2)] }, &[7, 2, 2, 4]);
    check(Command::LeaseExpire { leases: vec![(LeaseId(1), 7)], term: 3 }, &[8, 1, 2, 7, 3]);
    check(Command::Tick, &[9]);
    check(Command::SessionOpen, &[40]);
    check(Command::SessionClose { id: SessionId(300) }, &[41, 0xac, 0x02]);
    let revoke = Command::LeaseRevoke { id: LeaseId(1) };
    let asked = InSession { session: SessionId(7), sequence: 5, acknowledged: 4, command: Box::new(revoke) };
    check(Command::InSession(asked), &[42, 7, 5, 4, 6, 2]);
    let alarm = Alarm { kind: AlarmKind::Corrupt, member: NodeId(300) };
    let raise = |by| Command::Alarm(AlarmCommand::Raise { alarm, by });
    check(raise(RaisedBy::Operator), &[30, 0xac, 0x02, 2, 0]);
    check(raise(RaisedBy::System), &[30, 0xac, 0x02, 2, 1]);
    check(Command::Alarm(AlarmCommand::Disarm { alarm }), &[31, 0xac, 0x02, 2]);
    check(Command::Alarm(AlarmCommand::Clear), &[32]);
}
