//! Which module may use which. A change here is a change of the architecture; ARCHITECTURE.md describes it.

#[path = "module_imports/tables.rs"]
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tables::{INDEX_SERVER, Imports, PEER_NODE, PROTOCOL, SWARM};
use tests::workspace::{files_with_extension, is_test_source, without_unit_tests, workspace_root};

/// Returns the top-level modules of the crate that a line of code names. `depth` is the number of `super::` that leads from its
/// file to the root of the crate.
fn named_modules(line: &str, depth: usize) -> Vec<String> {
    let root = "super::".repeat(depth);
    let paths = line.split("crate::").skip(1);
    // A longer chain does not exist, and a shorter one ends within the module.
    let relative = line.split(root.as_str()).skip(1).filter(|_| depth > 0);
    let name =
        |path: &str| path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut names: Vec<String> = Vec::new();
    for path in paths.chain(relative) {
        match path.strip_prefix('{') {
            Some(group) => names.extend(group.split(',').map(name)),
            None => names.push(name(path)),
        }
    }
    names
}

/// Returns which top-level modules each top-level module of a crate uses outside its tests.
fn imports(crate_folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let source_folder = Path::new(crate_folder).join("src");
    let mut sources: Vec<(String, usize, String)> = Vec::new();
    for path in files_with_extension("rs") {
        let Ok(inside) = path.strip_prefix(&source_folder) else { continue };
        let first = inside.iter().next().expect("a name").to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        if !is_test_source(&path) && module != "lib" && module != "main" {
            let source = fs::read_to_string(workspace_root().join(&path)).expect("a readable source");
            sources.push((module, inside.iter().count(), source));
        }
    }
    let names: BTreeSet<String> = sources.iter().map(|(module, ..)| module.clone()).collect();
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, depth, source) in &sources {
        for line in without_unit_tests(source).lines() {
            let line = line.split("//").next().unwrap_or_default();
            assert!(!line.trim_end().ends_with("crate::{"), "{module}: write one `use` per module: {line}");
            let mut used = named_modules(line, *depth);
            used.retain(|used| used != module && names.contains(used));
            if !used.is_empty() {
                imports.entry(module.clone()).or_default().extend(used);
            }
        }
    }
    imports
}

/// Returns the modules that can be reached from a module.
fn reachable<'a>(imports: &'a BTreeMap<String, BTreeSet<String>>, from: &'a str) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        for used in imports.get(module).into_iter().flatten() {
            if found.insert(used.as_str()) {
                open.push(used);
            }
        }
    }
    found
}

fn assert_imports(crate_folder: &str, allowed: &[Imports]) {
    let found = imports(crate_folder);
    let mut wrong = Vec::new();
    for (module, used) in &found {
        let listed = allowed.iter().find(|(name, _)| name == module).map_or(&[][..], |(_, used)| used);
        wrong.extend(
            used.iter()
                .filter(|used| !listed.contains(&used.as_str()))
                .map(|used| format!("{module} may not use {used}")),
        );
    }
    for (module, used) in allowed {
        let actual = found.get(*module);
        wrong.extend(
            used.iter()
                .filter(|used| !actual.is_some_and(|actual| actual.contains(**used)))
                .map(|used| format!("{module} does not use {used} any longer: remove it from the list")),
        );
    }
    wrong.extend(
        found
            .keys()
            .filter(|module| reachable(&found, module).contains(module.as_str()))
            .map(|module| format!("{module} is part of a cycle")),
    );
    assert!(wrong.is_empty(), "{crate_folder}: {wrong:#?}");
}

#[test]
fn imports_are_found_however_they_are_written() {
    assert_eq!(named_modules("use crate::view::{A, B};", 1), ["view"]);
    assert_eq!(named_modules("let a: super::library::A = crate::lan::b();", 1), ["lan", "library"]);
    assert_eq!(named_modules("use super::sibling;", 2), Vec::<String>::new());
    assert_eq!(named_modules("use super::super::library;", 2), ["library"]);
    assert_eq!(named_modules("use super::{LIMIT, library::Library};", 1), ["LIMIT", "library"]);
}

#[test]
fn modules_use_only_the_modules_that_are_listed() {
    assert_imports("protocol", &PROTOCOL);
    assert_imports("peer-node/swarm", &SWARM);
    assert_imports("index-server", &INDEX_SERVER);
    assert_imports("peer-node", &PEER_NODE);
}
