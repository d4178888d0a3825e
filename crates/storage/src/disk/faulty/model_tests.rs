//! A file of the faulty disk against one that simply keeps every version of every sector.

use super::sectors::{SECTOR_BYTES, SectorFile, Survivors};
use proptest::prelude::*;
use quorate_types::Rng;
use std::collections::BTreeMap;

#[derive(Default)]
struct Dirty {
    /// Its contents after each write.
    versions: Vec<Vec<u8>>,
    forgotten: bool,
}

#[derive(Default)]
struct Model {
    visible: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeMap<usize, Dirty>,
}

fn put(content: &mut [u8], sector: usize, bytes: &[u8]) {
    let from = (sector * SECTOR_BYTES).min(content.len());
    let to = (from + bytes.len()).min(content.len());
    content[from..to].copy_from_slice(&bytes[..to - from]);
}

impl Model {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.visible.resize(self.visible.len().max(end), 0);
        self.visible[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES {
            let to = ((sector + 1) * SECTOR_BYTES).min(self.visible.len());
            let dirty = self.dirty.entry(sector).or_default();
            dirty.versions.push(self.visible[sector * SECTOR_BYTES..to].to_vec());
            dirty.forgotten = false;
        }
    }

    fn make_durable(&mut self) {
        self.durable.resize(self.visible.len(), 0);
        for (sector, dirty) in std::mem::take(&mut self.dirty) {
            match dirty.versions.last() {
                Some(newest) if !dirty.forgotten => put(&mut self.durable, sector, newest),
                _ => drop(self.dirty.insert(sector, dirty)),
            }
        }
    }

    fn lose_power(&mut self, survivors: Survivors, rng: &mut Rng) {
        let len = match survivors {
            Survivors::Random if rng.chance(1, 2) => self.visible.len(),
            Survivors::Everything => self.visible.len(),
            Survivors::Random | Survivors::Nothing => self.durable.len(),
        };
        self.durable.resize(len, 0);
        for (sector, dirty) in std::mem::take(&mut self.dirty) {
            let newest = dirty.versions.len();
            let version = match survivors {
                Survivors::Nothing => 0,
                Survivors::Everything => newest,
                Survivors::Random => rng.below(newest as u64 + 1) as usize,
            };
            if version > 0 {
                put(&mut self.durable, sector, &dirty.versions[version - 1]);
            }
        }
        self.visible.clone_from(&self.durable);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write { offset: usize, len: usize, byte: u8 },
    Sync,
    FailSync,
    LosePower { survivors: Survivors, seed: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let survivors =
        prop_oneof![Just(Survivors::Nothing), Just(Survivors::Everything), Just(Survivors::Random)];
    prop_oneof![
        6 => (0usize..2600, 1usize..1300, any::<u8>())
            .prop_map(|(offset, len, byte)| Step::Write { offset, len, byte }),
        2 => Just(Step::Sync),
        1 => Just(Step::FailSync),
        1 => (survivors, any::<u64>()).prop_map(|(survivors, seed)| Step::LosePower { survivors, seed }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_has_every_fate_that_its_versions_allow(steps in prop::collection::vec(step(), 1..30)) {
        let (mut file, mut model) = (SectorFile::default(), Model::default());
        for step in steps {
            match &step {
                Step::Write { offset, len, byte } => {
                    let bytes = vec![*byte; *len];
                    file.write(*offset, &bytes);
                    model.write(*offset, &bytes);
                }
                Step::Sync => {
                    file.make_durable();
                    model.make_durable();
                }
                Step::FailSync => {
                    file.forget();
                    model.dirty.values_mut().for_each(|dirty| dirty.forgotten = true);
                }
                Step::LosePower { survivors, seed } => {
                    file.lose_power(*survivors, &mut Rng::new(*seed));
                    model.lose_power(*survivors, &mut Rng::new(*seed));
                }
            }
            prop_assert_eq!(file.content(), &model.visible[..], "after {:?}", step);
        }
        // What is durable shows when nothing else survives.
        file.lose_power(Survivors::Nothing, &mut Rng::new(0));
        prop_assert_eq!(file.content(), &model.durable[..]);
    }
}
