use super::*;

const NODE: NodeNo = NodeNo(70);

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

#[test]
fn node_is_a_source_only_while_online_and_reachable() {
    let mut roster = Roster::default();
    let (session, _) = roster.enter(NODE, address(1));
    assert_eq!((roster.is_present(NODE), roster.is_listed(NODE)), (true, false));
    roster.list_node(NODE, session).unwrap();
    roster.list_node(NODE, session).unwrap();
    assert_eq!((roster.address(NODE), roster.node_at(address(1))), (Some(address(1)), Some(NODE)));
    assert_eq!(roster.count_listed(), 1);
    roster.leave(NODE, session);
    assert_eq!((roster.is_present(NODE), roster.is_listed(NODE)), (false, false));
    assert_eq!((roster.node_at(address(1)), roster.count_listed()), (None, 0));
}

#[test]
fn older_session_cannot_affect_the_newer_one() {
    let mut roster = Roster::default();
    let (old, replaced) = roster.enter(NODE, address(1));
    roster.list_node(NODE, old).unwrap();
    let (new, _) = roster.enter(NODE, address(2));
    assert!(replaced.is_cancelled());
    assert!(!roster.is_listed(NODE));
    roster.list_node(NODE, old).unwrap();
    roster.leave(NODE, old);
    assert!(roster.is_current(NODE, new) && !roster.is_listed(NODE));
    roster.list_node(NODE, new).unwrap();
    assert_eq!((roster.node_at(address(1)), roster.node_at(address(2))), (None, Some(NODE)));
}

#[test]
fn address_belongs_to_last_node_that_answered() {
    let mut roster = Roster::default();
    let (one, _) = roster.enter(NodeNo(1), address(1));
    let (two, _) = roster.enter(NodeNo(2), address(1));
    roster.list_node(NodeNo(1), one).unwrap();
    roster.list_node(NodeNo(2), two).unwrap();
    roster.leave(NodeNo(1), one);
    assert_eq!(roster.node_at(address(1)), Some(NodeNo(2)));
}

#[test]
fn listed_nodes_per_address_are_limited() {
    let rules = ListingRules { per_address: NonZeroU32::new(2), limit_loopback: true };
    let mut roster = Roster::new(rules);
    let sessions = [1, 2, 3].map(|node| (NodeNo(node), roster.enter(NodeNo(node), address(1)).0));
    let [one, two, three] = sessions;
    assert_eq!([one, two].map(|(node, session)| roster.list_node(node, session)), [Ok(()), Ok(())]);
    let full = Err(AddressFull { limit: NonZeroU32::new(2).unwrap() });
    assert_eq!(
        (roster.check_listing_limit(three.0, three.1), roster.list_node(three.0, three.1)),
        (full, full)
    );
    assert_eq!((roster.list_node(one.0, one.1), roster.count_listed()), (Ok(()), 2));
    let elsewhere = NodeNo(4);
    let (session, _) = roster.enter(elsewhere, ([127, 0, 0, 2], 1).into());
    assert_eq!(roster.list_node(elsewhere, session), Ok(()));
    roster.leave(one.0, one.1);
    assert_eq!(roster.list_node(three.0, three.1), Ok(()));
    for (node, session) in [two, three, (elsewhere, session)] {
        roster.leave(node, session);
    }
    assert_eq!((roster.listed_per_group.len(), roster.count_listed()), (0, 0));
}

#[test]
fn loopback_is_unlimited_unless_configured() {
    let rules = ListingRules { per_address: NonZeroU32::new(1), limit_loopback: false };
    let mut roster = Roster::new(rules);
    for node in [1, 2, 3].map(NodeNo) {
        let (session, _) = roster.enter(node, address(1));
        assert_eq!(roster.list_node(node, session), Ok(()));
    }
}

#[test]
fn demoted_node_is_no_source_until_relisted() {
    let mut roster = Roster::default();
    let (session, _) = roster.enter(NODE, address(1));
    roster.list_node(NODE, session).unwrap();
    let (newer, _) = roster.enter(NODE, address(1));
    roster.list_node(NODE, newer).unwrap();
    roster.demote(NODE, session);
    assert!(roster.is_listed(NODE), "an older session has no effect");
    roster.demote(NODE, newer);
    assert_eq!(
        (roster.is_present(NODE), roster.is_listed(NODE), roster.node_at(address(1))),
        (true, false, None)
    );
    roster.list_node(NODE, newer).unwrap();
    assert!(roster.is_listed(NODE));
}
