//! `explain`: what becomes of a StatsD line or of a bean's value, step by step: every rule that is tried, the series.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{ArgMatches, Args, FromArgMatches};

use super::offline::grammar;
use super::{By, exporter_file, say};
use crate::adapt_metrics::jmx;
use crate::adapt_metrics::model::Shape;
use crate::adapt_metrics::rules::{Class, Rules, Verdict};
use crate::adapt_metrics::statsd::line::{self, Fields, Grammar, Type};
use crate::core::fault::Fault;
use crate::core::mode::Verb;

/// Explains a line.
pub(super) const VERB: Verb = Verb {
    name: "explain",
    about: "Says what becomes of a StatsD line or a bean's value: every rule tried, the final series",
    arguments: Explain::augment_args,
    run: |_, matches| run(matches),
};

#[derive(Debug, Args)]
struct Explain {
    /// The line, such as 'web.hits:1|c|#path:/a'
    #[arg(long, value_name = "LINE", required_unless_present = "bean")]
    line: Option<String>,

    /// A bean's value as `dump --jmx` shows it, such as 'java.lang<type=Memory><HeapMemoryUsage>used: 5'
    #[arg(long, value_name = "VALUE", conflicts_with = "line")]
    bean: Option<String>,

    /// Rules file in the dialect of jmx_exporter, for --bean; without it, names come from the bean
    #[arg(long, value_name = "FILE", requires = "bean")]
    rules_file: Option<PathBuf>,

    #[command(flatten)]
    by: By,
}

fn run(matches: &ArgMatches) -> Result<(), Fault> {
    let explain = Explain::from_arg_matches(matches).map_err(Fault::bug)?;
    if let Some(bean) = &explain.bean {
        let rules = exporter_file(explain.rules_file.as_deref())?.rules;
        return say(jmx::explain(bean, &rules).map_err(|error| Fault::usage(anyhow!("{bean:?}: {error}")))?);
    }
    say(told(explain.line.as_deref().unwrap_or_default(), &explain.by.rules()?, grammar(&explain.by)))
}

/// The explanation of one line.
pub fn told(text: &str, rules: &Rules, grammar: Grammar) -> String {
    // Writing to a String cannot fail.
    let mut out = format!("line    {text}\n");
    let parsed = match line::parse(text.as_bytes(), grammar) {
        Ok(parsed) => parsed,
        Err(reason) => {
            let _ = writeln!(out, "refused {}", reason.name());
            return out;
        }
    };
    if parsed.labels.refused > 0 {
        let _ = writeln!(out, "tags    {} in the name are malformed and left out", parsed.labels.refused);
    }
    for raw in &parsed.samples {
        let is_set = grammar.sets_and_packed_numbers && raw.suffix.split('|').nth(1) == Some("s");
        let read = if is_set { Ok(0.0) } else { line::value(*raw) };
        let fields = match read.and_then(|_| line::fields(*raw, &parsed.labels, grammar)) {
            Ok(fields) => fields,
            Err(reason) => {
                let _ = writeln!(out, "sample  {}{} refused: {}", raw.value, raw.suffix, reason.name());
                continue;
            }
        };
        let _ = writeln!(out, "sample  {:?} {}, value {}, rate {}", fields.kind, parsed.name, raw.value, fields.rate);
        if fields.labels.refused > 0 {
            let _ = writeln!(out, "tags    {} are malformed and left out", fields.labels.refused);
        }
        sample(&mut out, &parsed.name, &fields, rules);
    }
    out
}

fn sample(out: &mut String, name: &str, fields: &Fields<'_>, rules: &Rules) {
    let class = Class::from(fields.kind);
    let winner = rules.find(name, class).map(|(rule, captured)| (rule.line, captured.list()));
    for rule in rules.list() {
        let what = match &winner {
            Some((line, captures)) if *line == rule.line => format!("matches, captures {captures:?}"),
            _ if rule.class.is_some_and(|own| own != class) => "is for another type".to_owned(),
            _ if rule.would_match(name, class) => "would match, but another rule is before it".to_owned(),
            _ => "does not match".to_owned(),
        };
        let _ = writeln!(out, "rule    line {}: {} {what}", rule.line, rule.matches);
    }
    match rules.judge(name, fields.kind) {
        Verdict::Drop => out.push_str("result  dropped by the rule\n"),
        Verdict::NoName => out.push_str("result  dropped: nothing is left of the name\n"),
        Verdict::Family(target) => {
            let mut labels: Vec<(&str, &str)> =
                fields.labels.pairs().iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
            for (label, value) in &target.labels {
                match labels.iter_mut().find(|(known, _)| known == label) {
                    Some(_) if target.honor_labels => {}
                    Some((_, own)) => *own = value,
                    None => labels.push((label, value)),
                }
            }
            labels.sort_unstable();
            let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}={value:?}")).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let by = if target.is_mapped { "" } else { " (no rule matches)" };
            let _ = writeln!(out, "result  {} {}{labels}{by}", shape(&target.shape), target.name);
            if fields.kind == Type::Counter && fields.rate != 1.0 {
                let _ = writeln!(out, "        the value is divided by the rate {}", fields.rate);
            }
            if let Some(scale) = target.scale {
                let _ = writeln!(out, "        the value is multiplied by {scale}");
            }
            if target.ttl > 0 {
                let _ =
                    writeln!(out, "        the series goes after {} s without a sample", f64::from(target.ttl) / 10.0);
            }
        }
    }
}

fn shape(shape: &Shape) -> String {
    match shape {
        Shape::Counter => "counter".to_owned(),
        Shape::Gauge | Shape::Set => "gauge".to_owned(),
        Shape::Unknown => "untyped".to_owned(),
        Shape::Info => "info".to_owned(),
        Shape::Summary(options) => format!("summary (quantiles {:?})", options.quantiles),
        Shape::Histogram(options) => format!("histogram (buckets {:?})", options.bounds),
    }
}
