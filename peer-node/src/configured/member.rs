use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::configured::{ListedPeer, LogEvent};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dialling::keep_dialling;
use super::event_log::EventLog;
use super::group_config::GroupConfig;
use super::group_file::{GroupFile, GroupFileError, OpenedGroupFile};
use super::listener::GroupListener;
use super::local_host::listen;
use super::session::GroupSession;
use crate::view::DownloadView;

/// Maximum time to stop all tasks.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);

/// A running peer of a configured swarm.
#[derive(Debug)]
pub(crate) struct GroupMember {
    view: watch::Receiver<DownloadView>,
    initial_pieces: u32,
    unverified: Option<PathBuf>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

/// Why a peer cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupStartError {
    /// Its file cannot be used.
    #[error(transparent)]
    Files(#[from] GroupFileError),
    /// Its log cannot be written.
    #[error("cannot write a log in {}: {source}", dir.display())]
    Log {
        /// The folder.
        dir: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// It cannot listen on its address.
    #[error(
        "cannot listen on {host}:{port}: {source}; is peer {id} already running, or is {host} another machine?"
    )]
    Listen {
        /// The peer.
        id: protocol::configured::ConfiguredPeerId,
        /// Its listed host.
        host: String,
        /// Its listed port.
        port: u16,
        /// Cause.
        source: io::Error,
    },
}

impl GroupMember {
    /// Starts a peer of the group. Opens no file if the address is in use, for instance by the same peer in another process.
    /// Connects to nobody before its own file is known to be usable.
    pub(crate) async fn start(config: GroupConfig, own: ListedPeer) -> Result<Self, GroupStartError> {
        let config = Arc::new(config);
        let listener = listen(&own.host, own.port).await.map_err(|source| GroupStartError::Listen {
            id: own.id,
            host: own.host.clone(),
            port: own.port,
            source,
        })?;
        let opening = (Arc::clone(&config), own.clone());
        let opened = tokio::task::spawn_blocking(move || GroupFile::open(&opening.0, &opening.1)).await;
        let lost = |error| GroupFileError::at(&config.dir)(io::Error::other(error));
        let OpenedGroupFile { file: files, have, unverified } = opened.map_err(lost)??;
        let log = EventLog::open(&config.dir, own.id);
        let mut log = log.map_err(|source| GroupStartError::Log { dir: config.dir.clone(), source })?;
        if let Some(moved) = &unverified {
            tracing::warn!(moved = %moved.display(), "moved a file aside that was not received by this program");
            log.record(moved_event(files.target(), moved));
        }
        let (tracker, cancel, initial_pieces) = (TaskTracker::new(), CancellationToken::new(), have.count());
        let (session, inbox, connections, view) =
            GroupSession::new(Arc::clone(&config), own.id, (files, have), log, tracker.clone());
        for target in config.peer_list.before(own.id) {
            let (target, connections, cancel) = (target.clone(), connections.clone(), cancel.clone());
            tracker.spawn(async move {
                let dialling = keep_dialling(own.id, target, connections, cancel.clone());
                cancel.run_until_cancelled(dialling).await;
            });
        }
        let group_listener = GroupListener::new(own.id, config, connections, tracker.clone(), cancel.clone());
        tracker.spawn(group_listener.run(listener));
        let stopped = cancel.clone();
        tracker.spawn(session.run(inbox, stopped));
        Ok(Self { view, initial_pieces, unverified, tracker, cancel })
    }

    /// Returns the new path of a file that had the target's name but was not received by this program.
    pub(crate) fn unverified(&self) -> Option<&Path> {
        self.unverified.as_deref()
    }

    /// Returns the number of pieces at the start.
    pub(crate) const fn initial_pieces(&self) -> u32 {
        self.initial_pieces
    }

    /// Returns the view for display.
    pub(crate) const fn view(&mut self) -> &mut watch::Receiver<DownloadView> {
        &mut self.view
    }

    /// Stops all tasks in order. Received pieces are kept.
    pub(crate) async fn stop(&self) {
        self.cancel.cancel();
        self.tracker.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tracker.wait()).await.is_err() {
            tracing::warn!("peer stopped before all its tasks ended");
        }
    }
}

/// Returns the log event for a file that was moved aside.
fn moved_event(from: &Path, to: &Path) -> LogEvent {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    LogEvent::Unverified { from: name(from), to: name(to) }
}
