//! Random commands over few keys, so that they meet.

use proptest::prelude::*;
use quorate_kv::{
    Alarm, AlarmCommand, AlarmKind, Command, Compare, CompareResult, CompareTarget, DeleteRequest, KeyRange,
    Operation, PutRequest, RaisedBy, RangeRequest, SortOrder, SortTarget, TxnRequest,
};
use quorate_types::{Bytes, LeaseId, NodeId, Revision};

const KEYS: [&[u8]; 10] =
    [b"\0", b"\0\0", b"\0\xff", b"a", b"a\0", b"a\0\x01", b"ab", b"b", b"b\xff", b"\xff\xff"];

pub fn key() -> impl Strategy<Value = Bytes> {
    prop::sample::select(KEYS.to_vec()).prop_map(Bytes::from_static)
}

pub fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        3 => key().prop_map(KeyRange::one),
        2 => (key(), key()).prop_map(|(key, end)| KeyRange { key, end }),
        1 => key().prop_map(|key| KeyRange::prefix(&key[..1])),
        1 => Just(KeyRange::prefix(b"")),
    ]
}

fn value() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..4).prop_map(Bytes::from)
}

pub fn lease() -> impl Strategy<Value = LeaseId> {
    prop::sample::select(vec![-1, 1, 2, i64::MAX]).prop_map(LeaseId)
}

pub fn put() -> impl Strategy<Value = PutRequest> {
    let ignore = prop::sample::select(vec![
        (false, false),
        (false, false),
        (false, false),
        (true, false),
        (false, true),
    ]);
    (key(), value(), prop::option::weighted(0.3, lease()), any::<bool>(), ignore).prop_map(
        |(key, value, lease, prev_kv, (ignore_value, ignore_lease))| PutRequest {
            key,
            value: if ignore_value { Bytes::new() } else { value },
            lease: lease.filter(|_| !ignore_lease),
            prev_kv,
            ignore_value,
            ignore_lease,
        },
    )
}

pub fn delete() -> impl Strategy<Value = DeleteRequest> {
    (range(), any::<bool>()).prop_map(|(range, prev_kv)| DeleteRequest { range, prev_kv })
}

/// Revisions around 0 and in the past are drawn much more often than the future.
fn revision() -> impl Strategy<Value = i64> {
    prop_oneof![2 => Just(0i64), 3 => 1i64..30, 1 => -3i64..0]
}

pub fn range_request() -> impl Strategy<Value = RangeRequest> {
    let order = prop::sample::select(vec![SortOrder::None, SortOrder::Ascend, SortOrder::Descend]);
    let target = prop::sample::select(vec![
        SortTarget::Key,
        SortTarget::Key,
        SortTarget::Version,
        SortTarget::Create,
        SortTarget::Mod,
        SortTarget::Value,
    ]);
    let bound = || prop_oneof![8 => Just(0i64), 1 => 1i64..20];
    (range(), -1i64..4, revision(), order, target, (0u8..6, bound(), bound(), bound(), bound())).prop_map(
        |(
            range,
            limit,
            revision,
            sort_order,
            sort_target,
            (only, min_mod, max_mod, min_create, max_create),
        )| {
            RangeRequest {
                range,
                limit,
                revision,
                sort_order,
                sort_target,
                keys_only: only == 0,
                count_only: only == 1,
                min_mod_revision: min_mod,
                max_mod_revision: max_mod,
                min_create_revision: min_create,
                max_create_revision: max_create,
            }
        },
    )
}

fn compare() -> impl Strategy<Value = Compare> {
    let result = prop::sample::select(vec![
        CompareResult::Equal,
        CompareResult::Greater,
        CompareResult::Less,
        CompareResult::NotEqual,
    ]);
    let target = prop_oneof![
        (0i64..4).prop_map(CompareTarget::Version),
        (0i64..20).prop_map(CompareTarget::Create),
        (0i64..20).prop_map(CompareTarget::Mod),
        (-1i64..3).prop_map(CompareTarget::Lease),
        value().prop_map(CompareTarget::Value),
    ];
    (range(), result, target).prop_map(|(range, result, target)| Compare { range, result, target })
}

fn operation() -> impl Strategy<Value = Operation> {
    let leaf = prop_oneof![
        2 => range_request().prop_map(Operation::Range),
        3 => put().prop_map(Operation::Put),
        1 => delete().prop_map(Operation::Delete),
    ];
    leaf.prop_recursive(2, 8, 2, |inner| {
        (
            prop::collection::vec(compare(), 0..2),
            prop::collection::vec(inner.clone(), 0..3),
            prop::collection::vec(inner, 0..3),
        )
            .prop_map(|(compare, success, failure)| Operation::Txn(TxnRequest { compare, success, failure }))
    })
}

pub fn txn() -> impl Strategy<Value = TxnRequest> {
    (
        prop::collection::vec(compare(), 0..3),
        prop::collection::vec(operation(), 0..4),
        prop::collection::vec(operation(), 0..4),
    )
        .prop_map(|(compare, success, failure)| TxnRequest { compare, success, failure })
}

/// Ends alarms more often than it raises any, or nothing else would be done.
fn alarm() -> impl Strategy<Value = AlarmCommand> {
    let kind = prop::sample::select(vec![AlarmKind::NoSpace, AlarmKind::Corrupt]);
    let by = prop::sample::select(vec![RaisedBy::Operator, RaisedBy::System]);
    (kind, by, 0u8..10).prop_map(|(kind, by, what)| {
        let alarm = Alarm { kind, member: NodeId(1) };
        match what {
            0..2 => AlarmCommand::Raise { alarm, by },
            2..4 => AlarmCommand::Clear,
            _ => AlarmCommand::Disarm { alarm },
        }
    })
}

pub fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        8 => put().prop_map(Command::Put),
        3 => delete().prop_map(Command::Delete),
        5 => txn().prop_map(Command::Txn),
        2 => (-1i64..25).prop_map(|revision| Command::Compact { revision: Revision(revision) }),
        3 => (lease(), -1i64..5).prop_map(|(id, ttl_s)| Command::LeaseGrant { id, ttl_s }),
        1 => lease().prop_map(|id| Command::LeaseRevoke { id }),
        1 => prop::collection::vec(lease(), 0..3).prop_map(|ids| Command::LeaseRenew { ids }),
        1 => (prop::collection::vec((lease(), 0u64..2), 0..3), 0u64..3)
            .prop_map(|(leases, term)| Command::LeaseExpire { leases, term }),
        1 => Just(Command::Tick),
        3 => alarm().prop_map(Command::Alarm),
    ]
}
