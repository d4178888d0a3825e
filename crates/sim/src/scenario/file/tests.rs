use super::{BadScenario, Scenario};
use crate::scenario::{
    Call, ClockSettings, Direction, FORMAT, Fault, FaultKind, Operation, Settings, Shape, Target, Wiped,
};

/// One of everything.
fn full() -> Scenario {
    let (all, lost) = (Target::Leader, Target::Node(2));
    let kinds = [
        FaultKind::Cut { shape: Shape::MajoritiesRing, links: vec![(1, 2), (2, 1)] },
        FaultKind::Isolate { target: Target::Node(2), direction: Direction::Out },
        FaultKind::Clog { links: vec![(3, 1)] },
        FaultKind::Degrade { loss_per_mille: 1000, duplicate_per_mille: 0, slow_us: 7 },
        FaultKind::Crash { target: all, after_effects: 4, power: true },
        FaultKind::Crash { target: Target::Node(1), after_effects: 0, power: false },
        FaultKind::Pause { target: all },
        FaultKind::SlowDisk { target: all, extra_us: 9 },
        FaultKind::FailSync { target: all },
        FaultKind::FullDisk { target: all },
        FaultKind::MisdirectedWrite { target: lost, place: i64::MAX.cast_unsigned() },
        FaultKind::FlipBit { target: lost, place: 0 },
        FaultKind::LatentSectorError { target: lost, place: 1 },
        FaultKind::Wipe { target: lost, what: Wiped::Tables },
        FaultKind::FailTables { target: all },
        FaultKind::ClockJump { target: all, by_ms: -5000 },
        FaultKind::ClockDrift { target: all, ppm: -200 },
        FaultKind::ClockStrobe { target: all, by_ms: 12, every_ms: 3 },
        FaultKind::Transfer { to: 3 },
    ];
    let calls = [
        Call::Get { key: 0 },
        Call::GetLocal { key: 1 },
        Call::Put { key: 1, value: 1 },
        Call::CompareAndSet { key: 1, from: 0, to: 2 },
        Call::Transact { reads: vec![], appends: vec![(1, 2), (3, 4)] },
        Call::Increment { counter: 1 },
        Call::Delete { key: 0, end: 3 },
        Call::Grant { lease: 5, ttl_s: 2 },
        Call::Renew { lease: 5 },
        Call::Revoke { lease: 5 },
        Call::Lock { lock: 1, lease: 6, ttl_s: 1 },
        Call::Unlock { lock: 1 },
        Call::Watch { back: 3 },
        Call::WatchProgress,
        Call::Compact { keep: 0 },
    ];
    let mut settings = Settings::plain(3);
    settings.clocks[1] = ClockSettings { offset_ms: 7_000, drift_ppm: -4 };
    settings.network.regions = vec![1, 1, 2];
    settings.bounds.log_tail_entries = 0;
    settings.first_index = 990;
    let fault = |(at, kind)| Fault { at_us: at as u64, for_us: at as u64 % 2, kind };
    let operation = |(at, call)| Operation { at_us: at as u64 / 2, client: 1, node: 1 + at as u64 % 3, call };
    Scenario {
        format: FORMAT,
        note: "a \"note\"\nof two lines".to_owned(),
        mistake: Some("vote-twice".to_owned()),
        nodes: 3,
        noise: i64::MAX.cast_unsigned(),
        faulty_ms: 100,
        healing_ms: 5000,
        core: vec![1, 3],
        settings,
        faults: kinds.into_iter().enumerate().map(fault).collect(),
        operations: calls.into_iter().enumerate().map(operation).collect(),
    }
}

/// The smallest that says anything.
fn small() -> Scenario {
    let put = Call::Put { key: 1, value: 1 };
    let mut scenario = Scenario { note: String::new(), mistake: None, noise: 0, ..full() };
    scenario.settings = Settings::plain(3);
    scenario.faults.truncate(2);
    scenario.operations = vec![Operation { at_us: 10, client: 1, node: 2, call: put }];
    scenario
}

#[test]
fn what_is_written_is_read_as_the_same() {
    for scenario in [full(), small()] {
        let text = scenario.to_toml();
        let read = Scenario::from_toml(&text).unwrap_or_else(|bad| panic!("{bad}\n{text}"));
        assert_eq!(read, scenario, "{text}");
        assert_eq!(read.to_toml(), text);
    }
}

#[test]
fn the_file_is_small() {
    let expect = "\
format = 1
nodes = 3
noise = 0
faulty_ms = 100
healing_ms = 5000
core = [1, 3]
faults = [
  { at_us = 0, fault = \"cut\", shape = \"majorities-ring\", links = [[1, 2], [2, 1]] },
  { at_us = 1, for_us = 1, fault = \"isolate\", target = { node = 2 }, direction = \"out\" },
]
operations = [
  { at_us = 10, client = 1, node = 2, call = \"put\", key = 1, value = 1 },
]
";
    assert_eq!(small().to_toml(), expect);
}

#[test]
fn settings_that_are_left_out_mean_what_they_meant_in_this_format() {
    let expect = "\
heartbeat_ms = 50
election_min_ms = 150
election_max_ms = 300
disk_stall_ms = 600
apply_max_us = 500
clocks = []
first_index = 0
snapshot_piece_bytes = 65536
watch_window_bytes = 1048576

[network]
base_us = 500
jitter_us = 0
tail_per_mille = 0
tail_ms = 0
loss_per_mille = 0
duplicate_per_mille = 0
region_us = 0

[disk]
sync_max_us = 1000
segment_kib = 1024
persist_every_ms = 200
max_batch = 16

[bounds]
append_bytes = 1048576
inflight_appends = 64
inflight_bytes = 16777216
uncommitted_bytes = 67108864
pending_reads = 16384
apply_bytes = 1048576
apply_entries = 4096
unapplied_bytes = 33554432
log_tail_bytes = 33554432
log_tail_entries = 100000
snapshot_retry_ms = 2000
";
    assert_eq!(toml::to_string(&Settings::default()).unwrap(), expect);
}

#[test]
fn a_bad_file_says_where_and_what() {
    let check = |from: &str, to: &str, expect: &[&str]| {
        let text = full().to_toml();
        assert!(text.contains(from), "{from} is not in {text}");
        let bad = Scenario::from_toml(&text.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(expect.iter().all(|part| bad.contains(part)), "{to}: {bad}");
    };
    check("format = 1", "format = 2", &["line 1", "format 1, not 2"]);
    check("format = 1", "form = 1", &["format"]);
    check("nodes = 3", "nodes = 0", &["line 6", "`nodes`", "between 1"]);
    check("nodes = 3", "nodes = 9000000000", &["`nodes`"]);
    check("nodes = 3", "nods = 3", &["line 6", "nods"]);
    check("vote-twice", "vote-thrice", &["vote-thrice", "--list"]);
    check("core = [1, 3]", "core = [1]", &["line 10", "quorum", "at least 2"]);
    check("core = [1, 3]", "core = [1, 1, 2]", &["node 1 is named twice"]);
    check("core = [1, 3]", "core = [1, 4]", &["no node 4"]);
    check("[[1, 2], [2, 1]]", "[[1, 2], [2, 2]]", &["line 12", "fault 0", "itself"]);
    check("[[1, 2], [2, 1]]", "[]", &["fault 0", "no link"]);
    check("{ node = 2 }", "{ node = 4 }", &["line 13", "fault 1", "no node 4"]);
    check("\"leader\"", "\"boss\"", &["boss"]);
    check("after_effects = 4", "after_effect = 4", &["line 16", "fault 4", "`after_effect`"]);
    check("fault = \"pause\"", "fault = \"hang\"", &["hang"]);
    check("target = { node = 2 }, place = 0", "target = { node = 3 }, place = 0", &["fault 11", "core"]);
    check("target = { node = 2 }, place = 0", "target = \"leader\", place = 0", &["fault 11", "fixed node"]);
    check("by_ms = -5000", "by_ms = -7001", &["fault 15", "node 2", "below 0"]);
    check("every_ms = 3", "every_ms = 0", &["fault 17", "0 is not"]);
    check("loss_per_mille = 1000", "loss_per_mille = 1001", &["fault 3", "1001"]);
    check("at_us = 2,", "at_us = 200000,", &["fault 2", "100 ms"]);
    check("at_us = 2,", "at_us = 50,", &["fault 3", "in order"]);
    check("place = 1", "place = 18446744073709551615", &["18446744073709551615"]);
    check("call = \"watch-progress\"", "call = \"watch-progress\", back = 1", &["operation 13", "`back`"]);
    check("client = 1", "client = 0", &["operation 0", "0 is not"]);
    check("to = 2", "to = 1", &["operation 3", "value 1 is used twice"]);
    check("lease = 6", "lease = 5", &["operation 10", "lease 5 is used twice"]);
    check("regions = [1, 1, 2]", "regions = [1, 1]", &["`regions`", "2 entries for 3 nodes"]);
    check("drift_ppm = -4", "drift_ppm = -900000", &["`drift_ppm`", "900000"]);
    check("first_index = 990", "heartbeat_ms = 80", &["election_timeout_min"]);
    check("first_index = 990", "lease_reads_ppm = 3", &["clocks", "3 ppm"]);
    check("first_index = 990", "lease_reads_ppm = 300", &["fault 15", "300 ppm"]);
    check("first_index = 990", "heart_beat_ms = 80", &["heart_beat_ms"]);
}

#[test]
fn settings_may_be_left_out_altogether() {
    let text = "format = 1\nnodes = 5\nnoise = 0\nfaulty_ms = 1\nhealing_ms = 1\ncore = [1, 2, 3]\n";
    let scenario = Scenario::from_toml(text).unwrap();
    assert_eq!(scenario.settings, Settings::plain(5));
    let bad = Scenario::from_toml(&text.replace("[1, 2, 3]", "[1, 2]")).unwrap_err();
    assert!(matches!(bad, BadScenario::Flawed { line: Some(6), .. }), "{bad}");
}
