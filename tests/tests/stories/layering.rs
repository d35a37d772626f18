//! Rules of the source code: permitted dependencies between modules, modules without I/O, modules that know the operating
//! system, file sizes, and paths in documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::workspace::{files_with_extension, is_test_source, without_unit_tests, workspace_root};

const PURE_DEPENDENCIES: [&str; 10] = [
    "bincode",
    "crypto-bigint",
    "encoding_rs",
    "rc4",
    "serde",
    "serde_json",
    "sha1",
    "sha2",
    "thiserror",
    "unicode-normalization",
];

/// Names that perform I/O: runtime, files, sockets, clocks and randomness.
const IMPURE_NAMES: [&str; 11] = [
    "tokio",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Instant::now",
    "SystemTime",
    "getrandom",
    "std::process",
];

/// Files that may contain unsafe code.
const FILES_WITH_UNSAFE: [&str; 3] = [
    "peer-node/src/platform/unix/tcp_options.rs",
    "protocol/src/sha1/lanes.rs",
    "protocol/src/sha256/lanes.rs",
];

/// Crates that differ between operating systems. Only the modules `platform` of both programs may name them.
const SYSTEM_CRATES: [&str; 4] = ["libc", "nix", "rustix", "windows_sys"];

/// Extensions of other crates that differ between operating systems.
const SYSTEM_EXTENSIONS: [&str; 3] = ["std::os::", "signal::unix", "signal::windows"];

const MAX_FILE_LINES: usize = 400;

/// Modules that front ends reach only through operations.
const BEHIND_OPERATIONS: [&str; 3] = ["crate::discovery", "crate::doctor", "crate::shared_torrents"];

/// What the commands of the prompt do not name, because they only use operations.
const BEHIND_COMMANDS: [&str; 5] =
    ["session.node", "crate::download", "crate::library", "crate::node", "crate::torrent"];

/// Lists the normal dependencies of a crate of the workspace.
fn dependencies(crate_name: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]);
    let output = cargo.arg(workspace_root().join("Cargo.toml")).output().expect("cargo");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages.iter().find(|package| package["name"] == crate_name).expect("the crate");
    let all = package["dependencies"].as_array().expect("dependencies").iter();
    let normal = all.filter(|dependency| dependency["kind"].is_null());
    normal.map(|dependency| dependency["name"].as_str().expect("a name").to_owned()).collect()
}

/// Returns every source file whose path begins with `beginning`.
fn sources(beginning: &str) -> Vec<PathBuf> {
    let mut found = files_with_extension("rs");
    found.retain(|path| path.to_string_lossy().starts_with(beginning));
    assert!(!found.is_empty(), "no sources begin with {beginning}");
    found.into_iter().map(|path| workspace_root().join(path)).collect()
}

/// Returns a source file without its comments and its unit tests.
fn code_without_tests(path: &Path) -> String {
    let source = fs::read_to_string(path).expect("a readable source");
    let lines = without_unit_tests(&source).lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn swarm_depends_only_on_protocol() {
    let allowed = ["protocol", "thiserror"].map(str::to_owned).into();
    let found = dependencies("swarm");
    let extra: Vec<_> = found.difference(&allowed).collect();
    assert!(extra.is_empty(), "{extra:?}");
}

#[test]
fn protocol_depends_only_on_pure_crates() {
    let allowed = PURE_DEPENDENCIES.map(str::to_owned).into();
    let found = dependencies("protocol");
    let extra: Vec<_> = found.difference(&allowed).collect();
    assert!(extra.is_empty(), "{extra:?}");
}

#[test]
fn the_programs_do_not_depend_on_each_other() {
    assert!(!dependencies("index-server").contains("peer-node"));
    assert!(!dependencies("peer-node").contains("index-server"));
}

#[test]
fn protocol_and_swarm_engine_do_no_io() {
    for folder in ["protocol/src", "peer-node/swarm/src"] {
        assert_names_none(folder, &IMPURE_NAMES);
    }
}

/// Fails if a source below a folder names one of the words.
fn assert_names_none(folder: &str, words: &[&str]) {
    for path in sources(folder) {
        if is_test_source(&path) {
            continue;
        }
        let code = code_without_tests(&path);
        let found: Vec<_> = words.iter().filter(|word| code.contains(**word)).collect();
        assert!(found.is_empty(), "{} names {found:?}", path.display());
    }
}

#[test]
fn operations_know_no_front_end() {
    assert_names_none(
        "peer-node/src/operations",
        &["crate::frontend", "super::frontend", "super::super::frontend"],
    );
}

#[test]
fn front_ends_and_commands_use_operations() {
    assert_names_none("peer-node/src/frontend", &BEHIND_OPERATIONS);
    assert_names_none("peer-node/src/frontend/repl/actions", &BEHIND_COMMANDS);
}

#[test]
fn dialects_name_no_socket_of_a_peer() {
    for module in ["bittorrent", "configured", "lan", "listener", "native"] {
        for path in sources(&format!("peer-node/src/{module}")) {
            let names_socket = !is_test_source(&path) && code_without_tests(&path).contains("TcpStream");
            assert!(!names_socket, "{}: use PeerStream", path.display());
        }
    }
}

#[test]
fn only_platform_names_an_operating_system() {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    let folders = ["index-server/src", "peer-node/src", "peer-node/swarm/src", "protocol/src"];
    let platforms =
        ["index-server/src/platform", "peer-node/src/platform"].map(|folder| workspace_root().join(folder));
    for path in folders.map(sources).concat() {
        let is_platform = platforms.iter().any(|folder| path.starts_with(folder));
        if is_platform || is_test_source(&path) {
            continue;
        }
        let code = code_without_tests(&path);
        let crates = code.split(|letter| !is_letter(letter)).filter(|word| SYSTEM_CRATES.contains(word));
        let extensions = SYSTEM_EXTENSIONS.into_iter().filter(|name| code.contains(name));
        let found: BTreeSet<_> = crates.chain(extensions).collect();
        assert!(found.is_empty(), "{} names {found:?}: call the module `platform`", path.display());
    }
}

#[test]
fn source_files_are_short_and_not_named_mod() {
    for path in sources("") {
        assert!(!path.ends_with("mod.rs"), "{}: use foo.rs beside foo/", path.display());
        let lines = fs::read_to_string(&path).expect("a readable source").lines().count();
        assert!(lines <= MAX_FILE_LINES, "{} has {lines} lines, more than {MAX_FILE_LINES}", path.display());
    }
}

/// Returns true if a line of code has a string literal that names a command-line option.
fn names_an_option(line: &str) -> bool {
    let begins_option = |text: &str| text.starts_with(|first: char| first.is_ascii_lowercase());
    let is_option = |literal: &str| {
        literal.starts_with("--") && begins_option(&literal[2..])
            || [" --", "(--", "`--"].iter().any(|start| literal.split(start).skip(1).any(begins_option))
    };
    line.split('"').skip(1).step_by(2).any(is_option)
}

#[test]
fn only_front_ends_name_command_line_options() {
    assert!(names_an_option("format!(\"choose another with --port\")") && names_an_option("\"a (--b)\""));
    assert!(!names_an_option("// with --port") && !names_an_option("\"a -- b\""));
    // The doctor's findings are advice to the person who started the node.
    let may_name_options = ["peer-node/src/frontend", "peer-node/src/doctor", "index-server/src/program"];
    let all = sources("peer-node/src").into_iter().chain(sources("index-server/src"));
    let is_domain = |path: &PathBuf| {
        let path = path.to_string_lossy();
        !may_name_options.iter().any(|module| path.contains(module))
    };
    let domain = all.filter(is_domain).filter(|path| !is_test_source(path));
    let mut found = Vec::new();
    for path in domain {
        let code = code_without_tests(&path);
        found.extend(
            code.lines()
                .filter(|line| names_an_option(line))
                .map(|line| format!("{}: {line}", path.display())),
        );
    }
    assert!(found.is_empty(), "let the front end add the hint: {found:#?}");
}

#[test]
fn unsafe_is_only_in_the_listed_files() {
    // Concatenated, so that this file does not match.
    let lint = concat!("unsafe", "_code");
    let found = sources("")
        .into_iter()
        .filter(|path| fs::read_to_string(path).expect("a readable source").contains(lint));
    assert_eq!(
        found.collect::<Vec<_>>(),
        FILES_WITH_UNSAFE.map(|path| workspace_root().join(path)),
        "the lint is disabled in other files"
    );
}

#[test]
fn source_paths_in_documents_exist_and_are_unambiguous() {
    let sources = sources("");
    let (mut named, mut wrong) = (0, Vec::new());
    for document in files_with_extension("md").iter().map(|path| workspace_root().join(path)) {
        let text = fs::read_to_string(&document).expect("a readable document");
        // Every second part is a code span.
        let paths = text.split('`').skip(1).step_by(2);
        let is_source = |span: &&str| {
            let is_plain = !span.contains([' ', '*', '\n']);
            is_plain && Path::new(span).extension().is_some_and(|extension| extension == "rs")
        };
        for path in paths.filter(is_source) {
            named += 1;
            let count = sources.iter().filter(|source| source.ends_with(path)).count();
            if count != 1 {
                wrong.push(format!("{}: {path} matches {count} files", document.display()));
            }
        }
    }
    assert!(named > 20, "{named} paths");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Returns the decoded types, each with the words of its definition.
fn decoded_types() -> BTreeMap<String, BTreeSet<String>> {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut found = BTreeMap::new();
    for path in sources("protocol/src") {
        let code = code_without_tests(&path);
        for (at, derive) in code.match_indices("#[derive(") {
            let derived = code[at + derive.len()..].split(")]").next().unwrap_or_default();
            let item = code[at..].split_once("pub ").map(|(_, item)| item).unwrap_or_default();
            let item =
                item.strip_prefix("struct ").or_else(|| item.strip_prefix("enum ")).unwrap_or_default();
            let end = item.find("\n}").into_iter().chain(item.find(";\n")).min().unwrap_or(item.len());
            let mut words = item[..end].split(|letter| !is_letter(letter)).filter(|word| !word.is_empty());
            if derived.split(", ").any(|name| name == "Decode") {
                found.insert(words.next().expect("a name").to_owned(), words.map(str::to_owned).collect());
            }
        }
    }
    found
}

#[test]
fn no_message_is_recursive_or_zero_sized() {
    let types = decoded_types();
    assert!(["Request", "Reply", "PeerMessage", "FileRecord"].iter().all(|name| types.contains_key(*name)));
    for (name, words) in &types {
        let (mut reached, mut new) = (BTreeSet::new(), vec![words]);
        while let Some(words) = new.pop() {
            new.extend(
                words
                    .iter()
                    .filter(|word| reached.insert((*word).clone()))
                    .filter_map(|word| types.get(word)),
            );
        }
        assert!(
            !reached.contains(name),
            "{name} contains itself, so received bytes determine the recursion depth of its decoder"
        );
        assert!(!words.is_empty(), "{name} has no bytes, so a short message can claim any number of them");
    }
    for path in sources("protocol/src") {
        assert!(!code_without_tests(&path).contains("Vec<()>"), "{} lists nothings", path.display());
    }
}
