//! What people read: help screens and messages in snapshots, documents whose paths exist, and words that are not used.

use std::fs;
use std::path::Path;

use tests::network::TestNetwork;
use tests::programs::programs;
use tests::snapshot::assert_snapshot;
use tests::source_text::{SourceText, source_texts};
use tests::workspace::{files_with_extension, is_test_source, output_of, without_unit_tests, workspace_root};

/// Phrases that read like a translation, with what to write instead.
const FORBIDDEN_PHRASES: [(&str, &str); 22] = [
    ("in vain", "without success, or the error"),
    ("is told", "is notified, receives"),
    ("are told", "are notified, receive"),
    ("hears of", "learns of, receives"),
    ("whoever", "the peer that, any client that"),
    ("whomever", "the peer that, any client that"),
    ("as the case may be", "leave it out"),
    ("how manieth", "attempt number"),
    ("is gone on with", "resumes"),
    ("parts with", "disconnects, releases"),
    ("strikes off", "removes"),
    ("such a one", "one"),
    ("that is to say", "leave it out"),
    ("goes by", "uses, follows"),
    ("lets go of", "releases"),
    ("the word of", "the claim of"),
    ("brought near", "prefetched"),
    ("bring near", "prefetch"),
    ("standing search", "saved search"),
    ("not everything went well", "one or more operations failed"),
    ("it is tried again by itself", "reconnecting, retrying"),
    ("it goes on by itself", "resumes automatically"),
];

/// The help screens of both programs: the name of the snapshot, and the arguments before `--help`.
const PEER_NODE_SCREENS: [&[&str]; 13] = [
    &[],
    &["torrent"],
    &["torrent", "create"],
    &["torrent", "show"],
    &["torrent", "verify"],
    &["torrent", "download"],
    &["torrent", "seed"],
    &["swarm"],
    &["lan"],
    &["lan", "announce"],
    &["lan", "download"],
    &["lan", "upload"],
    &["doctor"],
];
const INDEX_SERVER_SCREENS: [&[&str]; 4] = [&[], &["check"], &["export"], &["import"]];

/// Returns the texts of a source, without its unit tests.
fn texts_of(path: &Path) -> Vec<SourceText> {
    let source = fs::read_to_string(workspace_root().join(path)).expect("a readable source");
    source_texts(without_unit_tests(&source))
}

/// Returns true for literals that are sentences or parts of them.
fn is_message(literal: &str) -> bool {
    let words =
        literal.split_whitespace().filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() > 1);
    words.count() > 1
}

#[test]
fn help_screens_match_their_snapshots() {
    let both = [
        ("peer-node", &programs().peer_node, &PEER_NODE_SCREENS[..]),
        ("index-server", &programs().index_server, &INDEX_SERVER_SCREENS[..]),
    ];
    for (name, program, screens) in both {
        for screen in screens {
            let text = output_of(program, &[screen, &["--help"][..]].concat());
            assert!(text.contains("Usage:"), "{name} {screen:?} has no help: {text}");
            let file = [&[name], *screen].concat().join("-");
            assert_snapshot(&format!("help/{file}.txt"), &text);
        }
    }
}

#[test]
fn help_at_the_prompt_matches_its_snapshot() {
    let network = TestNetwork::new();
    let mut node = network.start_empty_node(&[]);
    let mut text = node.peer.run("help").text();
    let commands: Vec<String> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.chars().all(|c| c.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect();
    assert!(commands.len() > 10, "{text}");
    for command in commands.iter().filter(|command| *command != "quit") {
        let help = node.peer.run(&format!("help {command}")).text();
        text.extend(["\n> help ", command, "\n", &help]);
    }
    assert_snapshot("help/prompt.txt", &text);
}

#[test]
fn messages_match_their_catalogue() {
    let mut catalogue = String::new();
    for path in files_with_extension("rs").iter().filter(|path| !is_test_source(path)) {
        let messages = texts_of(path).into_iter().filter_map(|text| match text {
            SourceText::Literal(literal) if is_message(&literal) => Some(literal),
            _ => None,
        });
        let messages: Vec<String> = messages.collect();
        if !messages.is_empty() {
            catalogue.extend([&path.display().to_string(), "\n"]);
            for message in messages {
                catalogue.extend(["    ", &message.replace('\n', "\\n"), "\n"]);
            }
        }
    }
    assert_snapshot("messages.txt", &catalogue);
}

#[test]
fn forbidden_phrases_are_not_used() {
    let mut found = Vec::new();
    let mut judge = |place: &str, text: &str| {
        let text = text.to_lowercase();
        for (phrase, instead) in FORBIDDEN_PHRASES {
            if text.contains(phrase) {
                found.push(format!("{place}: \"{phrase}\" (write: {instead}): {text}"));
            }
        }
    };
    let itself = Path::new("tests/tests/stories/texts.rs");
    for path in files_with_extension("rs").iter().filter(|path| *path != itself) {
        let source = fs::read_to_string(workspace_root().join(path)).expect("a readable source");
        for text in source_texts(&source) {
            let (SourceText::Literal(text) | SourceText::Comment(text)) = text;
            judge(&path.display().to_string(), &text);
        }
    }
    for path in files_with_extension("md") {
        let text = fs::read_to_string(workspace_root().join(&path)).expect("a readable document");
        // Earlier releases are described as they were.
        let current = text.split("\n## 0.1.0").next().unwrap_or(&text);
        current.lines().for_each(|line| judge(&path.display().to_string(), line));
    }
    assert!(found.is_empty(), "{} phrases:\n{}", found.len(), found.join("\n"));
}

#[test]
fn paths_in_documents_exist() {
    let root = workspace_root();
    let tops = ["protocol/", "index-server/", "peer-node/", "tests/", "docs/", ".ci/"];
    let (mut named, mut missing) = (0, Vec::new());
    for document in files_with_extension("md") {
        let text = fs::read_to_string(root.join(&document)).expect("a readable document");
        let spans = text.split('`').skip(1).step_by(2);
        let is_path = |span: &&str| {
            tops.iter().any(|top| span.starts_with(top)) && !span.contains([' ', '*', '<', '{', '\n', '…'])
        };
        for path in spans.filter(is_path) {
            named += 1;
            if !root.join(path).exists() {
                missing.push(format!("{}: `{path}`", document.display()));
            }
        }
    }
    assert!(named > 20, "{named} paths");
    assert!(missing.is_empty(), "{missing:#?}");
}
