//! `quorate sim --list`.

use quorate_sim::Invariant;
use quorate_sim::draw::{FaultClass, Workload};
use quorate_types::Mistake;
use std::io::{self, Write};

/// Prints what can be named on the command line, and what is promised.
pub(super) fn print() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let names = |names: Vec<&str>| names.join(", ");
    let faults = names(FaultClass::ALL.iter().map(|class| class.name()).collect());
    let workloads = names(Workload::ALL.iter().map(|workload| workload.name()).collect());
    writeln!(out, "--faults     {faults}")?;
    writeln!(out, "--workload   {workloads}")?;
    writeln!(out, "\nWhat is promised:")?;
    for invariant in Invariant::ALL {
        writeln!(out, "  {}", invariant.promise())?;
    }
    writeln!(out, "\n--plant, in a build with mistakes (cargo xtask sim --plant NAME):")?;
    for mistake in Mistake::ALL {
        writeln!(out, "  {:<32}{}", mistake.name(), mistake.about())?;
    }
    Ok(())
}
