use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::configured::{ListedPeer, LogEvent};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dialling::keep_dialling;
use super::door::Door;
use super::event_log::EventLog;
use super::files::{Files, FilesError, Opened};
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
    unverified: Option<PathBuf>,
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
    /// Begins as one of the group. Nothing is touched if its place is taken, as by the same peer in another program, and nobody is
    /// connected to before its content is found to be usable.
    pub(crate) async fn start(plan: Plan, us: ListedPeer) -> Result<Self, PeerError> {
        let plan = Arc::new(plan);
        let listener = listen(&us.host, us.port).await.map_err(|source| PeerError::Listen {
            id: us.id,
            host: us.host.clone(),
            port: us.port,
            source,
        })?;
        let opening = (Arc::clone(&plan), us.clone());
        let opened = tokio::task::spawn_blocking(move || Files::open(&opening.0, &opening.1)).await;
        let lost = |error| FilesError::at(&plan.dir)(io::Error::other(error));
        let Opened { files, here, unverified } = opened.map_err(lost)??;
        let log = EventLog::open(&plan.dir, us.id);
        let mut log = log.map_err(|source| PeerError::Log { dir: plan.dir.clone(), source })?;
        if let Some(moved) = &unverified {
            tracing::warn!(moved = %moved.display(), "file moved aside that was not received by this program");
            log.note(moved_event(files.target(), moved));
        }
        let (tracker, cancel, found) = (TaskTracker::new(), CancellationToken::new(), here.count());
        let (session, inbox, met, view) =
            Session::new(Arc::clone(&plan), us.id, (files, here), log, tracker.clone());
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
        Ok(Self { view, found, unverified, tracker, cancel })
    }

    /// Returns where a file was moved that stood in the place of the content and was not received by this program.
    pub(crate) fn unverified(&self) -> Option<&Path> {
        self.unverified.as_deref()
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

/// Returns what the log says of a file that was moved aside.
fn moved_event(from: &Path, to: &Path) -> LogEvent {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    LogEvent::Unverified { from: name(from), to: name(to) }
}
