//! The network between nodes: links that are cut, clogged, slow, forgetful.
//!
//! Several faults may hold the same link, so each link counts how many do: it works again when the last one has let go.

use crate::scenario::{Link, NetworkSettings};
use crate::world::noise::{Noise, Topic};
use std::collections::BTreeMap;

/// What becomes of one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is lost, because of this.
    Lost(&'static str),
    /// It arrives after each of these delays, in ns.
    Arrives(Vec<u64>),
}

/// How much worse the network is than usual.
#[derive(Clone, Copy, Debug)]
pub struct Degraded {
    /// Lost, of a thousand.
    pub loss_per_mille: u64,
    /// Twice, of a thousand.
    pub duplicate_per_mille: u64,
    /// Later, at most.
    pub slow_us: u64,
}

/// See the module.
pub struct Network {
    settings: NetworkSettings,
    noise: Noise,
    cuts: BTreeMap<Link, u64>,
    clogs: BTreeMap<Link, u64>,
    degraded: BTreeMap<usize, Degraded>,
    sent: BTreeMap<Link, u64>,
}

impl Network {
    /// A network that works.
    #[must_use]
    pub fn new(settings: NetworkSettings, noise: Noise) -> Self {
        Network {
            settings,
            noise,
            cuts: BTreeMap::new(),
            clogs: BTreeMap::new(),
            degraded: BTreeMap::new(),
            sent: BTreeMap::new(),
        }
    }

    /// One more fault cuts these links.
    pub fn cut(&mut self, links: &[Link]) {
        links.iter().for_each(|link| *self.cuts.entry(*link).or_default() += 1);
    }

    /// One fault less cuts these links.
    pub fn mend(&mut self, links: &[Link]) {
        links.iter().for_each(|link| release(&mut self.cuts, *link));
    }

    /// One more fault clogs these links.
    pub fn clog(&mut self, links: &[Link]) {
        links.iter().for_each(|link| *self.clogs.entry(*link).or_default() += 1);
    }

    /// One fault less clogs these links.
    pub fn unclog(&mut self, links: &[Link]) {
        links.iter().for_each(|link| release(&mut self.clogs, *link));
    }

    /// Whether messages of this link wait.
    #[must_use]
    pub fn is_clogged(&self, link: Link) -> bool {
        self.clogs.contains_key(&link)
    }

    /// Whether any link is cut.
    #[must_use]
    pub fn is_partitioned(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// This fault makes the network worse.
    pub fn degrade(&mut self, fault: usize, by: Degraded) {
        self.degraded.insert(fault, by);
    }

    /// This fault is over.
    pub fn restore(&mut self, fault: usize) {
        self.degraded.remove(&fault);
    }

    /// Between these nodes everything works from now on, and nothing goes between them and others: a leader that reaches only some of them
    /// could keep the rest from being served for ever, which is in the nature of Raft.
    pub fn heal(&mut self, core: &[u64], all: &[u64]) {
        let is_outside = |link: &Link| !core.contains(&link.0) && !core.contains(&link.1);
        self.cuts.retain(|link, _| is_outside(link));
        self.clogs.retain(|link, _| is_outside(link));
        self.degraded.clear();
        for from in all {
            for to in all.iter().filter(|to| core.contains(to) != core.contains(from)) {
                self.cuts.insert((*from, *to), 1);
            }
        }
        self.settings.loss_per_mille = 0;
        self.settings.duplicate_per_mille = 0;
        self.settings.tail_per_mille = 0;
    }

    /// What becomes of the next message on this link.
    pub fn fate(&mut self, link: Link) -> Fate {
        let count = self.sent.entry(link).or_default();
        *count += 1;
        if self.cuts.contains_key(&link) {
            return Fate::Lost("cut");
        }
        let mut rng = self.noise.of(Topic::Message, link.0 << 8 | link.1, *count);
        let worse = self.degraded.values();
        let loss: u64 = self.settings.loss_per_mille + worse.clone().map(|by| by.loss_per_mille).sum::<u64>();
        if rng.chance(loss.min(1000), 1000) {
            return Fate::Lost("loss");
        }
        let twice: u64 =
            self.settings.duplicate_per_mille + worse.clone().map(|by| by.duplicate_per_mille).sum::<u64>();
        let slow_us: u64 = worse.map(|by| by.slow_us).sum();
        let copies = 1 + usize::from(rng.chance(twice.min(1000), 1000));
        let delays = (0..copies).map(|_| {
            let mut us =
                self.settings.base_us + rng.below(self.settings.jitter_us + 1) + rng.below(slow_us + 1);
            if rng.chance(self.settings.tail_per_mille.min(1000), 1000) {
                us += 1000 * rng.below(self.settings.tail_ms + 1);
            }
            1000 * (us + self.between_regions_us(link)) + rng.below(1000)
        });
        Fate::Arrives(delays.collect())
    }

    fn between_regions_us(&self, (from, to): Link) -> u64 {
        let region = |node: u64| self.settings.regions.get(node as usize - 1).copied().unwrap_or_default();
        let (from, to) = (region(from), region(to));
        let once = from.abs_diff(to) * self.settings.region_us;
        if from > to { once + once / 2 } else { once }
    }
}

fn release(held: &mut BTreeMap<Link, u64>, link: Link) {
    if let Some(count) = held.get_mut(&link) {
        *count -= 1;
        if *count == 0 {
            held.remove(&link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Degraded, Fate, Network};
    use crate::scenario::NetworkSettings;
    use crate::world::noise::Noise;

    fn network() -> Network {
        let settings = NetworkSettings {
            base_us: 100,
            jitter_us: 10,
            tail_per_mille: 0,
            tail_ms: 0,
            loss_per_mille: 0,
            duplicate_per_mille: 0,
            regions: vec![0, 2],
            region_us: 1000,
        };
        Network::new(settings, Noise(7))
    }

    fn delays(network: &mut Network, link: (u64, u64)) -> Vec<u64> {
        match network.fate(link) {
            Fate::Arrives(delays) => delays,
            Fate::Lost(why) => panic!("lost: {why}"),
        }
    }

    #[test]
    fn a_link_works_when_the_last_fault_has_let_go() {
        let mut network = network();
        network.cut(&[(1, 2)]);
        network.cut(&[(1, 2), (2, 1)]);
        network.mend(&[(1, 2)]);
        assert_eq!(network.fate((1, 2)), Fate::Lost("cut"));
        network.mend(&[(1, 2)]);
        assert_eq!(delays(&mut network, (1, 2)).len(), 1);
        assert_eq!(network.fate((2, 1)), Fate::Lost("cut"));
        network.heal(&[1], &[1, 2]);
        assert_eq!(network.fate((2, 1)), Fate::Lost("cut"), "only the core is healed");
        network.heal(&[1, 2], &[1, 2]);
        assert!(!network.is_partitioned());
    }

    #[test]
    fn distance_is_asymmetric_and_degradation_ends() {
        let mut network = network();
        let there = delays(&mut network, (1, 2))[0];
        let back = delays(&mut network, (2, 1))[0];
        assert!((2_100_000..2_112_000).contains(&there), "{there}");
        assert!((3_100_000..3_112_000).contains(&back), "{back}");
        network.degrade(3, Degraded { loss_per_mille: 0, duplicate_per_mille: 1000, slow_us: 0 });
        assert_eq!(delays(&mut network, (1, 1)).len(), 2);
        network.degrade(4, Degraded { loss_per_mille: 1000, duplicate_per_mille: 0, slow_us: 0 });
        assert_eq!(network.fate((1, 1)), Fate::Lost("loss"));
        network.restore(3);
        network.restore(4);
        assert_eq!(delays(&mut network, (1, 1)).len(), 1);
    }
}
