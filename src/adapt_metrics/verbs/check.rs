//! `check FILE…`: everything that is wrong with rule files, and what works otherwise than it reads.
//!
//! Mistakes end with exit code 78. Rules that no name can reach, and quirks that a file leans on, are told and do not.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{ArgMatches, Args, FromArgMatches, ValueEnum};
use serde_json::json;

use super::say;
use crate::adapt_metrics::jmx::ExporterFile;
use crate::adapt_metrics::json::Modules;
use crate::adapt_metrics::naming::Naming;
use crate::adapt_metrics::rules;
use crate::core::document::{self, Mistakes, Node};
use crate::core::fault::Fault;
use crate::core::mode::Verb;

/// Judges rule files.
pub(super) const VERB: Verb = Verb {
    name: "check",
    about: "Checks rule files: mistakes, rules that nothing reaches, quirks",
    arguments: Check::augment_args,
    run: |_, matches| run(matches),
};

#[derive(Debug, Args)]
struct Check {
    /// Rule files: mappings of statsd_exporter or graphite_exporter, rules of jmx_exporter, modules of json_exporter
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How to tell it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line each, for people
    Text,
    /// A list, for machines
    Json,
}

struct Finding {
    line: Option<usize>,
    kind: &'static str,
    told: String,
}

fn run(matches: &ArgMatches) -> Result<(), Fault> {
    let check = Check::from_arg_matches(matches).map_err(Fault::bug)?;
    let mut wrong = 0;
    let mut told = Vec::new();
    for path in &check.files {
        let (findings, rules) = judge(path);
        let shown = path.display().to_string();
        wrong += findings.iter().filter(|finding| finding.kind == "mistake").count();
        match check.format {
            Format::Json => told.extend(findings.iter().map(
                |finding| json!({"file": shown, "line": finding.line, "kind": finding.kind, "reason": finding.told}),
            )),
            Format::Text => {
                for finding in &findings {
                    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
                    say(format!("{shown}{line}: {}: {}\n", finding.kind, finding.told))?;
                }
                if let Some(rules) = rules {
                    say(format!("{shown}: {rules} rules, {} remarks\n", findings.len()))?;
                }
            }
        }
    }
    if check.format == Format::Json {
        say(format!("{:#}\n", serde_json::Value::from(told)))?;
    }
    if wrong > 0 {
        let noun = if wrong == 1 { "mistake" } else { "mistakes" };
        let files = if check.files.len() == 1 { "file" } else { "files" };
        return Err(Fault::config(anyhow!("{wrong} {noun} in {} {files}", check.files.len())));
    }
    Ok(())
}

/// What is to be said about a file, by its lines; and how many rules it has, when it is sound.
fn judge(path: &std::path::Path) -> (Vec<Finding>, Option<usize>) {
    let root = match document::read(path) {
        Ok(root) => root,
        Err(fault) => return (vec![Finding { line: None, kind: "mistake", told: fault.one_line() }], None),
    };
    let (mut mistakes, mut notes) = (Mistakes::new(path.display()), Mistakes::new(path.display()));
    let others = match Dialect::of(&root) {
        Dialect::Mappings => None,
        Dialect::Modules => Some(Modules::read(&root, &mut mistakes, &mut notes).len()),
        Dialect::Beans => {
            let environment = |name: &str| std::env::var(name).ok();
            Some(ExporterFile::read(&root, &environment, &mut mistakes, &mut notes).rules.count())
        }
    };
    if let Some(count) = others {
        let is_sound = mistakes.is_empty();
        let mut findings = findings(mistakes, "mistake");
        findings.extend(self::findings(notes, "note"));
        findings.sort_by_key(|finding| finding.line);
        return (findings, is_sound.then_some(count));
    }
    let rules = rules::read(&root, Naming::Exact, 0, &mut mistakes);
    let is_sound = mistakes.is_empty();
    let mut findings = findings(mistakes, "mistake");
    findings.extend(rules.unreached().into_iter().map(|(line, told)| Finding {
        line: Some(line),
        kind: "unreached",
        told,
    }));
    let quirks = rules.quirks.iter();
    findings.extend(quirks.map(|quirk| Finding { line: Some(quirk.line), kind: "quirk", told: quirk.told.clone() }));
    findings.sort_by_key(|finding| finding.line);
    (findings, is_sound.then_some(rules.list().len()))
}

fn findings(told: Mistakes, kind: &'static str) -> Vec<Finding> {
    told.sorted()
        .into_iter()
        .map(|mistake| Finding {
            line: mistake.at.map(|at| at.line),
            kind,
            told: if mistake.key.is_empty() { mistake.reason } else { format!("{}: {}", mistake.key, mistake.reason) },
        })
        .collect()
}

/// Whose rules a file holds, by its shape.
enum Dialect {
    Mappings,
    Beans,
    Modules,
}

impl Dialect {
    fn of(root: &Node) -> Self {
        let has = |key: &str| root.field(key).is_some();
        if has("modules") {
            Self::Modules
        } else if ["rules", "hostPort", "jmxUrl", "lowercaseOutputName", "includeObjectNames", "whitelistObjectNames"]
            .into_iter()
            .any(has)
        {
            Self::Beans
        } else {
            Self::Mappings
        }
    }
}
