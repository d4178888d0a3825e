//! A run as one page for a browser.
//!
//! **Idea:** the page carries data, style and program in one file and asks nobody for anything; a policy in its head forbids it even to try.
//! What broke stands in it as text; the program draws time to the right and one lane for each node and client.
//! **Invariant:** nothing that comes from a run becomes markup. Text is escaped ([`escape`]), and in the data no `<` is left, so that no
//! value can end the element that it stands in.

mod data;

use crate::explain::text;
use crate::trace::Story;
use data::Page;
use std::fmt::Write;

pub use data::MAX_DRAWN;

const STYLE: &str = include_str!("page.css");
const BODY: &str = include_str!("body.html");
const PROGRAM: &str = concat!(
    include_str!("model.js"),
    include_str!("draw.js"),
    include_str!("marks.js"),
    include_str!("view.js"),
    include_str!("list.js")
);
/// Nothing is loaded from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// One self-contained page: a space–time diagram of the run. Of a run with more than [`MAX_DRAWN`] events it leaves out the earliest
/// messages, and says so.
#[must_use]
pub fn html(story: &Story<'_>) -> String {
    let page = Page::of(story);
    let title = escape(&match story.violation {
        Some(violation) => format!("Broken: {}", violation.invariant.promise()),
        None => "No promise was found broken".to_owned(),
    });
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    header(&mut out, story, &title, page.left_out);
    out.push_str(BODY);
    let _ = writeln!(out, "<noscript><pre>{}</pre></noscript>", escape(&text(story)));
    let _ = writeln!(out, "<script type=\"application/json\" id=\"data\">{}</script>", embedded(&page));
    let _ = write!(out, "<script>\n{PROGRAM}</script>\n</body>\n</html>\n");
    out
}

/// What broke, how to run it again, and how large it is.
fn header(out: &mut String, story: &Story<'_>, title: &str, left_out: usize) {
    let class = if story.violation.is_some() { "broken" } else { "held" };
    let _ = writeln!(out, "<header>\n<h1 class=\"{class}\">{title}</h1>");
    if let Some(violation) = story.violation {
        let (words, at) = (escape(&violation.words), violation.at);
        let _ = writeln!(out, "<p class=\"words\">{words} <span class=\"at\">at {at}</span></p>");
    }
    let command = escape(story.command);
    let _ = writeln!(
        out,
        "<div class=\"command\"><span>Run again</span> <code id=\"command\">{command}</code> \
         <button type=\"button\" id=\"copy\">Copy</button></div>"
    );
    let size = escape(&text::size(story.scenario));
    let _ = write!(out, "<p class=\"facts\">{size} · {} events", story.events.len());
    if left_out > 0 {
        let _ = write!(out, " (the earliest {left_out} messages, writes and applied entries are left out)");
    }
    if let Some(mistake) = &story.scenario.mistake {
        let _ = write!(out, " · planted mistake: <b>{}</b>", escape(mistake));
    }
    if !story.scenario.note.is_empty() {
        let _ = write!(out, " · {}", escape(&story.scenario.note));
    }
    out.push_str("</p>\n");
    if !story.marks.is_empty() {
        let _ = write!(
            out,
            "<details class=\"marks\"><summary>{} marks reached</summary><ul>",
            story.marks.len()
        );
        for (mark, count) in story.marks {
            let _ = write!(out, "<li>{} <b>{count}</b></li>", escape(mark));
        }
        out.push_str("</ul></details>\n");
    }
    out.push_str("</header>\n");
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
