//! Plainer settings.
//!
//! All at once, else each table, else each number. What stays is what the violation needs.

use super::search::Search;
use crate::scenario::{Bounds, ClockSettings, DiskSettings, NetworkSettings, Scenario, Settings};
use toml::{Table, Value};

/// Noise below this is as small as it gets.
const SMALL_NOISE: u64 = 8;
/// The times of elections and stalls depend on one another, so they are tried together before each alone.
const TIMES: [&str; 4] = ["heartbeat_ms", "election_min_ms", "election_max_ms", "disk_stall_ms"];

/// Makes settings plain.
pub(super) fn simplify(search: &mut Search<'_>) {
    let plain = Settings::plain(search.best().nodes);
    if search.best().settings == plain || search.attempt_with(|scenario| scenario.settings = plain.clone()) {
        return;
    }
    let clocks = &plain.clocks;
    let tables: [&dyn Fn(&mut Settings); 4] = [
        &|settings| settings.clocks.clone_from(clocks),
        &|settings| settings.network = NetworkSettings::default(),
        &|settings| settings.disk = DiskSettings::default(),
        &|settings| settings.bounds = Bounds::default(),
    ];
    for make_plain in tables {
        attempt(search, |scenario| make_plain(&mut scenario.settings));
    }
    attempt(search, |scenario| {
        let old = scenario.settings.clone();
        scenario.settings = with_plain(old, |path| TIMES.contains(&path));
    });
    simplify_clocks(search);
    for path in paths(&table(&plain), "") {
        attempt(search, |scenario| {
            let old = scenario.settings.clone();
            scenario.settings = with_plain(old, |candidate| candidate == path);
        });
    }
    // These are absent where they are plain, so they have no path.
    attempt(search, |scenario| scenario.settings.value_bytes = 0);
    attempt(search, |scenario| scenario.settings.lease_reads_ppm = None);
    attempt(search, |scenario| scenario.settings.network.regions.clear());
}

fn simplify_clocks(search: &mut Search<'_>) {
    for position in 0..search.best().settings.clocks.len() {
        let plain = ClockSettings::default();
        let clock = |scenario: &mut Scenario, clock| scenario.settings.clocks[position] = clock;
        if attempt(search, |scenario| clock(scenario, plain)) {
            continue;
        }
        let now = search.best().settings.clocks[position];
        attempt(search, |scenario| clock(scenario, ClockSettings { drift_ppm: 0, ..now }));
        attempt(search, |scenario| clock(scenario, ClockSettings { offset_ms: plain.offset_ms, ..now }));
    }
}

/// Tries the first numbers there are.
pub(super) fn smaller_noise(search: &mut Search<'_>) {
    if search.best().noise >= SMALL_NOISE {
        (0..SMALL_NOISE).any(|noise| attempt(search, |scenario| scenario.noise = noise));
    }
}

/// Runs what differs.
fn attempt(search: &mut Search<'_>, change: impl FnOnce(&mut Scenario)) -> bool {
    let mut candidate = search.best().clone();
    change(&mut candidate);
    candidate != *search.best() && search.attempt(candidate)
}

fn table(settings: &Settings) -> Table {
    Table::try_from(settings).expect("settings are numbers, and tables of them")
}

/// All numbers by their paths: `network.base_us`.
fn paths(table: &Table, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => found.extend(paths(inner, &format!("{prefix}{name}."))),
            Value::Integer(_) => found.push(format!("{prefix}{name}")),
            _ => {}
        }
    }
    found
}

/// The settings with those numbers plain.
fn with_plain(settings: Settings, is_chosen: impl Fn(&str) -> bool) -> Settings {
    let plain = table(&Settings::default());
    let mut mixed = table(&settings);
    for path in paths(&plain, "").iter().filter(|path| is_chosen(path)) {
        match path.split_once('.') {
            None => mixed[path.as_str()] = plain[path.as_str()].clone(),
            Some((outer, inner)) => mixed[outer][inner] = plain[outer][inner].clone(),
        }
    }
    mixed.try_into().unwrap_or(settings)
}
