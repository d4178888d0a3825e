//! A history and its report as one page for a browser.
//!
//! **Idea.** The page carries the data, the style and the program in one file and asks nobody for anything; a policy in its head forbids it
//! even to try. The verdicts and the explanations stand in it as text, for whoever runs no program; the program draws the rest.
//!
//! **Invariant:** nothing that comes from the history becomes markup. Text is escaped ([`escape`]), and in the data no `<` is left, so
//! that no value can end the element that it stands in.

mod data;

use crate::history::{History, Order};
use crate::level::Level;
use crate::verdict::{Answer, Refutation, Report, Verdict, Witness};
use data::Page;
use std::fmt::Write;

pub use data::MAX_DRAWN;

const STYLE: &str = include_str!("page.css");
const PROGRAM: &str =
    concat!(include_str!("page.js"), include_str!("drawing.js"), include_str!("pointing.js"));
/// Nothing is loaded from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// One self-contained page. Of a history with more than [`MAX_DRAWN`] operations it draws those that the violations name, and what lies
/// about them, and says so.
pub fn html(history: &History, report: &Report, title: &str) -> String {
    let page = Page::of(history, report);
    let title = escape(title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
    );
    facts(&mut out, history, report);
    levels(&mut out, report, &page);
    if page.ops.len() < history.ops.len() {
        let (drawn, all) = (page.ops.len(), history.ops.len());
        let _ = writeln!(
            out,
            "<p class=\"note\">Of {all} operations the page draws {drawn}: those that the violations name, and what lies \
             about them.</p>"
        );
    }
    if history.order == Order::Sessions {
        out.push_str(
            "<p class=\"note\">This history orders operations within sessions only: where bars of different rows stand to \
             one another means nothing.</p>\n",
        );
    }
    out.push_str(BODY_TOP);
    out.push_str("<noscript>\n");
    for view in &page.views {
        let (name, text) = (escape(&view.name), escape(&view.text));
        let _ = writeln!(out, "<section class=\"card\"><h2>{name}</h2><pre>{text}</pre></section>");
    }
    out.push_str("</noscript>\n</main>\n<script type=\"application/json\" id=\"data\">");
    out.push_str(&embedded(&page));
    let _ = write!(out, "</script>\n<script>\n{PROGRAM}</script>\n</body>\n</html>\n");
    out
}

const BODY_TOP: &str = r#"</header>
<main>
<div class="bar">
<label id="view-label">Explain <select id="view"></select></label>
<label id="scope-label" hidden>Order of <select id="scope"></select></label>
<label id="only-label" hidden><input type="checkbox" id="only"> only what it takes</label>
<span><button id="fit" title="Key: 0">Fit all</button>
<button id="near" title="Key: v">Fit what it takes</button>
<button id="closer" title="Key: +" aria-label="Zoom in">+</button>
<button id="farther" title="Key: -" aria-label="Zoom out">−</button></span>
</div>
<div class="drawing">
<div class="time" id="time">
<canvas id="head" height="24"></canvas>
<div id="scroll"><canvas id="lines" tabindex="0" role="application" aria-describedby="keys"
 aria-label="Operations on time lines. Arrow keys move from one to the next; the chosen one is read out below."></canvas></div>
</div>
<div id="circle" hidden></div>
</div>
<div class="legend" id="keys"><span class="l-ok">happened</span><span class="l-info">outcome unknown</span>
<span class="l-fail">did not happen</span><span class="l-fault">fault</span>
<div>wheel zooms, dragging pans, a click chooses; <kbd>←</kbd> <kbd>→</kbd> <kbd>↑</kbd> <kbd>↓</kbd> next operation,
<kbd>+</kbd> <kbd>-</kbd> zoom, <kbd>0</kbd> all, <kbd>v</kbd> what it takes, <kbd>Esc</kbd> none</div></div>
<div class="below">
<section class="card"><h2>Why</h2><pre id="why"></pre></section>
<section class="card" id="detail"><h2>Chosen operation</h2><div id="chosen" aria-live="polite"></div><ul id="ops"></ul></section>
</div>
<div id="tip" role="tooltip" hidden></div>
"#;

fn facts(out: &mut String, history: &History, report: &Report) {
    let (ops, processes) = (history.ops.len(), history.processes.len());
    let model = escape(report.model);
    let _ = write!(out, "<p class=\"facts\"><b>{model}</b> · {ops} operations · {processes} processes");
    for (name, figure) in &report.facts {
        let _ = write!(out, " · {} {}", escape(name), escape(figure));
    }
    let strongest: Vec<&str> = strongest(report).into_iter().map(Level::name).collect();
    let strongest = if strongest.is_empty() { "none".to_owned() } else { strongest.join(", ") };
    let _ = writeln!(out, " · strongest level that held: <b>{strongest}</b></p>");
}

/// Levels that hold and that no other level which holds implies.
fn strongest(report: &Report) -> Vec<Level> {
    let levels = report.levels.iter().filter(|(_, verdict)| verdict.answer() == Answer::Holds);
    let holds: Vec<Level> = levels.map(|(level, _)| *level).collect();
    let is_top = |level: &Level| holds.iter().all(|other| other == level || !other.is_at_least(*level));
    holds.iter().copied().filter(is_top).collect()
}

fn levels(out: &mut String, report: &Report, page: &Page) {
    out.push_str("<ul class=\"levels\" aria-label=\"Verdicts, strongest level first\">\n");
    for ((level, verdict), view) in report.levels.iter().zip(&page.level_views) {
        let answer = verdict.answer();
        let why = match verdict {
            Verdict::Holds(Witness::Orders(_) | Witness::Views(_)) => String::new(),
            Verdict::Holds(Witness::Argument(why)) => (*why).to_owned(),
            Verdict::Holds(Witness::Implied(by)) => format!("{by} holds"),
            Verdict::Violated(violation) => match violation.refutation {
                Refutation::Implied(by) => format!("{by} is violated"),
                _ => violation.anomaly.to_owned(),
            },
            Verdict::Unknown(unknown) => unknown.to_string(),
        };
        let why = escape(&why);
        let text = format!("<span>{level}</span> <b>{answer}</b>");
        // A level that rests on another one opens that one's explanation, and is not the one shown.
        let own = if is_own(verdict) { "data-own" } else { "data-of" };
        let _ = match view {
            Some(view) => writeln!(
                out,
                "<li><button class=\"level {answer}\" type=\"button\" data-view=\"{view}\" {own}=\"{view}\" title=\"{why}\">{text}</button></li>"
            ),
            None => writeln!(out, "<li><span class=\"level {answer}\" title=\"{why}\">{text}</span></li>"),
        };
    }
    out.push_str("</ul>\n");
}

fn is_own(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Holds(witness) => !matches!(witness, Witness::Implied(_)),
        Verdict::Violated(violation) => !matches!(violation.refutation, Refutation::Implied(_)),
        Verdict::Unknown(_) => true,
    }
}

/// As text of HTML, or an attribute in quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// As JSON that no HTML parser sees markup in: `<` only stands within strings, where it may be written as an escape.
fn embedded(page: &Page) -> String {
    let json = serde_json::to_string(page).expect("strings and integers are JSON");
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}
