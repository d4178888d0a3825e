//! What is drawn from seeds: everything occurs, nothing is beyond its budget, and wishes are kept.

use quorate_consensus::raft::Config;
use quorate_node::CHECKPOINT_INTERVAL;
use quorate_sim::Scenario;
use quorate_sim::draw::{FaultClass, Wishes, Workload, draw, partition_links};
use quorate_sim::scenario::{Call, Fault, FaultKind, Link, Shape, Target};
use quorate_types::{NodeId, Rng};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Enough for every rare choice to be met.
const SEEDS: u64 = 500;

fn scenarios() -> impl Iterator<Item = Scenario> {
    (0..SEEDS).map(|seed| draw(seed, &Wishes::default()))
}

fn only<const N: usize>(faults: [FaultClass; N]) -> Wishes {
    Wishes { faults: faults.into(), ..Wishes::default() }
}

fn classes(scenario: &Scenario) -> BTreeSet<FaultClass> {
    scenario.faults.iter().map(|fault| FaultClass::of(&fault.kind)).collect()
}

/// Whom a fault strikes, if it strikes one node.
fn target(kind: &FaultKind) -> Option<Target> {
    match kind {
        FaultKind::Isolate { target, .. }
        | FaultKind::Crash { target, .. }
        | FaultKind::Pause { target }
        | FaultKind::SlowDisk { target, .. }
        | FaultKind::FailSync { target }
        | FaultKind::FullDisk { target }
        | FaultKind::MisdirectedWrite { target, .. }
        | FaultKind::FlipBit { target, .. }
        | FaultKind::LatentSectorError { target, .. }
        | FaultKind::Wipe { target, .. }
        | FaultKind::FailTables { target }
        | FaultKind::ClockJump { target, .. }
        | FaultKind::ClockDrift { target, .. }
        | FaultKind::ClockStrobe { target, .. } => Some(*target),
        FaultKind::Transfer { to } => Some(Target::Node(*to)),
        FaultKind::Cut { .. } | FaultKind::Clog { .. } | FaultKind::Degrade { .. } => None,
    }
}

fn links(kind: &FaultKind) -> &[Link] {
    match kind {
        FaultKind::Cut { links, .. } | FaultKind::Clog { links } => links,
        _ => &[],
    }
}

fn config(scenario: &Scenario) -> Config {
    let (settings, bounds) = (&scenario.settings, &scenario.settings.bounds);
    Config {
        election_timeout_min: Duration::from_millis(settings.election_min_ms),
        election_timeout_max: Duration::from_millis(settings.election_max_ms),
        heartbeat_interval: Duration::from_millis(settings.heartbeat_ms),
        max_append_bytes: bounds.append_bytes as usize,
        max_inflight_appends: bounds.inflight_appends as usize,
        max_inflight_bytes: bounds.inflight_bytes as usize,
        max_uncommitted_bytes: bounds.uncommitted_bytes as usize,
        max_pending_reads: bounds.pending_reads as usize,
        max_apply_bytes: bounds.apply_bytes as usize,
        max_apply_entries: bounds.apply_entries as usize,
        max_unapplied_bytes: bounds.unapplied_bytes as usize,
        max_log_tail_bytes: bounds.log_tail_bytes as usize,
        max_log_tail_entries: bounds.log_tail_entries as usize,
        snapshot_retry: Duration::from_millis(bounds.snapshot_retry_ms),
        lease_reads: settings.lease_reads_ppm,
        disk_stall_timeout: Duration::from_millis(settings.disk_stall_ms),
        ..Config::new(NodeId(1))
    }
}

#[test]
fn the_same_seed_and_wishes_give_the_same_scenario_and_another_seed_another() {
    for seed in [0, 1, 17, u64::MAX] {
        let first = draw(seed, &Wishes::default());
        assert_eq!(first, draw(seed, &Wishes::default()));
        assert_ne!(first, draw(seed ^ 1, &Wishes::default()));
    }
}

#[test]
fn what_is_drawn_can_be_saved_and_read_again() {
    for scenario in scenarios().take(40) {
        let json = serde_json::to_string(&scenario).unwrap();
        assert_eq!(serde_json::from_str::<Scenario>(&json).unwrap(), scenario);
        let text = toml::to_string(&scenario).unwrap();
        assert_eq!(toml::from_str::<Scenario>(&text).unwrap(), scenario);
    }
}

#[test]
fn every_class_of_faults_occurs_also_alone_and_some_runs_are_calm() {
    let (mut met, mut alone, mut calm, mut most) = (BTreeSet::new(), BTreeSet::new(), 0, 0);
    for scenario in scenarios() {
        let classes = classes(&scenario);
        most = most.max(classes.len());
        match classes.len() {
            0 => calm += 1,
            1 => alone.extend(classes.iter().copied()),
            _ => {}
        }
        met.extend(classes);
    }
    assert_eq!(met, FaultClass::ALL.into());
    assert_eq!(alone, FaultClass::ALL.into());
    assert!(calm > 0 && most >= 10, "{calm} calm runs, {most} classes at once");
}

#[test]
fn every_kind_of_fault_shape_and_target_occurs() {
    let (mut kinds, mut leader, mut at_once, mut beyond) = (BTreeSet::new(), 0, 0, 0);
    for scenario in scenarios() {
        let faulty_us = 1_000 * scenario.faulty_ms;
        for Fault { at_us, for_us, kind } in &scenario.faults {
            let json = serde_json::to_value(kind).unwrap();
            let part = |name: &str| json.get(name).map(ToString::to_string).unwrap_or_default();
            kinds.insert([part("fault"), part("shape"), part("direction"), part("what")].concat());
            leader += u64::from(target(kind) == Some(Target::Leader));
            beyond += u64::from(at_us + for_us > faulty_us);
        }
        let crashed: BTreeMap<u64, usize> = scenario
            .faults
            .iter()
            .filter(|fault| matches!(fault.kind, FaultKind::Crash { .. }))
            .fold(BTreeMap::new(), |mut at, fault| {
                *at.entry(fault.at_us).or_default() += 1;
                at
            });
        at_once += u64::from(scenario.nodes > 1 && crashed.values().any(|n| *n == scenario.nodes as usize));
    }
    // Seven shapes of cuts, three directions, three things that are wiped, and fifteen other kinds.
    assert_eq!(kinds.len(), 7 + 3 + 3 + 15, "{kinds:?}");
    assert!(leader > 100 && beyond > 100 && at_once > 5, "{leader} {beyond} {at_once}");
}

#[test]
fn every_workload_occurs_also_alone_and_brings_only_its_own_calls() {
    let calls_of = |workload| -> &[&str] {
        match workload {
            Workload::Register => &["get", "get-local", "put"],
            Workload::CompareAndSet => &["compare-and-set", "get", "put"],
            Workload::Transactions => &["transact"],
            Workload::Counters => &["increment"],
            Workload::Leases => &["grant", "renew", "revoke"],
            Workload::Locks => &["lock", "unlock"],
            Workload::Watches => &["watch", "watch-progress", "put"],
            Workload::Compaction => &["compact", "put", "get-local"],
            Workload::Deletes => &["delete", "put", "get"],
        }
    };
    let names = |scenario: &Scenario| -> BTreeSet<String> {
        let name = |call: &Call| serde_json::to_value(call).unwrap()["call"].as_str().unwrap().to_owned();
        scenario.operations.iter().map(|operation| name(&operation.call)).collect()
    };
    for workload in Workload::ALL {
        let wishes = Wishes { workloads: [workload].into(), ..Wishes::default() };
        let met: BTreeSet<String> = (0..10).flat_map(|seed| names(&draw(seed, &wishes))).collect();
        assert_eq!(met, calls_of(workload).iter().map(ToString::to_string).collect(), "{workload:?}");
    }
    let all: Vec<_> = scenarios().take(150).map(|scenario| names(&scenario)).collect();
    for workload in Workload::ALL {
        let own: BTreeSet<String> = calls_of(workload).iter().map(ToString::to_string).collect();
        assert!(all.contains(&own), "{workload:?} is never alone");
        assert!(all.iter().any(|names| own.is_subset(names) && *names != own), "{workload:?} is never mixed");
    }
}

#[test]
fn disks_are_harmed_only_outside_the_core_and_the_core_is_a_quorum() {
    let (mut harmed_runs, mut bare, mut whole) = (0, 0, 0);
    for seed in 0..2_000 {
        let scenario = draw(seed, &Wishes::default());
        let quorum = scenario.nodes / 2 + 1;
        let core: BTreeSet<u64> = scenario.core.iter().copied().collect();
        assert_eq!(
            core.iter().copied().collect::<Vec<_>>(),
            scenario.core,
            "seed {seed}: in order, no two alike"
        );
        assert!(core.len() as u64 >= quorum, "seed {seed}");
        assert!(core.iter().all(|id| (1..=scenario.nodes).contains(id)), "seed {seed}");
        let mut harmed = BTreeSet::new();
        for fault in &scenario.faults {
            if FaultClass::of(&fault.kind).harms_disks() {
                let Some(Target::Node(id)) = target(&fault.kind) else { panic!("seed {seed}: {fault:?}") };
                harmed.insert(id);
            }
        }
        assert!(harmed.is_disjoint(&core), "seed {seed}: {harmed:?} and {core:?}");
        harmed_runs += u64::from(!harmed.is_empty());
        whole += u64::from(core.len() as u64 == scenario.nodes);
        bare += u64::from(harmed.is_empty() && scenario.nodes > 1 && core.len() as u64 == quorum);
    }
    assert!(harmed_runs > 200 && bare > 100 && whole > 500, "{harmed_runs} {bare} {whole}");
}

#[test]
fn every_configuration_is_valid_and_fits_its_network_and_disk() {
    let (mut sizes, mut checkpoints, mut leases) = (BTreeMap::new(), 0, 0);
    for scenario in scenarios() {
        let settings = &scenario.settings;
        assert_eq!(config(&scenario).validate(), Ok(()), "{}", scenario.note);
        let network = &settings.network;
        let far = network.regions.iter().max().unwrap_or(&0) - network.regions.iter().min().unwrap_or(&0);
        let slowest_us = network.base_us + network.jitter_us + network.region_us * far * 3 / 2;
        assert!(4 * slowest_us < 1_000 * settings.election_min_ms, "{}", scenario.note);
        assert!([0, scenario.nodes as usize].contains(&network.regions.len()), "{}", scenario.note);
        assert!(settings.disk.sync_max_us <= 250 * settings.disk_stall_ms, "{}", scenario.note);
        assert!(
            (8..=128).contains(&settings.disk.segment_kib) && (1..=16).contains(&settings.disk.max_batch)
        );
        assert!(settings.snapshot_piece_bytes >= 100 && settings.watch_window_bytes >= 512);
        let first = settings.first_index;
        assert!(first == 0 || (CHECKPOINT_INTERVAL - 60..CHECKPOINT_INTERVAL).contains(&first), "{first}");
        assert!(scenario.noise < 1 << 63 && scenario.healing_ms >= 6_000 && scenario.faulty_ms >= 1_500);
        *sizes.entry(scenario.nodes).or_insert(0) += 1;
        checkpoints += u64::from(first > 0);
        leases += u64::from(settings.lease_reads_ppm.is_some());
    }
    assert_eq!(sizes.keys().copied().collect::<Vec<_>>(), [1, 3, 5, 7]);
    assert!(sizes[&3] > SEEDS / 2 && sizes[&5] > SEEDS / 6 && sizes[&1] < SEEDS / 10, "{sizes:?}");
    assert!((SEEDS / 3..SEEDS * 2 / 3).contains(&checkpoints) && (SEEDS / 5..SEEDS / 2).contains(&leases));
}

#[test]
fn clocks_that_are_trusted_keep_to_it_and_no_clock_goes_below_zero() {
    let wishes = only([FaultClass::Clock]);
    for scenario in (0..SEEDS).map(|seed| draw(seed, &wishes)) {
        let settings = &scenario.settings;
        assert_eq!(settings.clocks.len() as u64, scenario.nodes);
        assert!(settings.clocks.iter().all(|clock| (1_000..=100_000).contains(&clock.offset_ms)));
        let (mut back_ms, mut drift_ppm) = (0, BTreeMap::new());
        for fault in &scenario.faults {
            match fault.kind {
                FaultKind::ClockJump { by_ms, .. } => back_ms += (-by_ms).max(0),
                FaultKind::ClockStrobe { by_ms, .. } => back_ms += (-by_ms).max(0),
                FaultKind::ClockDrift { ppm, target: Target::Node(id) } => {
                    *drift_ppm.entry(id).or_insert(0) += ppm.abs();
                }
                _ => assert!(settings.lease_reads_ppm.is_none(), "{}", scenario.note),
            }
        }
        let Some(trusted) = settings.lease_reads_ppm else {
            let least = settings.clocks.iter().map(|clock| clock.offset_ms as i64).min().unwrap();
            assert!(back_ms < least, "{}", scenario.note);
            continue;
        };
        assert!(scenario.faults.iter().all(|fault| matches!(fault.kind, FaultKind::ClockDrift { .. })));
        for (id, clock) in (1..).zip(&settings.clocks) {
            let all = clock.drift_ppm.abs() + drift_ppm.get(&id).copied().unwrap_or(0);
            assert!(2 * all <= i64::from(trusted), "{}: {all} of {trusted}", scenario.note);
        }
    }
}

#[test]
fn faults_and_operations_are_in_order_within_the_phase_and_about_nodes_that_exist() {
    let in_order =
        |times: Vec<u64>, faulty_us| times.is_sorted() && times.iter().all(|at_us| *at_us < faulty_us);
    for scenario in scenarios() {
        let (nodes, faulty_us) = (1..=scenario.nodes, 1_000 * scenario.faulty_ms);
        assert!(in_order(scenario.faults.iter().map(|fault| fault.at_us).collect(), faulty_us));
        assert!(in_order(scenario.operations.iter().map(|operation| operation.at_us).collect(), faulty_us));
        assert!(scenario.operations.iter().all(|operation| nodes.contains(&operation.node)));
        assert!(scenario.operations.iter().all(|operation| (1..=8).contains(&operation.client)));
        let count = scenario.operations.len();
        assert!((25..=400).contains(&count), "{}: {count} operations", scenario.note);
        for Fault { kind, .. } in &scenario.faults {
            if let Some(Target::Node(id)) = target(kind) {
                assert!(nodes.contains(&id), "{}: {kind:?}", scenario.note);
            }
            let exist = |(a, b): &Link| nodes.contains(a) && nodes.contains(b) && a != b;
            assert!(links(kind).iter().all(exist), "{}: {kind:?}", scenario.note);
            let is_list = matches!(kind, FaultKind::Cut { .. } | FaultKind::Clog { .. });
            assert_eq!(links(kind).is_empty(), !is_list, "{}: {kind:?}", scenario.note);
        }
    }
}

#[test]
fn values_elements_and_leases_are_used_once_and_conditions_name_earlier_values() {
    for scenario in scenarios() {
        let (mut values, mut elements, mut leases) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for operation in &scenario.operations {
            let is_new = match &operation.call {
                Call::Put { value, .. } => *value > 0 && values.insert(*value),
                Call::CompareAndSet { from, to, .. } => {
                    (*from == 0 || values.contains(from)) && *to > 0 && values.insert(*to)
                }
                Call::Transact { reads, appends } => {
                    let lists: BTreeSet<_> = appends.iter().map(|(list, _)| list).collect();
                    lists.len() == appends.len()
                        && reads.iter().collect::<BTreeSet<_>>().len() == reads.len()
                        && reads.len() + appends.len() > 0
                        && appends.iter().all(|(_, element)| elements.insert(*element))
                }
                Call::Grant { lease, ttl_s } | Call::Lock { lease, ttl_s, .. } => {
                    (1..=3).contains(ttl_s) && leases.insert(*lease)
                }
                Call::Renew { lease } | Call::Revoke { lease } => leases.contains(lease),
                Call::Delete { key, end } => key < end,
                Call::Compact { keep } => *keep <= 50,
                _ => true,
            };
            assert!(is_new, "{}: {operation:?}", scenario.note);
        }
    }
}

#[test]
fn only_what_is_wished_for_is_drawn() {
    for class in FaultClass::ALL {
        for nodes in [1, 2, 3, 4, 6] {
            let wishes = Wishes { nodes: Some(nodes), faulty_ms: Some(700), ..only([class]) };
            let drawn: Vec<Scenario> = (0..12).map(|seed| draw(seed, &wishes)).collect();
            let expected = BTreeSet::from_iter((nodes >= class.least_nodes()).then_some(class));
            assert_eq!(
                drawn.iter().flat_map(classes).collect::<BTreeSet<_>>(),
                expected,
                "{class:?} of {nodes}"
            );
            assert!(drawn.iter().all(|scenario| (scenario.nodes, scenario.faulty_ms) == (nodes, 700)));
        }
    }
    let nothing = Wishes { faults: BTreeSet::new(), workloads: BTreeSet::new(), ..Wishes::default() };
    for scenario in (0..50).map(|seed| draw(seed, &nothing)) {
        assert!(scenario.faults.is_empty() && scenario.operations.is_empty());
        let network = &scenario.settings.network;
        assert_eq!((network.loss_per_mille, network.duplicate_per_mille), (0, 0));
        assert!(scenario.settings.clocks.iter().all(|clock| clock.drift_ppm == 0));
    }
}

#[test]
fn fewer_faults_leave_clients_as_they_were() {
    for seed in 0..50 {
        let (all, none) = (draw(seed, &Wishes::default()), draw(seed, &only([])));
        assert_eq!(all.operations, none.operations, "seed {seed}");
        assert_eq!(all.settings.bounds, none.settings.bounds, "seed {seed}");
    }
}

#[test]
fn names_lead_back_to_what_they_name() {
    for class in FaultClass::ALL {
        assert_eq!(FaultClass::named(class.name()), Some(class));
    }
    for workload in Workload::ALL {
        assert_eq!(Workload::named(workload.name()), Some(workload));
    }
    assert_eq!((FaultClass::named("fire"), Workload::named("")), (None, None));
}

/// Whom each node sees, itself included, and whether links are cut both ways only.
fn seen(ids: &[u64], cut: &[Link]) -> (Vec<BTreeSet<u64>>, bool) {
    let hears = |to: &u64| ids.iter().copied().filter(|from| !cut.contains(&(*from, *to))).collect();
    (ids.iter().map(hears).collect(), cut.iter().all(|(a, b)| cut.contains(&(*b, *a))))
}

/// Draws the shape many times for each number of nodes from `least` on.
fn check_shape(shape: Shape, least: u64, holds: impl Fn(&[u64], &[Link], &[BTreeSet<u64>], bool) -> bool) {
    for nodes in least..=9 {
        let ids: Vec<u64> = (1..=nodes).collect();
        for seed in 0..20 {
            let cut = partition_links(&mut Rng::new(seed), shape, &ids);
            assert!(!cut.is_empty() && cut.is_sorted() && cut.iter().all(|(a, b)| a != b), "{cut:?}");
            assert_eq!(cut.iter().collect::<BTreeSet<_>>().len(), cut.len(), "no link twice: {cut:?}");
            let (seen, both_ways) = seen(&ids, &cut);
            assert!(holds(&ids, &cut, &seen, both_ways), "{shape:?} of {nodes}: {cut:?}");
        }
    }
}

#[test]
fn partitions_keep_what_their_names_promise() {
    let two_sides = |ids: &[u64], seen: &[BTreeSet<u64>], smaller: usize| {
        let sides: BTreeSet<_> = seen.iter().collect();
        sides.len() == 2
            && sides.iter().map(|side| side.len()).sum::<usize>() == ids.len()
            && sides.iter().any(|side| side.len() == smaller)
    };
    check_shape(Shape::Halves, 2, |ids, _, seen, both_ways| {
        let first: BTreeSet<u64> = ids[..ids.len() / 2].iter().copied().collect();
        both_ways && two_sides(ids, seen, ids.len() / 2) && seen[0] == first
    });
    check_shape(Shape::RandomHalves, 2, |ids, _, seen, both_ways| {
        both_ways && two_sides(ids, seen, ids.len() / 2)
    });
    check_shape(Shape::OneNode, 2, |ids, _, seen, both_ways| both_ways && two_sides(ids, seen, 1));
    check_shape(Shape::MajoritiesRing, 3, |ids, _, seen, _| {
        let own = |(id, seen): (&u64, &BTreeSet<u64>)| seen.contains(id) && seen.len() == ids.len() / 2 + 1;
        ids.iter().zip(seen).all(own) && seen.iter().collect::<BTreeSet<_>>().len() == ids.len()
    });
    check_shape(Shape::Bridge, 3, |ids, _, seen, both_ways| {
        let bridges: Vec<u64> =
            ids.iter().zip(seen).filter(|(_, seen)| seen.len() == ids.len()).map(|(id, _)| *id).collect();
        let [bridge] = bridges[..] else { return false };
        let without = |seen: &BTreeSet<u64>| seen.iter().copied().filter(|id| *id != bridge).collect();
        let sides: BTreeSet<BTreeSet<u64>> =
            seen.iter().filter(|seen| seen.len() < ids.len()).map(without).collect();
        both_ways && sides.len() == 2 && sides.iter().map(BTreeSet::len).sum::<usize>() == ids.len() - 1
    });
    check_shape(Shape::OneWay, 2, |ids, cut, _, _| {
        // Who is not heard is never deaf, and no deaf node hears any of them.
        let unheard: BTreeSet<u64> = cut.iter().map(|(from, _)| *from).collect();
        let deaf: BTreeSet<u64> = cut.iter().map(|(_, to)| *to).collect();
        unheard.is_disjoint(&deaf)
            && unheard.len() + deaf.len() == ids.len()
            && cut.len() == unheard.len() * deaf.len()
    });
    check_shape(Shape::Random, 2, |_, cut, _, _| !cut.is_empty());
}

#[test]
fn whatever_is_drawn_can_be_saved_and_read_again() {
    for seed in 0..300 {
        let scenario = draw(seed, &Wishes::default());
        let read = Scenario::from_toml(&scenario.to_toml());
        assert_eq!(read.as_ref().map_err(ToString::to_string), Ok(&scenario), "seed {seed}");
    }
}
