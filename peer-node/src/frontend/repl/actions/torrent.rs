use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::escape::display_safe;
use protocol::share_path::local_file_name;

use super::download::wait_for_torrent;
use super::lookup::find_files;
use crate::download::{NotStarted, TorrentError, WantedTorrent};
use crate::frontend::console::look::Style;
use crate::frontend::repl::command::{ContentSelector, TorrentAction};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, expand_tilde, home_dir};
use crate::shared_torrents::{CreatedTorrent, NoAnnounceUrl};
use crate::storage::read_regular_file;
use crate::torrent::{NoUsableSource, OnCompletion, dot_torrent};

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
    let path = expand_tilde(file, home_dir().as_deref());
    let read = tokio::task::spawn_blocking(move || dot_torrent::read(&path)).await;
    let metainfo = Arc::new(read.map_err(|_| CommandError::AlreadyReported)??);
    let folder = folder.map_or_else(PathBuf::new, |folder| expand_tilde(&folder, home_dir().as_deref()));
    let wanted =
        WantedTorrent { metainfo, folder, select, on_completion: OnCompletion::Seed { ratio: None } };
    let no_source = NoUsableSource::from_metainfo(&wanted.metainfo);
    let (id, is_new) = match session.node.downloads().start_torrent(wanted).await {
        Ok(id) => (id, true),
        Err(TorrentError::NotStarted(NotStarted::Running { id })) => {
            if session.output.is_for_person() {
                session.output.line(format!("already under way as download {}", id.0))?;
            }
            (id, false)
        }
        Err(error) => return Err(error.into()),
    };
    let view = session.node.downloads().watch(id).map(|view| view.borrow().clone());
    // A torrent with a known SHA-256 can also be fetched from nodes, so it needs no warning.
    if let (Some(none), Some(view)) = (no_source, view.filter(|view| view.digest.is_none())) {
        session.output.warning(format!("{}: {none}", display_safe(&view.name)));
    }
    let timeout = session.timeout;
    wait_for_torrent(session, (id, is_new), background, timeout).await
}

/// Creates a `.torrent` for each selected file.
async fn create_torrents(
    session: &mut ReplSession,
    item: &ContentSelector,
    path: Option<String>,
) -> Result<(), CommandError> {
    let files = find_files(session, item).await?;
    if path.is_some() && files.len() > 1 {
        return Err(CommandError::DestinationForSeveral { count: files.len() });
    }
    for listed in files {
        let created = session.node.shared_torrents().create(listed.digest).await?;
        let name = format!("{}.torrent", local_file_name(created.metainfo.name()));
        let path =
            path.as_deref().map_or_else(|| name.into(), |path| expand_tilde(path, home_dir().as_deref()));
        let bytes = created.metainfo.bytes().to_vec();
        let target = path.clone();
        let written = tokio::task::spawn_blocking(move || write_new(&target, &bytes)).await;
        written.map_err(|_| CommandError::AlreadyReported)??;
        report_created(session, &created, &path)?;
    }
    Ok(())
}

/// Reports a created torrent.
fn report_created(
    session: &mut ReplSession,
    created: &CreatedTorrent,
    path: &Path,
) -> Result<(), CommandError> {
    let (infohash, path) = (created.metainfo.infohash(), display_safe(&path.to_string_lossy()).into_owned());
    let tracker = created.tracker.as_ref().map_or("without a tracker".into(), |url| display_safe(url));
    if session.output.is_for_person() {
        let made = session.output.look().paint(Style::Good, "made");
        session.output.line(format!("{made}  {path}"))?;
        session.output.line(format!("  infohash {infohash}"))?;
        session.output.line(format!("  {tracker}"))?;
    } else {
        session.output.line(format!("made\t{path}\tinfohash {infohash}\t{tracker}"))?;
    }
    if let Err(why) = &created.tracker {
        let hint = match why {
            NoAnnounceUrl::IndexIsNoTracker => " (start index-server with --tracker)",
            NoAnnounceUrl::Index(_) => "",
        };
        session.output.warning(format!("the torrent names no tracker: {why}{hint}"));
    }
    Ok(())
}

/// Writes a new file. An existing file with the same content counts as written.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(bytes));
    written.or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists if has_content(path, bytes) => Ok(()),
        io::ErrorKind::AlreadyExists => Err(CommandError::Exists { path: path.to_owned() }),
        _ => Err(CommandError::Unwritable { path: path.to_owned(), source: error }),
    })
}

/// Returns true if a file has this content.
fn has_content(path: &Path, bytes: &[u8]) -> bool {
    read_regular_file(path, bytes.len() as u64 + 1).is_ok_and(|content| content == bytes)
}
