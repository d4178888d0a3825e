//! Faults in plain words.

use crate::scenario::{Direction, Fault, FaultKind, Link, Shape, Target, Wiped};
use quorate_types::Time;
use std::fmt::Write;

/// Links that are named one by one; of more only the number is said.
const MAX_LINKS: usize = 12;

/// What a fault does, in words.
#[must_use]
pub fn fault_words(kind: &FaultKind) -> String {
    match kind {
        FaultKind::Cut { shape, links } => format!("{} everything ({})", losing(links), shape_words(*shape)),
        FaultKind::Isolate { target, direction } => {
            format!("everything {} {} is lost", way_words(*direction), whom(*target))
        }
        FaultKind::Clog { links } => {
            format!("messages on {} wait, and arrive together afterwards", named(links))
        }
        FaultKind::Degrade { loss_per_mille, duplicate_per_mille, slow_us } => format!(
            "the network loses {loss_per_mille}‰, doubles {duplicate_per_mille}‰, and slows by up to {}",
            micros(*slow_us)
        ),
        FaultKind::Crash { target, after_effects, power } => {
            let what = if *power { "the power" } else { "the process" };
            let verb = if *power { "fails" } else { "ends" };
            format!("{what} of {} {verb} {}", whom(*target), after(*after_effects))
        }
        FaultKind::Pause { target } => format!("the process of {} stops and goes on later", whom(*target)),
        FaultKind::SlowDisk { target, extra_us } => {
            format!("every sync of {} takes {} longer", whom(*target), micros(*extra_us))
        }
        FaultKind::ClockJump { target, by_ms } => {
            let way = if *by_ms < 0 { "back" } else { "forward" };
            format!("the clock of {} jumps {way} by {} ms", whom(*target), by_ms.unsigned_abs())
        }
        FaultKind::ClockDrift { target, ppm } => {
            let way = if *ppm < 0 { "slower" } else { "faster" };
            format!("the clock of {} runs {way} by {} millionths", whom(*target), ppm.unsigned_abs())
        }
        FaultKind::ClockStrobe { target, by_ms, every_ms } => {
            format!("the clock of {} jumps by {by_ms} ms and back every {every_ms} ms", whom(*target))
        }
        FaultKind::Transfer { to } => format!("an operator hands the leadership to node {to}"),
        FaultKind::FailSync { target } => format!("the next sync of the log of {} fails", whom(*target)),
        FaultKind::FullDisk { target } => format!("the disk of {} has no room left", whom(*target)),
        FaultKind::MisdirectedWrite { target, .. } => {
            format!("a write of the log of {} lands elsewhere, then its power fails", whom(*target))
        }
        FaultKind::FlipBit { target, .. } => {
            format!("a bit in the log of {} turns over while it is down", whom(*target))
        }
        FaultKind::LatentSectorError { target, .. } => {
            format!("a sector in the log of {} becomes unreadable while it is down", whom(*target))
        }
        FaultKind::Wipe { target, what } => {
            format!("{} loses {} while it is down", whom(*target), wiped_words(*what))
        }
        FaultKind::FailTables { target } => {
            format!("the next commit of the tables of {} fails", whom(*target))
        }
    }
}

/// When a fault strikes and how long it lasts, then what it is.
pub(super) fn timed_words(fault: &Fault) -> (String, String) {
    let from = Time(fault.at_us.saturating_mul(1000));
    let when = if fault.for_us == 0 {
        format!("at {from}")
    } else {
        let until = Time(fault.at_us.saturating_add(fault.for_us).saturating_mul(1000));
        format!("{from} to {until}")
    };
    (when, fault_words(&fault.kind))
}

/// `node 3`, `the leader`.
fn whom(target: Target) -> String {
    match target {
        Target::Node(id) => format!("node {id}"),
        Target::Leader => "the leader".to_owned(),
    }
}

fn wiped_words(what: Wiped) -> &'static str {
    match what {
        Wiped::All => "everything on its disk",
        Wiped::Log => "its log",
        Wiped::Tables => "its tables",
    }
}

fn way_words(direction: Direction) -> &'static str {
    match direction {
        Direction::Both => "to and from",
        Direction::In => "to",
        Direction::Out => "from",
    }
}

fn after(effects: u64) -> String {
    match effects {
        0 => "at once".to_owned(),
        1 => "after 1 more effect".to_owned(),
        more => format!("after {more} more effects"),
    }
}

fn losing(links: &[Link]) -> String {
    match links.len() {
        1 => format!("{} loses", named(links)),
        _ => format!("{} lose", named(links)),
    }
}

fn named(links: &[Link]) -> String {
    if links.is_empty() {
        return "no links".to_owned();
    }
    let mut words = if links.len() == 1 { "link ".to_owned() } else { "links ".to_owned() };
    for (at, (from, to)) in links.iter().take(MAX_LINKS).enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(words, "{comma}{from}→{to}").expect("a string takes everything");
    }
    if links.len() > MAX_LINKS {
        write!(words, " and {} more", links.len() - MAX_LINKS).expect("a string takes everything");
    }
    words
}

fn shape_words(shape: Shape) -> &'static str {
    match shape {
        Shape::Halves => "halves",
        Shape::RandomHalves => "random halves",
        Shape::OneNode => "one node against the rest",
        Shape::MajoritiesRing => "majorities ring",
        Shape::Bridge => "bridge",
        Shape::OneWay => "one way",
        Shape::Random => "random links",
    }
}

/// `250 µs`, `1.5 ms`, `30 ms`.
fn micros(us: u64) -> String {
    let (whole, rest) = (us / 1000, us % 1000);
    if whole == 0 {
        return format!("{us} µs");
    }
    let rest = format!("{rest:03}");
    match rest.trim_end_matches('0') {
        "" => format!("{whole} ms"),
        rest => format!("{whole}.{rest} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fault_has_its_words() {
        let node = Target::Node(2);
        let leader = Target::Leader;
        let cases = [
            (
                FaultKind::Cut { shape: Shape::Halves, links: vec![(1, 2), (2, 1)] },
                "links 1→2, 2→1 lose everything (halves)",
            ),
            (
                FaultKind::Cut { shape: Shape::OneWay, links: vec![(1, 2)] },
                "link 1→2 loses everything (one way)",
            ),
            (
                FaultKind::Cut { shape: Shape::Random, links: (1..=14).map(|to| (9, to)).collect() },
                "links 9→1, 9→2, 9→3, 9→4, 9→5, 9→6, 9→7, 9→8, 9→9, 9→10, 9→11, 9→12 and 2 more lose everything (random links)",
            ),
            (
                FaultKind::Isolate { target: leader, direction: Direction::Both },
                "everything to and from the leader is lost",
            ),
            (FaultKind::Isolate { target: node, direction: Direction::In }, "everything to node 2 is lost"),
            (
                FaultKind::Isolate { target: node, direction: Direction::Out },
                "everything from node 2 is lost",
            ),
            (
                FaultKind::Clog { links: vec![(3, 1)] },
                "messages on link 3→1 wait, and arrive together afterwards",
            ),
            (
                FaultKind::Degrade { loss_per_mille: 50, duplicate_per_mille: 7, slow_us: 1500 },
                "the network loses 50‰, doubles 7‰, and slows by up to 1.5 ms",
            ),
            (
                FaultKind::Crash { target: leader, after_effects: 3, power: true },
                "the power of the leader fails after 3 more effects",
            ),
            (
                FaultKind::Crash { target: node, after_effects: 0, power: false },
                "the process of node 2 ends at once",
            ),
            (
                FaultKind::Crash { target: node, after_effects: 1, power: true },
                "the power of node 2 fails after 1 more effect",
            ),
            (FaultKind::Pause { target: node }, "the process of node 2 stops and goes on later"),
            (FaultKind::SlowDisk { target: node, extra_us: 250 }, "every sync of node 2 takes 250 µs longer"),
            (FaultKind::FailSync { target: node }, "the next sync of the log of node 2 fails"),
            (FaultKind::FullDisk { target: leader }, "the disk of the leader has no room left"),
            (
                FaultKind::MisdirectedWrite { target: node, place: 1 },
                "a write of the log of node 2 lands elsewhere, then its power fails",
            ),
            (
                FaultKind::FlipBit { target: node, place: 1 },
                "a bit in the log of node 2 turns over while it is down",
            ),
            (
                FaultKind::LatentSectorError { target: node, place: 1 },
                "a sector in the log of node 2 becomes unreadable while it is down",
            ),
            (
                FaultKind::Wipe { target: node, what: Wiped::All },
                "node 2 loses everything on its disk while it is down",
            ),
            (FaultKind::Wipe { target: node, what: Wiped::Log }, "node 2 loses its log while it is down"),
            (
                FaultKind::Wipe { target: node, what: Wiped::Tables },
                "node 2 loses its tables while it is down",
            ),
            (FaultKind::FailTables { target: node }, "the next commit of the tables of node 2 fails"),
            (FaultKind::ClockJump { target: node, by_ms: -40 }, "the clock of node 2 jumps back by 40 ms"),
            (FaultKind::ClockJump { target: node, by_ms: 40 }, "the clock of node 2 jumps forward by 40 ms"),
            (
                FaultKind::ClockDrift { target: node, ppm: -9 },
                "the clock of node 2 runs slower by 9 millionths",
            ),
            (
                FaultKind::ClockDrift { target: node, ppm: 9 },
                "the clock of node 2 runs faster by 9 millionths",
            ),
            (
                FaultKind::ClockStrobe { target: node, by_ms: 30, every_ms: 100 },
                "the clock of node 2 jumps by 30 ms and back every 100 ms",
            ),
            (FaultKind::Transfer { to: 4 }, "an operator hands the leadership to node 4"),
        ];
        for (kind, words) in cases {
            assert_eq!(fault_words(&kind), words);
        }
    }

    #[test]
    fn a_fault_says_when_it_strikes() {
        let mut fault = Fault { at_us: 1500, for_us: 0, kind: FaultKind::Transfer { to: 1 } };
        assert_eq!(timed_words(&fault).0, "at 1.500ms");
        fault.for_us = 500;
        assert_eq!(timed_words(&fault).0, "1.500ms to 2.000ms");
    }
}
