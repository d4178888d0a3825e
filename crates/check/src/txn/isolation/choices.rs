//! The search: which of two runs of a key comes first.
//!
//! **Idea.** Start from any order of the nodes and ask whether it is an execution. Where two neighbouring runs clash in it, a choice is
//! made: the earlier one first, with all edges that follow. If an edge closes a circle, the choices on the circle cannot all
//! stand; what is learned from it (conflict-driven clauses, Marques-Silva & Sakallah 1999, with the graph as theory like
//! MonoSAT, AAAI 2015) takes back the choices that it must. Only pairs that clash in an order that was tried become choices: in usual
//! histories few of the quadratic number.
//!
//! **Invariant:** each learned clause holds in every execution; its proof names the circles and clauses that it follows from.

use super::cast::NONE;
use super::live::{Link, Live};
use super::polygraph::Polygraph;
use super::rows::Rows;
use crate::limits::{Budget, Exhausted, Held};
use rustc_hash::FxHashMap;

/// A choice, with its answer: twice the pair's number, one more if the second run of the pair comes first.
pub type Literal = u32;

fn not(literal: Literal) -> Literal {
    literal ^ 1
}

fn variable(literal: Literal) -> usize {
    (literal / 2) as usize
}

/// Where a clause comes from.
pub struct Proof {
    /// A circle that its contrary closes.
    pub circle: Vec<Link>,
    /// The other clauses that were used.
    pub clauses: Vec<u32>,
}

/// How a search ended.
pub enum Outcome {
    /// With an order of the nodes that is an execution.
    Found(Vec<u32>),
    /// With a circle of certain edges and choices, whose alternatives were all refuted.
    Refuted(Vec<Link>),
    /// After too many steps.
    GivenUp,
}

/// What a search has decided.
pub struct Choices<'p, 'g, 'b, 'a> {
    polygraph: &'p Polygraph<'p>,
    live: Live<'g, 'b, 'a>,
    budget: &'b Budget<'a>,
    held: Held<'b, 'a>,
    numbers: FxHashMap<(u32, u32), u32>,
    pairs: Vec<(u32, u32)>,
    /// By literal: whether it was chosen.
    holds: Vec<bool>,
    /// By pair: at which depth of guesses it was decided, and which clause forced it.
    depths: Vec<u32>,
    forced_by: Vec<u32>,
    marked: Vec<bool>,
    trail: Vec<Literal>,
    /// How many edges there were before each literal of the trail that was worked off.
    edges: Vec<usize>,
    guesses: Vec<usize>,
    clauses: Vec<Vec<Literal>>,
    /// By literal: the clauses that watch its becoming false.
    watches: Vec<Vec<u32>>,
    proofs: Vec<Proof>,
}

enum Conflict {
    Circle(Vec<Link>),
    Clause(u32),
}

impl<'p, 'g, 'b, 'a> Choices<'p, 'g, 'b, 'a> {
    /// Nothing chosen yet.
    ///
    /// # Errors
    /// If the budget is exhausted.
    pub fn new(
        polygraph: &'p Polygraph<'p>,
        graph: &'g Rows<u32>,
        order: &[u32],
        budget: &'b Budget<'a>,
    ) -> Result<Self, Exhausted> {
        Ok(Choices {
            polygraph,
            live: Live::new(graph, order, budget)?,
            budget,
            held: budget.hold(0)?,
            numbers: FxHashMap::default(),
            pairs: Vec::new(),
            holds: Vec::new(),
            depths: Vec::new(),
            forced_by: Vec::new(),
            marked: Vec::new(),
            trail: Vec::new(),
            edges: Vec::new(),
            guesses: Vec::new(),
            clauses: Vec::new(),
            watches: Vec::new(),
            proofs: Vec::new(),
        })
    }

    /// Searches until the end, or until a dead end after more than so many steps.
    ///
    /// # Errors
    /// If the budget is exhausted; what was found out stays.
    pub fn run(&mut self, effort: u64) -> Result<Outcome, Exhausted> {
        let mut open: Vec<(u32, u32)> = Vec::new();
        loop {
            self.budget.step(1)?;
            match self.propagate()? {
                Some(conflict) if self.guesses.is_empty() => {
                    return Ok(Outcome::Refuted(self.last_circle(conflict)));
                }
                Some(_) if self.live.effort() > effort => return Ok(Outcome::GivenUp),
                Some(conflict) => self.learn(conflict)?,
                None => {
                    if open.is_empty() {
                        open = self.polygraph.clashes(self.live.position(), self.budget)?;
                        if open.is_empty() {
                            return Ok(Outcome::Found(self.live.position().to_vec()));
                        }
                        open.reverse();
                    }
                    if let Some((earlier, later)) = open.pop() {
                        self.guess(earlier, later)?;
                    }
                }
            }
        }
    }

    /// How far it came.
    pub fn progress(&self) -> String {
        let certain = self.guesses.first().copied().unwrap_or(self.trail.len());
        let (pairs, learned) = (self.pairs.len(), self.clauses.len());
        format!("the order of {certain} of {pairs} pairs of writers is certain, {learned} dead ends")
    }

    /// The pair of runs that a literal puts in order, the earlier first.
    pub fn meaning(&self, literal: Literal) -> (u32, u32) {
        let (first, second) = self.pairs[variable(literal)];
        if literal.is_multiple_of(2) { (first, second) } else { (second, first) }
    }

    /// The proof of a literal that has no alternative.
    pub fn proof_of(&self, literal: Literal) -> Option<&Proof> {
        self.proofs.get(self.forced_by[variable(literal)] as usize)
    }

    /// All circles that a proof rests on, its own first.
    pub fn circles_of(&self, circle: &[Link]) -> Vec<Link> {
        let mut links = circle.to_vec();
        let mut used = vec![false; self.proofs.len()];
        let mut next = 0;
        let mut clauses: Vec<u32> = Vec::new();
        loop {
            while let Some((.., choice)) = links.get(next) {
                let forced_by = choice.map_or(NONE, |literal| self.forced_by[variable(literal)]);
                clauses.extend((forced_by != NONE).then_some(forced_by));
                next += 1;
            }
            let Some(clause) = clauses.pop() else { return links };
            if !std::mem::replace(&mut used[clause as usize], true) {
                let proof = &self.proofs[clause as usize];
                links.extend(proof.circle.iter().map(|(from, to, _)| (*from, *to, None)));
                clauses.extend(&proof.clauses);
            }
        }
    }

    /// The circle of a conflict, or the one that its clause was learned from.
    fn last_circle(&self, conflict: Conflict) -> Vec<Link> {
        let mut number = match conflict {
            Conflict::Circle(circle) => return circle,
            Conflict::Clause(number) => number,
        };
        // The first clause that a proof without a circle names is older than the proof's own.
        while self.proofs[number as usize].circle.is_empty() {
            number = self.proofs[number as usize].clauses[0];
        }
        self.proofs[number as usize].circle.clone()
    }

    fn guess(&mut self, earlier: u32, later: u32) -> Result<(), Exhausted> {
        let literal = self.literal(earlier, later)?;
        let decided = self.holds[literal as usize] || self.holds[not(literal) as usize];
        if !decided && self.polygraph.clash(earlier, later, self.live.position()) {
            self.guesses.push(self.trail.len());
            self.assign(literal, NONE);
        }
        Ok(())
    }

    fn literal(&mut self, earlier: u32, later: u32) -> Result<Literal, Exhausted> {
        let swapped = earlier > later;
        let pair = if swapped { (later, earlier) } else { (earlier, later) };
        let number = match self.numbers.get(&pair) {
            Some(number) => *number,
            None => {
                self.held.grow(128)?;
                let number = self.pairs.len() as u32;
                self.numbers.insert(pair, number);
                self.pairs.push(pair);
                self.holds.extend([false, false]);
                self.depths.push(0);
                self.forced_by.push(NONE);
                self.marked.push(false);
                self.watches.extend([Vec::new(), Vec::new()]);
                number
            }
        };
        Ok(2 * number + u32::from(swapped))
    }

    fn assign(&mut self, literal: Literal, forced_by: u32) {
        self.holds[literal as usize] = true;
        self.depths[variable(literal)] = self.guesses.len() as u32;
        self.forced_by[variable(literal)] = forced_by;
        self.trail.push(literal);
    }

    /// Works off what was assigned: its edges, then the clauses that it leaves one choice.
    fn propagate(&mut self) -> Result<Option<Conflict>, Exhausted> {
        while let Some(literal) = self.trail.get(self.edges.len()).copied() {
            self.edges.push(self.live.depth());
            if let Some(circle) = self.add_edges(literal)? {
                return Ok(Some(Conflict::Circle(circle)));
            }
            if let Some(clause) = self.visit_watches(not(literal))? {
                return Ok(Some(Conflict::Clause(clause)));
            }
        }
        Ok(None)
    }

    fn add_edges(&mut self, literal: Literal) -> Result<Option<Vec<Link>>, Exhausted> {
        let (earlier, later) = self.meaning(literal);
        let (polygraph, live, mut found) = (self.polygraph, &mut self.live, Ok(None));
        polygraph.each_of_choice(earlier, later, &mut |from, to, _| {
            if matches!(found, Ok(None)) {
                found = live.insert(from, to, literal);
            }
        });
        found
    }

    /// Goes through the clauses in which a literal became false. Gives one of which nothing is left.
    fn visit_watches(&mut self, fallen: Literal) -> Result<Option<u32>, Exhausted> {
        let watching = std::mem::take(&mut self.watches[fallen as usize]);
        let mut conflict = None;
        for (at, number) in watching.iter().copied().enumerate() {
            self.budget.step(1)?;
            if conflict.is_some() {
                self.watches[fallen as usize].extend(&watching[at..]);
                break;
            }
            let clause = &mut self.clauses[number as usize];
            if clause[0] == fallen {
                clause.swap(0, 1);
            }
            let holds = &self.holds;
            let other = clause[0];
            let substitute = (2..clause.len()).find(|at| !holds[not(clause[*at]) as usize]);
            match substitute {
                Some(at) if !holds[other as usize] => {
                    clause.swap(1, at);
                    let watch = clause[1];
                    self.watches[watch as usize].push(number);
                    continue;
                }
                _ => self.watches[fallen as usize].push(number),
            }
            if self.holds[not(other) as usize] {
                conflict = Some(number);
            } else if !self.holds[other as usize] {
                self.assign(other, number);
            }
        }
        Ok(conflict)
    }

    /// Learns the clause of the first unique implication point, takes back what contradicts it, and goes on from there.
    fn learn(&mut self, conflict: Conflict) -> Result<(), Exhausted> {
        let mut proof = Proof { circle: Vec::new(), clauses: Vec::new() };
        let mut reason: Vec<Literal> = match conflict {
            Conflict::Clause(number) => {
                proof.clauses.push(number);
                self.clauses[number as usize].clone()
            }
            Conflict::Circle(circle) => {
                let chosen = circle.iter().filter_map(|(.., choice)| choice.map(not)).collect();
                proof.circle = circle;
                chosen
            }
        };
        let depth = self.guesses.len() as u32;
        let mut clause: Vec<Literal> = vec![0];
        let mut open = 0;
        let mut at = self.trail.len();
        loop {
            self.budget.step(1 + reason.len() as u64)?;
            for literal in reason {
                let number = variable(literal);
                if std::mem::replace(&mut self.marked[number], true) {
                    continue;
                }
                match self.depths[number] {
                    0 => proof.clauses.push(self.forced_by[number]),
                    of if of == depth => open += 1,
                    _ => clause.push(literal),
                }
            }
            let pivot = loop {
                at -= 1;
                if self.marked[variable(self.trail[at])] && self.depths[variable(self.trail[at])] == depth {
                    break self.trail[at];
                }
            };
            open -= 1;
            if open == 0 {
                clause[0] = not(pivot);
                break;
            }
            let forced_by = self.forced_by[variable(pivot)];
            proof.clauses.push(forced_by);
            reason = self.clauses[forced_by as usize].clone();
        }
        self.marked.fill(false);
        self.adopt(clause, proof)
    }

    fn adopt(&mut self, mut clause: Vec<Literal>, proof: Proof) -> Result<(), Exhausted> {
        let bytes = 12 * proof.circle.len() + 4 * (proof.clauses.len() + clause.len()) + 96;
        self.held.grow(bytes as u64)?;
        // The second literal is the one that was decided last, so that both are watched when it is taken back.
        if let Some(at) = (1..clause.len()).max_by_key(|at| self.depths[variable(clause[*at])]) {
            clause.swap(1, at);
        }
        let depth = clause.get(1).map_or(0, |literal| self.depths[variable(*literal)]);
        self.take_back(depth as usize);
        let number = self.clauses.len() as u32;
        if let [first, second, ..] = clause[..] {
            self.watches[first as usize].push(number);
            self.watches[second as usize].push(number);
        }
        let asserted = clause[0];
        self.clauses.push(clause);
        self.proofs.push(proof);
        self.assign(asserted, number);
        Ok(())
    }

    /// Takes back all guesses beyond a depth, with what followed from them.
    fn take_back(&mut self, depth: usize) {
        let Some(keep) = self.guesses.get(depth).copied() else { return };
        for literal in self.trail.drain(keep..) {
            self.holds[literal as usize] = false;
        }
        if let Some(edges) = self.edges.get(keep).copied() {
            self.live.shrink(edges);
            self.edges.truncate(keep);
        }
        self.guesses.truncate(depth);
    }
}
