//! Downloads with many untested sources that never send a valid piece.

use super::simulation::{SimulatedSource, simulate};
use super::*;

const NATIVE: SwarmConfig = SwarmConfig { max_on_trial: Some(8), ..CONFIG };

#[test]
fn cost_of_fast_liars_is_bounded() {
    for (liars, most) in [(1, 125), (10, 125), (100, 150)] {
        let liar = SimulatedSource { lies: |_| true, ..SimulatedSource::honest(100e6) };
        let mut sources = vec![liar; liars];
        sources.push(SimulatedSource::honest(100e6));
        let outcome = simulate(native(64), NATIVE, sources);
        let took = outcome.finished.unwrap();
        assert!(took < Duration::from_secs(5), "{took:?} beside {liars}");
        let percent = outcome.fetched * 100 / (64 << 20);
        assert!(percent < most, "{percent} % fetched beside {liars}");
    }
}

#[test]
fn occasional_liars_cost_little() {
    let every_second: fn(PieceIndex) -> bool = |piece| piece.get() % 2 == 0;
    let every_fourth: fn(PieceIndex) -> bool = |piece| piece.get() % 4 == 0;
    let half: fn(PieceIndex) -> bool = |piece| piece.get() < 128;
    let all = [
        (1, every_second, 105),
        (2, half, 105),
        (10, every_second, 110),
        (10, every_fourth, 110),
        (100, every_second, 160),
        (100, every_fourth, 160),
    ];
    for (liars, lies, most) in all {
        let mut sources = vec![SimulatedSource { lies, ..SimulatedSource::honest(100e6) }; liars];
        sources.push(SimulatedSource::honest(100e6));
        let percent = simulate(native(64), NATIVE, sources).fetched * 100 / (64 << 20);
        assert!(percent <= most, "{percent} % fetched beside {liars}");
    }
}

#[test]
fn hundred_silent_sources_do_not_delay_an_honest_one() {
    for (silent, limit) in [(1, 4), (10, 5), (100, 10)] {
        let mute = SimulatedSource { dies_after: 0, ..SimulatedSource::honest(100e6) };
        let mut sources = vec![mute; silent];
        sources.push(SimulatedSource::honest(100e6));
        let took = simulate(native(64), NATIVE, sources).finished.unwrap();
        assert!(took < Duration::from_secs(limit), "{took:?} beside {silent}");
    }
}

#[test]
fn hundred_refusing_sources_do_not_delay_an_honest_one() {
    for place in [0, 50, 100] {
        let mut sources = vec![SimulatedSource { rejects: true, ..SimulatedSource::honest(100e6) }; 100];
        sources.insert(place, SimulatedSource::honest(100e6));
        let took = simulate(native(64), NATIVE, sources).finished.unwrap();
        assert!(took < Duration::from_secs(2), "{took:?} with the honest one at {place}");
    }
}

#[test]
fn hundred_trickling_sources_do_not_delay_an_honest_one() {
    for (delay, trickling) in [(5, 1), (5, 10), (5, 100), (150, 100), (500, 100)] {
        let honest =
            SimulatedSource { delay: Duration::from_millis(delay), ..SimulatedSource::honest(100e6) };
        let alone = simulate(native(64), NATIVE, vec![honest.clone()]).finished.unwrap();
        // Earlier sources are asked before any source is proven, and also for each other's blocks.
        for place in [0, trickling / 2, trickling] {
            let mut sources = vec![SimulatedSource::trickling(2e3); trickling];
            sources.insert(place, honest.clone());
            let took = simulate(native(64), NATIVE, sources).finished.unwrap();
            let limit = Duration::from_secs(3) + 3 * alone;
            assert!(took < limit, "{took:?} beside {trickling} at {delay} ms, honest one at {place}");
        }
    }
}

#[test]
fn trial_hardly_slows_honest_sources() {
    for (mib, rates) in [(8, vec![2e6; 4]), (64, vec![10e6, 20e6, 5e6, 40e6]), (256, vec![50e6; 8])] {
        let sources: Vec<SimulatedSource> = rates.into_iter().map(SimulatedSource::honest).collect();
        let time = |config| simulate(native(mib), config, sources.clone()).finished.unwrap().as_secs_f64();
        let (limited, free) = (time(NATIVE), time(CONFIG));
        assert!(limited < free * 1.05 + 0.2, "{limited} s instead of {free} s for {mib} MiB");
    }
}

#[test]
fn late_block_of_a_benched_source_is_accepted() {
    for seed in 0..20 {
        let mut now = Instant::now();
        let mut swarm = Swarm::new(native(2), SwarmConfig { seed, ..NATIVE }, now, |_| false);
        let requests = |swarm: &mut Swarm, now| {
            std::iter::from_fn(|| swarm.poll(now))
                .filter_map(|action| match action {
                    SwarmAction::Request { source, block } => Some((source, block)),
                    _ => None,
                })
                .collect::<Vec<_>>()
        };
        for id in [SourceId(0), SourceId(1)] {
            swarm.source_joined(id, Have::All, false, now);
            swarm.source_measured(id, Duration::from_millis(1), 1);
        }
        let first = requests(&mut swarm, now);
        assert!(matches!(first[..], [(SourceId(0), _)]), "{first:?}");
        now += Duration::from_millis(300);
        let then = requests(&mut swarm, now);
        assert!(matches!(then[..], [(SourceId(1), _)]), "{then:?}");
        swarm.bytes_arrived(SourceId(0), 1, now);
        assert!(swarm.block_arrived(SourceId(0), first[0].1, now));
    }
}
