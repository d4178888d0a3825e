//! Which call comes next, and its bytes.

use bytes::Bytes;
use quorate_proto::etcdserverpb as pb;
use quorate_types::Rng;

use super::wire::{self, Failure};
use super::{Distribution, Options, Workload};
use crate::{Compare, Op, Txn};

const POOL_BYTES: usize = 1 << 16;

/// Makes keys and values.
#[derive(Clone)]
pub(super) struct Maker {
    prefix: String,
    keys: u64,
    distribution: Distribution,
    workload: Workload,
    value_bytes: usize,
    /// Random bytes; every value is a piece of them, so values differ and do not compress.
    pool: Bytes,
}

/// Which method a call goes to, and how its answer is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Range,
    Put,
    Txn,
}

impl Maker {
    pub(super) fn new(options: &Options) -> Self {
        let mut rng = Rng::new(options.seed);
        let words = (POOL_BYTES + options.value_bytes).div_ceil(size_of::<u64>());
        let pool: Vec<u8> = (0..words).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
        Maker {
            prefix: options.prefix.clone(),
            keys: options.keys,
            distribution: options.distribution,
            workload: options.workload,
            value_bytes: options.value_bytes,
            pool: pool.into(),
        }
    }

    /// The call with this number.
    pub(super) fn call(&self, number: u64, rng: &mut Rng) -> (Kind, Bytes) {
        let key = self.key(number, rng);
        match self.workload {
            Workload::Get => (Kind::Range, range(key, false)),
            Workload::GetSerializable => (Kind::Range, range(key, true)),
            Workload::Mixed { read_percent } if rng.chance(read_percent.into(), 100) => {
                (Kind::Range, range(key, false))
            }
            Workload::Txn => {
                let exists_or_not = Compare::version(key.clone()).gt(-1);
                let txn = Txn::new().when(exists_or_not).then(Op::put(key, self.value(rng)));
                (Kind::Txn, wire::frame(&pb::TxnRequest::from(txn)))
            }
            Workload::Put | Workload::Mixed { .. } | Workload::Watch { .. } | Workload::Lease => {
                (Kind::Put, put(key, self.value(rng)))
            }
        }
    }

    /// The put with this number, of a value that begins with `stamp`.
    pub(super) fn stamped_put(&self, number: u64, rng: &mut Rng, stamp: u64) -> Bytes {
        let mut value = stamp.to_le_bytes().to_vec();
        value.extend_from_slice(&self.value(rng));
        value.truncate(self.value_bytes.max(size_of::<u64>()));
        put(self.key(number, rng), value.into())
    }

    fn key(&self, number: u64, rng: &mut Rng) -> Bytes {
        let index = match self.distribution {
            Distribution::Sequential => number % self.keys,
            Distribution::Uniform => rng.below(self.keys),
        };
        format!("{}{index:016}", self.prefix).into()
    }

    fn value(&self, rng: &mut Rng) -> Bytes {
        let offset = rng.below(POOL_BYTES as u64) as usize;
        self.pool.slice(offset..offset + self.value_bytes)
    }
}

fn put(key: Bytes, value: Bytes) -> Bytes {
    wire::frame(&pb::PutRequest { key, value, ..Default::default() })
}

fn range(key: Bytes, serializable: bool) -> Bytes {
    wire::frame(&pb::RangeRequest { key, serializable, ..Default::default() })
}

/// Whether an answer is what the call was for.
pub(super) fn judge(kind: Kind, answer: Bytes) -> Result<(), Failure> {
    if kind == Kind::Range && wire::decode::<pb::RangeResponse>(answer)?.kvs.is_empty() {
        return Err(Failure::Missing);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quorate_proto::etcdserverpb as pb;
    use quorate_types::Rng;

    use super::{Kind, Maker};
    use crate::bench::wire::decode;
    use crate::bench::{Distribution, Options, Workload};

    #[test]
    fn sequential_keys_are_distinct_until_they_begin_again() {
        let maker = Maker::new(&Options { keys: 3, value_bytes: 5, ..Default::default() });
        let mut rng = Rng::new(7);
        let keys: Vec<_> = (0..4)
            .map(|number| {
                let (kind, body) = maker.call(number, &mut rng);
                assert_eq!(kind, Kind::Put);
                let put: pb::PutRequest = decode(body).expect("a framed put");
                assert_eq!(put.value.len(), 5);
                put.key
            })
            .collect();
        assert_eq!(keys[0], "bench/0000000000000000");
        assert_eq!(keys[2], "bench/0000000000000002");
        assert_eq!(keys[3], keys[0]);
    }

    #[test]
    fn a_mixed_load_reads_as_often_as_asked() {
        let options = Options {
            workload: Workload::Mixed { read_percent: 90 },
            distribution: Distribution::Uniform,
            ..Default::default()
        };
        let maker = Maker::new(&options);
        let mut rng = Rng::new(3);
        let reads = (0..1000).filter(|&number| maker.call(number, &mut rng).0 == Kind::Range).count();
        assert!((850..950).contains(&reads), "{reads} of 1000");
    }

    #[test]
    fn a_stamp_fits_into_the_smallest_value() {
        let maker = Maker::new(&Options { value_bytes: 1, ..Default::default() });
        let put: pb::PutRequest = decode(maker.stamped_put(0, &mut Rng::new(1), 77)).expect("a framed put");
        assert_eq!(put.value[..], 77_u64.to_le_bytes());
    }
}
