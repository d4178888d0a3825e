//! The Auth service, as far as a cluster without users has one.

use crate::call::Call;
use crate::error;
use crate::grpc::{Reply, Status};
use quorate_proto::etcdserverpb as pb;

/// etcd's revision of the users' table before its first change.
const FIRST_REVISION: u64 = 1;

pub(super) async fn status(call: Call, _: pb::AuthStatusRequest) -> Result<Reply, Status> {
    let header = Some(call.header(call.served.keyspace.local_view().revision()));
    Reply::new(&pb::AuthStatusResponse { header, enabled: false, auth_revision: FIRST_REVISION })
}

/// Clients that were given a name and a password go on without them when they hear this.
pub(super) async fn authenticate(_: Call, _: pb::AuthenticateRequest) -> Result<Reply, Status> {
    Err(error::auth_not_enabled())
}
