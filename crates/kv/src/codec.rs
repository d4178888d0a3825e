//! How a command stands in the log. A layout never changes once it has shipped; a new one gets a new kind or version.
//!
//! ```text
//! stamped   =  version u8 = 1 | cluster ns | kind u8 | body
//! 1 put     =  key | value | lease | flags (1 prev_kv, 2 ignore_value, 4 ignore_lease)
//! 2 delete  =  key | end | prev_kv
//! 3 txn     =  count, (key | end | result u8 | target u8 | value)* | count, operation* | count, operation*
//! 4 compact =  revision          5 grant  =  id | seconds       6 revoke  =  id
//! 7 renew   =  count, id*        8 expire =  count, (id | renewal)* | term       9 tick  =
//! 40 open   =                    41 close =  session id           42 in session = session id | number | acknowledged | command
//! 30 raise  =  member | alarm u8 | raised by u8     31 disarm = member | alarm u8     32 clear =
//! operation =  kind u8 (1, 2, 3 as above; 10 range) | body
//! 10 range  =  key | end | limit | revision | order u8 | target u8 | flags (1 keys_only, 2 count_only) | four revision bounds
//! ```

use crate::alarm::{Alarm, AlarmCommand, AlarmKind, RaisedBy};
use crate::request::{
    Command, Compare, CompareResult, CompareTarget, DeleteRequest, InSession, KeyRange, Operation,
    PutRequest, RangeRequest, SortOrder, SortTarget, Stamped, TxnRequest,
};
use crate::validate::OPERATIONS_MAX;
use quorate_types::codec::{DecodeError, Reader, Write};
use quorate_types::{LeaseId, NodeId, Revision, SessionId};

const VERSION: u8 = 1;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const TXN: u8 = 3;
const COMPACT: u8 = 4;
const LEASE_GRANT: u8 = 5;
const LEASE_REVOKE: u8 = 6;
const LEASE_RENEW: u8 = 7;
const LEASE_EXPIRE: u8 = 8;
const TICK: u8 = 9;
const RANGE: u8 = 10;
const SESSION_OPEN: u8 = 40;
const SESSION_CLOSE: u8 = 41;
const IN_SESSION: u8 = 42;
const ALARM_RAISE: u8 = 30;
const ALARM_DISARM: u8 = 31;
const ALARM_CLEAR: u8 = 32;
/// A valid transaction nests no deeper: each level takes at least one of the allowed operations, and the last may be empty.
const DEPTH_MAX: usize = OPERATIONS_MAX + 1;

impl Stamped {
    /// Appends the log's form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(VERSION);
        out.put_varint(self.cluster_time_ns);
        put_command(out, &self.command);
    }

    /// Takes one from the front of `input`.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that [`Stamped::encode`] did not write.
    pub fn decode(input: &mut Reader) -> Result<Stamped, DecodeError> {
        match input.u8()? {
            VERSION => Ok(Stamped { cluster_time_ns: input.varint()?, command: command(input, true)? }),
            _ => Err(DecodeError::Invalid { field: "version" }),
        }
    }
}

fn put_command(out: &mut Vec<u8>, command: &Command) {
    match command {
        Command::Put(request) => put_put(out, request),
        Command::Delete(request) => put_delete(out, request),
        Command::Txn(request) => put_txn(out, request),
        Command::Compact { revision } => {
            out.put_u8(COMPACT);
            out.put_signed(revision.0);
        }
        Command::LeaseGrant { id, ttl_s } => {
            out.put_u8(LEASE_GRANT);
            out.put_signed(id.0);
            out.put_signed(*ttl_s);
        }
        Command::LeaseRevoke { id } => {
            out.put_u8(LEASE_REVOKE);
            out.put_signed(id.0);
        }
        Command::LeaseRenew { ids } => {
            out.put_u8(LEASE_RENEW);
            out.put_varint(ids.len() as u64);
            ids.iter().for_each(|id| out.put_signed(id.0));
        }
        Command::LeaseExpire { leases, term } => {
            out.put_u8(LEASE_EXPIRE);
            out.put_varint(leases.len() as u64);
            for (id, renewal) in leases {
                out.put_signed(id.0);
                out.put_varint(*renewal);
            }
            out.put_varint(*term);
        }
        Command::Tick => out.put_u8(TICK),
        Command::SessionOpen => out.put_u8(SESSION_OPEN),
        Command::SessionClose { id } => {
            out.put_u8(SESSION_CLOSE);
            out.put_varint(id.0);
        }
        Command::InSession(asked) => {
            out.put_u8(IN_SESSION);
            out.put_varint(asked.session.0);
            out.put_varint(asked.sequence);
            out.put_varint(asked.acknowledged);
            put_command(out, &asked.command);
        }
        Command::Alarm(command) => put_alarm_command(out, *command),
    }
}

/// Reads a command; one in a session only if `with_session`.
fn command(input: &mut Reader, with_session: bool) -> Result<Command, DecodeError> {
    Ok(match input.u8()? {
        PUT => Command::Put(put(input)?),
        DELETE => Command::Delete(delete(input)?),
        TXN => Command::Txn(txn(input, DEPTH_MAX)?),
        COMPACT => Command::Compact { revision: Revision(input.signed()?) },
        LEASE_GRANT => Command::LeaseGrant { id: LeaseId(input.signed()?), ttl_s: input.signed()? },
        LEASE_REVOKE => Command::LeaseRevoke { id: LeaseId(input.signed()?) },
        LEASE_RENEW => Command::LeaseRenew { ids: list(input, |input| Ok(LeaseId(input.signed()?)))? },
        LEASE_EXPIRE => {
            let leases = list(input, |input| Ok((LeaseId(input.signed()?), input.varint()?)))?;
            Command::LeaseExpire { leases, term: input.varint()? }
        }
        TICK => Command::Tick,
        SESSION_OPEN => Command::SessionOpen,
        SESSION_CLOSE => Command::SessionClose { id: SessionId(input.varint()?) },
        IN_SESSION if with_session => Command::InSession(in_session(input)?),
        ALARM_RAISE => {
            let alarm = alarm(input)?;
            let by = RaisedBy::of(input.u8()?).ok_or(DecodeError::Invalid { field: "raised by" })?;
            Command::Alarm(AlarmCommand::Raise { alarm, by })
        }
        ALARM_DISARM => Command::Alarm(AlarmCommand::Disarm { alarm: alarm(input)? }),
        ALARM_CLEAR => Command::Alarm(AlarmCommand::Clear),
        _ => return Err(DecodeError::Invalid { field: "command" }),
    })
}

fn in_session(input: &mut Reader) -> Result<InSession, DecodeError> {
    let (session, sequence, acknowledged) = (SessionId(input.varint()?), input.varint()?, input.varint()?);
    Ok(InSession { session, sequence, acknowledged, command: Box::new(command(input, false)?) })
}

fn put_alarm_command(out: &mut Vec<u8>, command: AlarmCommand) {
    let (kind, alarm, by) = match command {
        AlarmCommand::Raise { alarm, by } => (ALARM_RAISE, alarm, Some(by)),
        AlarmCommand::Disarm { alarm } => (ALARM_DISARM, alarm, None),
        AlarmCommand::Clear => return out.put_u8(ALARM_CLEAR),
    };
    out.put_u8(kind);
    out.put_varint(alarm.member.0);
    out.put_u8(alarm.kind.number());
    if let Some(by) = by {
        out.put_u8(by.number());
    }
}

fn alarm(input: &mut Reader) -> Result<Alarm, DecodeError> {
    let member = NodeId(input.varint()?);
    let kind = AlarmKind::of(input.u8()?).ok_or(DecodeError::Invalid { field: "alarm" })?;
    Ok(Alarm { kind, member })
}

fn list<T>(
    input: &mut Reader,
    mut item: impl FnMut(&mut Reader) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let count = input.count()?;
    (0..count).map(|_| item(input)).collect()
}

fn put_range(out: &mut Vec<u8>, range: &KeyRange) {
    out.put_bytes(&range.key);
    out.put_bytes(&range.end);
}

fn key_range(input: &mut Reader) -> Result<KeyRange, DecodeError> {
    Ok(KeyRange { key: input.bytes()?, end: input.bytes()? })
}

fn flags<const N: usize>(flags: [bool; N]) -> u8 {
    flags.iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(*flag))
}

fn put_put(out: &mut Vec<u8>, request: &PutRequest) {
    out.put_u8(PUT);
    out.put_bytes(&request.key);
    out.put_bytes(&request.value);
    out.put_signed(request.lease.map_or(0, |id| id.0));
    out.put_u8(flags([request.prev_kv, request.ignore_value, request.ignore_lease]));
}

fn put(input: &mut Reader) -> Result<PutRequest, DecodeError> {
    let (key, value, lease, flags) = (input.bytes()?, input.bytes()?, input.signed()?, input.u8()?);
    if flags > 7 {
        return Err(DecodeError::Invalid { field: "put flags" });
    }
    Ok(PutRequest {
        key,
        value,
        lease: (lease != 0).then_some(LeaseId(lease)),
        prev_kv: flags & 1 != 0,
        ignore_value: flags & 2 != 0,
        ignore_lease: flags & 4 != 0,
    })
}

fn put_delete(out: &mut Vec<u8>, request: &DeleteRequest) {
    out.put_u8(DELETE);
    put_range(out, &request.range);
    out.put_bool(request.prev_kv);
}

fn delete(input: &mut Reader) -> Result<DeleteRequest, DecodeError> {
    Ok(DeleteRequest { range: key_range(input)?, prev_kv: input.bool()? })
}

fn put_txn(out: &mut Vec<u8>, request: &TxnRequest) {
    out.put_u8(TXN);
    out.put_varint(request.compare.len() as u64);
    for compare in &request.compare {
        put_compare(out, compare);
    }
    for branch in [&request.success, &request.failure] {
        out.put_varint(branch.len() as u64);
        for operation in branch {
            match operation {
                Operation::Range(request) => put_range_request(out, request),
                Operation::Put(request) => put_put(out, request),
                Operation::Delete(request) => put_delete(out, request),
                Operation::Txn(request) => put_txn(out, request),
            }
        }
    }
}

fn txn(input: &mut Reader, depth_left: usize) -> Result<TxnRequest, DecodeError> {
    let depth_left = depth_left.checked_sub(1).ok_or(DecodeError::Invalid { field: "txn depth" })?;
    let operation = |input: &mut Reader| {
        Ok(match input.u8()? {
            RANGE => Operation::Range(range_request(input)?),
            PUT => Operation::Put(put(input)?),
            DELETE => Operation::Delete(delete(input)?),
            TXN => Operation::Txn(txn(input, depth_left)?),
            _ => return Err(DecodeError::Invalid { field: "operation" }),
        })
    };
    Ok(TxnRequest {
        compare: list(input, compare)?,
        success: list(input, operation)?,
        failure: list(input, operation)?,
    })
}

fn put_compare(out: &mut Vec<u8>, compare: &Compare) {
    put_range(out, &compare.range);
    out.put_u8(match compare.result {
        CompareResult::Equal => 0,
        CompareResult::Greater => 1,
        CompareResult::Less => 2,
        CompareResult::NotEqual => 3,
    });
    let (target, number) = match &compare.target {
        CompareTarget::Version(number) => (0, *number),
        CompareTarget::Create(number) => (1, *number),
        CompareTarget::Mod(number) => (2, *number),
        CompareTarget::Lease(number) => (3, *number),
        CompareTarget::Value(value) => {
            out.put_u8(4);
            return out.put_bytes(value);
        }
    };
    out.put_u8(target);
    out.put_signed(number);
}

fn compare(input: &mut Reader) -> Result<Compare, DecodeError> {
    let range = key_range(input)?;
    let result = match input.u8()? {
        0 => CompareResult::Equal,
        1 => CompareResult::Greater,
        2 => CompareResult::Less,
        3 => CompareResult::NotEqual,
        _ => return Err(DecodeError::Invalid { field: "compare result" }),
    };
    let target = match input.u8()? {
        0 => CompareTarget::Version(input.signed()?),
        1 => CompareTarget::Create(input.signed()?),
        2 => CompareTarget::Mod(input.signed()?),
        3 => CompareTarget::Lease(input.signed()?),
        4 => CompareTarget::Value(input.bytes()?),
        _ => return Err(DecodeError::Invalid { field: "compare target" }),
    };
    Ok(Compare { range, result, target })
}

fn put_range_request(out: &mut Vec<u8>, request: &RangeRequest) {
    out.put_u8(RANGE);
    put_range(out, &request.range);
    out.put_signed(request.limit);
    out.put_signed(request.revision);
    out.put_u8(match request.sort_order {
        SortOrder::None => 0,
        SortOrder::Ascend => 1,
        SortOrder::Descend => 2,
    });
    out.put_u8(match request.sort_target {
        SortTarget::Key => 0,
        SortTarget::Version => 1,
        SortTarget::Create => 2,
        SortTarget::Mod => 3,
        SortTarget::Value => 4,
    });
    out.put_u8(flags([request.keys_only, request.count_only]));
    out.put_signed(request.min_mod_revision);
    out.put_signed(request.max_mod_revision);
    out.put_signed(request.min_create_revision);
    out.put_signed(request.max_create_revision);
}

fn range_request(input: &mut Reader) -> Result<RangeRequest, DecodeError> {
    let (range, limit, revision) = (key_range(input)?, input.signed()?, input.signed()?);
    let sort_order = match input.u8()? {
        0 => SortOrder::None,
        1 => SortOrder::Ascend,
        2 => SortOrder::Descend,
        _ => return Err(DecodeError::Invalid { field: "sort order" }),
    };
    let sort_target = match input.u8()? {
        0 => SortTarget::Key,
        1 => SortTarget::Version,
        2 => SortTarget::Create,
        3 => SortTarget::Mod,
        4 => SortTarget::Value,
        _ => return Err(DecodeError::Invalid { field: "sort target" }),
    };
    let flags = input.u8()?;
    if flags > 3 {
        return Err(DecodeError::Invalid { field: "range flags" });
    }
    Ok(RangeRequest {
        range,
        limit,
        revision,
        sort_order,
        sort_target,
        keys_only: flags & 1 != 0,
        count_only: flags & 2 != 0,
        min_mod_revision: input.signed()?,
        max_mod_revision: input.signed()?,
        min_create_revision: input.signed()?,
        max_create_revision: input.signed()?,
    })
}
