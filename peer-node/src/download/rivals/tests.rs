use protocol::bitfield::Bitfield;
use protocol::geometry::Geometry;
use protocol::manifest::ManifestBuilder;
use protocol::sha256::State;

use super::*;
use crate::transport::BufferPool;

const PIECE: usize = 1 << 18;

/// A content with its manifest, and forgeries of it.
struct World {
    data: Vec<u8>,
    truth: Manifest,
    here: Bitfield,
    now: Instant,
}

impl World {
    fn new(pieces: usize) -> Self {
        let data: Vec<u8> =
            (0..pieces * PIECE).map(|at| u8::try_from((at / PIECE + at) % 251).unwrap()).collect();
        let mut builder = ManifestBuilder::new(data.len() as u64).unwrap();
        builder.update(&data);
        let truth = builder.finish().unwrap();
        let here = Bitfield::empty(truth.geometry());
        Self { data, truth, here, now: Instant::now() }
    }

    /// Forges the state at the beginning of this piece.
    fn forged(&self, piece: usize) -> Manifest {
        let mut states = self.truth.states().to_vec();
        states[piece - 1] = State::INITIAL;
        Manifest::from_states(self.truth.digest(), *self.truth.geometry(), states).unwrap()
    }

    fn poll(&self, rivals: &mut Rivals, believed: &Manifest, candidates: &[Candidate<'_>]) -> Option<Step> {
        let numbered = (0..).map(SourceId).zip(candidates.iter().copied()).collect();
        rivals.poll(&numbered, Believed { manifest: believed, here: &self.here }, self.now)
    }

    fn give_states(&self, rivals: &mut Rivals, source: u32, manifest: &Manifest) {
        let states: Vec<[u8; 32]> = manifest.states().iter().map(|state| state.to_bytes()).collect();
        assert_eq!(rivals.manifest_part(SourceId(source), 0, &states, self.now), Ok(()));
    }

    /// Sends the blocks that were requested; returns the evidence.
    fn give_blocks(&self, rivals: &mut Rivals, source: u32, blocks: &[Block]) -> Option<Evidence> {
        let pool = BufferPool::new(0);
        blocks.iter().fold(None, |_, block| {
            let from = block.piece.get() as usize * PIECE + block.begin as usize;
            let data = pool.copy_of(&self.data[from..from + block.length as usize]);
            let Block { piece, begin, length } = *block;
            let reference = BlockRef { channel: 0, piece: piece.get(), begin, length };
            rivals.block(SourceId(source), reference, data)
        })
    }
}

fn offers(manifest: &Manifest) -> Candidate<'static> {
    let offer = Offer { size: manifest.geometry().size(), manifest: manifest.id() };
    Candidate { offer, serves: true, pieces: None, rtt: None }
}

#[test]
fn a_manifest_that_is_proved_is_believed() {
    let (world, mut rivals) = (World::new(6), Rivals::default());
    let (believed, honest) = (world.forged(4), [offers(&world.truth)]);
    let asked = world.poll(&mut rivals, &believed, &honest);
    assert!(
        matches!(asked, Some(Step::WantManifest { source: SourceId(0), first: 0, count: 5 })),
        "{asked:?}"
    );
    assert!(world.poll(&mut rivals, &believed, &honest).is_none());
    world.give_states(&mut rivals, 0, &world.truth);
    let hurried = world.poll(&mut rivals, &believed, &honest);
    assert!(matches!(hurried, Some(Step::Hurry { piece }) if piece.get() == 4), "{hurried:?}");
    let Some(Step::Request { blocks, .. }) = world.poll(&mut rivals, &believed, &honest) else { panic!() };
    assert!(blocks.iter().all(|block| block.piece.get() == 4));
    let evidence = world.give_blocks(&mut rivals, 0, &blocks).unwrap();
    assert!(evidence.manifest.is_piece(evidence.piece, evidence.data.iter().map(Buffer::bytes)));
    assert!(world.poll(&mut rivals, &believed, &honest).is_none());
    rivals.verified(evidence.offer, true);
    let step = world.poll(&mut rivals, &believed, &honest);
    assert!(matches!(&step, Some(Step::Believe { manifest }) if **manifest == world.truth), "{step:?}");
}

#[test]
fn manifest_is_refuted_by_the_deciding_piece_alone() {
    let (mut world, mut rivals) = (World::new(6), Rivals::default());
    let forged = world.forged(2);
    let liars = [offers(&forged), offers(&forged)];
    world.poll(&mut rivals, &world.truth, &liars);
    world.give_states(&mut rivals, 0, &forged);
    world.here.insert(world.truth.geometry().piece(5).unwrap());
    assert!(matches!(world.poll(&mut rivals, &world.truth, &liars), Some(Step::Hurry { .. })));
    world.here.insert(world.truth.geometry().piece(2).unwrap());
    // Everybody who offered it, and whoever does from now on.
    assert!(matches!(world.poll(&mut rivals, &world.truth, &liars), Some(Step::Ban { source: SourceId(0) })));
    assert!(rivals.is_refuted(liars[0].offer));
    assert!(matches!(world.poll(&mut rivals, &world.truth, &liars[1..]), Some(Step::Ban { .. })));
}

#[test]
fn wrong_bytes_in_the_name_of_a_manifest_do_not_refute_it() {
    let (world, mut rivals) = (World::new(6), Rivals::default());
    let (believed, both) = (world.forged(4), [offers(&world.truth), offers(&world.truth)]);
    world.poll(&mut rivals, &believed, &both);
    world.give_states(&mut rivals, 0, &world.truth);
    world.poll(&mut rivals, &believed, &both);
    let Some(Step::Request { source, blocks }) = world.poll(&mut rivals, &believed, &both) else { panic!() };
    assert_eq!(source, SourceId(0));
    let evidence = world.give_blocks(&mut rivals, 0, &blocks).unwrap();
    rivals.verified(evidence.offer, false);
    // The session has parted with the liar; the other one is asked for the same.
    let numbered = BTreeMap::from([(SourceId(1), both[1])]);
    let believed = Believed { manifest: &believed, here: &world.here };
    let step = rivals.poll(&numbered, believed, world.now);
    assert!(matches!(step, Some(Step::Request { source: SourceId(1), .. })), "{step:?}");
}

#[test]
fn source_that_is_mute_or_trickles_is_disconnected() {
    let (mut world, mut rivals) = (World::new(6), Rivals::default());
    let (believed, honest) = (world.forged(4), [offers(&world.truth)]);
    world.poll(&mut rivals, &believed, &honest);
    world.now += Duration::from_millis(3001);
    assert!(matches!(world.poll(&mut rivals, &believed, &honest), Some(Step::Leave { .. })));
    // On a long path it has more time.
    let far = [Candidate { rtt: Some(Duration::from_millis(250)), ..honest[0] }];
    assert!(matches!(world.poll(&mut rivals, &believed, &far), Some(Step::WantManifest { .. })));
    world.now += Duration::from_millis(3001);
    assert!(world.poll(&mut rivals, &believed, &far).is_none());
    world.give_states(&mut rivals, 0, &world.truth);
    world.poll(&mut rivals, &believed, &honest);
    assert!(matches!(world.poll(&mut rivals, &believed, &honest), Some(Step::Request { .. })));
    world.now += Duration::from_millis(3001);
    assert!(world.poll(&mut rivals, &believed, &honest).is_none());
    world.now += Duration::from_secs(4);
    assert!(matches!(world.poll(&mut rivals, &believed, &honest), Some(Step::Leave { .. })));
}

#[test]
fn a_source_is_not_asked_while_it_lets_us_wait_or_lacks_the_piece() {
    let (world, mut rivals) = (World::new(6), Rivals::default());
    let (believed, honest) = (world.forged(4), offers(&world.truth));
    world.poll(&mut rivals, &believed, &[honest]);
    world.give_states(&mut rivals, 0, &world.truth);
    let choking = [Candidate { serves: false, ..honest }];
    assert!(matches!(world.poll(&mut rivals, &believed, &choking), Some(Step::Hurry { .. })));
    assert!(world.poll(&mut rivals, &believed, &choking).is_none());
    let without = [Candidate { pieces: Some(&[0b1111_0111]), ..honest }];
    assert!(world.poll(&mut rivals, &believed, &without).is_none());
    let with = [Candidate { pieces: Some(&[0b0000_1000]), ..honest }];
    assert!(matches!(world.poll(&mut rivals, &believed, &with), Some(Step::Request { .. })));
}

#[test]
fn a_content_of_another_size_is_decided_by_the_last_piece() {
    let (mut world, mut rivals) = (World::new(6), Rivals::default());
    let shorter = Geometry::native(PIECE as u64).unwrap();
    let forged = Manifest::from_states(world.truth.digest(), shorter, Vec::new()).unwrap();
    let liar = [offers(&forged)];
    // Nothing needs to be fetched of a manifest without states.
    assert!(world.poll(&mut rivals, &world.truth, &liar).is_none());
    assert!(
        matches!(world.poll(&mut rivals, &world.truth, &liar), Some(Step::Hurry { piece }) if piece.get() == 5)
    );
    world.here.insert(world.truth.geometry().last_piece().unwrap());
    assert!(matches!(world.poll(&mut rivals, &world.truth, &liar), Some(Step::Ban { .. })));
}

#[test]
fn many_rivals_are_tested_side_by_side_and_not_all_at_once() {
    let (world, mut rivals) = (World::new(6), Rivals::default());
    let forgeries: Vec<Manifest> = (1..6).map(|piece| world.forged(piece)).collect();
    let sized = |size: u64| Offer { size, manifest: Digest::OF_NOTHING };
    let mut liars: Vec<Candidate<'_>> = forgeries.iter().map(offers).collect();
    let first = liars[0];
    liars.extend((1..20).map(|size| Candidate { offer: sized(size), ..first }));
    let busy = |rivals: &Rivals| rivals.rivals.values().filter(|rival| rival.is_busy()).count();
    while world.poll(&mut rivals, &world.truth, &liars).is_some() {
        assert!(busy(&rivals) <= 8);
    }
    assert_eq!(busy(&rivals), 8);
}

#[test]
fn rivals_that_cannot_be_tested_keep_no_other_from_its_test() {
    let (world, mut rivals) = (World::new(12), Rivals::default());
    let forgeries: Vec<Manifest> = (1..11).map(|piece| world.forged(piece)).collect();
    let choking = |manifest| Candidate { serves: false, ..offers(manifest) };
    let mut sources: Vec<Candidate<'_>> = forgeries.iter().map(choking).collect();
    sources.push(offers(&world.truth));
    let believed = world.forged(11);
    let mut requested = false;
    for _ in 0..100 {
        match world.poll(&mut rivals, &believed, &sources) {
            Some(Step::WantManifest { source: SourceId(10), .. }) => {
                world.give_states(&mut rivals, 10, &world.truth);
            }
            Some(Step::WantManifest { source, .. }) => {
                world.give_states(&mut rivals, source.0, &forgeries[source.0 as usize]);
            }
            Some(Step::Request { source, .. }) => {
                assert_eq!(source, SourceId(10));
                requested = true;
            }
            Some(Step::Hurry { .. }) => {}
            other => {
                assert!(other.is_none(), "{other:?}");
                break;
            }
        }
    }
    assert!(requested);
}
