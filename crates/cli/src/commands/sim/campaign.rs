//! Many seeds.

use super::failing::{Failing, Origin};
use super::progress::Line;
use super::summary::{Work, grouped, table};
use super::{Args, Ending, Marks};
use crate::failure::Failure;
use crate::output::print_json;
use quorate_sim::campaign::{self, How, Plan, Summary};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// After the first failure the rest is not run.
const MAX_FAILURES: usize = 1;
/// At most so many situations that were never met are named: a short campaign misses most, which says nothing.
const NEVER_SHOWN: usize = 20;
/// At most so many undecided seeds are named.
const INCONCLUSIVE_SHOWN: usize = 5;

/// Runs the seeds, prints what came of it, and pursues the first failure.
pub(super) fn run(args: &Args) -> Result<Ending, Failure> {
    let plan = Plan { seeds: args.range(), threads: args.thread_count(), max_failures: MAX_FAILURES };
    let job = args.drawn.job()?;
    let started = Instant::now();
    let line = Line::new();
    let stop = || args.minutes.is_some_and(|minutes| started.elapsed() >= minutes);
    let all = plan.seeds.end - plan.seeds.start;
    let summary = campaign::run(&plan, &job, &stop, &|progress| line.campaign(progress, (all, args.minutes)));
    drop(line);
    let campaign = Campaign { args, plan, summary, took: started.elapsed() };
    let failing = campaign.failing()?;
    campaign.print(failing.as_ref())
}

struct Campaign<'a> {
    args: &'a Args,
    plan: Plan,
    summary: Summary,
    took: Duration,
}

impl Campaign<'_> {
    /// The first failure, if there is one that can be pursued.
    fn failing(&self) -> Result<Option<Failing>, Failure> {
        let Some(failure) = self.summary.failures.first() else { return Ok(None) };
        let How::Broken(violation) = &failure.how else { return Ok(None) };
        let seed = failure.seed;
        let save = Some(PathBuf::from(format!("quorate-sim-{seed}.toml")));
        let arguments = self.args.drawn.again(seed);
        let origin = Origin { arguments: &arguments, save, is_to_shrink: true };
        let scenario = self.args.drawn.scenario(seed)?;
        Failing::pursue(self.args, scenario, violation.clone(), &origin).map(Some)
    }

    fn print(&self, failing: Option<&Failing>) -> Result<Ending, Failure> {
        let ending = self.ending();
        if self.args.json {
            print_json(&self.json(failing))?;
            return Ok(ending);
        }
        let mut out = io::stdout().lock();
        let summary = &self.summary;
        let seeds = self.plan.seeds.start..self.plan.seeds.start + summary.seeds_run;
        let noun = if summary.seeds_run == 1 { "seed" } else { "seeds" };
        writeln!(out, "{} {noun}, {}..{}", grouped(summary.seeds_run), seeds.start, seeds.end)?;
        out.write_all(table(&self.work().rows()).as_bytes())?;
        for (seed, why) in summary.inconclusive.iter().take(INCONCLUSIVE_SHOWN) {
            writeln!(out, "seed {seed} is inconclusive: {why}")?;
        }
        if summary.inconclusive.len() > INCONCLUSIVE_SHOWN {
            writeln!(out, "and {} more", summary.inconclusive.len() - INCONCLUSIVE_SHOWN)?;
        }
        let never = self.never_reached();
        if !never.is_empty() {
            writeln!(out, "rare situations that were never met: {}", never.len())?;
            never.iter().take(NEVER_SHOWN).try_for_each(|mark| writeln!(out, "  {mark}"))?;
            if never.len() > NEVER_SHOWN {
                writeln!(out, "  and more; run more seeds, or see all of them by --json")?;
            }
        }
        for failure in &summary.failures {
            writeln!(out, "\nseed {}: {}", failure.seed, failure.how)?;
        }
        if let Some(failing) = failing {
            write!(out, "\n{}", failing.text())?;
        }
        writeln!(out, "{}", ending.name())?;
        Ok(ending)
    }

    fn json(&self, failing: Option<&Failing>) -> Value {
        let summary = &self.summary;
        let failures: Vec<Value> = summary
            .failures
            .iter()
            .map(|failure| json!({ "seed": failure.seed, "how": failure.how.to_string() }))
            .collect();
        json!({
            "answer": self.ending().name(),
            "first_seed": self.plan.seeds.start,
            "run": self.work().json(),
            "failures": failures,
            "failure": failing.map(Failing::json),
            "inconclusive": summary.inconclusive.iter().map(|(seed, why)| json!({ "seed": seed, "why": why })).collect::<Vec<_>>(),
            "marks": summary.marks,
            "never_met": self.never_reached(),
        })
    }

    fn work(&self) -> Work<'_> {
        let Summary { seeds_run, counts, .. } = &self.summary;
        Work { seeds: *seeds_run, counts, took: self.took, threads: self.plan.threads }
    }

    /// What was never met and could have been.
    fn never_reached(&self) -> Vec<&'static str> {
        let mut never = self.summary.never_reached(&quorate_sim::MARKS);
        never.retain(|name| !quorate_sim::BEYOND.contains(name));
        never
    }

    /// Whether something is missing that was demanded.
    fn lacks_marks(&self) -> bool {
        let is_demanded = |name: &&str| match self.args.require_marks {
            None => false,
            Some(Marks::Usual) => !quorate_sim::RARE.contains(name),
            Some(Marks::All) => true,
        };
        self.never_reached().iter().any(is_demanded)
    }

    fn ending(&self) -> Ending {
        if !self.summary.failures.is_empty() {
            Ending::Violated
        } else if self.lacks_marks() || !self.summary.inconclusive.is_empty() {
            Ending::Inconclusive
        } else {
            Ending::Held
        }
    }
}
