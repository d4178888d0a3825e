//! Leases: keys that die together when their holder stops renewing.
//!
//! A lease runs out at a moment of the group's clock, which counts only while the group is led and goes on where it was under
//! the next leader: so the time that was left survives a leader change. A leader that finds a lease run out proposes its end
//! with its own term and the lease's renewal number; the entry does nothing if the term has passed or the lease was
//! renewed meanwhile.
//!
//! **Invariant:** the index holds exactly the leases of the `leases` table, each under its expiry.

use crate::kv::Kv;
use crate::marks;
use crate::request::{Outcome, Refusal};
use crate::row::{self, Lease, Stored};
use crate::state::ReadError;
use imbl::OrdMap;
use quorate_table::{Direction, Read, TableError};
use quorate_types::mistake::Mistake;
use quorate_types::{Bytes, LeaseId};
use std::ops::Bound;

const NS_PER_S: u64 = 1_000_000_000;

/// The leases by expiry, each with its renewal number. Costs O(1) to copy.
#[derive(Clone, Debug)]
pub(crate) struct LeaseIndex {
    by_expiry: OrdMap<(u64, LeaseId), u64>,
}

impl LeaseIndex {
    /// Reads all leases.
    pub(crate) fn open(rows: &dyn Read) -> Result<Self, TableError> {
        let mut by_expiry = OrdMap::new();
        for item in rows.range(row::LEASES, Bound::Unbounded, Bound::Unbounded, Direction::Forward) {
            let (key, value) = item?;
            let lease = row::lease(&value)?;
            by_expiry.insert((lease.expiry_ns, row::lease_id(&key)?), lease.renewal);
        }
        Ok(LeaseIndex { by_expiry })
    }

    /// (expiry, id, renewal number), the next to expire first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, LeaseId, u64)> + '_ {
        self.by_expiry.iter().map(|((expiry_ns, id), renewal)| (*expiry_ns, *id, *renewal))
    }
}

/// The lease `id`.
pub(crate) fn find(rows: &dyn Read, id: LeaseId) -> Result<Option<Lease>, TableError> {
    rows.get(row::LEASES, &row::lease_key(id))?.map(|row| row::lease(&row)).transpose()
}

/// The keys of lease `id`, in order.
pub(crate) fn keys(rows: &dyn Read, id: LeaseId) -> impl Iterator<Item = Result<Bytes, TableError>> + '_ {
    let from = row::lease_key(id);
    let to = (id.0 as u64).checked_add(1).map(u64::to_be_bytes);
    let to = to.as_ref().map_or(Bound::Unbounded, |to| Bound::Excluded(&to[..]));
    rows.range(row::LEASE_KEYS, Bound::Included(&from), to, Direction::Forward)
        .map(|item| Ok(item?.0.slice(8..)))
}

/// Whole seconds until `expiry_ns`; 0 if it has passed.
pub(crate) fn remaining_s(expiry_ns: u64, now_ns: u64) -> i64 {
    (expiry_ns.saturating_sub(now_ns) / NS_PER_S) as i64
}

impl Kv {
    pub(crate) fn lease_grant(&mut self, id: LeaseId, ttl_s: i64) -> Result<Outcome, ReadError> {
        if self.find_lease(id)?.is_some() {
            return Err(Refusal::LeaseExists.into());
        }
        let ttl_s = ttl_s.max(self.options.lease_ttl_min_s).max(1);
        self.set_lease(id, None, Some(Lease { ttl_s, expiry_ns: self.expiry_after(ttl_s), renewal: 0 }));
        Ok(Outcome::LeaseGranted { id, ttl_s })
    }

    pub(crate) fn lease_revoke(&mut self, id: LeaseId) -> Result<Outcome, ReadError> {
        let lease = self.find_lease(id)?.ok_or(Refusal::LeaseNotFound)?;
        self.end_lease(id, lease)?;
        Ok(Outcome::LeaseRevoked)
    }

    pub(crate) fn lease_renew(&mut self, ids: &[LeaseId]) -> Result<Outcome, ReadError> {
        let mut ttls_s = Vec::with_capacity(ids.len());
        for id in ids {
            let lease = self.find_lease(*id)?;
            if let Some(lease) = lease {
                let expiry_ns = self.expiry_after(lease.ttl_s);
                self.set_lease(
                    *id,
                    Some(lease),
                    Some(Lease { expiry_ns, renewal: lease.renewal + 1, ..lease }),
                );
            }
            ttls_s.push(lease.map(|lease| lease.ttl_s));
        }
        Ok(Outcome::LeaseRenewed { ttls_s })
    }

    pub(crate) fn lease_expire(
        &mut self,
        leases: &[(LeaseId, u64)],
        term: u64,
    ) -> Result<Outcome, ReadError> {
        if self.meta.term.0 != term {
            return Ok(Outcome::Done);
        }
        for (id, renewal) in leases {
            let Some(lease) = self.find_lease(*id)? else { continue };
            if lease.renewal == *renewal || Mistake::LeaseExpiryUnfenced.is_planted() {
                marks::LEASE_EXPIRED.reach();
                self.end_lease(*id, lease)?;
            } else {
                marks::EXPIRY_CAME_TOO_LATE.reach();
            }
        }
        Ok(Outcome::Done)
    }

    /// Deletes the lease's keys at one revision of their own, then the lease.
    fn end_lease(&mut self, id: LeaseId, lease: Lease) -> Result<(), TableError> {
        let doomed: Vec<Stored> = self.read(self.meta.revision, |state| {
            let mut doomed = Vec::new();
            for key in keys(state.rows, id) {
                let key = key?;
                doomed.push(state.get(&key)?.ok_or_else(|| row::corrupt("lease without its key", &key))?);
            }
            Ok::<_, TableError>(doomed)
        })?;
        let mut writing = self.begin();
        for stored in doomed {
            self.stage_delete(&mut writing, stored);
        }
        self.end(&writing);
        self.set_lease(id, Some(lease), None);
        Ok(())
    }

    /// The leases that keys belong to and that do not exist, in order.
    pub(crate) fn missing_leases(&self) -> Result<Vec<LeaseId>, TableError> {
        let rows = self.overlay.on(&*self.tables);
        let mut missing: Vec<LeaseId> = Vec::new();
        for item in rows.range(row::LEASE_KEYS, Bound::Unbounded, Bound::Unbounded, Direction::Forward) {
            let (member, _) = item?;
            let id = member.get(..8).ok_or_else(|| row::corrupt("lease key", &member))?;
            let id = row::lease_id(id)?;
            if missing.last() != Some(&id) && find(&rows, id)?.is_none() {
                missing.push(id);
            }
        }
        Ok(missing)
    }

    pub(crate) fn find_lease(&self, id: LeaseId) -> Result<Option<Lease>, TableError> {
        self.read(self.meta.revision, |state| find(state.rows, id))
    }

    pub(crate) fn expiry_after(&self, ttl_s: i64) -> u64 {
        self.meta.cluster_time_ns.saturating_add((ttl_s.max(0) as u64).saturating_mul(NS_PER_S))
    }

    /// Replaces a lease's row, its place in the index and its share of the hash.
    pub(crate) fn set_lease(&mut self, id: LeaseId, from: Option<Lease>, to: Option<Lease>) {
        let key = row::lease_key(id);
        if let Some(from) = from {
            self.meta.hash.remove(&row::hash(row::LEASES, &key, &row::lease_row(from)));
            let known = self.leases.by_expiry.remove(&(from.expiry_ns, id));
            assert_eq!(known, Some(from.renewal), "the index knows every lease");
        }
        let key = Bytes::copy_from_slice(&key);
        let Some(to) = to else { return self.overlay.delete(row::LEASES, key) };
        let row = row::lease_row(to);
        self.meta.hash.add(&row::hash(row::LEASES, &key, &row));
        self.leases.by_expiry.insert((to.expiry_ns, id), to.renewal);
        self.overlay.put(row::LEASES, key, row);
    }
}
