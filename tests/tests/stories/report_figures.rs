//! The figures of the report come from one file, and agree with the page that names the command behind each.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use tests::workspace::workspace_root;

fn document(name: &str) -> String {
    fs::read_to_string(workspace_root().join("docs").join(name)).expect("a readable document")
}

/// Returns the numbers in a text that have a fraction or at least three digits, as they are written. Smaller numbers count
/// things in sentences.
fn large_numbers(text: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_digit() || character == '.' || character == ',';
    let words = text.split(|character| !is_part(character)).map(|word| word.trim_matches(['.', ',']));
    let is_large = |word: &&str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        digits > 0 && (word.contains('.') || digits >= 3)
    };
    words.filter(is_large).map(str::to_owned).collect()
}

/// Returns the text outside of code blocks, in which charts are drawn.
fn without_code_blocks(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// Adds all strings in a value.
fn collect_strings(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Array(values) => values.iter().for_each(|value| collect_strings(value, found)),
        Value::Object(values) => values.values().for_each(|value| collect_strings(value, found)),
        _ => {}
    }
}

#[test]
fn report_takes_its_figures_from_the_data_file() {
    let figures: Value = serde_json::from_str(&document("figures.json")).expect("valid JSON");
    let (mut measured, mut known) = (BTreeSet::new(), BTreeSet::new());
    collect_strings(&figures["measured"], &mut measured);
    collect_strings(&figures, &mut known);
    let (report, performance) = (without_code_blocks(&document("report.md")), document("performance.md"));
    let reported = large_numbers(&report);
    let unknown: Vec<&String> = reported.difference(&known).collect();
    assert!(unknown.is_empty(), "add these numbers of docs/report.md to docs/figures.json: {unknown:?}");
    let unused: Vec<&String> = known.difference(&reported).collect();
    assert!(unused.is_empty(), "docs/report.md does not use these figures any longer: {unused:?}");
    let explained = large_numbers(&performance);
    let contradicted: Vec<&String> = measured.difference(&explained).collect();
    assert!(contradicted.is_empty(), "docs/performance.md does not have these figures: {contradicted:?}");
}
