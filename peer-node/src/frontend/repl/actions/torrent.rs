use std::path::PathBuf;

use super::download::wait_for_torrent;
use super::lookup::find_files;
use crate::frontend::console::look::Style;
use crate::frontend::repl::command::{ContentSelector, TorrentAction};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, display_path, expand_tilde, home_dir};
use crate::operations::{AddedTorrent, DestinationProblem, NewTorrent, Problem, SafeName, TorrentRequest};

/// Downloads and seeds a torrent, or creates one.
pub(super) async fn torrent(session: &mut ReplSession, order: TorrentAction) -> Result<(), CommandError> {
    match order {
        TorrentAction::Add { file, only, folder, background } => {
            add_torrent(session, &file, only, folder, background).await
        }
        TorrentAction::Create { item, path } => create_torrents(session, &item, path).await,
    }
}

async fn add_torrent(
    session: &mut ReplSession,
    file: &str,
    select: Option<String>,
    folder: Option<String>,
    background: bool,
) -> Result<(), CommandError> {
    let file = expand_tilde(file, home_dir().as_deref());
    let folder = folder.map_or_else(PathBuf::new, |folder| expand_tilde(&folder, home_dir().as_deref()));
    let added = session.operations.add_torrent(TorrentRequest { file, folder, select }).await?;
    let AddedTorrent { download, is_new, without_source } = added;
    if !is_new && session.output.is_for_person() {
        session.output.line(format!("already under way as download {}", download.id.0))?;
    }
    if let (Some(reason), Some(awaited)) = (without_source, &download.awaited) {
        session.output.warning(format!("{}: {reason}", awaited.view().name));
    }
    let timeout = session.timeout;
    wait_for_torrent(session, (download, is_new), background, timeout).await
}

/// Creates a `.torrent` for each selected file.
async fn create_torrents(
    session: &mut ReplSession,
    item: &ContentSelector,
    path: Option<String>,
) -> Result<(), CommandError> {
    let files = find_files(session, item).await?;
    if path.is_some() && files.len() > 1 {
        return Err(Problem::from(DestinationProblem::SeveralFiles { count: files.len() }).into());
    }
    for listed in files {
        let path = path.as_deref().map(|path| expand_tilde(path, home_dir().as_deref()));
        let created = session.operations.create_torrent(listed.digest, path).await?;
        report_created(session, &created)?;
    }
    Ok(())
}

/// Reports a created torrent.
fn report_created(session: &mut ReplSession, created: &NewTorrent) -> Result<(), CommandError> {
    let (infohash, path) = (created.infohash, display_path(&created.path));
    let tracker = created.tracker.as_ref().map_or("without a tracker".into(), SafeName::shown);
    if session.output.is_for_person() {
        let made = session.output.look().paint(Style::Good, "made");
        session.output.line(format!("{made}  {path}"))?;
        session.output.line(format!("  infohash {infohash}"))?;
        session.output.line(format!("  {tracker}"))?;
    } else {
        session.output.line(format!("made\t{path}\tinfohash {infohash}\t{tracker}"))?;
    }
    if let Some(why) = &created.no_tracker_reason {
        let hint = if created.is_index_without_tracker { " (start index-server with --tracker)" } else { "" };
        session.output.warning(format!("the torrent names no tracker: {why}{hint}"));
    }
    Ok(())
}
