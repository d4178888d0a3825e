//! The same scenario gives the same run, byte for byte. Seeds are new ones each time; a failure prints its seed.

use quorate_sim::draw::{Wishes, draw};
use quorate_sim::run;
use std::time::{SystemTime, UNIX_EPOCH};

const SEEDS: u64 = 8;

#[test]
fn two_runs_of_any_seed_are_the_same_to_the_last_byte() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos();
    let first =
        std::env::var("SIM_SEED").map_or(now as u64 >> 8, |seed| seed.parse().expect("SIM_SEED is a number"));
    for seed in first..first + SEEDS {
        let scenario = draw(seed, &Wishes::default());
        let [one, two] = [0, 1].map(|_| run(&scenario, true));
        let rerun = format!("SIM_SEED={seed} cargo test -p quorate-sim --test determinism");
        assert_eq!(one.violation, None, "seed {seed} breaks a promise: quorate sim --seed {seed}");
        assert!(one.trace.text() == two.trace.text(), "the traces differ: {rerun}");
        assert_eq!((one.counts, one.marks), (two.counts, two.marks), "{rerun}");
        let unkept = run(&scenario, false);
        assert_eq!(unkept.trace.digest(), two.trace.digest(), "keeping events changes nothing: {rerun}");
    }
}
