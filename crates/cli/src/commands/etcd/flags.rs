//! etcd's flags, and what each of them means here.

/// What becomes of a flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// `translate` knows what to do with it.
    Own,
    /// `serve` has it, under this name.
    Serve(&'static str),
    /// It is accepted and changes nothing, for this reason.
    Nothing(&'static str),
    /// Only this value is accepted, for this reason.
    Only(&'static str, &'static str),
    /// It is refused, for this reason.
    Refused(&'static str),
}

/// One of etcd's flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Flag {
    /// Without the dashes.
    pub(super) name: &'static str,
    /// It may stand without a value, which means true.
    pub(super) is_switch: bool,
    /// See [`Effect`].
    pub(super) effect: Effect,
}

const fn value(name: &'static str, effect: Effect) -> Flag {
    Flag { name, is_switch: false, effect }
}

const fn switch(name: &'static str, effect: Effect) -> Flag {
    Flag { name, is_switch: true, effect }
}

const NO_DISCOVERY: Effect = Effect::Refused("name all members with --initial-cluster");
const NO_V2: Effect = Effect::Only("false", "there is no v2 API here");
const LOG_IS_OURS: Effect = Effect::Nothing(
    "log lines go to standard error; the variable QUORATE_LOG chooses which, for example QUORATE_LOG=debug",
);
const NO_FILES: Effect =
    Effect::Nothing("the log keeps what followers may need and gives back the rest by itself");
const ALWAYS: Effect = Effect::Nothing("this is always so here");
const NO_PROXY: Effect = Effect::Refused("a node is not a proxy; clients name several endpoints");
const HTTP2_LIMITS: Effect = Effect::Nothing("the limits of HTTP/2 connections are fixed here");
const NO_TUNING: Effect =
    Effect::Nothing("there is nothing to tune: work in the background is bounded by itself");
const NO_AUTH: Effect = Effect::Nothing("users and roles are not built yet");
const TRACES: Effect = Effect::Nothing("traces are not sent from here");

use Effect::{Own, Refused, Serve};

/// All that etcd 3.4 to 3.6 knows, but for names that were experimental and changed.
pub(super) const FLAGS: &[Flag] = &[
    // The member.
    value("name", Own),
    value("data-dir", Own),
    value("wal-dir", Refused("log and tables lie in one directory: --data-dir")),
    value("snapshot-count", NO_FILES),
    value("max-snapshots", NO_FILES),
    value("max-wals", NO_FILES),
    value("heartbeat-interval", Serve("heartbeat-ms")),
    value("election-timeout", Serve("election-ms")),
    switch("initial-election-tick-advance", ALWAYS),
    value("listen-peer-urls", Own),
    value("listen-client-urls", Own),
    value("listen-client-http-urls", Refused("gRPC and HTTP share the port of --listen-client-urls")),
    value("quota-backend-bytes", Serve("quota-backend-bytes")),
    value("backend-batch-interval", NO_TUNING),
    value("backend-batch-limit", NO_TUNING),
    value("backend-bbolt-freelist-type", NO_TUNING),
    value("max-txn-ops", Effect::Only("128", "a transaction has at most 128 operations")),
    value("max-request-bytes", Serve("max-request-bytes")),
    value("max-concurrent-streams", HTTP2_LIMITS),
    value("grpc-keepalive-min-time", HTTP2_LIMITS),
    value("grpc-keepalive-interval", HTTP2_LIMITS),
    value("grpc-keepalive-timeout", HTTP2_LIMITS),
    switch("socket-reuse-port", Effect::Only("false", "each node has its port for itself")),
    switch("socket-reuse-address", ALWAYS),
    // The cluster.
    value("initial-advertise-peer-urls", Own),
    value("initial-cluster", Own),
    value("initial-cluster-state", Own),
    value("initial-cluster-token", Own),
    value("advertise-client-urls", Own),
    value("discovery", NO_DISCOVERY),
    value("discovery-fallback", NO_DISCOVERY),
    value("discovery-proxy", NO_DISCOVERY),
    value("discovery-srv", NO_DISCOVERY),
    value("discovery-srv-name", NO_DISCOVERY),
    value("discovery-token", NO_DISCOVERY),
    value("discovery-endpoints", NO_DISCOVERY),
    switch("strict-reconfig-check", ALWAYS),
    switch("pre-vote", ALWAYS),
    value("auto-compaction-mode", Serve("auto-compaction-mode")),
    value("auto-compaction-retention", Serve("auto-compaction-retention")),
    switch("enable-v2", NO_V2),
    value("v2-deprecation", NO_TUNING),
    switch(
        "force-new-cluster",
        Effect::Only("false", "restore a snapshot instead: quorate snapshot restore --help"),
    ),
    switch("unsafe-no-fsync", Effect::Only("false", "what is acknowledged here is on disk")),
    // Security.
    value("cert-file", Serve("cert-file")),
    value("key-file", Serve("key-file")),
    switch("client-cert-auth", Serve("client-cert-auth")),
    value("client-crl-file", Serve("client-crl-file")),
    value("client-cert-allowed-hostname", Serve("client-cert-allowed-hostname")),
    value("trusted-ca-file", Serve("trusted-ca-file")),
    switch("auto-tls", Serve("auto-tls")),
    value("peer-cert-file", Serve("peer-cert-file")),
    value("peer-key-file", Serve("peer-key-file")),
    switch("peer-client-cert-auth", Serve("peer-client-cert-auth")),
    value("peer-trusted-ca-file", Serve("peer-trusted-ca-file")),
    value("peer-cert-allowed-cn", Serve("peer-cert-allowed-cn")),
    value("peer-cert-allowed-hostname", Serve("peer-cert-allowed-hostname")),
    value("peer-crl-file", Serve("peer-crl-file")),
    switch("peer-auto-tls", Serve("peer-auto-tls")),
    value("self-signed-cert-validity", NO_TUNING),
    value("cipher-suites", Serve("cipher-suites")),
    value("tls-min-version", Serve("tls-min-version")),
    value("tls-max-version", Serve("tls-max-version")),
    value("cors", Effect::Only("*", "the JSON gateway does not restrict origins")),
    value("host-whitelist", Effect::Only("*", "the front end answers by whatever name it is called")),
    value("auth-token", Effect::Only("simple", "users and roles are not built yet")),
    value("auth-token-ttl", NO_AUTH),
    value("bcrypt-cost", NO_AUTH),
    // Logging and profiling.
    value("logger", LOG_IS_OURS),
    value("log-level", LOG_IS_OURS),
    value("log-outputs", LOG_IS_OURS),
    value("log-format", LOG_IS_OURS),
    switch("enable-log-rotation", LOG_IS_OURS),
    value("log-rotation-config-json", LOG_IS_OURS),
    value("log-package-levels", LOG_IS_OURS),
    switch("debug", LOG_IS_OURS),
    switch("enable-pprof", Effect::Only("false", "profile the process from outside, for example with perf")),
    value("metrics", Effect::Nothing("all metrics are at /metrics")),
    value("listen-metrics-urls", Refused("/metrics is on the port of --listen-client-urls")),
    switch("enable-grpc-gateway", ALWAYS),
    switch("enable-distributed-tracing", TRACES),
    value("distributed-tracing-address", TRACES),
    value("distributed-tracing-service-name", TRACES),
    value("distributed-tracing-instance-id", TRACES),
    value("distributed-tracing-sampling-rate", TRACES),
    // What was a proxy once.
    value("proxy", Effect::Only("off", "a node is not a proxy; clients name several endpoints")),
    value("proxy-failure-wait", NO_PROXY),
    value("proxy-refresh-interval", NO_PROXY),
    value("proxy-dial-timeout", NO_PROXY),
    value("proxy-write-timeout", NO_PROXY),
    value("proxy-read-timeout", NO_PROXY),
    // Features.
    switch("initial-corrupt-check", ALWAYS),
    switch("experimental-initial-corrupt-check", ALWAYS),
    value("corrupt-check-time", ALWAYS),
    value("experimental-corrupt-check-time", ALWAYS),
    switch("compact-hash-check-enabled", ALWAYS),
    value("compact-hash-check-time", ALWAYS),
    switch("experimental-compact-hash-check-enabled", ALWAYS),
    value("experimental-compact-hash-check-time", ALWAYS),
    switch("experimental-enable-lease-checkpoint", ALWAYS),
    switch("experimental-enable-lease-checkpoint-persist", ALWAYS),
    value("compaction-batch-limit", NO_TUNING),
    value("compaction-sleep-interval", NO_TUNING),
    value("experimental-compaction-batch-limit", NO_TUNING),
    value("experimental-compaction-sleep-interval", NO_TUNING),
    value("watch-progress-notify-interval", NO_TUNING),
    value("experimental-watch-progress-notify-interval", NO_TUNING),
    value("warning-apply-duration", NO_TUNING),
    value("experimental-warning-apply-duration", NO_TUNING),
    value("warning-unary-request-duration", NO_TUNING),
    value("experimental-warning-unary-request-duration", NO_TUNING),
    value("downgrade-check-time", NO_TUNING),
    value("experimental-downgrade-check-time", NO_TUNING),
    switch("memory-mlock", NO_TUNING),
    switch("experimental-memory-mlock", NO_TUNING),
    switch("experimental-txn-mode-write-with-shared-buffer", NO_TUNING),
    value("bootstrap-defrag-threshold-megabytes", NO_TUNING),
    value("experimental-bootstrap-defrag-threshold-megabytes", NO_TUNING),
    value("max-learners", NO_TUNING),
    value("experimental-max-learners", NO_TUNING),
    value("snapshot-catchup-entries", NO_FILES),
    value("experimental-snapshot-catchup-entries", NO_FILES),
    switch("stop-grpc-service-on-defrag", NO_TUNING),
    switch("experimental-stop-grpc-service-on-defrag", NO_TUNING),
    value("experimental-wait-cluster-ready-timeout", NO_TUNING),
    value("feature-gates", NO_TUNING),
    value(
        "config-file",
        Refused(
            "give its settings as flags or as ETCD_ variables; quorate serve --config reads a file of its own form",
        ),
    ),
];

/// The flag of that name.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

/// The environment variable that sets a flag.
pub(super) fn variable(name: &str) -> String {
    format!("ETCD_{}", name.to_ascii_uppercase().replace('-', "_"))
}
