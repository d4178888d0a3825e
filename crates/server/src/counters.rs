//! The methods that are served, and how often each ended how.
//!
//! Counting a call is one relaxed addition per counter; nothing is locked and nothing is looked up by name.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tonic::Code;

macro_rules! methods {
    ($($variant:ident = $service:literal / $name:literal,)*) => {
        /// A gRPC method, the frequent ones first.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Method {
            $(#[doc = concat!($service, "/", $name)] $variant,)*
        }

        impl Method {
            /// All of them.
            pub(crate) const ALL: &[Method] = &[$(Method::$variant),*];

            /// The method that a request's path names.
            pub(crate) fn of(path: &str) -> Option<Method> {
                $(if path == concat!("/", $service, "/", $name) {
                    return Some(Method::$variant);
                })*
                None
            }

            /// Its service's full name.
            pub(crate) fn service(self) -> &'static str {
                match self { $(Method::$variant => $service,)* }
            }

            /// Its name in its service.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Method::$variant => $name,)* }
            }
        }
    };
}

impl Method {
    /// Which sides of a call are streams, as Go's metrics name it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Method::Watch | Method::LeaseKeepAlive => "bidi_stream",
            Method::RangeStream | Method::Snapshot | Method::Observe | Method::HealthWatch => "server_stream",
            _ => "unary",
        }
    }
}

methods! {
    Put = "etcdserverpb.KV" / "Put",
    Range = "etcdserverpb.KV" / "Range",
    Txn = "etcdserverpb.KV" / "Txn",
    DeleteRange = "etcdserverpb.KV" / "DeleteRange",
    Compact = "etcdserverpb.KV" / "Compact",
    RangeStream = "etcdserverpb.KV" / "RangeStream",
    Watch = "etcdserverpb.Watch" / "Watch",
    LeaseGrant = "etcdserverpb.Lease" / "LeaseGrant",
    LeaseRevoke = "etcdserverpb.Lease" / "LeaseRevoke",
    LeaseKeepAlive = "etcdserverpb.Lease" / "LeaseKeepAlive",
    LeaseTimeToLive = "etcdserverpb.Lease" / "LeaseTimeToLive",
    LeaseLeases = "etcdserverpb.Lease" / "LeaseLeases",
    MemberList = "etcdserverpb.Cluster" / "MemberList",
    MemberAdd = "etcdserverpb.Cluster" / "MemberAdd",
    MemberRemove = "etcdserverpb.Cluster" / "MemberRemove",
    MemberUpdate = "etcdserverpb.Cluster" / "MemberUpdate",
    MemberPromote = "etcdserverpb.Cluster" / "MemberPromote",
    Status = "etcdserverpb.Maintenance" / "Status",
    Alarm = "etcdserverpb.Maintenance" / "Alarm",
    Defragment = "etcdserverpb.Maintenance" / "Defragment",
    MoveLeader = "etcdserverpb.Maintenance" / "MoveLeader",
    Hash = "etcdserverpb.Maintenance" / "Hash",
    HashKv = "etcdserverpb.Maintenance" / "HashKV",
    Snapshot = "etcdserverpb.Maintenance" / "Snapshot",
    Downgrade = "etcdserverpb.Maintenance" / "Downgrade",
    AuthStatus = "etcdserverpb.Auth" / "AuthStatus",
    Authenticate = "etcdserverpb.Auth" / "Authenticate",
    AuthEnable = "etcdserverpb.Auth" / "AuthEnable",
    AuthDisable = "etcdserverpb.Auth" / "AuthDisable",
    UserAdd = "etcdserverpb.Auth" / "UserAdd",
    UserGet = "etcdserverpb.Auth" / "UserGet",
    UserList = "etcdserverpb.Auth" / "UserList",
    UserDelete = "etcdserverpb.Auth" / "UserDelete",
    UserChangePassword = "etcdserverpb.Auth" / "UserChangePassword",
    UserGrantRole = "etcdserverpb.Auth" / "UserGrantRole",
    UserRevokeRole = "etcdserverpb.Auth" / "UserRevokeRole",
    RoleAdd = "etcdserverpb.Auth" / "RoleAdd",
    RoleGet = "etcdserverpb.Auth" / "RoleGet",
    RoleList = "etcdserverpb.Auth" / "RoleList",
    RoleDelete = "etcdserverpb.Auth" / "RoleDelete",
    RoleGrantPermission = "etcdserverpb.Auth" / "RoleGrantPermission",
    RoleRevokePermission = "etcdserverpb.Auth" / "RoleRevokePermission",
    Lock = "v3lockpb.Lock" / "Lock",
    Unlock = "v3lockpb.Lock" / "Unlock",
    Campaign = "v3electionpb.Election" / "Campaign",
    Proclaim = "v3electionpb.Election" / "Proclaim",
    Leader = "v3electionpb.Election" / "Leader",
    Observe = "v3electionpb.Election" / "Observe",
    Resign = "v3electionpb.Election" / "Resign",
    HealthCheck = "grpc.health.v1.Health" / "Check",
    HealthWatch = "grpc.health.v1.Health" / "Watch",
}

const METHODS: usize = Method::ALL.len();
/// gRPC's codes are 0 to 16.
const CODES: usize = 17;

/// What one front end has counted since it started.
pub(crate) struct Counters {
    handled: [[AtomicU64; CODES]; METHODS],
    received_len_bytes: AtomicU64,
    sent_len_bytes: AtomicU64,
    watch_streams: AtomicI64,
    watchers: AtomicI64,
    failed_writes: AtomicU64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Counters {
            handled: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            received_len_bytes: AtomicU64::new(0),
            sent_len_bytes: AtomicU64::new(0),
            watch_streams: AtomicI64::new(0),
            watchers: AtomicI64::new(0),
            failed_writes: AtomicU64::new(0),
        }
    }

    /// A call ended.
    pub(crate) fn handled(&self, method: Method, code: Code) {
        self.handled[method as usize][code as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes came from a client.
    pub(crate) fn received(&self, len_bytes: u64) {
        self.received_len_bytes.fetch_add(len_bytes, Ordering::Relaxed);
    }

    /// Bytes went to a client.
    pub(crate) fn sent(&self, len_bytes: usize) {
        self.sent_len_bytes.fetch_add(len_bytes as u64, Ordering::Relaxed);
    }

    /// A write got no outcome.
    pub(crate) fn write_failed(&self) {
        self.failed_writes.fetch_add(1, Ordering::Relaxed);
    }

    /// So many more watch streams are open.
    pub(crate) fn add_watch_streams(&self, change: i64) {
        self.watch_streams.fetch_add(change, Ordering::Relaxed);
    }

    /// So many more watchers exist.
    pub(crate) fn add_watchers(&self, change: i64) {
        self.watchers.fetch_add(change, Ordering::Relaxed);
    }

    /// What ended how often, without what never did.
    pub(crate) fn all_handled(&self) -> impl Iterator<Item = (Method, Code, u64)> + '_ {
        Method::ALL.iter().zip(&self.handled).flat_map(|(method, codes)| {
            codes.iter().enumerate().filter_map(|(code, count)| {
                let count = count.load(Ordering::Relaxed);
                (count > 0).then(|| (*method, Code::from_i32(code as i32), count))
            })
        })
    }

    /// Bytes received and sent in messages.
    pub(crate) fn traffic_len_bytes(&self) -> (u64, u64) {
        (self.received_len_bytes.load(Ordering::Relaxed), self.sent_len_bytes.load(Ordering::Relaxed))
    }

    /// Open watch streams, and watchers.
    pub(crate) fn watching(&self) -> (i64, i64) {
        (self.watch_streams.load(Ordering::Relaxed), self.watchers.load(Ordering::Relaxed))
    }

    /// Writes without an outcome.
    pub(crate) fn failed_writes(&self) -> u64 {
        self.failed_writes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counters, Method};
    use tonic::Code;

    #[test]
    fn every_method_is_found_by_its_path() {
        for method in Method::ALL {
            assert_eq!(Method::of(&format!("/{}/{}", method.service(), method.name())), Some(*method));
        }
        assert_eq!(Method::of("/etcdserverpb.KV/Get"), None);
        assert_eq!(Method::of(""), None);
    }

    #[test]
    fn calls_are_counted_by_method_and_code() {
        let counters = Counters::new();
        counters.handled(Method::Put, Code::Ok);
        counters.handled(Method::Put, Code::Ok);
        counters.handled(Method::HealthWatch, Code::Unauthenticated);
        let all: Vec<_> = counters.all_handled().collect();
        assert_eq!(all, [(Method::Put, Code::Ok, 2), (Method::HealthWatch, Code::Unauthenticated, 1)]);
    }
}
