//! `/metrics`: Prometheus' text format, with etcd's names where we count the same thing.
//!
//! What etcd has one of and we have one per keyspace is given for the default keyspace under etcd's name, and for all of
//! them, with a label, under a name of our own.

use crate::grpc::Code;
use crate::server::{Served, Server};
use quorate_consensus::raft::Role;
use std::fmt::{Display, Write};
use std::fs;

/// The text under construction.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, "", value);
    }
}

/// Everything, as of now.
pub(super) fn metrics(server: &Server) -> String {
    let mut text = Text(String::with_capacity(8 << 10));
    raft(&mut text, server.default_keyspace());
    store(&mut text, server);
    log(&mut text, server);
    keyspaces(&mut text, server);
    calls(&mut text, server);
    process(&mut text);
    text.0
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
    text.gauge("etcd_debugging_mvcc_keys_total", "Keys.", view.key_count());
    text.gauge("etcd_debugging_mvcc_current_revision", "The newest revision.", view.revision());
    text.gauge("etcd_debugging_mvcc_compact_revision", "The oldest readable revision.", view.compacted());
    text.gauge("etcd_debugging_mvcc_watcher_total", "Watchers of clients of this member.", watchers);
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
    use super::{Text, code_name, resident_len_bytes};
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

    #[test]
    fn text_format() {
        let mut text = Text(String::new());
        text.gauge("a", "What.", 1);
        text.sample("b", "{c=\"d\"}", 2);
        assert_eq!(text.0, "# HELP a What.\n# TYPE a gauge\na 1\nb{c=\"d\"} 2\n");
    }
}
