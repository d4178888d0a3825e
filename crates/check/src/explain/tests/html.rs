//! The page stands alone, escapes everything and holds the data.

use super::{edges, history, order, stuck, violated};
use crate::explain::{MAX_DRAWN, html};
use crate::history::{Builder, Call, History, Order, Stamp, Value};
use crate::level::Level;
use crate::verdict::{Cause, Finding, Refutation, Relation, Report, Unknown, Verdict, Witness};

fn report(levels: Vec<(Level, Verdict)>) -> Report {
    Report { model: "register", levels, findings: Vec::new(), facts: Vec::new() }
}

fn data(page: &str) -> serde_json::Value {
    let start = page.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = start + page[start..].find("</script>").unwrap();
    serde_json::from_str(&page[start..end]).unwrap()
}

const STALE: &str = "0 1-2 w1; 0 3-4 w2; 1 5-6 r1; 2 5-? w3; 3 2-9! w4";

#[test]
fn the_page_asks_nobody_for_anything() {
    let history = history(STALE);
    let verdict = violated(&[0, 2, 3], stuck(&[0, 2], "2", &[3]));
    let page = html(&history, &report(vec![(Level::Linearizable, verdict)]), "t");
    for outside in
        ["http:", "https:", "src=", "href=", "@import", "url(h", "//cdn", "fetch(", "XMLHttpRequest"]
    {
        let allowed = page.matches("http://www.w3.org/2000/svg").count();
        let expect = if outside == "http:" { allowed } else { 0 };
        assert_eq!(page.matches(outside).count(), expect, "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
}

#[test]
fn nothing_from_outside_becomes_markup() {
    const EVIL: &str = "</script><!--<script><b a=\"x\" c='y'>&\u{2028}";
    let mut builder = Builder::new(Order::RealTime);
    let call = Call {
        process: EVIL,
        session: Some(EVIL),
        node: Some(EVIL.into()),
        f: EVIL.into(),
        key: Value::text(EVIL),
        input: Value::text(EVIL),
        at: Stamp::Next,
        line: 1,
        time: None,
    };
    builder.call(call).unwrap();
    builder.fault(EVIL.into(), Value::text(EVIL), Stamp::Next, 2);
    let history = builder.finish().unwrap();
    let Verdict::Violated(mut violation) = violated(&[0], stuck(&[0], EVIL, &[0])) else { unreachable!() };
    violation.reason = EVIL.to_owned();
    let mut report = report(vec![(Level::Linearizable, Verdict::Violated(violation.clone()))]);
    report.facts.push((EVIL.to_owned(), EVIL.to_owned()));
    report.findings.push(Finding { violation: *violation, rules_out: Vec::new() });
    let page = html(&history, &report, EVIL);
    assert!(!page.contains("<b") || page.matches("<b ").count() == 0, "markup came through");
    assert!(!page.contains("<!--"));
    assert_eq!(page.matches("</script>").count(), 2);
    assert_eq!(data(&page)["rows"][0], EVIL);
    assert_eq!(data(&page)["ops"][0][5], EVIL);
    assert!(
        page.contains("<h1>&lt;/script&gt;&lt;!--&lt;script&gt;&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;")
    );
}

#[test]
fn operations_verdicts_and_proofs_are_there() {
    let history = history(STALE);
    let stuck = violated(&[0, 2, 3], stuck(&[0, 2], "2", &[3]));
    let circle = violated(&[0, 2], edges(&[(0, 2, Relation::RealTime), (2, 0, Relation::ReadWrite)]));
    let unknown = Unknown { cause: Cause::NoMethod, progress: "nothing fits".to_owned() };
    let levels = vec![
        (Level::Linearizable, stuck),
        (Level::Sequential, circle),
        (Level::CausalMemory, order(&[0, 3, 2])),
        (Level::CausalConvergence, Verdict::Unknown(unknown)),
        (Level::Pram, Verdict::Holds(Witness::Implied(Level::CausalMemory))),
        (Level::MonotonicReads, violated(&[], Refutation::Implied(Level::Sequential))),
    ];
    let page = html(&history, &report(levels), "Stale");
    let data = data(&page);
    assert_eq!(data["rows"], serde_json::json!(["0", "1", "2", "3"]));
    let times = serde_json::json!([1_000_000, 2_000_000]);
    assert_eq!(
        data["ops"][0],
        serde_json::json!([0, 0, 0, 2, 0, "write", "", "1", "1", "", "0", [1, 2], times])
    );
    let ends: Vec<i64> = data["ops"].as_array().unwrap().iter().map(|op| op[4].as_i64().unwrap()).collect();
    assert_eq!(ends, [0, 1, 0, 0, 2]);
    assert_eq!(data["ops"][4][3], -1);
    assert_eq!(data["first"], 1);
    assert_eq!(data["views"].as_array().unwrap().len(), 3);
    assert_eq!(data["views"][0]["blocked"][0][0], 3);
    assert_eq!(data["views"][0]["orders"][0]["ops"], serde_json::json!([0, 2]));
    assert_eq!(data["views"][1]["edges"][1]["kind"], "rw");
    assert_eq!(data["views"][2]["orders"][0]["timed"], false);
    for expect in [
        "violated\" type=\"button\" data-view=\"0\" data-own=\"0\" title=\"stale read\"",
        "holds\" type=\"button\" data-view=\"2\" data-of=\"2\" title=\"causal-memory holds\"",
        "violated\" type=\"button\" data-view=\"1\" data-of=\"1\" title=\"sequential is violated\"",
        "unknown\" title=\"no method decides it; nothing fits\"",
        "strongest level that held: <b>causal-memory</b>",
        "<h2>linearizable violated: stale read</h2>",
    ] {
        assert!(page.contains(expect), "{expect}");
    }
}

#[test]
fn a_history_too_long_to_draw_is_cut_about_the_violation() {
    let mut builder = Builder::new(Order::Sessions);
    let count = MAX_DRAWN + 50;
    for at in 0..count {
        let process = at.to_string();
        let (key, input) = (Value::Nil, Value::Nil);
        let call = Call {
            process: &process,
            session: None,
            node: None,
            f: "read".into(),
            key,
            input,
            at: Stamp::Next,
            line: 0,
            time: None,
        };
        builder.call(call).unwrap();
    }
    let history: History = builder.finish().unwrap();
    let named = [count as u32 - 1];
    let page =
        html(&history, &report(vec![(Level::Linearizable, violated(&named, Refutation::Fact))]), "long");
    let data = data(&page);
    let drawn: Vec<u64> = data["ops"].as_array().unwrap().iter().map(|op| op[0].as_u64().unwrap()).collect();
    assert_eq!((drawn.len(), drawn[0], drawn[MAX_DRAWN - 1]), (MAX_DRAWN, 50, u64::from(named[0])));
    assert!(page.contains("Of 100050 operations the page draws 100000"));
    assert!(page.contains("within sessions only"));
}
