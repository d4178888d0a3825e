//! Hashes of this member's state, for operators who compare members.
//!
//! As etcd does, each answers for what this member has: nobody else is asked. A hash reads the whole store, so it is made on a
//! thread for that and takes its turn among the large reads.

use super::kv;
use crate::call::Call;
use crate::error;
use crate::grpc::{Reply, Status};
use crate::read_budget::SMALL_ROWS;
use quorate_proto::etcdserverpb as pb;
use quorate_types::Revision;

/// What `compact_revision` says of a store that was never compacted.
const NEVER_COMPACTED: i64 = -1;

/// Of everything that replicas agree on.
pub(super) async fn whole(call: Call, _: pb::HashRequest) -> Result<Reply, Status> {
    let view = call.served.keyspace.local_view();
    kv::read(call, view, Some(SMALL_ROWS), |call, view| {
        let hash = view.hash().map_err(|failed| error::read(&failed))?;
        Reply::new(&pb::HashResponse { header: Some(call.header(view.revision())), hash })
    })
    .await
}

/// Of the keys' history.
pub(super) async fn history(call: Call, request: pb::HashKvRequest) -> Result<Reply, Status> {
    let view = call.served.keyspace.local_view();
    kv::read(call, view, Some(SMALL_ROWS), move |call, view| {
        let found = view.hash_history(request.revision).map_err(|refused| error::read(&refused))?;
        let compacted = Some(found.compacted).filter(|compacted| *compacted > Revision(0));
        Reply::new(&pb::HashKvResponse {
            header: Some(call.header(view.revision())),
            hash: found.hash,
            compact_revision: compacted.map_or(NEVER_COMPACTED, |compacted| compacted.0),
            hash_revision: found.revision.0,
        })
    })
    .await
}
