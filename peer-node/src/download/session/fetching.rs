//! The stage in which pieces come in: carries out what the engine decides.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::geometry::{Geometry, PieceIndex};
use protocol::limits::{MAX_BLOCK, MAX_REQUESTS};
use protocol::manifest::Manifest;

use super::sharing::Sharing;
use super::{Done, Failure, PartFile, PartFileError, Session, Stage, storing};
use crate::download::assembly::Assembly;
use crate::download::checks::Checks;
use crate::download::fresh_seed::fresh_seed;
use crate::download::manifest_choice::Offer;
use crate::download::notes::Notes;
use crate::download::verification::{Outcome, verify_and_write};
use crate::swarm::{Action, LeaveReason, Order, Overdue, Swarm, SwarmConfig};
use crate::transfers::{ContentId, DownloadState};

/// How many bytes of unfinished pieces one download may hold: enough to keep four fast sources and two cores busy.
const BUDGET: u64 = 24 << 20;

/// The shortest block that is requested: shorter ones cost more messages and bring a slow source no closer.
const LEAST_BLOCK: u32 = 64 << 10;

/// How many pieces sources that have not given a right one yet may have under way together.
const MOST_ON_TRIAL: u32 = 8;

/// What a download has while pieces come in.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) swarm: Swarm,
    pub(super) offer: Offer,
    pub(super) manifest: Arc<Manifest>,
    pub(super) part: Arc<PartFile>,
    pub(super) assembly: Assembly,
    checks: Checks,
    pub(super) sharing: Option<Sharing>,
    pub(super) here: Bitfield,
    pub(super) notes: Notes,
}

impl Session {
    /// Carries out all that the engine wants done now.
    pub(super) fn act(&mut self) {
        let now = Instant::now();
        while let Stage::Fetching(fetching) = &mut self.stage {
            let Some(action) = fetching.swarm.poll(now) else { break };
            match action {
                Action::Request { source, block } => {
                    if let Some(peer) = self.roster.get(source) {
                        peer.channel.request(block);
                    }
                }
                Action::Cancel { source, block } => {
                    if let Some(peer) = self.roster.get(source) {
                        peer.channel.cancel(block);
                    }
                }
                Action::Check { piece } => {
                    let data = fetching.assembly.take(piece);
                    fetching.checks.push(piece, data);
                }
                Action::Interest { source, on } => {
                    if let Some(peer) = self.roster.get(source) {
                        peer.channel.interested(on);
                    }
                }
                Action::Drop { piece } => drop(fetching.assembly.take(piece)),
                Action::Leave { source, reason } => {
                    let again = match reason {
                        LeaveReason::BadData => None,
                        LeaveReason::Stalled | LeaveReason::Refusing => Some(super::GRACE),
                    };
                    if let Some(peer) = self.roster.get(source) {
                        tracing::warn!(address = %peer.address, %reason, "source left");
                    }
                    self.roster.leave(source, &reason.to_string(), again, now);
                }
            }
        }
        self.check();
    }

    /// Begins to verify what has come, as far as there is room for it.
    fn check(&mut self) {
        let Stage::Fetching(fetching) = &mut self.stage else { return };
        while let Some(pieces) = fetching.checks.begin() {
            let (manifest, part) = (Arc::clone(&fetching.manifest), Arc::clone(&fetching.part));
            let store = Arc::new(storing::Pieces { manifest, part });
            self.jobs.spawn(async { Done::Checked(verify_and_write(pieces, store).await) });
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(&self.stage, Stage::Fetching(fetching) if fetching.swarm.is_complete())
    }

    pub(super) fn job_done(&mut self, done: Done) -> Result<(), Failure> {
        match done {
            Done::Prepared { .. } if self.cancel.is_cancelled() => return Err(Failure::Cancelled),
            Done::Prepared { manifest, outcome } => match outcome {
                Ok((part, here)) => self.begin_fetching(manifest, part, here),
                // Only the sources say how large the file is, and they may lie: those that say this are left.
                Err(error @ PartFileError::NoRoom { .. }) if self.wanted.size.is_none() => {
                    self.leave_all_of(manifest.geometry().size(), &error.to_string());
                }
                Err(error) => return Err(error.into()),
            },
            Done::Checked(outcomes) => self.pieces_checked(outcomes)?,
            Done::Tested { offer, source, is_right } => self.tested(offer, source, is_right),
            Done::Noted(outcome) => {
                if let Stage::Fetching(fetching) = &mut self.stage {
                    fetching.notes.ended();
                    if let Err(error) = outcome {
                        let part = fetching.part.path().display();
                        tracing::warn!(%error, %part, "record of a download not written");
                    }
                }
            }
        }
        Ok(())
    }

    /// Leaves the sources that say that the content has this size.
    fn leave_all_of(&mut self, size: u64, why: &str) {
        self.stage = Stage::Choosing(None);
        self.rivals.begin_anew();
        let offers = self.roster.offers();
        for (id, _) in offers.iter().filter(|(_, offer)| offer.size == size) {
            self.part_with(*id, why, None);
        }
    }

    fn begin_fetching(&mut self, manifest: Arc<Manifest>, part: PartFile, here: Bitfield) {
        let geometry = *manifest.geometry();
        let swarm = new_swarm(geometry, &here);
        let offer = Offer { size: geometry.size(), manifest: manifest.id() };
        let (assembly, checks, part) =
            (Assembly::default(), Checks::new(geometry.piece_length()), Arc::new(part));
        let Session { config, .. } = &*self;
        let sharing = Sharing::begin(&config.partials, &config.root, &manifest, &part, &here);
        let notes = Notes::new(Instant::now());
        let fetching = Fetching { swarm, offer, manifest, part, assembly, checks, sharing, here, notes };
        self.stage = Stage::Fetching(Box::new(fetching));
        self.board.set_state(DownloadState::Fetching);
        // Nothing was asked of the sources while the part file was checked.
        self.seek.heard = Instant::now();
        for id in self.roster.offers().into_keys() {
            self.join_swarm(id);
        }
    }

    fn pieces_checked(&mut self, outcomes: Vec<Outcome>) -> Result<(), Failure> {
        if let Stage::Fetching(fetching) = &mut self.stage {
            fetching.checks.ended();
        }
        // One that could not be written does not take those beside it along.
        let checked = outcomes.into_iter().map(|(piece, outcome)| self.piece_checked(piece, outcome));
        checked.fold(Ok(()), Result::and)
    }

    fn piece_checked(&mut self, piece: PieceIndex, outcome: io::Result<bool>) -> Result<(), Failure> {
        let Stage::Fetching(fetching) = &mut self.stage else { return Ok(()) };
        let good = outcome.map_err(|source| {
            let path = fetching.part.path().to_owned();
            Failure::Write { path, source }
        })?;
        let culprit = fetching.swarm.piece_checked(piece, good);
        if good {
            tracing::debug!(piece = piece.get(), "piece verified");
            fetching.here.insert(piece);
            if let Some(sharing) = &fetching.sharing {
                sharing.publication.verified(piece);
            }
            fetching.notes.verified(u64::from(fetching.manifest.geometry().length_of(piece)));
            self.roster.forgive();
        } else {
            let culprit = culprit.and_then(|id| self.roster.get(id));
            if let Some(peer) = culprit {
                peer.channel.report_wrong(piece);
            }
            let culprit = culprit.map(|peer| peer.address);
            tracing::warn!(piece = piece.get(), ?culprit, "piece failed its check");
        }
        Ok(())
    }

    /// Notes the pieces that are here on disk if the record is far behind.
    pub(super) fn note_if_due(&mut self) {
        if matches!(&self.stage, Stage::Fetching(fetching) if fetching.notes.is_due(Instant::now())) {
            self.note();
        }
    }

    /// Notes the pieces that are here on disk, if there are new ones.
    pub(super) fn note(&mut self) {
        if let Stage::Fetching(fetching) = &mut self.stage
            && fetching.notes.begin(Instant::now())
        {
            let (part, here) = (Arc::clone(&fetching.part), fetching.here.clone());
            self.jobs.spawn_blocking(move || storing::note(&part, &here));
        }
    }

    /// Shows how far the download has got.
    pub(super) fn show(&self) {
        let now = Instant::now();
        let (roster, uploads) = (&self.roster, self.config.transport.uploads());
        let fetching = match &self.stage {
            Stage::Fetching(fetching) => Some(fetching),
            _ => None,
        };
        let rate_up = uploads.rate_of(ContentId::File(self.wanted.digest));
        if let Some(fetching) = fetching {
            fetching.part.keep_cached(rate_up > 0.0);
        }
        self.board.show(|view| {
            view.rate_up = rate_up;
            view.sources_known = roster.known();
            view.queued_at = roster.queued_at();
            let Some(fetching) = fetching else {
                view.givers = roster.givers(|_| 0.0);
                return;
            };
            let geometry = fetching.manifest.geometry();
            view.size = Some(geometry.size());
            view.pieces = geometry.piece_count();
            view.pieces_done = fetching.swarm.pieces_done();
            view.bytes_done = bytes_in(&fetching.here, &fetching.manifest);
            view.sources_active = fetching.swarm.active_sources();
            view.givers =
                roster.givers(|id| fetching.swarm.source_flow(id, now).map_or(0.0, |(_, rate)| rate));
        });
    }

    /// Ends the stage: all pieces are verified and written.
    pub(super) async fn finish(&mut self) -> Result<DownloadState, Failure> {
        debug_assert!(
            matches!(&self.stage, Stage::Fetching(fetching) if fetching.manifest.geometry().piece_count() > 0)
        );
        while self.jobs.join_next().await.is_some() {}
        self.show();
        self.roster.disband();
        let stage = std::mem::replace(&mut self.stage, Stage::Choosing(None));
        let Stage::Fetching(fetching) = stage else {
            return Err(Failure::Internal("nothing was fetched"));
        };
        // Until the library shares the whole, it is shared from here.
        let Fetching { manifest, part, sharing: _sharing, .. } = *fetching;
        match Arc::into_inner(part) {
            Some(part) => self.settle(part, manifest).await,
            None => Err(Failure::Internal("the part file is still in use")),
        }
    }

    /// Parts with everybody, waits for what is being written and begins to note what is here.
    pub(super) async fn let_go(&mut self) {
        self.roster.disband();
        self.seek.rounds.shutdown().await;
        while matches!(self.stage, Stage::Fetching(_))
            && let Some(done) = self.jobs.join_next().await
        {
            match done {
                Ok(Done::Checked(outcomes)) => {
                    // What could not be written is not noted as being here.
                    let stored = outcomes.into_iter().filter(|(_, outcome)| outcome.is_ok()).collect();
                    let _ = self.pieces_checked(stored);
                }
                Ok(noted @ Done::Noted(_)) => drop(self.job_done(noted)),
                _ => {}
            }
        }
        self.note();
    }

    /// Puts everything in order before the download is left.
    pub(super) async fn put_away(&mut self) {
        self.let_go().await;
        while self.jobs.join_next().await.is_some() {}
    }
}

impl Fetching {
    /// Forgets what is not verified and whoever gave it; all that is not here is fetched anew.
    pub(super) fn begin_anew(&mut self) {
        self.swarm = new_swarm(*self.manifest.geometry(), &self.here);
        self.assembly = Assembly::default();
        self.checks = Checks::new(self.manifest.geometry().piece_length());
    }
}

fn new_swarm(geometry: Geometry, here: &Bitfield) -> Swarm {
    let config = SwarmConfig {
        block_length: MAX_BLOCK,
        least_block: LEAST_BLOCK,
        max_requests: MAX_REQUESTS,
        budget: BUDGET,
        most_on_trial: Some(MOST_ON_TRIAL),
        order: Order::Rarest,
        overdue: Overdue::Overtake,
        seed: fresh_seed(),
    };
    Swarm::new(geometry, config, Instant::now(), |piece| here.has(piece))
}

fn bytes_in(here: &Bitfield, manifest: &Manifest) -> u64 {
    let geometry = manifest.geometry();
    let full = u64::from(here.count()) * u64::from(geometry.piece_length());
    let short = geometry.last_piece().filter(|last| here.has(*last));
    let missing = short.map_or(0, |last| geometry.piece_length() - geometry.length_of(last));
    full - u64::from(missing)
}
