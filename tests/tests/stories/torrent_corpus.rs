//! A corpus of torrents as found in the wild is parsed like libtorrent parses it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::thread;

use serde_json::Value;
use tests::test_folder::TestFolder;
use tests::third_party::{Encryption, LibtorrentClient, report_skipped};
use tests::torrent_corpus::{CorpusTorrent, damaged_torrents, random_torrents, torrents_of_each_kind};
use tests::torrent_peer::torrent_command;

/// Number of programs that parse torrents concurrently.
const READER_COUNT: usize = 4;

/// Returns the output of `torrent show --json` for a torrent, or the error.
fn show_json(torrent: &Path) -> Result<Value, String> {
    let Output { status, stdout, stderr } =
        torrent_command("show").arg("--json").arg(torrent).output().expect("the program");
    let complaint = String::from_utf8(stderr).expect("UTF-8");
    match status.code() {
        Some(0) => Ok(serde_json::from_slice(&stdout).expect("JSON")),
        Some(1) => Err(complaint),
        code => panic!("{} ends with {code:?}: {complaint}", torrent.display()),
    }
}

/// Writes the corpus into a folder and returns the parsed torrents by name.
fn show_corpus(corpus: &[CorpusTorrent], folder: &Path) -> BTreeMap<String, Result<Value, String>> {
    let shown = |specimens: &[CorpusTorrent]| {
        let show = |specimen: &CorpusTorrent| (specimen.name.clone(), show_json(&specimen.write(folder)));
        specimens.iter().map(show).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let readers =
            corpus.chunks(corpus.len().div_ceil(READER_COUNT)).map(|part| scope.spawn(move || shown(part)));
        let readers: Vec<_> = readers.collect();
        readers.into_iter().flat_map(|reader| reader.join().expect("a reader")).collect()
    })
}

/// Asserts that both programs parsed a torrent identically. Returns the number of compared paths.
fn assert_agreement(specimen: &CorpusTorrent, ours: &Value, theirs: &Value) -> usize {
    let name = &specimen.name;
    for key in ["infohash", "size", "pieces", "piece_length"] {
        assert_eq!(ours[key], theirs[key], "{key} of {name}");
    }
    let (ours, theirs) = (file_values(ours), file_values(theirs));
    let lengths = |files: &[Value]| -> Vec<(Value, Value)> {
        let lengths = files.iter().map(|file| (file["length"].clone(), file["padding"].clone()));
        // libtorrent treats a link without a target as an empty file.
        lengths.filter(|(length, _)| *length != 0).collect()
    };
    assert_eq!(lengths(&ours), lengths(&theirs), "{name}");
    let (mut compared, is_paired) = (0, ours.len() == theirs.len());
    for ((ours, theirs), meant) in ours.iter().zip(&theirs).zip(&specimen.paths).filter(|_| is_paired) {
        let they_mapped = theirs["path"].as_str() != meant.as_deref();
        if !they_mapped && ours["mapped"] == false && ours["padding"] == false {
            assert_eq!(ours["path"], theirs["path"], "{name}");
            compared += 1;
        }
    }
    compared
}

fn file_values(document: &Value) -> Vec<Value> {
    document["files"].as_array().expect("files").clone()
}

#[test]
fn torrents_that_other_clients_open_are_opened() {
    let folder = TestFolder::new();
    for (name, shown) in show_corpus(&torrents_of_each_kind(), folder.path()) {
        let shown = shown.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        let files = file_values(&shown);
        let mut places: Vec<&str> = files.iter().filter_map(|file| file["stored_as"].as_str()).collect();
        places.sort_unstable();
        for (number, path) in places.iter().enumerate().filter(|(_, path)| !path.contains("/.pad/")) {
            let below = format!("{path}/");
            let next = places.get(number + 1..).unwrap_or_default();
            assert!(
                !next.iter().any(|other| other == path || other.starts_with(&below)),
                "{name}: {places:?}"
            );
            let is_safe = |part: &str| !part.is_empty() && part.len() <= 255 && !part.starts_with('.');
            assert!(path.split('/').all(is_safe), "{name}: {path}");
        }
    }
}

#[test]
fn libtorrent_reads_the_corpus_identically() {
    let Some(libtorrent) = LibtorrentClient::find(Encryption::Off) else {
        return report_skipped("libtorrent");
    };
    let folder = TestFolder::new();
    let corpus = [torrents_of_each_kind(), random_torrents(990, 300), damaged_torrents(991, 150)].concat();
    let ours = show_corpus(&corpus, folder.path());
    let theirs = libtorrent.describe(folder.path());
    let (mut both, mut paths, mut only_theirs) = (0, 0, Vec::new());
    for specimen in &corpus {
        let (ours, theirs) = (&ours[&specimen.name], &theirs[&specimen.name]);
        match (ours, theirs["refused"].as_str()) {
            (Ok(ours), None) => {
                paths += assert_agreement(specimen, ours, theirs);
                both += 1;
            }
            (Err(refusal), None) => only_theirs.push((&specimen.name, refusal)),
            (_, Some(_)) => {}
        }
    }
    // Changed bytes may make a torrent invalid in ways that libtorrent does not check.
    only_theirs.retain(|(name, _)| !name.starts_with("damaged"));
    assert!(only_theirs.is_empty(), "{only_theirs:#?}");
    assert!(both > 250 && paths > 100, "{both} torrents and {paths} paths are read by both");
}
