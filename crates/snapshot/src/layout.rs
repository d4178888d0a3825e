//! etcd's buckets, keys and values, as etcd 3.5 lays them out. Numbers in keys are big endian, so that byte order is their order.
//!
//! ```text
//! bucket    key                                       value
//! key       main u64 | '_' | sub u64                  protobuf mvccpb.KeyValue: a put
//!           main u64 | '_' | sub u64 | 't'            the same with the key alone: a deletion
//! lease     id u64                                    protobuf: id = 1, granted seconds = 2, remaining seconds = 3
//! meta      "consistent_index", "term"                u64: the log's last entry in this state, and its term
//!           "finishedCompactRev"                      main u64 | '_' | sub u64: revisions below were removed
//!           "scheduledCompactRev"                     the same: revisions below must not be read
//!           "storageVersion"                          text; only from etcd 3.6 on
//! cluster   "clusterVersion"                          text
//! alarm, auth, authRoles, authUsers, members, members_removed      empty in what is written here
//! ```

use prost::Message;
use quorate_kv::{KeyValue, Record};
use quorate_proto::mvccpb;
use quorate_types::{Bytes, LeaseId, Revision};

pub(crate) const KEY: &[u8] = b"key";
pub(crate) const LEASE: &[u8] = b"lease";
pub(crate) const META: &[u8] = b"meta";
pub(crate) const CLUSTER: &[u8] = b"cluster";
/// Those that etcd expects to be there and that stay empty: before `cluster`, and between `lease` and `meta`.
pub(crate) const EMPTY_FIRST: [&[u8]; 4] = [b"alarm", b"auth", b"authRoles", b"authUsers"];
/// See [`EMPTY_FIRST`].
pub(crate) const EMPTY_LATER: [&[u8]; 2] = [b"members", b"members_removed"];

pub(crate) const CLUSTER_VERSION: &[u8] = b"clusterVersion";
pub(crate) const CONSISTENT_INDEX: &[u8] = b"consistent_index";
pub(crate) const TERM: &[u8] = b"term";
pub(crate) const FINISHED_COMPACTION: &[u8] = b"finishedCompactRev";
pub(crate) const SCHEDULED_COMPACTION: &[u8] = b"scheduledCompactRev";
pub(crate) const STORAGE_VERSION: &[u8] = b"storageVersion";
/// The version whose layout this is; no later etcd refuses it.
pub(crate) const LAYOUT_VERSION: &[u8] = b"3.5.0";

const REVISION_LEN_BYTES: usize = 17;
const TOMBSTONE: u8 = b't';

/// One lease.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Lease {
    #[prost(int64, tag = "1")]
    pub(crate) id: i64,
    #[prost(int64, tag = "2")]
    pub(crate) granted_ttl_s: i64,
    /// 0: as granted.
    #[prost(int64, tag = "3")]
    pub(crate) remaining_ttl_s: i64,
}

/// A lease's key.
pub(crate) fn lease_key(id: LeaseId) -> [u8; 8] {
    (id.0 as u64).to_be_bytes()
}

/// A revision's bytes.
pub(crate) fn revision_key(main: Revision, sub: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(REVISION_LEN_BYTES + 1);
    key.extend_from_slice(&(main.0 as u64).to_be_bytes());
    key.push(b'_');
    key.extend_from_slice(&sub.to_be_bytes());
    key
}

/// The revision in a key of bucket `key` or in a compaction's value, and whether a deletion happened there.
pub(crate) fn revision(key: &[u8]) -> Option<(Revision, bool)> {
    let (revision, mark) = key.split_at_checked(REVISION_LEN_BYTES)?;
    let is_tombstone = match mark {
        [] => false,
        [TOMBSTONE] => true,
        _ => return None,
    };
    let main = u64::from_be_bytes(*revision.first_chunk()?);
    let main = i64::try_from(main).ok()?;
    (revision[8] == b'_').then_some((Revision(main), is_tombstone))
}

/// A record's key and value; it is the change `sub` of its revision.
pub(crate) fn encode(record: &Record, sub: u64) -> (Vec<u8>, Vec<u8>) {
    let mut key = revision_key(record.revision(), sub);
    let message = match record {
        Record::Put(pair) => mvccpb::KeyValue {
            key: pair.key.clone(),
            create_revision: pair.create_revision.0,
            mod_revision: pair.mod_revision.0,
            version: pair.version,
            value: pair.value.clone(),
            lease: pair.lease.map_or(0, |id| id.0),
        },
        Record::Delete { key: deleted, .. } => {
            key.push(TOMBSTONE);
            mvccpb::KeyValue { key: deleted.clone(), ..mvccpb::KeyValue::default() }
        }
    };
    (key, message.encode_to_vec())
}

/// The record under `key`; `None` if it is none.
pub(crate) fn decode(key: &[u8], value: Vec<u8>) -> Option<Record> {
    let (revision, is_tombstone) = revision(key)?;
    let pair = mvccpb::KeyValue::decode(Bytes::from(value)).ok()?;
    if is_tombstone {
        return Some(Record::Delete { key: pair.key, revision });
    }
    let record = Record::Put(KeyValue {
        key: pair.key,
        create_revision: Revision(pair.create_revision),
        mod_revision: Revision(pair.mod_revision),
        version: pair.version,
        value: pair.value,
        lease: (pair.lease != 0).then_some(LeaseId(pair.lease)),
    });
    (record.revision() == revision).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, revision, revision_key};
    use quorate_kv::{KeyValue, Record};
    use quorate_types::{LeaseId, Revision};

    #[test]
    fn records_come_back() {
        let put = Record::Put(KeyValue {
            key: "k".into(),
            create_revision: Revision(2),
            mod_revision: Revision(3),
            version: 2,
            value: "v".into(),
            lease: Some(LeaseId(-7)),
        });
        let delete = Record::Delete { key: "k".into(), revision: Revision(i64::MAX) };
        for record in [put, delete] {
            let (key, value) = encode(&record, 5);
            assert_eq!(decode(&key, value.clone()), Some(record));
            assert_eq!(decode(&key[1..], value), None);
        }
    }

    #[test]
    fn revisions_are_told_from_other_bytes() {
        let key = revision_key(Revision(258), 1);
        assert_eq!(key, b"\0\0\0\0\0\0\x01\x02_\0\0\0\0\0\0\0\x01");
        assert_eq!(revision(&key), Some((Revision(258), false)));
        assert_eq!(revision(&[&key[..], b"t"].concat()), Some((Revision(258), true)));
        assert_eq!(revision(&[&key[..], b"x"].concat()), None);
        assert_eq!(revision(&[&key[..], b"tt"].concat()), None);
        assert_eq!(revision(&key[..16]), None);
        assert_eq!(revision(&[0xff; 17]), None);
    }
}
