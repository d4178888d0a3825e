//! Scenarios that once broke a promise, made as small as they get. Each is named for the mistake; the mended code keeps every promise in it, and
//! a build with mistakes breaks one as soon as that mistake is planted.

use quorate_sim::{Scenario, run};
use std::path::Path;

#[test]
fn what_was_found_once_is_mended() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(dir).expect("the directory of scenarios") {
        let path = entry.expect("its entries").path();
        let text = std::fs::read_to_string(&path).expect("a scenario");
        let mut scenario =
            Scenario::from_toml(&text).unwrap_or_else(|bad| panic!("{}: {bad}", path.display()));
        assert_eq!(run(&scenario, false).violation, None, "{}", path.display());
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name in plain letters");
        assert!(quorate_types::Mistake::named(name).is_some(), "{name} is planted as a mistake");
        if cfg!(feature = "mistakes") {
            scenario.mistake = Some(name.to_owned());
            assert!(run(&scenario, false).violation.is_some(), "{name} is still found");
        }
        count += 1;
    }
    assert!(count > 0);
}
