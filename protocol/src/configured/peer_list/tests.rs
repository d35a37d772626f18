use proptest::prelude::*;

use super::*;

fn faults(text: &str) -> Vec<(usize, String)> {
    let error = PeerList::parse(text.as_bytes()).unwrap_err();
    error.faults.iter().map(|fault| (fault.line, fault.reason.to_string())).collect()
}

#[test]
fn ordinary_file_is_read() {
    let text = "1001 lin114-00.cise.ufl.edu 6008 1 \n1002 localhost 6008 0\r\n\n1003 ::1 6008 0";
    let list = PeerList::parse(text.as_bytes()).unwrap();
    let ids: Vec<u32> = list.peers().iter().map(|peer| peer.id.0).collect();
    assert_eq!(ids, [1001, 1002, 1003]);
    let first = ListedPeer {
        id: ConfiguredPeerId(1001),
        host: "lin114-00.cise.ufl.edu".into(),
        port: 6008,
        has_file: true,
    };
    assert_eq!(list.find(ConfiguredPeerId(1001)), Some(&first));
    assert_eq!(list.before(ConfiguredPeerId(1003)).count(), 2);
    assert_eq!(list.others(ConfiguredPeerId(1002)).count(), 2);
    assert_eq!(list.find(ConfiguredPeerId(7)), None);
}

#[test]
fn each_fault_is_reported_with_its_line() {
    let good = "1001 localhost 6001 1\n";
    for (line, reason) in [
        ("1002 localhost 6002", "expected `id host port has_file`, found 3 fields"),
        ("1002 localhost 6002 0 0", "expected `id host port has_file`, found 5 fields"),
        ("x localhost 6002 0", "the id is not a number: \"x\""),
        ("0 localhost 6002 0", "the id must be at least 1"),
        ("4294967296 localhost 6002 0", "the id is over the limit of 4294967295"),
        ("1002 localhost 0 0", "the port must be at least 1"),
        ("1002 localhost 65536 0", "the port is over the limit of 65535"),
        ("1002 localhost 6002 2", "has_file must be 0 or 1, not \"2\""),
        ("1001 localhost 6002 0", "duplicate peer 1001; first listed on line 1"),
        ("1002 LOCALHOST 6001 0", "duplicate address LOCALHOST port 6001; first listed on line 1"),
    ] {
        assert_eq!(faults(&format!("{good}{line}")), [(2, reason.to_owned())]);
    }
    for host in
        ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1", "a..b", "-a", "1.2.3", "a\u{7}b", "a/b"]
    {
        let found = faults(&format!("{good}1002 {host} 6002 0"));
        assert!(found[0].1.starts_with("the host is neither a name nor"), "{found:?}");
    }
    assert_eq!(faults(" \n"), [(0, "no peer is listed".to_owned())]);
    assert!(faults("1001 localhost 6001 0")[0].1.starts_with("no peer has the file"));
}

#[test]
fn all_faults_are_reported_at_once() {
    assert_eq!(
        faults("x y\n0 a/b 0 7\n1001 h 1 1\n").iter().map(|fault| fault.0).collect::<Vec<_>>(),
        [1, 2, 2, 2, 2]
    );
    let crowd: String = (1..=1001).map(|id| format!("{id} h{id} 1 1")).collect::<Vec<_>>().join("\n");
    assert_eq!(faults(&crowd), [(1001, "more than 1000 peers are listed".to_owned())]);
}

#[test]
fn one_fault_is_reported_once() {
    assert_eq!(faults("1 h 1 1\n1 h 1 1"), [(2, "duplicate peer 1; first listed on line 1".to_owned())]);
    // The invalid line may be the one with the file.
    assert_eq!(faults("1 h 1 yes\n2 h 2 0"), [(1, "has_file must be 0 or 1, not \"yes\"".to_owned())]);
}

#[test]
fn byte_order_marks_and_comments_are_ignored() {
    let plain = PeerList::parse(b"1001 h 1 1\n1002 h 2 0");
    let text = "\u{feff}# the group\n1001 h 1 1 # has it\n\n  # no\n1002 h 2 0\t#";
    assert_eq!(PeerList::parse(text.as_bytes()), plain);
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader(bytes: Vec<u8>, line in "[0-9a-z. :\t]{0,40}") {
        let _ = PeerList::parse(&bytes);
        if let Ok(list) = PeerList::parse(line.as_bytes()) {
            prop_assert!(list.peers().iter().any(|peer| peer.has_file));
        }
    }
}
