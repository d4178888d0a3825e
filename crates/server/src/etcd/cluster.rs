//! The Cluster service: who the members are. They are fixed when the cluster is started.

use crate::call::Call;
use crate::grpc::{Reply, Status};
use crate::server::Server;
use quorate_proto::etcdserverpb as pb;
use quorate_types::Revision;

pub(super) async fn member_list(call: Call, request: pb::MemberListRequest) -> Result<Reply, Status> {
    if request.linearizable {
        // The list never changes, but its caller wants to know that a quorum is there.
        call.view(false).await?;
    }
    let members = members(&call.server);
    Reply::new(&pb::MemberListResponse { header: Some(call.header(Revision(0))), members })
}

fn members(server: &Server) -> Vec<pb::Member> {
    let peer_scheme = if server.handle.peers_use_tls() { "https" } else { "http" };
    let own_urls = &server.options.advertise_client_urls;
    let member = |member: &quorate_driver::Member| {
        let is_me = member.id == server.handle.node_id();
        let peer_url = || format!("{peer_scheme}://{}", member.peer_address);
        pb::Member {
            id: member.id.0,
            name: member.name.clone(),
            peer_ur_ls: (!member.peer_address.is_empty()).then(peer_url).into_iter().collect(),
            client_ur_ls: if is_me && !own_urls.is_empty() { own_urls } else { &member.client_urls }.clone(),
            is_learner: false,
        }
    };
    server.handle.members().iter().map(member).collect()
}
