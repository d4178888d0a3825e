//! How the answer to a numbered write is kept.
//!
//! ```text
//! answer   =  revision | kind u8 | body
//! 1 put    =  pair?                    2 delete  =  count | pair*       3 txn     =  response
//! 4 compacted   5 granted  =  id | seconds   6 revoked   7 renewed  =  count, (seconds + 1, or 0)*   8 done   9 done before
//! pair     =  key | create | mod | version | value | lease              pair?  =  0, or 1 and a pair
//! response =  succeeded | count, operation*
//! operation = 1 put, 2 delete, 3 txn as above; 10 range  =  pair*, more, count
//! ```

use crate::request::{KeyValue, OperationResponse, Outcome, RangeResponse, TxnResponse};
use crate::row::corrupt;
use crate::validate::OPERATIONS_MAX;
use quorate_table::TableError;
use quorate_types::codec::{DecodeError, Reader, Write};
use quorate_types::{Bytes, LeaseId, Revision};

const PUT: u8 = 1;
const DELETE: u8 = 2;
const TXN: u8 = 3;
const COMPACTED: u8 = 4;
const GRANTED: u8 = 5;
const REVOKED: u8 = 6;
const RENEWED: u8 = 7;
const DONE: u8 = 8;
const DONE_BEFORE: u8 = 9;
const RANGE: u8 = 10;

pub(super) fn encode(outcome: &Outcome, revision: Revision) -> Bytes {
    let mut out = Vec::new();
    out.put_signed(revision.0);
    match outcome {
        Outcome::Put { prev_kv } => put_put(&mut out, prev_kv.as_ref()),
        Outcome::Delete { deleted, prev_kvs } => put_delete(&mut out, *deleted, prev_kvs),
        Outcome::Txn(response) => put_txn(&mut out, response),
        Outcome::Compacted => out.put_u8(COMPACTED),
        Outcome::LeaseGranted { id, ttl_s } => {
            out.put_u8(GRANTED);
            out.put_signed(id.0);
            out.put_signed(*ttl_s);
        }
        Outcome::LeaseRevoked => out.put_u8(REVOKED),
        Outcome::LeaseRenewed { ttls_s } => {
            out.put_u8(RENEWED);
            out.put_varint(ttls_s.len() as u64);
            ttls_s.iter().for_each(|ttl_s| out.put_signed(ttl_s.map_or(-1, |ttl_s| ttl_s)));
        }
        Outcome::Done => out.put_u8(DONE),
        Outcome::DoneBefore => out.put_u8(DONE_BEFORE),
        Outcome::SessionOpened { .. } | Outcome::Alarms { .. } => {
            unreachable!("no session carries its command")
        }
    }
    out.into()
}

/// Reads what [`encode`] wrote.
pub(super) fn decode(row: &Bytes) -> Result<(Outcome, Revision), TableError> {
    let mut reader = Reader::new(row.clone());
    let mut decode = || {
        let revision = Revision(reader.signed()?);
        let outcome = outcome(&mut reader)?;
        if reader.remaining() > 0 {
            return Err(DecodeError::Invalid { field: "answer" });
        }
        Ok((outcome, revision))
    };
    decode().map_err(|_: DecodeError| corrupt("answer", row))
}

fn outcome(input: &mut Reader) -> Result<Outcome, DecodeError> {
    Ok(match input.u8()? {
        PUT => Outcome::Put { prev_kv: optional_pair(input)? },
        DELETE => Outcome::Delete { deleted: input.signed()?, prev_kvs: list(input, pair)? },
        TXN => Outcome::Txn(txn(input, OPERATIONS_MAX + 1)?),
        COMPACTED => Outcome::Compacted,
        GRANTED => Outcome::LeaseGranted { id: LeaseId(input.signed()?), ttl_s: input.signed()? },
        REVOKED => Outcome::LeaseRevoked,
        RENEWED => {
            let ttl = |input: &mut Reader| Ok(Some(input.signed()?).filter(|ttl_s| *ttl_s >= 0));
            Outcome::LeaseRenewed { ttls_s: list(input, ttl)? }
        }
        DONE => Outcome::Done,
        DONE_BEFORE => Outcome::DoneBefore,
        _ => return Err(DecodeError::Invalid { field: "answer" }),
    })
}

fn put_put(out: &mut Vec<u8>, prev_kv: Option<&KeyValue>) {
    out.put_u8(PUT);
    out.put_bool(prev_kv.is_some());
    prev_kv.iter().for_each(|pair| put_pair(out, pair));
}

fn put_delete(out: &mut Vec<u8>, deleted: i64, prev_kvs: &[KeyValue]) {
    out.put_u8(DELETE);
    out.put_signed(deleted);
    put_pairs(out, prev_kvs);
}

fn put_txn(out: &mut Vec<u8>, response: &TxnResponse) {
    out.put_u8(TXN);
    out.put_bool(response.succeeded);
    out.put_varint(response.responses.len() as u64);
    for response in &response.responses {
        match response {
            OperationResponse::Range(range) => {
                out.put_u8(RANGE);
                put_pairs(out, &range.kvs);
                out.put_bool(range.more);
                out.put_signed(range.count);
            }
            OperationResponse::Put { prev_kv } => put_put(out, prev_kv.as_ref()),
            OperationResponse::Delete { deleted, prev_kvs } => put_delete(out, *deleted, prev_kvs),
            OperationResponse::Txn(nested) => put_txn(out, nested),
        }
    }
}

fn put_pairs(out: &mut Vec<u8>, pairs: &[KeyValue]) {
    out.put_varint(pairs.len() as u64);
    pairs.iter().for_each(|pair| put_pair(out, pair));
}

fn put_pair(out: &mut Vec<u8>, pair: &KeyValue) {
    out.put_bytes(&pair.key);
    out.put_signed(pair.create_revision.0);
    out.put_signed(pair.mod_revision.0);
    out.put_signed(pair.version);
    out.put_bytes(&pair.value);
    out.put_signed(pair.lease.map_or(0, |id| id.0));
}

fn pair(input: &mut Reader) -> Result<KeyValue, DecodeError> {
    Ok(KeyValue {
        key: input.bytes()?,
        create_revision: Revision(input.signed()?),
        mod_revision: Revision(input.signed()?),
        version: input.signed()?,
        value: input.bytes()?,
        lease: Some(LeaseId(input.signed()?)).filter(|id| id.0 != 0),
    })
}

fn optional_pair(input: &mut Reader) -> Result<Option<KeyValue>, DecodeError> {
    if input.bool()? { Ok(Some(pair(input)?)) } else { Ok(None) }
}

/// A transaction nests no deeper than `depth_left`.
fn txn(input: &mut Reader, depth_left: usize) -> Result<TxnResponse, DecodeError> {
    let depth_left = depth_left.checked_sub(1).ok_or(DecodeError::Invalid { field: "txn depth" })?;
    let succeeded = input.bool()?;
    let responses = list(input, |input| {
        Ok(match input.u8()? {
            RANGE => OperationResponse::Range(RangeResponse {
                kvs: list(input, pair)?,
                more: input.bool()?,
                count: input.signed()?,
            }),
            PUT => OperationResponse::Put { prev_kv: optional_pair(input)? },
            DELETE => OperationResponse::Delete { deleted: input.signed()?, prev_kvs: list(input, pair)? },
            TXN => OperationResponse::Txn(txn(input, depth_left)?),
            _ => return Err(DecodeError::Invalid { field: "operation's answer" }),
        })
    })?;
    Ok(TxnResponse { succeeded, responses })
}

fn list<T>(
    input: &mut Reader,
    mut item: impl FnMut(&mut Reader) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count = input.count()?;
    (0..count).map(|_| item(input)).collect()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::request::{KeyValue, OperationResponse, Outcome, RangeResponse, TxnResponse};
    use quorate_types::{LeaseId, Revision};

    fn pair(lease: Option<LeaseId>) -> KeyValue {
        KeyValue {
            key: "k".into(),
            create_revision: Revision(2),
            mod_revision: Revision(300),
            version: 4,
            value: "v".into(),
            lease,
        }
    }

    #[test]
    fn answers_round_trip_and_cut_ones_are_refused() {
        let nested =
            TxnResponse { succeeded: false, responses: vec![OperationResponse::Put { prev_kv: None }] };
        let range = RangeResponse { kvs: vec![pair(None), pair(Some(LeaseId(-7)))], more: true, count: 9 };
        let responses = vec![
            OperationResponse::Range(range),
            OperationResponse::Delete { deleted: 1, prev_kvs: vec![pair(None)] },
            OperationResponse::Txn(nested),
        ];
        let outcomes = [
            Outcome::Put { prev_kv: Some(pair(Some(LeaseId(5)))) },
            Outcome::Put { prev_kv: None },
            Outcome::Delete { deleted: 2, prev_kvs: Vec::new() },
            Outcome::Txn(TxnResponse { succeeded: true, responses }),
            Outcome::Compacted,
            Outcome::LeaseGranted { id: LeaseId(-1), ttl_s: 60 },
            Outcome::LeaseRevoked,
            Outcome::LeaseRenewed { ttls_s: vec![None, Some(0), Some(60)] },
            Outcome::Done,
            Outcome::DoneBefore,
        ];
        for outcome in outcomes {
            let row = encode(&outcome, Revision(8));
            for len in 0..row.len() {
                assert!(decode(&row.slice(..len)).is_err(), "{outcome:?} cut at {len}");
            }
            assert_eq!(decode(&row).expect("whole"), (outcome, Revision(8)));
        }
    }
}
