//! The status page: plain HTML that needs no script, with what a person on call wants to see first.

use std::fmt::Write;

use crate::core::health::Answer;

/// One part of the page: a title over a table.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// Column names; empty for a table of names and values.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Section {
    /// A section of names and values.
    pub fn facts<N: Into<String>, V: Into<String>>(
        title: impl Into<String>,
        facts: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let rows = facts.into_iter().map(|(name, value)| vec![name.into(), value.into()]).collect();
        Self { title: title.into(), columns: Vec::new(), rows }
    }

    /// A section with named columns.
    pub fn table(title: impl Into<String>, columns: &[&str], rows: Vec<Vec<String>>) -> Self {
        Self { title: title.into(), columns: columns.iter().map(|&name| name.to_owned()).collect(), rows }
    }
}

/// Renders the page. Everything in it is escaped: names and errors may come from remotes.
pub fn page(mode: &str, ready: &Answer, live: &Answer, sections: &[Section]) -> String {
    let mut out = String::with_capacity(4096);
    let (state, class) = if ready.passes { ("ready", "ok") } else { ("not ready", "bad") };
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta http-equiv=refresh content=5><title>{mode}: {state}</title><style>\
         body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1d2330;background:#fff}}\
         h1{{font-size:1.3rem}}h2{{font-size:1rem;margin:1.6rem 0 .4rem}}.ok{{color:#0a6b3d}}.bad{{color:#a8201a}}\
         table{{border-collapse:collapse;width:100%}}td,th{{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #e3e6ec;vertical-align:top;overflow-wrap:anywhere}}\
         pre{{white-space:pre-wrap;margin:0}}@media(prefers-color-scheme:dark){{body{{background:#14171d;color:#dfe3ea}}td,th{{border-color:#2c323d}}.ok{{color:#5fd39b}}.bad{{color:#ff8d85}}a{{color:#8fb8ff}}}}\
         </style><h1>patterns {mode}: <span class={class}>{state}</span></h1>"
    );
    for answer in [ready, live].into_iter().filter(|answer| !answer.passes) {
        let _ = write!(out, "<pre class=bad>{}</pre>", escape(&answer.text));
    }
    for section in sections {
        let _ = write!(out, "<h2>{}</h2><table>", escape(&section.title));
        if !section.columns.is_empty() {
            let _ = write!(out, "<tr>{}</tr>", cells("th", &section.columns));
        }
        for row in &section.rows {
            let _ = write!(out, "<tr>{}</tr>", cells("td", row));
        }
        out.push_str("</table>");
    }
    out.push_str("<p><a href=/metrics>metrics</a> · <a href=/readyz>readyz</a> · <a href=/livez>livez</a> · <a href=/startupz>startupz</a></html>\n");
    out
}

fn cells(tag: &str, row: &[String]) -> String {
    row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect()
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_text_cannot_become_markup() {
        let bad = Answer { passes: false, text: "remote: <script>\u{1b}[31m".to_owned() };
        let fine = Answer { passes: true, text: "alive\n".to_owned() };
        let html = page("sync-git", &bad, &fine, &[Section::facts("Ref", [("branch", "a&b<c>")])]);
        assert!(html.contains("&lt;script&gt;\\u{1b}[31m") && html.contains("a&amp;b&lt;c&gt;"), "{html}");
        assert!(!html.contains("<script>"));
    }
}
