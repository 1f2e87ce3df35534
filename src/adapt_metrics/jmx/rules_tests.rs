//! What rule files make of readings, as jmx_exporter's users rely on it.

use super::bean::ObjectName;
use super::exporter_file::ExporterFile;
use super::rules::{Decision, Made, RulesScratch};
use super::value::JmxValue;
use super::walk::Reading;
use crate::core::document::{self, Mistakes};

fn read(file: &str) -> (ExporterFile, String, String) {
    let (mut mistakes, mut notes) = (Mistakes::new("rules.yml"), Mistakes::new("rules.yml"));
    let document = document::parse(file, &mut mistakes);
    let environment = |name: &str| (name == "SECRET").then(|| "from the environment".to_owned());
    let file = ExporterFile::read(&document, &environment, &mut mistakes, &mut notes);
    (file, mistakes.to_string(), notes.to_string())
}

/// The sample that a value becomes, and whether that holds for every value.
fn outcome(file: &str, bean: &str, keys: &[&str], attribute: &str, value: JmxValue) -> (String, bool) {
    let (file, mistakes, _) = read(file);
    assert!(mistakes.starts_with("0 mistakes"), "{mistakes}");
    let bean = ObjectName::parse(bean).unwrap();
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let reading =
        Reading { bean: &bean, extra: &[], keys: &keys, attribute, description: "", labels: &[], value: &value };
    let (made, always) = match file.rules.decide(&reading, &mut RulesScratch::default()) {
        Decision::Always(made) => (made, true),
        Decision::Now { first, made } => {
            // Deciding again, with what is known by now, comes to the same.
            let again = file.rules.make_now(&reading, first);
            assert_eq!(format!("{again:?}"), format!("{made:?}"));
            (made, false)
        }
    };
    let Made::Sample(planned) = made else { return ("nothing".to_owned(), always) };
    let labels: Vec<_> = planned.series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let value = planned.constant.or(value.number()).map(|value| value * planned.factor);
    let value = value.map_or("no value".to_owned(), |value| value.to_string());
    (format!("{}{{{}}} {value} {:?}", planned.series.name, labels.join(","), planned.series.kind), always)
}

const HADOOP: &str = "hadoop:service=DataNode,name=DataNodeActivity-ams-hdd001-50010";

fn hadoop(rules: &str) -> String {
    outcome(rules, HADOOP, &[], "replaceBlockOpMinTime", JmxValue::Long(200)).0
}

#[test]
fn without_rules_names_come_from_the_bean() {
    assert_eq!(
        hadoop("{}"),
        "hadoop_DataNode_replaceBlockOpMinTime{name=DataNodeActivity-ams-hdd001-50010} 200 Unknown"
    );
    assert_eq!(hadoop("rules: []"), "nothing");
    assert_eq!(
        hadoop("lowercaseOutputName: true"),
        "hadoop_datanode_replaceblockopmintime{name=DataNodeActivity-ams-hdd001-50010} 200 Unknown"
    );
}

#[test]
fn names_labels_and_values_come_from_groups() {
    let rules = "rules:\n- pattern: '^hadoop<(service)=(DataNode), name=DataNodeActivity-ams-hdd001-50010><>(replaceBlockOpMinTime):'\n  name: hadoop_$3\n  labels:\n    '$1': '$2'\n    empty: ''\n    '': v\n";
    assert_eq!(hadoop(rules), "hadoop_replaceBlockOpMinTime{service=DataNode} 200 Unknown");
    assert_eq!(hadoop("rules: [{pattern: '^hadoop<.+-500(10)>', name: foo, value: $1}]"), "foo{} 10 Unknown");
    assert_eq!(hadoop("rules: [{pattern: '.*', name: foo, value: a}]"), "nothing");
    assert_eq!(hadoop("rules: [{pattern: '.*', name: foo, value: }]"), "nothing");
    assert_eq!(
        hadoop("rules: [{pattern: '(?<d>hadoop)', name: '${d}_x', type: GAUGE, valueFactor: 0.5}]"),
        "hadoop_x{} 100 Gauge"
    );
}

#[test]
fn names_are_cleaned_and_reserved_suffixes_follow_the_type() {
    let rules = "rules:\n- pattern: '^(hadoop<service=DataNode, )name'\n  name: '$1'\n  labels: {'$1': '$1'}\n";
    assert_eq!(
        hadoop(rules),
        "hadoop_service_DataNode_{hadoop_service_DataNode_=hadoop<service=DataNode, } 200 Unknown"
    );
    assert_eq!(
        hadoop("rules: [{pattern: x, name: n}, {pattern: hadoop, name: a_total, type: COUNTER}]"),
        "a_total{} 200 Counter"
    );
    assert_eq!(hadoop("rules: [{pattern: hadoop, name: a_total, type: GAUGE}]"), "a{} 200 Gauge");
    assert_eq!(hadoop("rules: [{pattern: hadoop, name: a, type: COUNTER}]"), "a_total{} 200 Counter");
    assert_eq!(
        hadoop("{inferCounterTypeFromName: true, rules: [{pattern: hadoop, name: a_total}]}"),
        "a_total{} 200 Counter"
    );
    assert_eq!(
        hadoop("{lowercaseOutputLabelNames: true, rules: [{pattern: hadoop, name: A, labels: {ABC: DEF}}]}"),
        "A{abc=DEF} 200 Unknown"
    );
}

#[test]
fn the_first_match_takes_the_value_and_an_empty_name_drops_it() {
    assert_eq!(hadoop("rules: [{pattern: hadoop, name: ''}, {pattern: '.*', name: foo}]"), "nothing");
    assert_eq!(
        hadoop("rules: [{pattern: kafka, name: a}, {pattern: '', name: b}, {pattern: '', name: c}]"),
        "b{} 200 Unknown"
    );
}

#[test]
fn the_last_place_that_matches_counts() {
    let rules = "rules: [{pattern: '(\\d)\\d', name: 'n$1'}]";
    assert_eq!(hadoop(rules), "n0{} 200 Unknown", "of 001, 50010 and 200 the last");
}

#[test]
fn attributes_may_be_seen_in_snake_case() {
    let rules = "rules: [{pattern: '><>replaceBlockOpMinTime', name: camel}, {pattern: '><>(replace_block_op_min_time):', name: '$1', attrNameSnakeCase: true}]";
    assert_eq!(hadoop(rules), "camel{} 200 Unknown");
    assert_eq!(
        hadoop(&rules.replace("camel", "").replace("><>replaceBlock", "><>x")),
        "replace_block_op_min_time{} 200 Unknown"
    );
    assert_eq!(
        hadoop("rules: [{attrNameSnakeCase: true}]"),
        "hadoop_DataNode_replace_block_op_min_time{name=DataNodeActivity-ams-hdd001-50010} 200 Unknown"
    );
}

#[test]
fn text_becomes_a_number_by_a_rules_value() {
    let rules = "rules: [{pattern: 'enum<type=State.*>State: (RUNNING|IDLE)', name: 'is_$1', value: 1}]";
    let state = |text: &str| outcome(rules, "enum:type=StateMetrics", &[], "State", JmxValue::Text(text.into()));
    assert_eq!(state("RUNNING"), ("is_RUNNING{} 1 Unknown".to_owned(), false));
    assert_eq!(state("STOPPED").0, "nothing");
    assert_eq!(outcome("{}", "enum:type=S", &[], "State", JmxValue::Text("5".into())), ("nothing".to_owned(), true));
}

#[test]
fn a_decision_holds_for_every_value_unless_the_pattern_looks_at_it() {
    let always = |pattern: &str, name: &str| {
        let rules = format!("rules: [{{pattern: '{pattern}', name: '{name}'}}, {{pattern: '.*', name: rest}}]");
        let (sample, always) = outcome(&rules, "d:type=T", &["Usage"], "used", JmxValue::Long(200));
        (sample.split('{').next().unwrap_or_default().to_owned(), always)
    };
    let sample = |name: &str, always| (name.to_owned(), always);
    assert_eq!(always("d<type=(.+)><Usage>(used):", "a_$1_$2"), sample("a_T_used", true));
    assert_eq!(always("d<type=(.+)><Usage>used", "a_$1"), sample("a_T", true));
    assert_eq!(always("d<type=(.+)><(.*)>(.*): (.*)", "a_$1"), sample("a_T", true));
    assert_eq!(always("d<type=(.+)><(.*)>(.*): (.*)", "a_$4"), sample("a_200", false));
    assert_eq!(always("other", "a"), sample("rest", true));
    assert_eq!(always("used: 5", "a"), sample("rest", false));
    assert_eq!(always("used: 200", "a"), sample("a", false));
    assert_eq!(always("d<type=(?!Other)(.+)><Usage>used", "a_$1"), sample("a_T", false));
    assert_eq!(always("e<type=(?!Other)(.+)><Usage>used", "a_$1"), sample("rest", true));
}

#[test]
fn cached_rules_do_not_see_the_value() {
    let rules = "rules: [{pattern: 'd<type=T><>Count: (.*)', name: 'n_$1', cache: true}]";
    assert_eq!(outcome(rules, "d:type=T", &[], "Count", JmxValue::Long(1)), ("n_cache_{} 1 Unknown".to_owned(), true));
}

#[test]
fn help_says_where_a_value_comes_from() {
    let (file, ..) = read("rules: [{pattern: 'd<(.*)><>A', name: n, help: 'of $1'}, {}]");
    let bean = ObjectName::parse("d:type=T").unwrap();
    let help = |attribute, description| {
        let reading = Reading {
            bean: &bean,
            extra: &[],
            keys: &[],
            attribute,
            description,
            labels: &[],
            value: &JmxValue::Long(1),
        };
        match file.rules.make_now(&reading, 0) {
            Made::Sample(planned) => planned.series.help.clone(),
            Made::Nothing => String::new(),
        }
    };
    assert_eq!(help("A", "anything"), "of type=T");
    assert_eq!(help("B", "A count"), "A count d:name=null,type=T,attribute=B");
    assert_eq!(help("B", "B"), "d:name=null,type=T,attribute=B");
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let (_, mistakes, _) = read(
        "hostPort: app:1\njmxUrl: service:jmx:jmxmp://x\nusername: a\npassword: ${NOT_SET}\nrules:\n- help: h\n- labels: {a: b}\n- name: n\n- pattern: '('\n- pattern: 'a'\n  name: $1\n",
    );
    for (line, words) in [
        (2, "only rmi can be read without Java"),
        (2, "cannot stand beside hostPort"),
        (4, "the variable NOT_SET is not set"),
        (6, "has labels or help, but no name"),
        (7, "has labels or help, but no name"),
        (8, "has a name, but no pattern"),
        (9, "rules[3].pattern: unclosed group"),
        (11, "there is no group 1: the pattern has 0"),
    ] {
        let found = mistakes.lines().any(|told| told.contains(&format!("rules.yml:{line}:")) && told.contains(words));
        assert!(found, "{line}: {words}\n{mistakes}");
    }
}

#[test]
fn what_jmx_exporter_ignores_is_noted() {
    let (_, mistakes, notes) =
        read("lowercaseOutputNames: true\nhttpServer: {}\nrules: [{patern: a}, {pattern: a, type: gauge}]\n");
    assert!(mistakes.starts_with("0 mistakes"), "{mistakes}");
    for words in
        ["did you mean `lowercaseOutputName`?", "--http-bind", "did you mean `pattern`?", "none of GAUGE, COUNTER"]
    {
        assert!(notes.contains(words), "{words}\n{notes}");
    }
}

#[test]
fn what_jmx_exporter_takes_for_nothing_is_taken_for_nothing() {
    let (file, mistakes, notes) = read(
        "hostPort: a:1\nincludeObjectNameAttributes: {'d:*': [A]}\nexcludeObjectNameAttributes: {'d:type=x': [B]}\nrules:\n- {pattern: Count, name: a, valueFactor: x}\n- {value: ''}\n- {pattern: B, name: b, valueFactor: '2f'}\n",
    );
    assert!(mistakes.starts_with("0 mistakes"), "{mistakes}");
    assert!(notes.contains("includeObjectNameAttributes.d:*: is no bean"), "{notes}");
    assert!(notes.contains("rules[0].valueFactor: \"x\" is no number"), "{notes}");
    assert!(!notes.contains("rules[2]"), "{notes}");
    // A pattern selects no attribute; the list still leaves out what is not in it.
    assert_eq!(file.selection.include_attributes.len(), 1);
    assert_eq!(file.selection.include_attributes[0].1, Vec::<String>::new());
    assert_eq!(file.selection.exclude_attributes[0].1, ["B"]);
}

#[test]
fn the_rest_of_the_file_is_read() {
    let (file, mistakes, _) = read(
        "startDelaySeconds: 3\nscrapeTimeoutSeconds: 9\nhostPort: app:9010\nusername: u\npassword: ${SECRET}\nssl:\n  enabled: true\n  trustStore: {filename: /trust.pem}\nwhitelistObjectNames: ['java.lang:*']\nblacklistObjectNames: ['java.lang:type=Memory']\nexcludeObjectNameAttributes:\n  'java.lang:type=OperatingSystem': [ObjectName]\nmetricCustomizers:\n- mbeanFilter: {domain: d, properties: {type: T}}\n  attributesAsLabels: [Text]\n  extraMetrics: [{name: isActive, value: true, description: d}]\n",
    );
    assert!(mistakes.starts_with("0 mistakes"), "{mistakes}");
    assert_eq!((file.start_delay.as_secs(), file.scrape_timeout.unwrap().as_secs()), (3, 9));
    let target = file.target.unwrap();
    assert_eq!(target.address.to_string(), "app:9010");
    assert_eq!(target.login.unwrap().password().unwrap().expose(), "from the environment");
    assert_eq!((file.selection.include.len(), file.selection.exclude.len()), (1, 1));
    assert_eq!(file.selection.exclude_attributes[0].1, ["ObjectName"]);
    assert_eq!(file.selection.customizers[0].extra[0].value, JmxValue::Bool(true));
    let (file, ..) = read("excludeJvmMetrics: true");
    assert_eq!(file.selection.exclude.len(), 11);
}
