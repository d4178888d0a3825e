//! What a run's explanations hold, whatever its words are.

use quorate_consensus::raft::Role;
use quorate_sim::scenario::{
    Bounds, DiskSettings, Fault, FaultKind, NetworkSettings, Operation, Scenario, Settings, Target,
};
use quorate_sim::trace::{Actor, CallOutcome, Event, Story, What};
use quorate_sim::{Invariant, Violation, explain};
use quorate_types::{LogIndex, NodeId, Term, Time};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Ends every element, comment and string that it could stand in, and steers a terminal.
const HOSTILE: &str = "</script><!--\"'><b onclick=\"x\">&amp;\\u003c\u{2028}\u{1b}[31m\u{202e}\nline\r\u{0}";

fn scenario() -> Scenario {
    let operation =
        |at_us| Operation { at_us, client: 1, node: 1, call: quorate_sim::scenario::Call::WatchProgress };
    Scenario {
        format: 1,
        note: HOSTILE.to_owned(),
        mistake: Some(HOSTILE.to_owned()),
        nodes: 3,
        noise: 1,
        faulty_ms: 50,
        healing_ms: 70,
        core: vec![1, 2],
        settings: settings(),
        faults: vec![
            Fault { at_us: 10, for_us: 20, kind: FaultKind::Pause { target: Target::Leader } },
            Fault { at_us: 11, for_us: 0, kind: FaultKind::Transfer { to: 2 } },
        ],
        operations: vec![operation(1), operation(2)],
    }
}

fn settings() -> Settings {
    Settings {
        heartbeat_ms: 15,
        election_min_ms: 60,
        election_max_ms: 120,
        disk_stall_ms: 500,
        lease_reads_ppm: None,
        network: NetworkSettings {
            base_us: 400,
            jitter_us: 500,
            tail_per_mille: 0,
            tail_ms: 0,
            loss_per_mille: 0,
            duplicate_per_mille: 0,
            regions: Vec::new(),
            region_us: 0,
        },
        disk: DiskSettings { sync_max_us: 700, segment_kib: 64, persist_every_ms: 50, max_batch: 16 },
        apply_max_us: 500,
        bounds: Bounds {
            append_bytes: 1,
            inflight_appends: 1,
            inflight_bytes: 1,
            uncommitted_bytes: 1,
            pending_reads: 1,
            apply_bytes: 1,
            apply_entries: 1,
            unapplied_bytes: 1,
            log_tail_bytes: 1,
            log_tail_entries: 1,
            snapshot_retry_ms: 1,
        },
        clocks: Vec::new(),
        first_index: 1,
        snapshot_piece_bytes: 1,
        watch_window_bytes: 1,

        value_bytes: 0,
    }
}

/// One event of every kind, each with words that come from elsewhere.
fn every_kind(words: &str) -> Vec<Event> {
    let words = || words.to_owned();
    let (node, client) = (Actor::Node(NodeId(1)), Actor::Client(u64::MAX));
    let sent =
        |message, kind| What::Sent { message, to: NodeId(2), kind, term: Term(u64::MAX), words: words() };
    let mut all = vec![
        (node, What::Started { words: words() }),
        (node, What::Became { role: Role::PreCandidate, term: Term(1), leader: None }),
        (node, What::Became { role: Role::Leader, term: Term(2), leader: Some(NodeId(1)) }),
        (node, sent(1, "Append")),
        (Actor::Node(NodeId(2)), What::Delivered { message: 1, from: NodeId(1) }),
        (Actor::Node(NodeId(2)), What::Delivered { message: 1, from: NodeId(1) }),
        (node, sent(u64::MAX, "Vote")),
        (Actor::Node(NodeId(2)), What::Lost { message: u64::MAX, why: "cut" }),
        (Actor::Node(NodeId(2)), What::Delivered { message: 77, from: NodeId(9) }),
        (node, What::Persisted { last: LogIndex(7) }),
        (node, What::Applied { index: LogIndex(7), term: Term(2) }),
        (node, What::Installed { index: LogIndex(9) }),
        (Actor::World, What::FaultBegan { fault: 0, words: words() }),
        (Actor::World, What::FaultEnded { fault: 0 }),
        (Actor::World, What::FaultBegan { fault: 1, words: String::new() }),
        (Actor::World, What::FaultBegan { fault: 99, words: words() }),
        (node, What::Crashed { how: "power" }),
        (node, What::Refused { words: words() }),
        (Actor::World, What::Note { words: words() }),
    ];
    for (operation, outcome) in
        [CallOutcome::Done, CallOutcome::Failed, CallOutcome::Unknown].into_iter().enumerate()
    {
        all.push((client, What::Invoked { operation, words: words() }));
        all.push((client, What::Returned { operation, outcome, words: words() }));
    }
    all.into_iter()
        .enumerate()
        .map(|(at, (actor, what))| Event { at: Time(at as u64 * 1_000_000), actor, what })
        .collect()
}

/// Explains a run that broke a promise in its last moment.
fn explained(events: &[Event], words: &str) -> (String, String) {
    let scenario = scenario();
    let at = events.last().map_or(Time(0), |event| event.at);
    let violation = Violation { invariant: Invariant::ElectionSafety, words: words.to_owned(), at };
    let marks = BTreeMap::from([("a <mark>", 3)]);
    let command = "quorate sim --scenario 'a<b>.toml'";
    let story = Story { scenario: &scenario, violation: Some(&violation), events, command, marks: &marks };
    (explain::text(&story), explain::html(&story))
}

/// The text of the element that holds the data.
fn data(page: &str) -> &str {
    let start = page.find("id=\"data\">").expect("the page has data") + "id=\"data\">".len();
    let end = page[start..].find("</script>").expect("the element ends");
    &page[start..start + end]
}

#[test]
fn a_page_asks_nobody_for_anything() {
    let (_, page) = explained(&every_kind("calm"), "calm");
    for asks in [
        "http:", "https:", "src=", "href=", "url(", "@import", "<link", "<img", "<iframe", "fetch(",
        "XMLHttp", "import(",
    ] {
        assert!(!page.contains(asks), "the page has {asks}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn words_of_a_run_never_become_markup() {
    let (_, calm) = explained(&every_kind("calm"), "calm");
    let (_, page) = explained(&every_kind(HOSTILE), HOSTILE);
    let tags = |page: &str| {
        let opened = page.replace(data(page), "");
        ["<script", "</script", "<b", "<!--", "onclick"].map(|tag| opened.matches(tag).count())
    };
    // What is hostile is text, so it may name `onclick`, but opens and ends nothing.
    assert_eq!(tags(&page)[..4], tags(&calm)[..4]);
    assert!(!data(&page).contains('<'));
    assert!(page.contains("&lt;/script&gt;&lt;!--&quot;&#39;&gt;&lt;b onclick=&quot;x&quot;&gt;&amp;amp;"));
    assert!(page.contains("&#39;a&lt;b&gt;.toml&#39;"), "the command stands in the page");
}

#[test]
fn every_event_is_in_the_data() {
    let events = every_kind(HOSTILE);
    let (_, page) = explained(&events, HOSTILE);
    let json: Value = serde_json::from_str(data(&page)).expect("the data is JSON");
    let rows = json["events"].as_array().expect("a list of events");
    assert_eq!(rows.len(), events.len());
    let kinds: BTreeSet<u64> = rows.iter().map(|row| row[2].as_u64().expect("a kind")).collect();
    assert_eq!(kinds, (0..15).collect(), "each kind has a number of its own");
    for (row, event) in rows.iter().zip(&events) {
        assert_eq!(row[0].as_u64(), Some(event.at.0));
        let lane = row[1].as_u64().expect("a lane") as usize;
        assert_eq!(json["lanes"][lane][0].as_str(), Some(event.actor.to_string().as_str()));
    }
    assert_eq!(rows[0][3].as_str(), Some(HOSTILE), "words arrive as they were");
    assert_eq!(rows[6][3].as_str(), Some(u64::MAX.to_string().as_str()), "no number loses digits");
    assert_eq!(json["violation"]["words"].as_str(), Some(HOSTILE));
    assert_eq!(json["left_out"], 0);
}

#[test]
fn a_fault_strikes_the_lanes_that_it_is_about() {
    let (_, page) = explained(&every_kind("calm"), "calm");
    let json: Value = serde_json::from_str(data(&page)).expect("the data is JSON");
    let faults = json["faults"].as_array().expect("a list of faults");
    let lane = |at: usize| {
        faults[at]["lanes"]
            .as_array()
            .expect("lanes")
            .iter()
            .map(|lane| json["lanes"][lane.as_u64().expect("a lane") as usize][0].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(faults.len(), 3);
    assert_eq!(lane(0), ["node 1"], "who leads then");
    assert_eq!(faults[0]["until"], 13_000_000, "when it ended, not when it should have");
    assert_eq!(lane(1), ["node 2"]);
    assert!(faults[1]["until"].is_null(), "over at once");
    assert_eq!(faults[1]["words"], "an operator hands the leadership to node 2");
    assert!(lane(2).is_empty(), "a fault that the scenario does not know");
}

#[test]
fn the_text_tells_promise_command_and_size() {
    let (text, _) = explained(&every_kind("calm words"), "two leaders");
    for told in [
        "a term has at most one leader",
        "two leaders",
        "at 24.000ms, while faults may strike",
        "quorate sim --scenario 'a<b>.toml'",
        "3 nodes, 2 faults, 2 operations; 50 ms under faults, then 70 ms healed",
        "0.010ms to 0.030ms  the process of the leader stops and goes on later",
        "at 0.011ms          an operator hands the leadership to node 2",
        "refuses to start: calm words",
        "gets #1 from node 1: Append in term",
        "is lost (cut): Vote in term",
    ] {
        assert!(text.contains(told), "{told} is missing in:\n{text}");
    }
}

#[test]
fn the_text_of_a_long_run_is_short_and_says_what_it_leaves_out() {
    let mut events = every_kind(HOSTILE);
    let heartbeats = (0..5000).map(|at| Event {
        at: Time(100_000_000 + at),
        actor: Actor::Node(NodeId(1)),
        what: What::Sent {
            message: 1000 + at,
            to: NodeId(2),
            kind: "Heartbeat",
            term: Term(2),
            words: String::new(),
        },
    });
    events.extend(heartbeats);
    let (text, _) = explained(&events, &HOSTILE.repeat(100));
    assert!(text.lines().count() <= 70, "{} lines", text.lines().count());
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "nothing steers the terminal");
    assert!(text.contains("crashes: power"), "what changed the cluster stays however long ago");
    let events_at = text.find("\nevents").expect("a list of events");
    let rows: Vec<&str> = text[events_at..].lines().skip(2).collect();
    let skipped = |row: &&str| {
        row.split_whitespace()
            .next()
            .and_then(|word| word.strip_prefix('+'))
            .map_or(0, |count| count.parse::<usize>().expect("a number"))
    };
    let left_out: usize = rows.iter().map(skipped).sum();
    assert_eq!(rows.len() - 1 + left_out, events.len(), "shown and left out together are all");
}

#[test]
fn a_run_that_held_or_kept_nothing_is_explained_too() {
    let (scenario, marks) = (scenario(), BTreeMap::new());
    let story = Story { scenario: &scenario, violation: None, events: &[], command: "again", marks: &marks };
    let (text, page) = (explain::text(&story), explain::html(&story));
    assert!(text.contains("no promise was found broken") && text.contains("none were kept"));
    let json: Value = serde_json::from_str(data(&page)).expect("the data is JSON");
    assert!(json["violation"].is_null());
    assert_eq!(json["lanes"].as_array().map(Vec::len), Some(4), "the world and the scenario's nodes");
}

#[test]
fn the_same_run_is_explained_in_the_same_bytes() {
    let events = every_kind(HOSTILE);
    assert_eq!(explained(&events, HOSTILE), explained(&events, HOSTILE));
}
