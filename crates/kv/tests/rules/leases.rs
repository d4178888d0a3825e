//! Leases, their clock, and entries that come again.

use super::*;

#[test]
fn lease_grants() {
    let mut kv = empty();
    let granted = |id, ttl_s| Ok(Outcome::LeaseGranted { id: LeaseId(id), ttl_s });
    assert_eq!(grant(&mut kv, 1, 1), granted(1, 2), "raised to the least");
    assert_eq!(grant(&mut kv, -5, -1), granted(-5, 2));
    assert_eq!(grant(&mut kv, 1, 60), Err(Refusal::LeaseExists));
    assert_eq!(grant(&mut kv, 2, 9_000_000_000), granted(2, 9_000_000_000));
    assert_eq!(grant(&mut kv, 3, 9_000_000_001), Err(Refusal::LeaseTtlTooLarge));
    assert_eq!(kv.revision(), Revision(1), "leases make no revision");
    let view = kv.commit().unwrap().view;
    assert_eq!(view.leases(), [LeaseId(-5), LeaseId(1), LeaseId(2)]);
}

#[test]
fn a_key_belongs_to_its_last_lease() {
    let mut kv = empty();
    grant(&mut kv, 1, 10).unwrap();
    grant(&mut kv, 2, 10).unwrap();
    apply(&mut kv, Command::Put(leased("a", 1))).unwrap();
    apply(&mut kv, Command::Put(leased("a", 2))).unwrap();
    apply(&mut kv, Command::Put(leased("b", 2))).unwrap();
    apply(&mut kv, Command::Put(PutRequest { lease: None, ..put("b", "free") })).unwrap();
    let view = kv.commit().unwrap().view;
    let keys = |id| view.lease(LeaseId(id), true, 0).unwrap().unwrap().keys;
    assert_eq!((keys(1), keys(2)), (vec![], vec![bytes("a")]));
    assert_eq!(view.lease(LeaseId(3), true, 0).unwrap(), None);
}

#[test]
fn a_revoke_deletes_the_keys_in_order_at_one_revision() {
    let mut kv = empty();
    grant(&mut kv, 1, 10).unwrap();
    for key in ["c", "a", "b"] {
        apply(&mut kv, Command::Put(leased(key, 1))).unwrap();
    }
    kv.commit().unwrap();
    assert_eq!(apply(&mut kv, Command::LeaseRevoke { id: LeaseId(1) }), Ok(Outcome::LeaseRevoked));
    assert_eq!(apply(&mut kv, Command::LeaseRevoke { id: LeaseId(1) }), Err(Refusal::LeaseNotFound));
    let events = kv.commit().unwrap().events;
    let seen: Vec<_> = events.iter().map(|event| (event.key().clone(), event.revision().0)).collect();
    assert_eq!(seen, [(bytes("a"), 5), (bytes("b"), 5), (bytes("c"), 5)]);
    grant(&mut kv, 2, 10).unwrap();
    apply(&mut kv, Command::LeaseRevoke { id: LeaseId(2) }).unwrap();
    assert_eq!(kv.revision(), Revision(5), "a lease without keys makes no revision");
}

#[test]
fn a_renewal_starts_the_life_again() {
    let mut kv = empty();
    apply_at(&mut kv, 100 * SECOND_NS, Command::LeaseGrant { id: LeaseId(1), ttl_s: 10 });
    let ids = vec![LeaseId(1), LeaseId(9)];
    let renewed = apply_at(&mut kv, 105 * SECOND_NS, Command::LeaseRenew { ids });
    assert_eq!(renewed.outcome, Ok(Outcome::LeaseRenewed { ttls_s: vec![Some(10), None] }));
    let view = kv.commit().unwrap().view;
    assert_eq!(view.lease(LeaseId(1), false, 107 * SECOND_NS + 1).unwrap().unwrap().remaining_ttl_s, 7);
    assert_eq!(view.lease(LeaseId(1), false, 200 * SECOND_NS).unwrap().unwrap().remaining_ttl_s, 0);
    assert_eq!(view.next_lease_expiry(), Some(115 * SECOND_NS));
    assert_eq!(view.due_leases(115 * SECOND_NS - 1, 10), []);
    assert_eq!(view.due_leases(115 * SECOND_NS, 10), [(LeaseId(1), 1)]);
}

#[test]
fn the_clock_never_runs_backward() {
    let mut kv = empty();
    apply_at(&mut kv, 100 * SECOND_NS, Command::Tick);
    apply_at(&mut kv, 50 * SECOND_NS, Command::LeaseGrant { id: LeaseId(1), ttl_s: 10 });
    assert_eq!(kv.commit().unwrap().view.next_lease_expiry(), Some(110 * SECOND_NS));
}

#[test]
fn an_expiry_is_fenced_by_term_and_renewal() {
    let mut kv = empty();
    kv.apply(kv.applied().0.next(), Term(3), None).unwrap();
    grant(&mut kv, 1, 10).unwrap();
    apply(&mut kv, Command::Put(leased("a", 1))).unwrap();
    apply(&mut kv, Command::LeaseRenew { ids: vec![LeaseId(1)] }).unwrap();
    let expire = |renewal, term| Command::LeaseExpire { leases: vec![(LeaseId(1), renewal)], term };
    for (renewal, term) in [(0, 3), (1, 2), (1, 4)] {
        assert_eq!(apply(&mut kv, expire(renewal, term)), Ok(Outcome::Done));
        assert!(get(&mut kv, "a").is_some(), "renewal {renewal}, term {term}");
    }
    assert_eq!(apply(&mut kv, expire(1, 3)), Ok(Outcome::Done));
    assert_eq!(get(&mut kv, "a"), None);
    assert_eq!(apply(&mut kv, expire(1, 3)), Ok(Outcome::Done), "a second verdict finds nothing");
}

#[test]
fn each_expired_lease_makes_its_own_revision() {
    let mut kv = empty();
    for (id, key) in [(1, "b"), (2, "a"), (3, "c")] {
        grant(&mut kv, id, 10).unwrap();
        apply(&mut kv, Command::Put(leased(key, id))).unwrap();
    }
    kv.commit().unwrap();
    let leases = vec![(LeaseId(1), 0), (LeaseId(2), 0)];
    apply(&mut kv, Command::LeaseExpire { leases, term: 0 }).unwrap();
    let events = kv.commit().unwrap().events;
    let seen: Vec<_> = events.iter().map(|event| (event.key().clone(), event.revision().0)).collect();
    assert_eq!(seen, [(bytes("b"), 5), (bytes("a"), 6)]);
}

#[test]
#[should_panic(expected = "one after the other")]
fn an_entry_is_never_applied_twice() {
    let mut kv = empty();
    do_put(&mut kv, "a", "1").unwrap();
    let _ = kv.apply(kv.applied().0, Term(0), None);
}
