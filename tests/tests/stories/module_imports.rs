//! Which module may use which. A change here is a change of the architecture; ARCHITECTURE.md describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tests::workspace::{files_with_extension, is_test_source, without_unit_tests, workspace_root};

/// The modules that a module of a crate uses.
type Imports = (&'static str, &'static [&'static str]);

const PROTOCOL: [Imports; 21] = [
    ("bencode", &["limits"]),
    ("bitfield", &["geometry"]),
    ("bittorrent", &["bencode", "geometry", "infohash", "limits"]),
    ("configured", &["escape", "geometry", "limits", "share_path"]),
    ("digest", &["hex"]),
    ("frame", &["limits"]),
    ("geometry", &["limits"]),
    (
        "index",
        &[
            "bittorrent",
            "digest",
            "features",
            "frame",
            "infohash",
            "limits",
            "node_id",
            "sha256",
            "share_path",
            "units",
        ],
    ),
    ("infohash", &["hex"]),
    ("lan", &["digest", "escape", "hex", "limits", "node_id", "share_path"]),
    ("manifest", &["block_hash", "digest", "geometry", "sha256"]),
    ("metainfo", &["bencode", "digest", "escape", "geometry", "infohash", "limits", "sha1", "share_path"]),
    ("node_id", &["hex"]),
    ("peer", &["digest", "features", "frame", "index", "limits", "node_id", "share_path"]),
    ("probe", &["digest", "sha256"]),
    ("query", &["digest", "escape", "fold", "hex", "limits", "units"]),
    ("sha1", &["block_hash"]),
    ("sha256", &["block_hash", "digest"]),
    ("share_path", &["escape", "limits"]),
    ("tracker", &["bencode", "hex", "infohash", "limits"]),
    ("units", &["escape"]),
];

const SWARM: [Imports; 11] = [
    ("action", &["source"]),
    ("active_pieces", &["source"]),
    ("duplicate_requests", &["source"]),
    ("interval_choker", &["choker"]),
    ("lost_requests", &["have", "source"]),
    ("picker", &["have"]),
    ("request_choice", &["active_pieces", "source"]),
    ("request_turns", &["source"]),
    ("source", &["have", "rate", "request_window", "source_record"]),
    ("source_trial", &["have", "source"]),
    ("verification", &["source"]),
];

const INDEX_SERVER: [Imports; 31] = [
    ("access", &["regular_file"]),
    ("address_group", &["ids"]),
    (
        "catalog",
        &[
            "address_group",
            "availability",
            "hash_index",
            "ids",
            "keyed_hash",
            "prefetch",
            "slab",
            "text_table",
            "words",
        ],
    ),
    (
        "connection",
        &[
            "address_group",
            "budgets",
            "directory",
            "ids",
            "metrics",
            "net",
            "platform",
            "quotas",
            "reachability",
            "recheck",
            "request",
            "results",
            "search",
            "service",
            "session",
        ],
    ),
    (
        "directory",
        &[
            "address_group",
            "budgets",
            "catalog",
            "clock",
            "ids",
            "offers",
            "request",
            "results",
            "roster",
            "search",
            "words",
        ],
    ),
    ("hash_index", &["keyed_hash", "prefetch"]),
    ("limits", &["budgets", "roster"]),
    ("metrics", &["budgets", "catalog", "directory", "limits", "net", "quotas", "reports"]),
    ("net", &["limits"]),
    ("offers", &["address_group"]),
    ("program", &["access", "budgets", "catalog", "limits", "metrics", "platform", "server", "store"]),
    ("quotas", &["limits", "rate_limiter"]),
    ("ranking", &["availability", "ids"]),
    ("rate_limiter", &["limits"]),
    ("reachability", &["directory", "net", "roster", "service"]),
    ("recheck", &["ids", "reachability", "reports", "roster", "service"]),
    (
        "registrar",
        &[
            "bad_record",
            "budgets",
            "catalog",
            "directory",
            "ids",
            "limits",
            "metrics",
            "offers",
            "request",
            "roster",
            "store",
        ],
    ),
    ("reports", &["address_group", "ids", "limits", "rate_limiter"]),
    (
        "results",
        &["address_group", "availability", "catalog", "ids", "random", "ranking", "request", "roster"],
    ),
    ("roster", &["address_group", "ids"]),
    ("scan_worker", &["thread_priority"]),
    ("search", &["catalog", "ids", "keyed_hash", "ranking", "request", "sent_hits", "words"]),
    ("sent_hits", &["catalog", "request"]),
    (
        "server",
        &[
            "access",
            "connection",
            "directory",
            "limits",
            "metrics",
            "net",
            "quotas",
            "registrar",
            "reports",
            "scan_worker",
            "service",
            "store",
            "tracker",
        ],
    ),
    (
        "service",
        &["access", "directory", "limits", "metrics", "net", "quotas", "registrar", "reports", "scan_worker"],
    ),
    ("session", &["bad_record", "keyed_hash", "request"]),
    ("store", &["catalog", "ids", "offers", "platform", "regular_file"]),
    ("text_table", &["hash_index", "keyed_hash", "prefetch", "slab"]),
    ("tracker", &["directory", "limits", "metrics", "net", "random", "rate_limiter", "service"]),
    ("words", &["keyed_hash", "text_table"]),
];

const PEER_NODE: [Imports; 20] = [
    ("account_file", &["storage"]),
    ("bittorrent", &["rate_limiter", "throttle", "transport", "view"]),
    ("configured", &["local_time", "storage", "transfer", "transport", "view"]),
    ("doctor", &["addresses", "download", "index_client", "lan", "library", "node", "state_dir"]),
    (
        "download",
        &[
            "discovery",
            "library",
            "native",
            "platform",
            "state_dir",
            "storage",
            "torrent",
            "transfer",
            "transport",
            "view",
        ],
    ),
    (
        "frontend",
        &[
            "account_file",
            "configured",
            "discovery",
            "doctor",
            "download",
            "identity",
            "lan",
            "library",
            "log",
            "node",
            "platform",
            "shared_torrents",
            "source_address",
            "state_dir",
            "storage",
            "throttle",
            "torrent",
            "transport",
            "used_folders",
            "view",
        ],
    ),
    ("identity", &["storage"]),
    (
        "index_client",
        &["addresses", "backoff", "identity", "library", "native", "sorted_chunks", "source_address"],
    ),
    ("lan", &["addresses", "library", "local_time", "log", "native", "rate_limiter", "storage", "transport"]),
    ("library", &["sorted_chunks", "state_dir", "storage"]),
    ("listener", &["bittorrent", "native", "transport"]),
    ("log", &["storage"]),
    ("native", &["library", "source_address", "throttle", "transport", "view"]),
    (
        "node",
        &[
            "bittorrent",
            "discovery",
            "download",
            "identity",
            "lan",
            "library",
            "listener",
            "native",
            "shared_torrents",
            "source_address",
            "state_dir",
            "throttle",
            "torrent",
            "transport",
            "view",
        ],
    ),
    ("shared_torrents", &["bittorrent", "download", "index_client", "library", "storage", "torrent", "view"]),
    ("state_dir", &["identity"]),
    (
        "torrent",
        &[
            "addresses",
            "bittorrent",
            "discovery",
            "library",
            "listener",
            "native",
            "storage",
            "transfer",
            "transport",
            "view",
        ],
    ),
    ("transfer", &["storage", "transport", "view"]),
    ("transport", &["source_address", "storage", "throttle", "view"]),
    ("used_folders", &["account_file", "library", "state_dir"]),
];

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
