//! A content spreads from one source to many peers, in a simulated network.

use std::time::Duration;

use tests::simulation::{Churn, Plan, simulate};

fn plan() -> Plan {
    Plan::new(40, 64 << 20)
}

#[test]
fn the_last_of_many_peers_is_done_soon_after_the_source_could_have_sent_it_once() {
    for source_up in [1_000_000, 4_000_000] {
        let plan = Plan { source_up, ..plan() };
        let outcome = simulate(&plan);
        let (last, bound) = (outcome.last().expect("all have it"), plan.bound());
        assert!(last < bound.mul_f64(1.5), "{last:?} of at best {bound:?}");
        assert!(outcome.received < 40 * plan.geometry.size() * 107 / 100, "{} bytes", outcome.received);
    }
}

#[test]
fn all_have_it_though_connections_break_and_peers_leave_and_return() {
    let churn = Churn { link_life: Some(Duration::from_secs(20)), stay: Some(Duration::from_mins(1)) };
    let plan = Plan { churn, neighbours: 12, ..plan() };
    let (outcome, bound) = (simulate(&plan), plan.bound());
    let last = outcome.last().expect("all have it");
    assert!(last < bound * 3, "{last:?} of at best {bound:?}");
}

#[test]
fn one_seed_gives_one_history_and_another_seed_another() {
    let run = |seed| simulate(&Plan { seed, peers: 10, ..plan() });
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).history, run(8).history);
}
