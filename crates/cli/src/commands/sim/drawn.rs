//! What is to be drawn from seeds, as the command line says it.

use crate::failure::Failure;
use quorate_sim::draw::{FaultClass, Wishes, Workload, draw};
use quorate_sim::run::can_run;
use quorate_sim::scenario::MAX_NODES;
use quorate_sim::{Outcome, Scenario};
use quorate_types::Mistake;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

const ALL: &str = "all";
const NONE: &str = "none";

/// See the module.
#[derive(clap::Args, Debug)]
pub(super) struct Drawn {
    /// How many nodes [default: drawn]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_NODES))]
    nodes: Option<u64>,
    /// Only these kinds of faults: crash,partition,…, or `none` [default: all]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    faults: Option<Vec<String>>,
    /// Only these kinds of work: register,locks,…, or `none` [default: all]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    workload: Option<Vec<String>>,
    /// Plant a known mistake, which must be found; needs a build that has them: `cargo xtask sim --plant MISTAKE`
    #[arg(long, value_name = "MISTAKE")]
    plant: Option<String>,
}

impl Drawn {
    /// The scenario of a seed.
    pub(super) fn scenario(&self, seed: u64) -> Result<Scenario, Failure> {
        self.planted(draw(seed, &self.wishes()?))
    }

    /// What runs a seed, after everything has been looked at.
    pub(super) fn job(&self) -> Result<impl Fn(u64) -> Outcome + Sync + use<>, Failure> {
        let wishes = self.wishes()?;
        let mistake = self.planted(draw(0, &wishes))?.mistake;
        Ok(move |seed| {
            let scenario = Scenario { mistake: mistake.clone(), ..draw(seed, &wishes) };
            quorate_sim::run(&scenario, false)
        })
    }

    /// The scenario with the mistake that was asked for, if this build can run it.
    pub(super) fn planted(&self, mut scenario: Scenario) -> Result<Scenario, Failure> {
        if let Some(name) = &self.plant {
            if Mistake::named(name).is_none() {
                let what = format!("no mistake is called \"{name}\"; `quorate sim --list` names them");
                return Err(Failure::BadInput(what));
            }
            scenario.mistake = Some(name.clone());
        }
        match &scenario.mistake {
            Some(name) if !can_run(&scenario) => Err(Failure::BadInput(format!(
                "this build holds no mistakes that could be planted; run `cargo xtask sim --plant {name}`"
            ))),
            _ => Ok(scenario),
        }
    }

    fn wishes(&self) -> Result<Wishes, Failure> {
        let faults = chosen(self.faults.as_deref(), &FaultClass::ALL, FaultClass::named, "fault")?;
        let workloads = chosen(self.workload.as_deref(), &Workload::ALL, Workload::named, "workload")?;
        Ok(Wishes { nodes: self.nodes, faults, workloads, ..Wishes::default() })
    }

    /// The arguments that run this seed again.
    pub(super) fn again(&self, seed: u64) -> String {
        let mut again = format!("--seed {seed}");
        if let Some(nodes) = self.nodes {
            again += &format!(" --nodes {nodes}");
        }
        for (flag, names) in [("--faults", &self.faults), ("--workload", &self.workload)] {
            if let Some(names) = names {
                again += &format!(" {flag} {}", names.join(","));
            }
        }
        if let Some(mistake) = &self.plant {
            again += &format!(" --plant {mistake}");
        }
        again
    }
}

/// The command with these arguments. Where a mistake is planted, the one that builds with mistakes.
pub(super) fn command(arguments: &str, scenario: &Scenario) -> String {
    match &scenario.mistake {
        None => format!("quorate sim {arguments}"),
        Some(_) if arguments.contains("--plant") => format!("cargo xtask sim {arguments}"),
        Some(mistake) => format!("cargo xtask sim {arguments} --plant {mistake}"),
    }
}

fn chosen<T: Copy + Ord>(
    names: Option<&[String]>,
    all: &[T],
    named: fn(&str) -> Option<T>,
    what: &str,
) -> Result<BTreeSet<T>, Failure> {
    let mut chosen = BTreeSet::new();
    for name in names.unwrap_or(&[ALL.to_owned()]).iter().map(|name| name.trim()) {
        match (name, named(name)) {
            (ALL, _) => chosen.extend(all),
            (NONE, _) => {}
            (_, Some(one)) => drop(chosen.insert(one)),
            (_, None) => {
                let what = format!("no {what} is called \"{name}\"; `quorate sim --list` names them");
                return Err(Failure::BadInput(what));
            }
        }
    }
    Ok(chosen)
}

/// `A..B`, or one seed.
pub(super) fn seeds(text: &str) -> Result<Range<u64>, &'static str> {
    let number = |text: &str| text.trim().parse::<u64>();
    let bad = "write two numbers such as 0..1000";
    let (first, end) = text.split_once("..").ok_or(bad)?;
    let (first, end) = (number(first).map_err(|_| bad)?, number(end).map_err(|_| bad)?);
    if first < end { Ok(first..end) } else { Err("the second number must be larger than the first") }
}

/// Minutes, with a fraction if need be.
pub(super) fn minutes(text: &str) -> Result<Duration, &'static str> {
    const MINUTE_S: f64 = 60.0;
    let minutes = text.parse::<f64>().map_err(|_| "write a number of minutes, such as 10 or 0.5")?;
    Duration::try_from_secs_f64(minutes * MINUTE_S).map_err(|_| "that is no time")
}

#[cfg(test)]
mod tests {
    use super::{chosen, minutes, seeds};
    use quorate_sim::draw::FaultClass;
    use std::time::Duration;

    #[test]
    fn ranges_of_seeds_hold_at_least_one() {
        assert_eq!(seeds("3..10"), Ok(3..10));
        assert_eq!(seeds("0..18446744073709551615"), Ok(0..u64::MAX));
        for bad in ["3", "3..", "..3", "3..3", "4..3", "a..b", "-1..3"] {
            assert!(seeds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn minutes_may_have_a_fraction() {
        assert_eq!(minutes("0.5"), Ok(Duration::from_secs(30)));
        for bad in ["", "-1", "NaN", "soon"] {
            assert!(minutes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn kinds_are_chosen_by_name() {
        let check = |names: Option<&[&str]>, expect: Option<usize>| {
            let names: Option<Vec<String>> =
                names.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            let found = chosen(names.as_deref(), &FaultClass::ALL, FaultClass::named, "fault");
            assert_eq!(found.map(|found| found.len()).ok(), expect, "{names:?}");
        };
        check(None, Some(FaultClass::ALL.len()));
        check(Some(&["all"]), Some(FaultClass::ALL.len()));
        check(Some(&["none"]), Some(0));
        check(Some(&["crash", " pause", "crash"]), Some(2));
        check(Some(&["crash", "fire"]), None);
    }
}
