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

/// How long the parts may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);

/// A peer of a configured swarm that is at work.
#[derive(Debug)]
pub(crate) struct GroupMember {
    view: watch::Receiver<DownloadView>,
    initial_pieces: u32,
    unverified: Option<PathBuf>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

/// A peer that cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupStartError {
    /// Its content cannot be used.
    #[error(transparent)]
    Files(#[from] GroupFileError),
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
        id: protocol::configured::ConfiguredPeerId,
        /// Where it is listed.
        host: String,
        /// Its port.
        port: u16,
        /// Why not.
        source: io::Error,
    },
}

impl GroupMember {
    /// Begins as one of the group. Nothing is touched if its place is taken, as by the same peer in another program, and nobody is
    /// connected to before its content is found to be usable.
    pub(crate) async fn start(config: GroupConfig, us: ListedPeer) -> Result<Self, GroupStartError> {
        let config = Arc::new(config);
        let listener = listen(&us.host, us.port).await.map_err(|source| GroupStartError::Listen {
            id: us.id,
            host: us.host.clone(),
            port: us.port,
            source,
        })?;
        let opening = (Arc::clone(&config), us.clone());
        let opened = tokio::task::spawn_blocking(move || GroupFile::open(&opening.0, &opening.1)).await;
        let lost = |error| GroupFileError::at(&config.dir)(io::Error::other(error));
        let OpenedGroupFile { file: files, have: here, unverified } = opened.map_err(lost)??;
        let log = EventLog::open(&config.dir, us.id);
        let mut log = log.map_err(|source| GroupStartError::Log { dir: config.dir.clone(), source })?;
        if let Some(moved) = &unverified {
            tracing::warn!(moved = %moved.display(), "file moved aside that was not received by this program");
            log.record(moved_event(files.target(), moved));
        }
        let (tracker, cancel, found) = (TaskTracker::new(), CancellationToken::new(), here.count());
        let (session, inbox, connections, view) =
            GroupSession::new(Arc::clone(&config), us.id, (files, here), log, tracker.clone());
        for target in config.peer_list.before(us.id) {
            let (target, connections, cancel) = (target.clone(), connections.clone(), cancel.clone());
            tracker.spawn(async move {
                let dialling = keep_dialling(us.id, target, connections, cancel.clone());
                cancel.run_until_cancelled(dialling).await;
            });
        }
        let group_listener = GroupListener::new(us.id, config, connections, tracker.clone(), cancel.clone());
        tracker.spawn(group_listener.run(listener));
        let stopped = cancel.clone();
        tracker.spawn(session.run(inbox, stopped));
        Ok(Self { view, initial_pieces: found, unverified, tracker, cancel })
    }

    /// Returns where a file was moved that stood in the place of the content and was not received by this program.
    pub(crate) fn unverified(&self) -> Option<&Path> {
        self.unverified.as_deref()
    }

    /// Returns how many pieces were here when it began.
    pub(crate) const fn initial_pieces(&self) -> u32 {
        self.initial_pieces
    }

    /// Returns what it shows of itself.
    pub(crate) const fn view(&mut self) -> &mut watch::Receiver<DownloadView> {
        &mut self.view
    }

    /// Stops everything in order; what has come is kept.
    pub(crate) async fn stop(&self) {
        self.cancel.cancel();
        self.tracker.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.tracker.wait()).await.is_err() {
            tracing::warn!("peer stopped before all its tasks had ended");
        }
    }
}

/// Returns what the log says of a file that was moved aside.
fn moved_event(from: &Path, to: &Path) -> LogEvent {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    LogEvent::Unverified { from: name(from), to: name(to) }
}
