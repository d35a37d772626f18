use super::*;

const NODE: NodeNo = NodeNo(70);

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

#[test]
fn a_node_is_a_source_only_while_it_is_there_and_reached() {
    let mut roster = Roster::default();
    let (session, _) = roster.enter(NODE, address(1));
    assert_eq!((roster.is_present(NODE), roster.is_listed(NODE)), (true, false));
    roster.list(NODE, session).unwrap();
    roster.list(NODE, session).unwrap();
    assert_eq!((roster.address(NODE), roster.at(address(1))), (Some(address(1)), Some(NODE)));
    assert_eq!(roster.count_listed(), 1);
    roster.leave(NODE, session);
    assert_eq!((roster.is_present(NODE), roster.is_listed(NODE)), (false, false));
    assert_eq!((roster.at(address(1)), roster.count_listed()), (None, 0));
}

#[test]
fn the_newest_session_counts_and_the_older_one_can_no_longer_change_anything() {
    let mut roster = Roster::default();
    let (old, replaced) = roster.enter(NODE, address(1));
    roster.list(NODE, old).unwrap();
    let (new, _) = roster.enter(NODE, address(2));
    assert!(replaced.is_cancelled());
    assert!(!roster.is_listed(NODE));
    roster.list(NODE, old).unwrap();
    roster.leave(NODE, old);
    assert!(roster.is_current(NODE, new) && !roster.is_listed(NODE));
    roster.list(NODE, new).unwrap();
    assert_eq!((roster.at(address(1)), roster.at(address(2))), (None, Some(NODE)));
}

#[test]
fn an_address_belongs_to_who_answered_there_last() {
    let mut roster = Roster::default();
    let (one, _) = roster.enter(NodeNo(1), address(1));
    let (two, _) = roster.enter(NodeNo(2), address(1));
    roster.list(NodeNo(1), one).unwrap();
    roster.list(NodeNo(2), two).unwrap();
    roster.leave(NodeNo(1), one);
    assert_eq!(roster.at(address(1)), Some(NodeNo(2)));
}

#[test]
fn so_many_nodes_of_an_address_are_listed_and_the_next_one_when_one_has_left() {
    let rules = ListingRules { per_address: NonZeroU32::new(2), loopback_counts: true };
    let mut roster = Roster::new(rules);
    let sessions = [1, 2, 3].map(|node| (NodeNo(node), roster.enter(NodeNo(node), address(1)).0));
    let [one, two, three] = sessions;
    assert_eq!([one, two].map(|(node, session)| roster.list(node, session)), [Ok(()), Ok(())]);
    let full = Err(AddressFull { limit: NonZeroU32::new(2).unwrap() });
    assert_eq!((roster.has_room(three.0, three.1), roster.list(three.0, three.1)), (full, full));
    assert_eq!((roster.list(one.0, one.1), roster.count_listed()), (Ok(()), 2));
    let elsewhere = NodeNo(4);
    let (session, _) = roster.enter(elsewhere, ([127, 0, 0, 2], 1).into());
    assert_eq!(roster.list(elsewhere, session), Ok(()));
    roster.leave(one.0, one.1);
    assert_eq!(roster.list(three.0, three.1), Ok(()));
    for (node, session) in [two, three, (elsewhere, session)] {
        roster.leave(node, session);
    }
    assert_eq!((roster.crowds.len(), roster.count_listed()), (0, 0));
}

#[test]
fn loopback_has_no_limit_unless_it_counts() {
    let rules = ListingRules { per_address: NonZeroU32::new(1), loopback_counts: false };
    let mut roster = Roster::new(rules);
    for node in [1, 2, 3].map(NodeNo) {
        let (session, _) = roster.enter(node, address(1));
        assert_eq!(roster.list(node, session), Ok(()));
    }
}

#[test]
fn a_node_that_is_demoted_is_there_and_no_source_until_it_is_listed_again() {
    let mut roster = Roster::default();
    let (session, _) = roster.enter(NODE, address(1));
    roster.list(NODE, session).unwrap();
    let (newer, _) = roster.enter(NODE, address(1));
    roster.list(NODE, newer).unwrap();
    roster.demote(NODE, session);
    assert!(roster.is_listed(NODE), "an older session changes nothing");
    roster.demote(NODE, newer);
    assert_eq!((roster.is_present(NODE), roster.is_listed(NODE), roster.at(address(1))), (true, false, None));
    roster.list(NODE, newer).unwrap();
    assert!(roster.is_listed(NODE));
}
