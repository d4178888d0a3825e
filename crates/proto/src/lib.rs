//! The messages and services of etcd's v3 API.
//!
//! **Problem.** Clients in every language speak this API; they must find exactly its package names, method names and
//! field numbers. **Idea.** The definitions under `proto/` are our own text with the same names and numbers, split by
//! service; the Rust here is generated from them. `bytes` fields become `bytes::Bytes`, so a value is never copied
//! between the network and the state machine. **Invariant.** A number once used keeps its meaning.
//! **Source.** etcd's API reference, 3.7.

#![forbid(unsafe_code)]

macro_rules! generated {
    ($(#[$doc:meta])* $name:ident from $package:literal) => {
        $(#[$doc])*
        #[allow(
            missing_docs,
            rust_2018_idioms,
            clippy::all,
            clippy::allow_attributes,
            reason = "generated; the comments are in the .proto files"
        )]
        pub mod $name {
            tonic::include_proto!($package);
        }
    };
}

generated! {
    /// Key-value, watch, lease, cluster, maintenance and auth.
    etcdserverpb from "etcdserverpb"
}
generated! {
    /// Keys with their revisions, and the events of a watch.
    mvccpb from "mvccpb"
}
generated! {
    /// Users, roles and permissions.
    authpb from "authpb"
}
generated! {
    /// The lock service.
    v3lockpb from "v3lockpb"
}
generated! {
    /// The election service.
    v3electionpb from "v3electionpb"
}
generated! {
    /// gRPC's health checking service.
    health from "grpc.health.v1"
}

/// All definitions as an encoded `google.protobuf.FileDescriptorSet`, for code that translates messages by name (the
/// JSON front end).
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;

    use super::{etcdserverpb as pb, mvccpb};

    /// The wire bytes of a message, worked out by hand from the field numbers that clients use.
    fn check(message: &impl Message, wire: &[u8]) {
        assert_eq!(message.encode_to_vec(), wire);
    }

    #[test]
    fn field_numbers_are_those_that_clients_send() {
        let put = pb::PutRequest {
            key: Bytes::from_static(b"k"),
            value: Bytes::from_static(b"v"),
            lease: 5,
            prev_kv: true,
            ..Default::default()
        };
        check(&put, &[0x0a, 1, b'k', 0x12, 1, b'v', 0x18, 5, 0x20, 1]);
        let compare = pb::Compare {
            result: pb::compare::CompareResult::NotEqual as i32,
            target: pb::compare::CompareTarget::Lease as i32,
            key: Bytes::from_static(b"k"),
            range_end: Bytes::from_static(b"l"),
            target_union: Some(pb::compare::TargetUnion::Lease(9)),
        };
        check(&compare, &[0x08, 3, 0x10, 4, 0x1a, 1, b'k', 0x40, 9, 0x82, 0x04, 1, b'l']);
        let event =
            mvccpb::Event { r#type: mvccpb::event::EventType::Delete as i32, kv: None, prev_kv: None };
        let watch =
            pb::WatchResponse { watch_id: 2, fragment: true, events: vec![event], ..Default::default() };
        check(&watch, &[0x10, 2, 0x38, 1, 0x5a, 2, 0x08, 1]);
        check(
            &pb::LeaseTimeToLiveResponse { id: 1, ttl: 2, granted_ttl: 3, ..Default::default() },
            &[0x10, 1, 0x18, 2, 0x20, 3],
        );
        check(
            &pb::StatusResponse { db_size: 1, raft_applied_index: 2, is_learner: true, ..Default::default() },
            &[0x18, 1, 0x38, 2, 0x50, 1],
        );
    }

    #[test]
    fn descriptors_name_every_package() {
        let text = String::from_utf8_lossy(super::FILE_DESCRIPTOR_SET);
        for package in ["etcdserverpb", "mvccpb", "authpb", "v3lockpb", "v3electionpb", "grpc.health.v1"] {
            assert!(text.contains(package), "{package} is missing");
        }
    }
}
