//! Alarms and the quota.

use super::{abc, apply, delete, do_put, empty, grant, one, put, range, read};
use quorate_kv::{
    ALARMS_MAX, Alarm, AlarmCommand, AlarmKind, Command, Kv, Operation, Outcome, Quota, RaisedBy, Refusal,
    TxnRequest, growth_len_bytes, verify,
};
use quorate_types::{LeaseId, NodeId, Revision};

const ME: NodeId = NodeId(7);

fn alarm(kind: AlarmKind) -> Alarm {
    Alarm { kind, member: ME }
}

fn raise(kv: &mut Kv, kind: AlarmKind, by: RaisedBy) -> Result<Outcome, Refusal> {
    apply(kv, Command::Alarm(AlarmCommand::Raise { alarm: alarm(kind), by }))
}

fn disarm(kv: &mut Kv, kind: AlarmKind) -> Result<Outcome, Refusal> {
    apply(kv, Command::Alarm(AlarmCommand::Disarm { alarm: alarm(kind) }))
}

fn clear(kv: &mut Kv) -> Result<Outcome, Refusal> {
    apply(kv, Command::Alarm(AlarmCommand::Clear))
}

fn alarms(kinds: &[AlarmKind]) -> Result<Outcome, Refusal> {
    Ok(Outcome::Alarms { alarms: kinds.iter().map(|kind| alarm(*kind)).collect() })
}

fn txn(operations: Vec<Operation>) -> Command {
    Command::Txn(TxnRequest { success: operations, ..TxnRequest::default() })
}

#[test]
fn without_room_only_what_grows_is_refused() {
    let mut kv = abc();
    grant(&mut kv, 1, 10).unwrap();
    assert_eq!(raise(&mut kv, AlarmKind::NoSpace, RaisedBy::Operator), alarms(&[AlarmKind::NoSpace]));
    assert_eq!(do_put(&mut kv, "d", "4"), Err(Refusal::NoSpace));
    assert_eq!(grant(&mut kv, 2, 10), Err(Refusal::NoSpace));
    let one_of_two = txn(vec![Operation::Delete(delete(one("a"))), Operation::Put(put("d", "4"))]);
    assert_eq!(apply(&mut kv, one_of_two), Err(Refusal::NoSpace));
    for command in [
        txn(vec![Operation::Delete(delete(one("a")))]),
        Command::Delete(delete(one("b"))),
        Command::Compact { revision: Revision(4) },
        Command::LeaseRenew { ids: vec![LeaseId(1)] },
        Command::LeaseRevoke { id: LeaseId(1) },
    ] {
        apply(&mut kv, command).unwrap();
    }
    assert_eq!(read(&mut kv, &range(one("c"))).unwrap().count, 1);
    disarm(&mut kv, AlarmKind::NoSpace).unwrap();
    do_put(&mut kv, "d", "4").unwrap();
}

#[test]
fn a_corrupt_store_takes_no_write() {
    let mut kv = abc();
    grant(&mut kv, 1, 10).unwrap();
    raise(&mut kv, AlarmKind::NoSpace, RaisedBy::Operator).unwrap();
    raise(&mut kv, AlarmKind::Corrupt, RaisedBy::Operator).unwrap();
    for command in [
        Command::Put(put("d", "4")),
        Command::Delete(delete(one("b"))),
        txn(vec![Operation::Delete(delete(one("a")))]),
        Command::Compact { revision: Revision(4) },
        Command::LeaseGrant { id: LeaseId(2), ttl_s: 10 },
        Command::LeaseRevoke { id: LeaseId(1) },
        Command::LeaseExpire { leases: vec![(LeaseId(1), 0)], term: 0 },
    ] {
        assert_eq!(apply(&mut kv, command), Err(Refusal::Corrupt));
    }
    assert_eq!(read(&mut kv, &range(one("c"))).unwrap().count, 1);
    disarm(&mut kv, AlarmKind::Corrupt).unwrap();
    assert_eq!(kv.commit().unwrap().view.alarms(), [alarm(AlarmKind::NoSpace)]);
}

#[test]
fn the_system_ends_only_what_it_raised() {
    let mut kv = empty();
    let hash = kv.state_hash();
    raise(&mut kv, AlarmKind::NoSpace, RaisedBy::System).unwrap();
    assert_ne!(kv.state_hash(), hash);
    assert_eq!(clear(&mut kv), alarms(&[AlarmKind::NoSpace]));
    assert_eq!(clear(&mut kv), alarms(&[]));
    assert_eq!(kv.state_hash(), hash);
    raise(&mut kv, AlarmKind::NoSpace, RaisedBy::System).unwrap();
    raise(&mut kv, AlarmKind::NoSpace, RaisedBy::Operator).unwrap();
    raise(&mut kv, AlarmKind::NoSpace, RaisedBy::System).unwrap();
    assert_eq!(clear(&mut kv), alarms(&[]), "the operator took it over");
    verify(&kv.commit().unwrap().view).unwrap();
    assert_eq!(disarm(&mut kv, AlarmKind::NoSpace), alarms(&[AlarmKind::NoSpace]));
    assert_eq!(disarm(&mut kv, AlarmKind::NoSpace), alarms(&[]));
}

#[test]
fn alarms_are_bounded() {
    let mut kv = empty();
    let raise = |member| {
        let alarm = Alarm { kind: AlarmKind::Corrupt, member: NodeId(member) };
        Command::Alarm(AlarmCommand::Raise { alarm, by: RaisedBy::Operator })
    };
    for member in 0..ALARMS_MAX as u64 {
        apply(&mut kv, raise(member)).unwrap();
    }
    assert_eq!(apply(&mut kv, raise(u64::MAX)), Err(Refusal::TooManyAlarms));
    assert!(apply(&mut kv, raise(5)).is_ok());
}

#[test]
fn what_counts_as_growth() {
    let check = |command: &Command, expect: u64| assert_eq!(growth_len_bytes(command), expect, "{command:?}");
    let put = |value: &str| Operation::Put(put("key", value));
    check(&Command::Put(super::put("key", "value")), 264);
    check(&Command::LeaseGrant { id: LeaseId(1), ttl_s: 1 }, 64);
    check(&Command::Delete(delete(one("key"))), 0);
    check(&Command::Compact { revision: Revision(1) }, 0);
    let nested =
        TxnRequest { success: vec![put("")], failure: vec![put("1"), put("2")], ..Default::default() };
    check(&Command::Txn(nested.clone()), 520);
    check(&txn(vec![put("12345"), Operation::Txn(nested)]), 784);
}

#[test]
fn a_quota_is_on_what_lives() {
    let quota = Quota { len_bytes: 2000 };
    let admit = |kv: &mut Kv, value: usize| {
        let view = kv.commit().unwrap().view;
        let command = Command::Put(put("k", &"v".repeat(value)));
        let admitted = quota.admit(&view, &command).is_ok();
        (admitted, quota.alarm_after_refusal(&view, ME).is_some(), quota.due_command(&view, ME))
    };
    let raised =
        Command::Alarm(AlarmCommand::Raise { alarm: alarm(AlarmKind::NoSpace), by: RaisedBy::System });
    let mut kv = empty();
    assert_eq!(admit(&mut kv, 1742), (true, false, None));
    assert_eq!(admit(&mut kv, 1743), (false, false, None), "a small one would still have room");
    do_put(&mut kv, "a", &"v".repeat(1897)).unwrap();
    assert_eq!(admit(&mut kv, 0), (false, true, None));
    do_put(&mut kv, "b", &"v".repeat(200)).unwrap();
    assert_eq!(admit(&mut kv, 0), (false, true, Some(raised.clone())));
    apply(&mut kv, raised).unwrap();
    assert_eq!(admit(&mut kv, 0), (false, false, None));
    apply(&mut kv, Command::Delete(delete(one("b")))).unwrap();
    assert_eq!(admit(&mut kv, 0), (false, false, None), "not yet below 95 %");
    apply(&mut kv, Command::Delete(delete(one("a")))).unwrap();
    assert_eq!(admit(&mut kv, 0), (false, false, Some(Command::Alarm(AlarmCommand::Clear))));
    clear(&mut kv).unwrap();
    assert_eq!(admit(&mut kv, 1742), (true, false, None));
    let view = kv.view();
    assert!(Quota::default().admit(&view, &Command::Put(put("k", &"v".repeat(9999)))).is_ok());
}
