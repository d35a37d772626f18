use proptest::prelude::*;

use super::*;

const GOOD: &str = "NumberOfPreferredNeighbors 2\nUnchokingInterval 5\nOptimisticUnchokingInterval 15\n\
    FileName TheFile.dat\nFileSize 10000232\nPieceSize 32768\n";

fn faults(text: &str) -> Vec<(usize, String)> {
    let error = CommonConfig::parse(text.as_bytes()).unwrap_err();
    error.faults.iter().map(|fault| (fault.line, fault.reason.to_string())).collect()
}

/// Returns the valid file with one line changed.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from));
    GOOD.replace(from, to)
}

#[test]
fn ordinary_file_is_read() {
    let (common, warnings) = CommonConfig::parse(GOOD.as_bytes()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!((common.preferred_neighbors, common.file_name()), (2, "TheFile.dat"));
    assert_eq!(common.unchoking_interval, Duration::from_secs(5));
    assert_eq!(common.optimistic_unchoking_interval, Duration::from_secs(15));
    assert_eq!((common.geometry.size(), common.geometry.piece_count()), (10_000_232, 306));
}

#[test]
fn trailing_blanks_and_key_order_do_not_matter() {
    let common = CommonConfig::parse(GOOD.as_bytes());
    for text in [
        GOOD.trim_end().to_owned(),
        GOOD.replace('\n', " \t \n"),
        GOOD.replace('\n', "\r\n"),
        GOOD.replace('\n', "\n\n"),
        GOOD.replace(' ', "\t  "),
        GOOD.lines().rev().collect::<Vec<_>>().join("\n"),
    ] {
        assert_eq!(CommonConfig::parse(text.as_bytes()), common, "{text:?}");
    }
    let spaced = with("TheFile.dat", "The File.dat ");
    assert_eq!(CommonConfig::parse(spaced.as_bytes()).unwrap().0.file_name(), "The File.dat");
}

#[test]
fn each_fault_is_reported_with_its_line() {
    for (from, to, line, reason) in [
        ("PieceSize", "Piecesize", 6, "unknown key \"Piecesize\"; did you mean PieceSize?"),
        ("FileSize 10000232", "FileSize ten", 5, "FileSize is not a number: \"ten\""),
        ("FileSize 10000232", "FileSize -1", 5, "FileSize is not a number: \"-1\""),
        ("FileSize 10000232", "FileSize +1", 5, "FileSize is not a number: \"+1\""),
        ("FileSize 10000232", "FileSize 1 2", 5, "FileSize is not a number: \"1 2\""),
        ("FileSize 10000232", "FileSize 0", 5, "FileSize must be at least 1"),
        ("FileSize 10000232", "FileSize", 5, "FileSize has no value"),
        ("10000232", "99999999999999999999999", 5, "FileSize is over the limit of 1125899906842624"),
        ("UnchokingInterval 5", "UnchokingInterval 0", 2, "UnchokingInterval must be at least 1"),
        ("UnchokingInterval 5", "UnchokingInterval 86401", 2, "UnchokingInterval is over the limit of 86400"),
        ("32768", "4294967296", 6, "PieceSize is over the limit of 67108864"),
        (
            "32768",
            "1",
            6,
            "PieceSize is too small: the file would have 10000232 pieces; the limit is 2097152",
        ),
        ("TheFile.dat", "../TheFile.dat", 4, "FileName is not a plain file name: \"../TheFile.dat\""),
        ("TheFile.dat", "a/b", 4, "FileName is not a plain file name: \"a/b\""),
        ("TheFile.dat", "..", 4, "FileName is not a plain file name: \"..\""),
    ] {
        let found = faults(&with(from, to));
        assert_eq!(found.first(), Some(&(line, reason.to_owned())), "{to}");
    }
    let doubled = format!("{GOOD}FileSize 3\n");
    assert_eq!(faults(&doubled), [(7, "duplicate FileSize; first defined on line 5".to_owned())]);
}

#[test]
fn all_faults_are_reported_at_once() {
    let found = faults("FileSize 0\nFileNam x\nPieceSize a\n");
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 2, 3, 0, 0, 0], "{found:?}");
    let error = CommonConfig::parse(b"\xff").unwrap_err();
    assert_eq!(error.display_for("Common.cfg").to_string(), "Common.cfg: the file is not UTF-8 text");
    let error = CommonConfig::parse(format!("{GOOD}{}", "FileSize 1\n".repeat(100)).as_bytes()).unwrap_err();
    let text = error.display_for("Common.cfg").to_string();
    assert!(
        text.starts_with("Common.cfg:7: duplicate FileSize; first defined on line 5\nCommon.cfg:8: "),
        "{text}"
    );
    assert!(text.ends_with("Common.cfg: and 80 more"), "{text}");
}

#[test]
fn comments_and_unknown_keys_are_ignored() {
    let good = CommonConfig::parse(GOOD.as_bytes()).unwrap().0;
    let decorated = GOOD.replace("PieceSize 32768", "PieceSize 32768 # 32 KiB");
    for text in [format!("\u{feff}{GOOD}"), format!("# a demo\n  #\n{GOOD}"), decorated] {
        assert_eq!(CommonConfig::parse(text.as_bytes()), Ok((good.clone(), Vec::new())), "{text}");
    }
    let text = with("TheFile.dat", "TheFile.dat # of the demo") + "Verbose 1\n";
    let (common, warnings) = CommonConfig::parse(text.as_bytes()).unwrap();
    assert_eq!(common, good);
    let expected = "Common.cfg:4: FileName ends before the comment: \"TheFile.dat\"\n\
        Common.cfg:7: unknown key \"Verbose\" ignored";
    assert_eq!(ConfigWarning::display_all(&warnings, "Common.cfg").to_string(), expected);
    let hash = with("TheFile.dat", "The#File.dat");
    assert_eq!(CommonConfig::parse(hash.as_bytes()).unwrap().0.file_name(), "The#File.dat");
}

#[test]
fn one_fault_is_reported_once() {
    assert_eq!(faults("").len(), 1);
    assert_eq!(faults("\u{feff} \n# nothing\n"), [(0, "the file is empty".to_owned())]);
    assert_eq!(faults(&with("PieceSize", "PeaceSize")).len(), 1);
    assert_eq!(faults(&with("PieceSize 32768", "")), [(0, "PieceSize is missing".to_owned())]);
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader(bytes: Vec<u8>, key in prop::sample::select(&KEYS[..]), value: String) {
        let _ = CommonConfig::parse(&bytes);
        if let Err(error) = CommonConfig::parse(format!("{GOOD}{key} {value}").as_bytes()) {
            prop_assert!(!error.faults.is_empty());
            let found = error.display_for("x").to_string();
            prop_assert!(!found.contains(char::from(27)), "{found:?}");
        }
    }
}
