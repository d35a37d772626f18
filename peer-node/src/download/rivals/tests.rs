use protocol::bitfield::Bitfield;
use protocol::geometry::Geometry;
use protocol::manifest::ManifestBuilder;
use protocol::sha256::Sha256State;

use super::*;
use crate::transport::BufferPool;

const PIECE_SIZE: usize = 1 << 18;

/// A content with its manifest, and forged versions of it.
struct ForgeryFixture {
    data: Vec<u8>,
    genuine: Manifest,
    have: Bitfield,
    now: Instant,
}

impl ForgeryFixture {
    fn new(pieces: usize) -> Self {
        let data: Vec<u8> =
            (0..pieces * PIECE_SIZE).map(|at| u8::try_from((at / PIECE_SIZE + at) % 251).unwrap()).collect();
        let mut builder = ManifestBuilder::new(data.len() as u64).unwrap();
        builder.update(&data);
        let truth = builder.finish().unwrap();
        let here = Bitfield::empty(truth.geometry());
        Self { data, genuine: truth, have: here, now: Instant::now() }
    }

    /// Returns a manifest with a forged state at the beginning of this piece.
    fn forged(&self, piece: usize) -> Manifest {
        let mut states = self.genuine.states().to_vec();
        states[piece - 1] = Sha256State::INITIAL;
        Manifest::from_states(self.genuine.digest(), *self.genuine.geometry(), states).unwrap()
    }

    fn poll(
        &self,
        rivals: &mut RivalManifests,
        believed: &Manifest,
        candidates: &[RivalSource<'_>],
    ) -> Option<RivalAction> {
        let numbered = (0..).map(SourceId).zip(candidates.iter().copied()).collect();
        rivals.poll(&numbered, CurrentManifest { manifest: believed, have: &self.have }, self.now)
    }

    fn send_states(&self, rivals: &mut RivalManifests, source: u32, manifest: &Manifest) {
        let states: Vec<[u8; 32]> = manifest.states().iter().map(|state| state.to_bytes()).collect();
        assert_eq!(rivals.add_manifest_part(SourceId(source), 0, &states, self.now), Ok(()));
    }

    /// Sends the requested blocks. Returns the evidence.
    fn send_blocks(
        &self,
        rivals: &mut RivalManifests,
        source: u32,
        blocks: &[Block],
    ) -> Option<DecidingPiece> {
        let pool = BufferPool::new(0);
        blocks.iter().fold(None, |_, block| {
            let from = block.piece.get() as usize * PIECE_SIZE + block.begin as usize;
            let data = pool.copy_of(&self.data[from..from + block.length as usize]);
            let Block { piece, begin, length, .. } = *block;
            let reference = BlockRef { channel: 0, piece: piece.get(), begin, length };
            rivals.add_block(SourceId(source), reference, data)
        })
    }
}

fn offering(manifest: &Manifest) -> RivalSource<'static> {
    let offer = ContentOffer { size: manifest.geometry().size(), manifest: manifest.id() };
    RivalSource { offer, is_serving: true, pieces: None, rtt: None }
}

#[test]
fn proved_manifest_is_adopted() {
    let (world, mut rivals) = (ForgeryFixture::new(6), RivalManifests::default());
    let (believed, honest) = (world.forged(4), [offering(&world.genuine)]);
    let asked = world.poll(&mut rivals, &believed, &honest);
    assert!(
        matches!(asked, Some(RivalAction::RequestManifest { source: SourceId(0), first: 0, count: 5 })),
        "{asked:?}"
    );
    assert!(world.poll(&mut rivals, &believed, &honest).is_none());
    world.send_states(&mut rivals, 0, &world.genuine);
    let hurried = world.poll(&mut rivals, &believed, &honest);
    assert!(matches!(hurried, Some(RivalAction::Prioritise { piece }) if piece.get() == 4), "{hurried:?}");
    let Some(RivalAction::RequestPiece { blocks, .. }) = world.poll(&mut rivals, &believed, &honest) else {
        panic!()
    };
    assert!(blocks.iter().all(|block| block.piece.get() == 4));
    let evidence = world.send_blocks(&mut rivals, 0, &blocks).unwrap();
    assert!(evidence.manifest.verify_piece(evidence.piece, evidence.data.iter().map(Buffer::bytes)));
    assert!(world.poll(&mut rivals, &believed, &honest).is_none());
    rivals.piece_verified(evidence.offer, true);
    let step = world.poll(&mut rivals, &believed, &honest);
    assert!(
        matches!(&step, Some(RivalAction::Adopt { manifest }) if **manifest == world.genuine),
        "{step:?}"
    );
}

#[test]
fn manifest_is_refuted_by_the_deciding_piece_alone() {
    let (mut world, mut rivals) = (ForgeryFixture::new(6), RivalManifests::default());
    let forged = world.forged(2);
    let liars = [offering(&forged), offering(&forged)];
    world.poll(&mut rivals, &world.genuine, &liars);
    world.send_states(&mut rivals, 0, &forged);
    world.have.insert(world.genuine.geometry().piece(5).unwrap());
    assert!(matches!(world.poll(&mut rivals, &world.genuine, &liars), Some(RivalAction::Prioritise { .. })));
    world.have.insert(world.genuine.geometry().piece(2).unwrap());
    // All sources that offered it are banned, and all that offer it later.
    assert!(matches!(
        world.poll(&mut rivals, &world.genuine, &liars),
        Some(RivalAction::Ban { source: SourceId(0) })
    ));
    assert!(rivals.is_refuted(liars[0].offer));
    assert!(matches!(world.poll(&mut rivals, &world.genuine, &liars[1..]), Some(RivalAction::Ban { .. })));
}

#[test]
fn wrong_bytes_do_not_refute_a_manifest() {
    let (world, mut rivals) = (ForgeryFixture::new(6), RivalManifests::default());
    let (believed, both) = (world.forged(4), [offering(&world.genuine), offering(&world.genuine)]);
    world.poll(&mut rivals, &believed, &both);
    world.send_states(&mut rivals, 0, &world.genuine);
    world.poll(&mut rivals, &believed, &both);
    let Some(RivalAction::RequestPiece { source, blocks }) = world.poll(&mut rivals, &believed, &both) else {
        panic!()
    };
    assert_eq!(source, SourceId(0));
    let evidence = world.send_blocks(&mut rivals, 0, &blocks).unwrap();
    rivals.piece_verified(evidence.offer, false);
    // The session has disconnected the liar, so the other source is asked for the same piece.
    let numbered = BTreeMap::from([(SourceId(1), both[1])]);
    let believed = CurrentManifest { manifest: &believed, have: &world.have };
    let step = rivals.poll(&numbered, believed, world.now);
    assert!(matches!(step, Some(RivalAction::RequestPiece { source: SourceId(1), .. })), "{step:?}");
}

#[test]
fn silent_or_trickling_source_is_disconnected() {
    let (mut world, mut rivals) = (ForgeryFixture::new(6), RivalManifests::default());
    let (believed, honest) = (world.forged(4), [offering(&world.genuine)]);
    world.poll(&mut rivals, &believed, &honest);
    world.now += Duration::from_millis(3001);
    assert!(matches!(world.poll(&mut rivals, &believed, &honest), Some(RivalAction::Disconnect { .. })));
    // A source on a long path has more time.
    let far = [RivalSource { rtt: Some(Duration::from_millis(250)), ..honest[0] }];
    assert!(matches!(world.poll(&mut rivals, &believed, &far), Some(RivalAction::RequestManifest { .. })));
    world.now += Duration::from_millis(3001);
    assert!(world.poll(&mut rivals, &believed, &far).is_none());
    world.send_states(&mut rivals, 0, &world.genuine);
    world.poll(&mut rivals, &believed, &honest);
    assert!(matches!(world.poll(&mut rivals, &believed, &honest), Some(RivalAction::RequestPiece { .. })));
    world.now += Duration::from_millis(3001);
    assert!(world.poll(&mut rivals, &believed, &honest).is_none());
    world.now += Duration::from_secs(4);
    assert!(matches!(world.poll(&mut rivals, &believed, &honest), Some(RivalAction::Disconnect { .. })));
}

#[test]
fn choking_or_incomplete_source_is_not_asked() {
    let (world, mut rivals) = (ForgeryFixture::new(6), RivalManifests::default());
    let (believed, honest) = (world.forged(4), offering(&world.genuine));
    world.poll(&mut rivals, &believed, &[honest]);
    world.send_states(&mut rivals, 0, &world.genuine);
    let choking = [RivalSource { is_serving: false, ..honest }];
    assert!(matches!(world.poll(&mut rivals, &believed, &choking), Some(RivalAction::Prioritise { .. })));
    assert!(world.poll(&mut rivals, &believed, &choking).is_none());
    let without = [RivalSource { pieces: Some(&[0b1111_0111]), ..honest }];
    assert!(world.poll(&mut rivals, &believed, &without).is_none());
    let with = [RivalSource { pieces: Some(&[0b0000_1000]), ..honest }];
    assert!(matches!(world.poll(&mut rivals, &believed, &with), Some(RivalAction::RequestPiece { .. })));
}

#[test]
fn other_sizes_are_decided_by_the_last_piece() {
    let (mut world, mut rivals) = (ForgeryFixture::new(6), RivalManifests::default());
    let shorter = Geometry::for_native(PIECE_SIZE as u64).unwrap();
    let forged = Manifest::from_states(world.genuine.digest(), shorter, Vec::new()).unwrap();
    let liar = [offering(&forged)];
    // A manifest without states needs no fetching.
    assert!(world.poll(&mut rivals, &world.genuine, &liar).is_none());
    assert!(
        matches!(world.poll(&mut rivals, &world.genuine, &liar), Some(RivalAction::Prioritise { piece }) if piece.get() == 5)
    );
    world.have.insert(world.genuine.geometry().last_piece().unwrap());
    assert!(matches!(world.poll(&mut rivals, &world.genuine, &liar), Some(RivalAction::Ban { .. })));
}

#[test]
fn tests_of_rivals_run_in_bounded_parallel() {
    let (world, mut rivals) = (ForgeryFixture::new(6), RivalManifests::default());
    let forgeries: Vec<Manifest> = (1..6).map(|piece| world.forged(piece)).collect();
    let sized = |size: u64| ContentOffer { size, manifest: Digest::EMPTY };
    let mut liars: Vec<RivalSource<'_>> = forgeries.iter().map(offering).collect();
    let first = liars[0];
    liars.extend((1..20).map(|size| RivalSource { offer: sized(size), ..first }));
    let busy = |rivals: &RivalManifests| rivals.rivals.values().filter(|rival| rival.is_busy()).count();
    while world.poll(&mut rivals, &world.genuine, &liars).is_some() {
        assert!(busy(&rivals) <= 8);
    }
    assert_eq!(busy(&rivals), 8);
}

#[test]
fn untestable_rivals_do_not_block_others() {
    let (world, mut rivals) = (ForgeryFixture::new(12), RivalManifests::default());
    let forgeries: Vec<Manifest> = (1..11).map(|piece| world.forged(piece)).collect();
    let choking = |manifest| RivalSource { is_serving: false, ..offering(manifest) };
    let mut sources: Vec<RivalSource<'_>> = forgeries.iter().map(choking).collect();
    sources.push(offering(&world.genuine));
    let believed = world.forged(11);
    let mut requested = false;
    for _ in 0..100 {
        match world.poll(&mut rivals, &believed, &sources) {
            Some(RivalAction::RequestManifest { source: SourceId(10), .. }) => {
                world.send_states(&mut rivals, 10, &world.genuine);
            }
            Some(RivalAction::RequestManifest { source, .. }) => {
                world.send_states(&mut rivals, source.0, &forgeries[source.0 as usize]);
            }
            Some(RivalAction::RequestPiece { source, .. }) => {
                assert_eq!(source, SourceId(10));
                requested = true;
            }
            Some(RivalAction::Prioritise { .. }) => {}
            other => {
                assert!(other.is_none(), "{other:?}");
                break;
            }
        }
    }
    assert!(requested);
}
