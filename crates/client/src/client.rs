//! The calls, one method each.

use std::sync::Arc;

use bytes::Bytes;
use quorate_proto::mvccpb::KeyValue;
use tonic::Request;
use tonic::transport::Channel;

use crate::call::{Call, Core};
use crate::pb::cluster_client::ClusterClient;
use crate::pb::kv_client::KvClient;
use crate::pb::lease_client::LeaseClient;
use crate::pb::maintenance_client::MaintenanceClient;
use crate::{Config, Error, KeepAlive, Keys, SnapshotStream, Txn, WatchOptions, Watcher, pb};

/// A client of one cluster. Clones share its connections.
///
/// Every method fails with [`Error::Unavailable`] or [`Error::Refused`] when nothing was changed, and a method that
/// writes fails with [`Error::OutcomeUnknown`] when that is not known.
#[derive(Clone)]
pub struct Client {
    core: Arc<Core>,
}

/// A unary call: which client type and method send it.
macro_rules! unary {
    ($self:ident, $call:expr, $client:ident.$method:ident($request:expr)) => {
        $self
            .core
            .call($call, $request, async |channel: Channel, request: Request<_>| {
                // A large answer must not turn a write that happened into an error.
                $client::new(channel).max_decoding_message_size(usize::MAX).$method(request).await
            })
            .await
    };
}

impl Client {
    /// Makes a client. Connections are opened by the first calls.
    ///
    /// # Errors
    /// If an endpoint is not an address, or there is none.
    pub fn connect(config: Config) -> Result<Self, Error> {
        Ok(Client { core: Arc::new(Core::new(config)?) })
    }

    /// The session token as of the newest answer, to go on from in another process.
    #[must_use]
    pub fn session(&self) -> Option<String> {
        self.core.session()
    }

    /// Reads one key; linearizable.
    pub async fn get(&self, key: impl Into<Bytes>) -> Result<Option<KeyValue>, Error> {
        let request = pb::RangeRequest { key: key.into(), ..Default::default() };
        Ok(self.range(request).await?.kvs.pop())
    }

    /// Reads keys, with all of the protocol's options.
    pub async fn range(&self, request: pb::RangeRequest) -> Result<pb::RangeResponse, Error> {
        unary!(self, Call::read("get"), KvClient.range(request))
    }

    /// Writes one key.
    pub async fn put(
        &self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
    ) -> Result<pb::PutResponse, Error> {
        self.put_with(pb::PutRequest { key: key.into(), value: value.into(), ..Default::default() }).await
    }

    /// Writes one key, with all of the protocol's options.
    pub async fn put_with(&self, request: pb::PutRequest) -> Result<pb::PutResponse, Error> {
        unary!(self, Call::write("put"), KvClient.put(request))
    }

    /// Deletes keys.
    pub async fn delete(&self, keys: impl Into<Keys>) -> Result<pb::DeleteRangeResponse, Error> {
        let Keys { key, range_end } = keys.into();
        self.delete_with(pb::DeleteRangeRequest { key, range_end, ..Default::default() }).await
    }

    /// Deletes keys, with all of the protocol's options.
    pub async fn delete_with(
        &self,
        request: pb::DeleteRangeRequest,
    ) -> Result<pb::DeleteRangeResponse, Error> {
        unary!(self, Call::write("delete"), KvClient.delete_range(request))
    }

    /// Does a transaction. One that only reads is repeated like any read.
    pub async fn txn(&self, txn: Txn) -> Result<pb::TxnResponse, Error> {
        let call = if txn.only_reads() { Call::read("txn") } else { Call::write("txn") };
        unary!(self, call, KvClient.txn(pb::TxnRequest::from(txn)))
    }

    /// Forgets the history before `revision`. With `physical`, answers once the space is free.
    pub async fn compact(&self, revision: i64, physical: bool) -> Result<pb::CompactionResponse, Error> {
        unary!(self, Call::write("compact"), KvClient.compact(pb::CompactionRequest { revision, physical }))
    }

    /// Watches keys. Nothing is sent before [`Watcher::next`] is awaited.
    pub fn watch(&self, keys: impl Into<Keys>, options: WatchOptions) -> Watcher {
        Watcher::new(Arc::clone(&self.core), keys.into(), options)
    }

    /// Grants a lease of `ttl_s` seconds, or a little more if the server wants. An `id` of 0 lets it choose.
    pub async fn lease_grant(&self, ttl_s: i64, id: i64) -> Result<pb::LeaseGrantResponse, Error> {
        unary!(
            self,
            Call::write("lease grant"),
            LeaseClient.lease_grant(pb::LeaseGrantRequest { ttl: ttl_s, id })
        )
    }

    /// Ends a lease and deletes its keys.
    pub async fn lease_revoke(&self, id: i64) -> Result<pb::LeaseRevokeResponse, Error> {
        unary!(self, Call::write("lease revoke"), LeaseClient.lease_revoke(pb::LeaseRevokeRequest { id }))
    }

    /// How long a lease has left (−1: it is gone), and on request its keys.
    pub async fn lease_ttl(&self, id: i64, keys: bool) -> Result<pb::LeaseTimeToLiveResponse, Error> {
        let request = pb::LeaseTimeToLiveRequest { id, keys };
        unary!(self, Call::read("lease ttl"), LeaseClient.lease_time_to_live(request))
    }

    /// The ids of all leases.
    pub async fn lease_list(&self) -> Result<pb::LeaseLeasesResponse, Error> {
        unary!(self, Call::read("lease list"), LeaseClient.lease_leases(pb::LeaseLeasesRequest {}))
    }

    /// Keeps a lease alive, for as long as the caller goes on renewing.
    #[must_use]
    pub fn keep_alive(&self, id: i64) -> KeepAlive {
        KeepAlive::new(Arc::clone(&self.core), id)
    }

    /// What the endpoint that is asked says of itself.
    pub async fn status(&self) -> Result<pb::StatusResponse, Error> {
        unary!(self, Call::read("status"), MaintenanceClient.status(pb::StatusRequest {}))
    }

    /// Begins a backup of what one endpoint has; of several, the first that answers.
    ///
    /// # Errors
    /// As every call.
    pub async fn snapshot(&self) -> Result<SnapshotStream, Error> {
        SnapshotStream::open(&self.core).await
    }

    /// The cluster's members, as the quorum knows them.
    pub async fn member_list(&self) -> Result<pb::MemberListResponse, Error> {
        let request = pb::MemberListRequest { linearizable: true };
        unary!(self, Call::read("member list"), ClusterClient.member_list(request))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
