//! One file's history, judged, and how it is printed.

use crate::output::counted;
use quorate_check::explain;
use quorate_check::explain::verify::Check;
use quorate_check::format::Format;
use quorate_check::history::{History, OpId, Order};
use quorate_check::judge;
use quorate_check::level::Level;
use quorate_check::subject::Subject;
use quorate_check::verdict::{Answer, Refutation, Report, Verdict, Violation, Witness};
use serde_json::{Value, json};
use std::fmt::{self, Write as _};
use std::time::Duration;

/// At most this many findings are told in words; the rest are counted.
const FINDINGS_SHOWN: usize = 5;

/// What was found out about one file.
pub(super) struct Judged {
    pub(super) name: String,
    pub(super) format: Format,
    pub(super) history: History,
    pub(super) subject: Subject,
    /// Why it was judged as this.
    pub(super) chosen: String,
    /// The level that the answer is about.
    pub(super) demanded: Level,
    pub(super) report: Report,
    /// What the independent verifier says of each level's proof.
    pub(super) confirmed: Vec<(Level, Check)>,
    /// How long reading the file took, of all.
    pub(super) read: Duration,
    pub(super) took: Duration,
}

impl Judged {
    /// The answer for the level that was demanded.
    pub(super) fn answer(&self) -> Answer {
        self.report.verdict(self.demanded).map_or(Answer::Unknown, Verdict::answer)
    }

    /// The levels that hold and are implied by no other that does.
    fn strongest(&self) -> String {
        let strongest: Vec<&str> = self.report.strongest().into_iter().map(Level::name).collect();
        if strongest.is_empty() { "none".to_owned() } else { strongest.join(", ") }
    }

    /// One line: for many files.
    pub(super) fn line(&self) -> String {
        let (answer, model, strongest) = (self.answer(), self.subject.name(), self.strongest());
        format!("{answer:<9} {:<24} {model:<14} strongest: {strongest:<24} {}", self.demanded, self.name)
    }

    /// Everything, for people.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a string takes everything");
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let counts = self.counts();
        writeln!(out, "{}: {}; judged as {} ({})", self.name, counts, self.subject.name(), self.chosen)?;
        writeln!(out)?;
        for (level, verdict) in &self.report.levels {
            let line = format!("  {level:<36}{:<10}{}", verdict.answer(), remark(verdict));
            writeln!(out, "{}", line.trim_end())?;
        }
        for (name, value) in &self.report.facts {
            writeln!(out, "  {name:<36}{value}")?;
        }
        let strongest = if self.report.levels.len() == judge::levels(self.subject).len() {
            "strongest that holds"
        } else {
            "strongest of those decided"
        };
        writeln!(out, "  {strongest:<36}{}", self.strongest())?;
        self.explain(out)
    }

    fn counts(&self) -> String {
        let ops = counted(self.history.ops.len(), "operation", "operations");
        let processes = counted(self.history.processes.len(), "process", "processes");
        let order = match self.history.order {
            Order::RealTime => "",
            Order::Sessions => ", without real time",
        };
        format!("{}, {ops} by {processes}{order}", self.format.name())
    }

    /// In words why levels do not hold.
    fn explain(&self, out: &mut String) -> fmt::Result {
        for (levels, violation) in self.told() {
            let names: Vec<&str> = levels.iter().map(|level| level.name()).collect();
            let are = if names.len() == 1 { "is" } else { "are" };
            let count = violation.ops.len();
            let all = counted(self.history.ops.len(), "operation", "operations");
            writeln!(out, "\n{} {are} violated, shown by {count} of {all}:\n", names.join(", "))?;
            out.push_str(&explain::text(&self.history, violation));
        }
        let told = |violation: &Violation| self.own_violations().any(|(_, own)| own.ops == violation.ops);
        let more: Vec<_> = self.report.findings.iter().filter(|finding| !told(&finding.violation)).collect();
        for finding in more.iter().take(FINDINGS_SHOWN) {
            writeln!(out, "\nfound besides: {}\n", finding.violation.anomaly)?;
            out.push_str(&explain::text(&self.history, &finding.violation));
        }
        if more.len() > FINDINGS_SHOWN {
            writeln!(out, "\n{} more findings are in the output of --json.", more.len() - FINDINGS_SHOWN)?;
        }
        self.proofs(out)?;
        writeln!(out, "Took {} ms.", self.took.as_millis())
    }

    /// What an independent verifier says of the proofs.
    fn proofs(&self, out: &mut String) -> fmt::Result {
        let decided = self.confirmed.iter().filter(|(level, _)| {
            self.report.verdict(*level).is_some_and(|verdict| verdict.answer() != Answer::Unknown)
        });
        let confirmed = decided.clone().filter(|(_, check)| *check == Check::Confirmed).count();
        writeln!(out, "\nProofs confirmed independently: {confirmed} of {}.", decided.clone().count())?;
        for (level, check) in decided {
            match check {
                Check::Confirmed => {}
                Check::Unconfirmed(why) => writeln!(out, "  {level}: not confirmed: {why}")?,
                Check::Flawed(flaw) => {
                    writeln!(
                        out,
                        "  {level}: THE PROOF IS WRONG: {flaw}. This is a bug of quorate: please report it."
                    )?;
                }
            }
        }
        Ok(())
    }

    /// The violations that are told: that of the level demanded, and those of the weakest levels. What is shown by the same
    /// operations is told once.
    fn told(&self) -> Vec<(Vec<Level>, &Violation)> {
        let is_weakest = |level: Level| {
            !self.own_violations().any(|(other, _)| other != level && level.is_at_least(other))
        };
        let mut told: Vec<(Vec<Level>, &Violation)> = Vec::new();
        for (level, violation) in self.own_violations() {
            if level != self.demanded && !is_weakest(level) {
                continue;
            }
            match told.iter_mut().find(|(_, other)| other.ops == violation.ops) {
                Some((levels, _)) => levels.push(level),
                None => told.push((vec![level], violation)),
            }
        }
        told
    }

    fn own_violations(&self) -> impl Iterator<Item = (Level, &Violation)> {
        self.report.levels.iter().filter_map(|(level, verdict)| match verdict {
            Verdict::Violated(violation) if !matches!(violation.refutation, Refutation::Implied(_)) => {
                Some((*level, &**violation))
            }
            _ => None,
        })
    }

    /// Everything, for programs.
    pub(super) fn json(&self) -> Value {
        let levels: Vec<Value> =
            self.report.levels.iter().map(|(level, verdict)| self.level(*level, verdict)).collect();
        let findings = self.report.findings.iter().map(|finding| {
            let rules_out: Vec<&str> = finding.rules_out.iter().map(|level| level.name()).collect();
            json!({ "violation": self.violation(&finding.violation), "rules_out": rules_out })
        });
        let facts: serde_json::Map<String, Value> =
            self.report.facts.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let strongest: Vec<&str> = self.report.strongest().into_iter().map(Level::name).collect();
        json!({
            "file": self.name,
            "format": self.format.name(),
            "model": self.subject.name(),
            "chosen": self.chosen,
            "operations": self.history.ops.len(),
            "processes": self.history.processes.len(),
            "sessions": self.history.sessions.len(),
            "real_time": self.history.order == Order::RealTime,
            "demanded": self.demanded.name(),
            "answer": self.answer().to_string(),
            "strongest": strongest,
            "levels": levels,
            "findings": findings.collect::<Vec<_>>(),
            "facts": facts,
            "read_ms": self.read.as_millis() as u64,
            "took_ms": self.took.as_millis() as u64,
            "peak_memory_bytes": peak_memory_bytes(),
        })
    }

    fn level(&self, level: Level, verdict: &Verdict) -> Value {
        let mut json = self.verdict(level, verdict);
        if let Some((_, check)) = self.confirmed.iter().find(|(at, _)| *at == level) {
            json["proof"] = match check {
                Check::Confirmed => "confirmed".into(),
                Check::Unconfirmed(why) => format!("unconfirmed: {why}").into(),
                Check::Flawed(flaw) => format!("flawed: {flaw}").into(),
            };
        }
        json
    }

    fn verdict(&self, level: Level, verdict: &Verdict) -> Value {
        let answer = verdict.answer().to_string();
        match verdict {
            Verdict::Holds(Witness::Implied(stronger)) => {
                json!({ "level": level.name(), "answer": answer, "because": stronger.name() })
            }
            Verdict::Holds(Witness::Orders(orders)) => {
                let orders = orders
                    .iter()
                    .map(|order| json!({ "scope": order.scope, "operations": self.ids(&order.ops) }));
                json!({ "level": level.name(), "answer": answer, "orders": orders.collect::<Vec<_>>() })
            }
            Verdict::Holds(Witness::Views(views)) => {
                let views = views.iter().map(|view| {
                    let session = &*self.history.sessions[view.session.0 as usize];
                    json!({ "session": session, "for": view.op.map(|id| id.0), "operations": self.ids(&view.order) })
                });
                json!({ "level": level.name(), "answer": answer, "views": views.collect::<Vec<_>>() })
            }
            Verdict::Holds(Witness::Argument(argument)) => {
                json!({ "level": level.name(), "answer": answer, "argument": argument })
            }
            Verdict::Violated(violation) => {
                json!({ "level": level.name(), "answer": answer, "violation": self.violation(violation) })
            }
            Verdict::Unknown(unknown) => {
                json!({ "level": level.name(), "answer": answer, "why": unknown.to_string() })
            }
        }
    }

    fn violation(&self, violation: &Violation) -> Value {
        let proof = match &violation.refutation {
            Refutation::Cycle(edges) => json!({ "cycle": edges.iter().map(|edge| json!({
                "from": edge.from.0, "to": edge.to.0, "relation": edge.relation.to_string(), "why": edge.why,
            })).collect::<Vec<_>>() }),
            Refutation::Stuck(stuck) => json!({ "stuck": {
                "scope": stuck.scope, "order": self.ids(&stuck.order), "state": stuck.state,
                "blocked": stuck.blocked.iter().map(|(id, why)| json!({ "operation": id.0, "why": why })).collect::<Vec<_>>(),
            } }),
            Refutation::Fact => json!("fact"),
            Refutation::Implied(weaker) => json!({ "because": weaker.name() }),
        };
        let ops: Vec<Value> = violation.ops.iter().map(|id| self.op(*id)).collect();
        json!({ "anomaly": violation.anomaly, "reason": violation.reason, "operations": ops, "proof": proof })
    }

    fn op(&self, id: OpId) -> Value {
        let lines = self.history.op(id).lines;
        json!({ "operation": id.0, "lines": [lines.call, lines.ret], "text": self.history.describe(id) })
    }

    fn ids(&self, ids: &[OpId]) -> Vec<u32> {
        ids.iter().map(|id| id.0).collect()
    }
}

/// The most that this process has held in memory, where the system tells.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

/// What stands beside a verdict in the table.
fn remark(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Holds(Witness::Implied(stronger)) => format!("because {stronger} does"),
        Verdict::Holds(_) => String::new(),
        Verdict::Violated(violation) => match violation.refutation {
            Refutation::Implied(weaker) => format!("because {weaker} is"),
            _ => violation.anomaly.to_owned(),
        },
        Verdict::Unknown(unknown) => unknown.to_string(),
    }
}
