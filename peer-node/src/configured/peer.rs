use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use protocol::configured::ListedPeer;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dialling::keep_dialling;
use super::door::Door;
use super::event_log::EventLog;
use super::files::{Files, FilesError};
use super::listening::listen;
use super::plan::Plan;
use super::session::Session;
use crate::transfers::DownloadView;

/// How long the parts may take to stop.
const STOP_DEADLINE: Duration = Duration::from_secs(4);

/// A peer of a configured swarm that is at work.
#[derive(Debug)]
pub(crate) struct Peer {
    view: watch::Receiver<DownloadView>,
    found: u32,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

/// A peer that cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    /// Its content cannot be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Its log cannot be written.
    #[error("cannot write a log in {}: {source}", dir.display())]
    Log {
        /// Where.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Nobody can connect to it.
    #[error(
        "cannot listen on {host}:{port}: {source}; is peer {id} running already, or is that another machine?"
    )]
    Listen {
        /// Who.
        id: protocol::configured::PeerId,
        /// Where it is listed.
        host: String,
        /// Its port.
        port: u16,
        /// Why not.
        source: io::Error,
    },
}

impl Peer {
    /// Begins as one of the group: its content is looked for first, and nobody is spoken with if that cannot be used.
    pub(crate) async fn start(plan: Plan, us: ListedPeer) -> Result<Self, PeerError> {
        let plan = Arc::new(plan);
        let opening = (Arc::clone(&plan), us.clone());
        let opened = tokio::task::spawn_blocking(move || Files::open(&opening.0, &opening.1)).await;
        let lost = |error| FilesError::at(&plan.dir)(io::Error::other(error));
        let opened = opened.map_err(lost)??;
        let listener = listen(&us.host, us.port).await.map_err(|source| PeerError::Listen {
            id: us.id,
            host: us.host.clone(),
            port: us.port,
            source,
        })?;
        let log = EventLog::open(&plan.dir, us.id);
        let log = log.map_err(|source| PeerError::Log { dir: plan.dir.clone(), source })?;
        let (tracker, cancel, found) = (TaskTracker::new(), CancellationToken::new(), opened.1.count());
        let (session, inbox, met, view) =
            Session::new(Arc::clone(&plan), us.id, opened, log, tracker.clone());
        for target in plan.list.before(us.id) {
            let (target, met, cancel) = (target.clone(), met.clone(), cancel.clone());
            tracker.spawn(async move {
                let dialling = keep_dialling(us.id, target, met, cancel.clone());
                cancel.run_until_cancelled(dialling).await;
            });
        }
        let door = Door::new(us.id, plan, met, tracker.clone(), cancel.clone());
        tracker.spawn(door.keep(listener));
        let stopped = cancel.clone();
        tracker.spawn(session.run(inbox, stopped));
        Ok(Self { view, found, tracker, cancel })
    }

    /// Returns how many pieces were here when it began.
    pub(crate) const fn found(&self) -> u32 {
        self.found
    }

    /// Returns what it shows of itself.
    pub(crate) const fn view(&mut self) -> &mut watch::Receiver<DownloadView> {
        &mut self.view
    }

    /// Stops everything in order; what has come is kept.
    pub(crate) async fn stop(&self) {
        self.cancel.cancel();
        self.tracker.close();
        if tokio::time::timeout(STOP_DEADLINE, self.tracker.wait()).await.is_err() {
            tracing::warn!("peer stopped before all its tasks had ended");
        }
    }
}
