use protocol::index::ListSummary;
use tempfile::tempdir;

use super::super::{Store, StoredData, export};
use super::*;

const NODE: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const DIGEST: &str = "0202020202020202020202020202020202020202020202020202020202020202";

fn head(nodes: u32, files: u32) -> String {
    format!("{{\"index_export\":1,\"nodes\":{nodes},\"files\":{files}}}")
}

fn node(id: &str, files: u32) -> String {
    format!("{{\"node\":\"{id}\",\"last_seen\":77,\"files\":{files}}}")
}

fn file(path: &str) -> String {
    format!("{{\"path\":\"{path}\",\"size\":5,\"digest\":\"{DIGEST}\",\"whole\":true}}")
}

fn import(lines: &[String]) -> Import {
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    read_lines(text.as_bytes()).unwrap()
}

fn torrent(infohash: &str, by: &str) -> String {
    format!(
        "{{\"torrent\":\"{infohash}\",\"offered_by\":\"{by}\",\"digest\":\"{DIGEST}\",\"name\":\"a\",\"piece_length\":16384}}"
    )
}

fn lines(stored: StoredData) -> Vec<u8> {
    let mut out = Vec::new();
    export(stored, &mut out).unwrap();
    out
}

#[test]
fn export_import_round_trips() {
    let first = tempdir().unwrap();
    {
        let mut store = Store::open(first.path()).unwrap();
        let mut catalog = store.take_catalog();
        for (seed, count) in [(9, 3000_u16), (3, 1), (200, 40)] {
            let number = catalog.admit(NodeId::from_bytes([seed; 32])).unwrap();
            let file = |at: u16| FileRecord {
                path: format!("a \"folder\"/é/{at}"),
                size: u64::from(at) + 1,
                digest: Digest::from_bytes([at.to_be_bytes()[1] | 1; 32]),
                share: if at.is_multiple_of(3) { Share::Partial } else { Share::Complete },
            };
            for batch in (0..count).map(file).collect::<Vec<_>>().chunks(700) {
                catalog.register(number, batch).unwrap();
            }
            let writes = catalog.take_writes(number, 1000 + u64::from(seed)).unwrap();
            super::super::StoreBackend::commit(&mut store, &[writes], &[]).unwrap();
        }
    }
    let exported = lines(Store::read_data(first.path()).unwrap().0);
    assert_eq!(exported.split(|byte| *byte == b'\n').count() - 1, 1 + 3 + 3041);
    let imported = read_lines(&exported[..]).unwrap();
    assert_eq!((imported.first_bad, imported.files), (vec![], 3041));
    let second = tempdir().unwrap();
    Store::create(second.path(), &imported.lists, &imported.offers).unwrap();
    assert_eq!(lines(Store::read_data(second.path()).unwrap().0), exported);
    assert!(Store::create(second.path(), &[], &[]).unwrap_err().to_string().contains("already"));
    assert_eq!(lines(Store::read_data(second.path()).unwrap().0), exported);
    let summary: ListSummary = Store::read_data(second.path()).unwrap().0.lists[0].header.summary;
    assert!(summary.files > 0);
}

#[test]
fn offers_are_exported_and_imported() {
    let (first, second) = (tempdir().unwrap(), tempdir().unwrap());
    {
        let mut store = Store::open(first.path()).unwrap();
        let mut offers = store.take_offers();
        for number in [7, 3, 200] {
            let infohash = Infohash::from_bytes([number; 20]);
            let (digest, name) = (Digest::from_bytes([9; 32]), format!("é \"{number}\""));
            let hint = TorrentHint { infohash, digest, name, piece_length: 16384 };
            let write = offers.add(NodeId::from_bytes([1; 32]), None, hint).unwrap().unwrap();
            super::super::StoreBackend::commit(&mut store, &[], &[write]).unwrap();
        }
    }
    let exported = lines(Store::read_data(first.path()).unwrap().0);
    let imported = read_lines(&exported[..]).unwrap();
    assert_eq!((imported.first_bad, imported.offers.len()), (vec![], 3));
    Store::create(second.path(), &imported.lists, &imported.offers).unwrap();
    assert_eq!(lines(Store::read_data(second.path()).unwrap().0), exported);
}

#[test]
fn bad_lines_are_reported_by_number() {
    let good = [head(1, 1), node(NODE, 1), file("a")];
    assert_eq!(import(&good).first_bad, []);
    let second_node = NODE.replace('1', "3");
    let infohash = "04".repeat(20);
    let heads = |torrents| head(0, 0).replace('}', &format!(",\"torrents\":{torrents}}}"));
    let offered = || torrent(&infohash, NODE);
    let cases: [(usize, Vec<String>, &str); 17] = [
        (2, vec![heads(1), torrent("12", NODE)], "40 hexadecimal"),
        (2, vec![heads(1), torrent(&infohash, "12")], "64 hexadecimal"),
        (2, vec![heads(1), offered().replace("\"a\"", "\"../a\"")], "contain a folder"),
        (3, vec![heads(2), offered(), offered()], "twice"),
        (2, vec![heads(2), offered()], "1 torrents, not 2"),
        (1, vec![], "no lines"),
        (1, vec![good[0].replace(":1,", ":3,")], "version 3"),
        (1, vec!["{}".into(), node(NODE, 0)], "index_export"),
        (2, vec![head(0, 0), "nonsense".into()], "expected"),
        (2, vec![head(0, 0), file("a")], "no node"),
        (2, vec![head(0, 0), node("12", 0)], "64 hexadecimal"),
        (3, vec![head(1, 0), node(NODE, 0), node(NODE, 0)], "twice"),
        (3, vec![head(1, 1), node(NODE, 1), file("../a")], "path"),
        (3, vec![head(1, 1), node(NODE, 1), file("a").replace(":5", ":0")], "0 bytes"),
        (4, vec![head(1, 1), node(NODE, 1), file("a"), file("a")], "twice"),
        (4, vec![head(2, 1), node(NODE, 2), file("a"), node(&second_node, 0)], "has 1 files, not 2"),
        (3, vec![head(2, 1), node(NODE, 1), file("a")], "not 2 and 1"),
    ];
    for (line, lines, reason) in cases {
        let import = import(&lines);
        let number = (line as u64).min(lines.len() as u64);
        assert!(
            import.first_bad.iter().any(|(at, why)| *at == number && why.contains(reason)),
            "{lines:?}: {:?}",
            import.first_bad
        );
    }
    let cut = format!("{}\n{}", head(1, 0), node(NODE, 0));
    assert_eq!(read_lines(cut.as_bytes()).unwrap().first_bad[0], (2, "the line is truncated".into()));
    let long = format!("{}\n{}\n{}\n", head(1, 0), "x".repeat(200_000), node(NODE, 0));
    let long = read_lines(long.as_bytes()).unwrap().first_bad;
    assert!(matches!(&long[..], [(2, reason)] if reason.contains("longer")), "{long:?}");
    let many = import(&vec!["\u{1b}[2J".to_owned(); 100]);
    assert_eq!((many.first_bad.len(), many.bad_lines), (20, 100));
}
