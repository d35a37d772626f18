//! The spread of content from one source to many peers in a simulated network.

use std::time::Duration;

use tests::simulation::{Churn, SimulationPlan, simulate};

fn plan() -> SimulationPlan {
    SimulationPlan::new(40, 64 << 20)
}

#[test]
fn last_peer_completes_soon_after_one_upload_time() {
    for source_up in [1_000_000, 4_000_000] {
        let plan = SimulationPlan { source_upload_rate: source_up, ..plan() };
        let outcome = simulate(&plan);
        let (last, bound) = (outcome.completion_time().expect("all have it"), plan.fastest_completion());
        assert!(last < bound.mul_f64(1.5), "{last:?} of at best {bound:?}");
        assert!(outcome.received < 40 * plan.geometry.size() * 107 / 100, "{} bytes", outcome.received);
    }
}

#[test]
fn all_peers_complete_despite_churn() {
    let churn = Churn {
        mean_link_lifetime: Some(Duration::from_secs(20)),
        mean_session: Some(Duration::from_mins(1)),
    };
    let plan = SimulationPlan { churn, neighbours: 12, ..plan() };
    let (outcome, bound) = (simulate(&plan), plan.fastest_completion());
    let last = outcome.completion_time().expect("all have it");
    assert!(last < bound * 3, "{last:?} of at best {bound:?}");
}

#[test]
fn simulation_is_determined_by_its_seed() {
    let run = |seed| simulate(&SimulationPlan { seed, peers: 10, ..plan() });
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).fingerprint, run(8).fingerprint);
}
