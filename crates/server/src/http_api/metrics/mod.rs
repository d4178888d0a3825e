//! `/metrics`: Prometheus' text format, with etcd's names where we count the same thing.
//!
//! What etcd has one of and we have one per keyspace is given for the default keyspace under etcd's name, and for all of
//! them, with a label, under a name of our own.

mod text;

use crate::grpc::Code;
use crate::server::{Served, Server};
use quorate_consensus::raft::Role;
use std::fs;
use std::sync::atomic::Ordering;
use text::Text;

/// Everything, as of now.
pub(super) fn metrics(server: &Server) -> String {
    let mut text = Text::new();
    raft(&mut text, server.default_keyspace());
    store(&mut text, server);
    log(&mut text, server);
    keyspaces(&mut text, server);
    calls(&mut text, server);
    durations(&mut text, server);
    process(&mut text);
    text.into_string()
}

fn raft(text: &mut Text, served: &Served) {
    let status = served.status();
    let applied = served.keyspace.local_view().applied().0;
    let flag = u8::from;
    text.gauge("etcd_server_has_leader", "Whether a leader is known.", flag(status.leader.is_some()));
    text.gauge("etcd_server_is_leader", "Whether this member leads.", flag(status.role == Role::Leader));
    text.gauge(
        "etcd_server_is_learner",
        "Whether this member has no vote.",
        flag(status.role == Role::Learner),
    );
    let changes = served.leadership.changes();
    text.counter("etcd_server_leader_changes_seen_total", "New leaders seen.", changes);
    text.gauge(
        "etcd_server_proposals_committed_total",
        "The last committed log position.",
        status.commit.max(applied),
    );
    text.gauge("etcd_server_proposals_applied_total", "The last applied log position.", applied);
    text.gauge(
        "etcd_server_proposals_pending",
        "Requests that wait for an outcome.",
        status.pending_requests,
    );
}

fn store(text: &mut Text, server: &Server) {
    let view = server.default_keyspace().keyspace.local_view();
    let (_, watchers) = server.counters.watching();
    let failed = server.counters.failed_writes();
    let size = view.len_bytes().max(view.live_len_bytes());
    text.counter("etcd_server_proposals_failed_total", "Writes that got no outcome.", failed);
    text.gauge("etcd_mvcc_db_total_size_in_bytes", "Bytes that the tables take.", size);
    let live = view.live_len_bytes();
    text.gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the keys and their newest values.", live);
    let quota = server.handle.quota().len_bytes;
    text.gauge("etcd_server_quota_backend_bytes", "Bytes that a keyspace may use; 0: no bound.", quota);
    text.gauge("etcd_debugging_mvcc_keys_total", "Keys.", view.key_count());
    text.gauge("etcd_debugging_mvcc_current_revision", "The newest revision.", view.revision());
    text.gauge("etcd_debugging_mvcc_compact_revision", "The oldest readable revision.", view.compacted());
    text.gauge("etcd_debugging_mvcc_watcher_total", "Watchers of clients of this member.", watchers);
    let slow = server.default_keyspace().keyspace.slow_watchers();
    text.gauge("etcd_debugging_mvcc_slow_watcher_total", "Watchers that have yet to be sent events.", slow);
}

fn log(text: &mut Text, server: &Server) {
    let log = server.handle.log_counters();
    text.counter("quorate_log_syncs_total", "Syncs of the write-ahead log.", log.syncs);
    text.counter("quorate_log_appended_bytes_total", "Bytes appended to it.", log.appended_len_bytes);
    let failed = u8::from(server.handle.failure().borrow().is_some());
    text.gauge("quorate_node_failed", "Whether this member had to stop serving.", failed);
}

fn keyspaces(text: &mut Text, server: &Server) {
    let mut family = |name: &str, help: &str, value: &dyn Fn(&Served) -> u64| {
        text.family(name, "gauge", help);
        for (keyspace, served) in server.keyspaces() {
            text.sample(name, &format!("{{keyspace=\"{keyspace}\"}}"), value(served));
        }
    };
    let view = |served: &Served| served.keyspace.local_view();
    family("quorate_keyspace_is_leader", "Whether this member leads.", &|served| {
        u64::from(served.status().role == Role::Leader)
    });
    family("quorate_keyspace_term", "Raft's term.", &|served| served.term().0);
    family("quorate_keyspace_applied", "The last applied log position.", &|served| {
        view(served).applied().0.0
    });
    family("quorate_keyspace_keys", "Keys.", &|served| view(served).key_count());
    family("quorate_keyspace_alarms", "Alarms that stand.", &|served| view(served).alarms().len() as u64);
    family("quorate_keyspace_slow_watchers", "Watchers that have yet to be sent events.", &|served| {
        served.keyspace.slow_watchers()
    });
    family("quorate_keyspace_live_bytes", "Bytes of the keys and their newest values.", &|served| {
        view(served).live_len_bytes()
    });
    family("quorate_keyspace_size_bytes", "Bytes that the tables take.", &|served| view(served).len_bytes());
}

fn calls(text: &mut Text, server: &Server) {
    let name = "grpc_server_handled_total";
    text.family(name, "counter", "Calls that ended, by how.");
    for (method, code, count) in server.counters.all_handled() {
        let (service, name_of, kind, code) =
            (method.service(), method.name(), method.kind(), code_name(code));
        let labels = format!(
            "{{grpc_code=\"{code}\",grpc_method=\"{name_of}\",grpc_service=\"{service}\",grpc_type=\"{kind}\"}}"
        );
        text.sample(name, &labels, count);
    }
    let (received, sent) = server.counters.traffic_len_bytes();
    text.counter("etcd_network_client_grpc_received_bytes_total", "Bytes of clients' messages.", received);
    text.counter("etcd_network_client_grpc_sent_bytes_total", "Bytes of messages to clients.", sent);
    let (streams, _) = server.counters.watching();
    text.gauge("quorate_watch_streams", "Open watch streams.", streams);
}

/// Of all keyspaces together.
fn durations(text: &mut Text, server: &Server) {
    let meters = server.handle.meters();
    let name = "etcd_disk_wal_fsync_duration_seconds";
    text.family(name, "histogram", "Writing a batch to the write-ahead log and syncing it.");
    text.histogram(name, "", &meters.log_sync.counted());
    let name = "etcd_disk_backend_commit_duration_seconds";
    text.family(name, "histogram", "Applying a batch of entries and committing it to the tables.");
    text.histogram(name, "", &meters.commit.counted());
    let name = "etcd_network_peer_round_trip_time_seconds";
    text.family(name, "histogram", "From a heartbeat that confirms reads to its answer.");
    for (peer, histogram) in meters.round_trips() {
        text.histogram(name, &format!("To=\"{peer}\""), &histogram.counted());
    }
    let slow = meters.slow_applies.load(Ordering::Relaxed);
    text.counter("etcd_server_slow_apply_total", "Batches that took over 100 ms to apply.", slow);
    let slow = meters.slow_reads.load(Ordering::Relaxed);
    let help = "Linearizable reads that took over 500 ms to confirm.";
    text.counter("etcd_server_slow_read_indexes_total", help, slow);
}

/// The code as Go's gRPC spells it, which dashboards select by.
fn code_name(code: Code) -> String {
    match code {
        Code::Ok => "OK".to_owned(),
        Code::Cancelled => "Canceled".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What the operating system says of this process; left out where it says nothing.
fn process(text: &mut Text) {
    if let Some(len_bytes) =
        fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident_len_bytes)
    {
        text.gauge("process_resident_memory_bytes", "Resident memory.", len_bytes);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        text.gauge("process_open_fds", "Open files and sockets.", files.count());
    }
}

fn resident_len_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::{code_name, resident_len_bytes};
    use crate::grpc::Code;

    #[test]
    fn resident_memory_is_read_from_the_process_status() {
        assert_eq!(resident_len_bytes("VmPeak:\t  9 kB\nVmRSS:\t     12 kB\n"), Some(12_288));
        assert_eq!(resident_len_bytes("Name: x\n"), None);
    }

    #[test]
    fn codes_are_spelled_as_in_go() {
        let names = [Code::Ok, Code::Cancelled, Code::InvalidArgument].map(code_name);
        assert_eq!(names, ["OK", "Canceled", "InvalidArgument"]);
    }
}
