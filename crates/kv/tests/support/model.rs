//! The machine as simply as it can be said: every state that ever was, whole, and every event.

use quorate_kv::{
    Alarm, AlarmCommand, AlarmKind, Command, Compare, CompareResult, CompareTarget, Event, EventKind,
    KeyRange, KeyValue, Operation, OperationResponse, Outcome, RaisedBy, RangeRequest, RangeResponse,
    Refusal, SortOrder, SortTarget, TxnRequest, TxnResponse,
};
use quorate_types::{Bytes, LeaseId, Revision};
use std::collections::BTreeMap;

pub type Pairs = BTreeMap<Bytes, KeyValue>;

#[derive(Clone, Debug, PartialEq)]
pub struct ModelLease {
    pub ttl_s: i64,
    pub expiry_ns: u64,
    pub renewal: u64,
}

#[derive(Clone, Debug)]
pub struct Model {
    /// `states[r]` is the store at revision r; nothing stands at 0.
    pub states: Vec<Pairs>,
    pub events: Vec<Event>,
    pub compacted: i64,
    pub leases: BTreeMap<LeaseId, ModelLease>,
    pub alarms: BTreeMap<Alarm, RaisedBy>,
    pub cluster_time_ns: u64,
}

impl Default for Model {
    fn default() -> Self {
        Model {
            states: vec![Pairs::new(), Pairs::new()],
            events: Vec::new(),
            compacted: 0,
            leases: BTreeMap::new(),
            alarms: BTreeMap::new(),
            cluster_time_ns: 0,
        }
    }
}

/// A revision in the making.
struct Draft {
    pairs: Pairs,
    events: Vec<Event>,
}

impl Model {
    pub fn revision(&self) -> i64 {
        self.states.len() as i64 - 1
    }

    pub fn now(&self) -> &Pairs {
        self.states.last().unwrap()
    }

    pub fn apply(&mut self, cluster_time_ns: u64, term: u64, command: &Command) -> Result<Outcome, Refusal> {
        self.cluster_time_ns = self.cluster_time_ns.max(cluster_time_ns);
        quorate_kv::validate(command)?;
        self.admit(command)?;
        match command {
            Command::Put(_) | Command::Delete(_) | Command::Txn(_) => self.write(command),
            Command::Compact { revision } => {
                if revision.0 > self.revision() {
                    return Err(Refusal::FutureRevision);
                }
                if revision.0 <= self.compacted && !(self.compacted == 0 && revision.0 == 0) {
                    return Err(Refusal::Compacted { at: Revision(self.compacted) });
                }
                self.compacted = revision.0;
                Ok(Outcome::Compacted)
            }
            Command::LeaseGrant { id, ttl_s } => {
                if self.leases.contains_key(id) {
                    return Err(Refusal::LeaseExists);
                }
                let ttl_s = (*ttl_s).max(2);
                let expiry_ns = self.cluster_time_ns + ttl_s as u64 * 1_000_000_000;
                self.leases.insert(*id, ModelLease { ttl_s, expiry_ns, renewal: 0 });
                Ok(Outcome::LeaseGranted { id: *id, ttl_s })
            }
            Command::LeaseRevoke { id } => {
                if !self.leases.contains_key(id) {
                    return Err(Refusal::LeaseNotFound);
                }
                self.end_lease(*id);
                Ok(Outcome::LeaseRevoked)
            }
            Command::LeaseRenew { ids } => {
                let now = self.cluster_time_ns;
                let renew = |lease: &mut ModelLease| {
                    lease.expiry_ns = now + lease.ttl_s as u64 * 1_000_000_000;
                    lease.renewal += 1;
                    lease.ttl_s
                };
                Ok(Outcome::LeaseRenewed {
                    ttls_s: ids.iter().map(|id| self.leases.get_mut(id).map(renew)).collect(),
                })
            }
            Command::LeaseExpire { leases, term: seen } => {
                for (id, renewal) in leases {
                    if *seen == term && self.leases.get(id).is_some_and(|lease| lease.renewal == *renewal) {
                        self.end_lease(*id);
                    }
                }
                Ok(Outcome::Done)
            }
            Command::Tick => Ok(Outcome::Done),
            Command::SessionOpen | Command::SessionClose { .. } | Command::InSession(_) => {
                unreachable!("sessions have tests of their own")
            }
            Command::Alarm(command) => Ok(Outcome::Alarms { alarms: self.alarm(*command) }),
        }
    }

    fn admit(&self, command: &Command) -> Result<(), Refusal> {
        fn puts(operation: &Operation) -> bool {
            match operation {
                Operation::Put(_) => true,
                Operation::Txn(txn) => txn.success.iter().chain(&txn.failure).any(puts),
                _ => false,
            }
        }
        let grows = match command {
            Command::Put(_) | Command::LeaseGrant { .. } => true,
            Command::Txn(txn) => puts(&Operation::Txn(txn.clone())),
            _ => false,
        };
        let goes_on = matches!(command, Command::LeaseRenew { .. } | Command::Tick | Command::Alarm(_));
        let stands = |kind| self.alarms.keys().any(|alarm| alarm.kind == kind);
        if !goes_on && stands(AlarmKind::Corrupt) {
            return Err(Refusal::Corrupt);
        }
        if grows && stands(AlarmKind::NoSpace) { Err(Refusal::NoSpace) } else { Ok(()) }
    }

    fn alarm(&mut self, command: AlarmCommand) -> Vec<Alarm> {
        match command {
            AlarmCommand::Raise { alarm, by } => {
                let stands = self.alarms.entry(alarm).or_insert(by);
                if by == RaisedBy::Operator {
                    *stands = by;
                }
                vec![alarm]
            }
            AlarmCommand::Disarm { alarm } => self.alarms.remove(&alarm).map(|_| alarm).into_iter().collect(),
            AlarmCommand::Clear => {
                let before: Vec<Alarm> = self.alarms.keys().copied().collect();
                self.alarms.retain(|alarm, by| alarm.kind == AlarmKind::Corrupt || *by == RaisedBy::Operator);
                before.into_iter().filter(|alarm| !self.alarms.contains_key(alarm)).collect()
            }
        }
    }

    fn end_lease(&mut self, id: LeaseId) {
        self.leases.remove(&id);
        let mut draft = self.draft();
        let keys: Vec<Bytes> =
            draft.pairs.values().filter(|p| p.lease == Some(id)).map(|p| p.key.clone()).collect();
        for key in keys {
            self.delete(&mut draft, &KeyRange::one(key));
        }
        self.publish(draft);
    }

    fn draft(&self) -> Draft {
        Draft { pairs: self.now().clone(), events: Vec::new() }
    }

    fn publish(&mut self, draft: Draft) {
        if !draft.events.is_empty() {
            self.states.push(draft.pairs);
            self.events.extend(draft.events);
        }
    }

    fn write(&mut self, command: &Command) -> Result<Outcome, Refusal> {
        let operation = match command {
            Command::Put(put) => Operation::Put(put.clone()),
            Command::Delete(delete) => Operation::Delete(delete.clone()),
            Command::Txn(txn) => Operation::Txn(txn.clone()),
            _ => unreachable!(),
        };
        self.check(std::slice::from_ref(&operation))?;
        let mut draft = self.draft();
        let before = self.now().clone();
        let response = self.execute(&mut draft, &before, &operation);
        self.publish(draft);
        Ok(match response {
            OperationResponse::Put { prev_kv } => Outcome::Put { prev_kv },
            OperationResponse::Delete { deleted, prev_kvs } => Outcome::Delete { deleted, prev_kvs },
            OperationResponse::Txn(response) => Outcome::Txn(response),
            OperationResponse::Range(_) => unreachable!(),
        })
    }

    fn check(&self, operations: &[Operation]) -> Result<(), Refusal> {
        for operation in operations {
            match operation {
                Operation::Put(put) => {
                    if put.lease.is_some_and(|id| !self.leases.contains_key(&id)) {
                        return Err(Refusal::LeaseNotFound);
                    }
                    if (put.ignore_value || put.ignore_lease) && !self.now().contains_key(&put.key) {
                        return Err(Refusal::KeyNotFound);
                    }
                }
                Operation::Range(range) => {
                    let floor = if self.compacted == 0 { -1 } else { self.compacted };
                    if range.revision > self.revision() {
                        return Err(Refusal::FutureRevision);
                    }
                    if range.revision != 0 && range.revision < floor {
                        return Err(Refusal::Compacted { at: Revision(self.compacted) });
                    }
                }
                Operation::Delete(_) => {}
                Operation::Txn(txn) => {
                    self.check(if hold(self.now(), txn) { &txn.success } else { &txn.failure })?;
                }
            }
        }
        Ok(())
    }

    fn execute(&self, draft: &mut Draft, before: &Pairs, operation: &Operation) -> OperationResponse {
        match operation {
            Operation::Range(request) => {
                let past = self.states.get(request.revision.max(0) as usize).filter(|_| request.revision > 0);
                let newest_is_draft = request.revision <= 0;
                OperationResponse::Range(range(
                    if newest_is_draft { &draft.pairs } else { past.unwrap() },
                    request,
                ))
            }
            Operation::Put(put) => {
                let revision = Revision(self.revision() + 1);
                let old = draft.pairs.get(&put.key).cloned();
                let value = if put.ignore_value { old.clone().unwrap().value } else { put.value.clone() };
                let lease = if put.ignore_lease { old.clone().unwrap().lease } else { put.lease };
                let pair = KeyValue {
                    key: put.key.clone(),
                    create_revision: old.as_ref().map_or(revision, |old| old.create_revision),
                    mod_revision: revision,
                    version: old.as_ref().map_or(0, |old| old.version) + 1,
                    value,
                    lease,
                };
                draft.events.push(Event { kind: EventKind::Put, kv: pair.clone(), prev_kv: old.clone() });
                draft.pairs.insert(put.key.clone(), pair);
                OperationResponse::Put { prev_kv: old.filter(|_| put.prev_kv) }
            }
            Operation::Delete(delete) => {
                let old = self.delete(draft, &delete.range);
                let deleted = old.len() as i64;
                OperationResponse::Delete { deleted, prev_kvs: if delete.prev_kv { old } else { Vec::new() } }
            }
            Operation::Txn(txn) => {
                let succeeded = hold(before, txn);
                let branch = if succeeded { &txn.success } else { &txn.failure };
                let responses =
                    branch.iter().map(|operation| self.execute(draft, before, operation)).collect();
                OperationResponse::Txn(TxnResponse { succeeded, responses })
            }
        }
    }

    fn delete(&self, draft: &mut Draft, range: &KeyRange) -> Vec<KeyValue> {
        let old: Vec<KeyValue> =
            draft.pairs.values().filter(|pair| inside(range, &pair.key)).cloned().collect();
        for pair in &old {
            draft.pairs.remove(&pair.key);
            let kv = KeyValue {
                key: pair.key.clone(),
                mod_revision: Revision(self.revision() + 1),
                ..KeyValue::default()
            };
            draft.events.push(Event { kind: EventKind::Delete, kv, prev_kv: Some(pair.clone()) });
        }
        old
    }

    /// A range outside a transaction.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, Refusal> {
        if request.range.key.is_empty() {
            return Err(Refusal::EmptyKey);
        }
        let revision = if request.revision <= 0 { self.revision() } else { request.revision };
        if revision > self.revision() {
            return Err(Refusal::FutureRevision);
        }
        if revision < self.compacted {
            return Err(Refusal::Compacted { at: Revision(self.compacted) });
        }
        Ok(range(&self.states[revision as usize], request))
    }

    /// The events from revision `from` on, as the history must give them.
    pub fn events_from(&self, from: i64) -> Vec<Event> {
        let given = self.events.iter().filter(|event| event.revision().0 >= from);
        given
            .map(|event| Event {
                prev_kv: event.prev_kv.clone().filter(|_| event.revision().0 > self.compacted),
                ..event.clone()
            })
            .collect()
    }
}

pub fn inside(range: &KeyRange, key: &[u8]) -> bool {
    match &range.end[..] {
        [] => key == &range.key[..],
        [0] => key >= &range.key[..],
        end => key >= &range.key[..] && key < end,
    }
}

pub fn hold(pairs: &Pairs, txn: &TxnRequest) -> bool {
    txn.compare.iter().all(|compare| holds(pairs, compare))
}

fn holds(pairs: &Pairs, compare: &Compare) -> bool {
    let met: Vec<&KeyValue> = pairs.values().filter(|pair| inside(&compare.range, &pair.key)).collect();
    let missing = KeyValue::default();
    if met.is_empty() {
        return !matches!(compare.target, CompareTarget::Value(_)) && one_holds(&missing, compare);
    }
    met.iter().all(|pair| one_holds(pair, compare))
}

fn one_holds(pair: &KeyValue, compare: &Compare) -> bool {
    let decide = |left: &dyn PartialOrdTo, result| left.decide(result);
    match &compare.target {
        CompareTarget::Version(version) => decide(&(pair.version, *version), compare.result),
        CompareTarget::Create(revision) => decide(&(pair.create_revision.0, *revision), compare.result),
        CompareTarget::Mod(revision) => decide(&(pair.mod_revision.0, *revision), compare.result),
        CompareTarget::Lease(lease) => decide(&(pair.lease.map_or(0, |id| id.0), *lease), compare.result),
        CompareTarget::Value(value) => decide(&(pair.value.clone(), value.clone()), compare.result),
    }
}

trait PartialOrdTo {
    fn decide(&self, result: CompareResult) -> bool;
}

impl<T: PartialOrd> PartialOrdTo for (T, T) {
    fn decide(&self, result: CompareResult) -> bool {
        match result {
            CompareResult::Equal => self.0 == self.1,
            CompareResult::NotEqual => self.0 != self.1,
            CompareResult::Greater => self.0 > self.1,
            CompareResult::Less => self.0 < self.1,
        }
    }
}

/// Answers a range from one whole state. Ties of a sort stand in key order, or reversed for a descending one.
pub fn range(pairs: &Pairs, request: &RangeRequest) -> RangeResponse {
    let all: Vec<&KeyValue> = pairs.values().filter(|pair| inside(&request.range, &pair.key)).collect();
    let count = all.len() as i64;
    if request.count_only {
        return RangeResponse { kvs: Vec::new(), more: false, count };
    }
    let mut kvs: Vec<KeyValue> = all
        .into_iter()
        .filter(|pair| request.min_mod_revision == 0 || pair.mod_revision.0 >= request.min_mod_revision)
        .filter(|pair| request.max_mod_revision == 0 || pair.mod_revision.0 <= request.max_mod_revision)
        .filter(|pair| {
            request.min_create_revision == 0 || pair.create_revision.0 >= request.min_create_revision
        })
        .filter(|pair| {
            request.max_create_revision == 0 || pair.create_revision.0 <= request.max_create_revision
        })
        .cloned()
        .collect();
    kvs.sort_by(|a, b| match request.sort_target {
        SortTarget::Key => a.key.cmp(&b.key),
        SortTarget::Version => a.version.cmp(&b.version),
        SortTarget::Create => a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => a.value.cmp(&b.value),
    });
    if request.sort_order == SortOrder::Descend {
        kvs.reverse();
    }
    let limit = if request.limit > 0 { request.limit as usize } else { usize::MAX };
    let more = kvs.len() > limit;
    kvs.truncate(limit);
    if request.keys_only {
        kvs.iter_mut().for_each(|pair| pair.value = Bytes::new());
    }
    RangeResponse { kvs, more, count }
}
