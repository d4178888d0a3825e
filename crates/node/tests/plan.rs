//! The consistency matrix as text and as JSON, compared with golden files. `UPDATE=1 cargo test -p quorate-node --test plan`
//! rewrites them.

use quorate_node::declaration::Declarations;
use quorate_node::plan::Plan;
use std::path::Path;

const DECLARED: &str = r#"
[[keyspace]]
name = "orders"
level = "linearizable"

[[keyspace]]
name = "catalogue"
level = "sequential"
"#;

fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).expect("the golden directory can be written");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{}", path.display());
}

#[test]
fn for_people() {
    let plan = Plan::of(&Declarations::parse(DECLARED).unwrap());
    check("plan.txt", &plan.to_table());
}

#[test]
fn for_programs() {
    let plan = Plan::of(&Declarations::parse(DECLARED).unwrap());
    check("plan.json", &(plan.to_json() + "\n"));
}
