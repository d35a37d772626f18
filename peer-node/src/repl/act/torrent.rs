use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::escape::display_safe;
use protocol::share_path::local_file_name;

use super::download::wait_for_torrent;
use super::lookup::contents;
use crate::download::{NotStarted, TorrentError, WantedTorrent};
use crate::repl::command::{Item, TorrentOrder};
use crate::repl::failure::Failure;
use crate::repl::look::Style;
use crate::repl::session::{Session, home, user_path};
use crate::storage::read_regular_file;
use crate::torrent::offers::Made;
use crate::torrent::{Afterwards, NoSource, dot_torrent};

/// Takes part in a torrent, or makes one.
pub(super) async fn torrent(session: &mut Session, order: TorrentOrder) -> Result<(), Failure> {
    match order {
        TorrentOrder::Add { file, only, folder, background } => {
            add(session, &file, only, folder, background).await
        }
        TorrentOrder::Create { item, path } => create(session, &item, path).await,
    }
}

async fn add(
    session: &mut Session,
    file: &str,
    select: Option<String>,
    folder: Option<String>,
    background: bool,
) -> Result<(), Failure> {
    let path = user_path(file, home().as_deref());
    let read = tokio::task::spawn_blocking(move || dot_torrent::read(&path)).await;
    let metainfo = Arc::new(read.map_err(|_| Failure::Told)??);
    let folder = folder.map_or_else(PathBuf::new, |folder| user_path(&folder, home().as_deref()));
    let wanted = WantedTorrent { metainfo, folder, select, afterwards: Afterwards::Seed { ratio: None } };
    let no_source = NoSource::of(&wanted.metainfo);
    let (id, is_new) = match session.node.downloads().add(wanted).await {
        Ok(id) => (id, true),
        Err(TorrentError::NotStarted(NotStarted::Running { id })) => {
            if session.output.is_for_person() {
                session.output.line(format!("under way already, as download {}", id.0))?;
            }
            (id, false)
        }
        Err(error) => return Err(error.into()),
    };
    let view = session.node.downloads().watch(id).map(|view| view.borrow().clone());
    // Nodes may have a content whose SHA-256 is known.
    if let (Some(none), Some(view)) = (no_source, view.filter(|view| view.digest.is_none())) {
        session.output.warning(format!("{}: {none}", display_safe(&view.name)));
    }
    let timeout = session.timeout;
    wait_for_torrent(session, (id, is_new), background, timeout).await
}

/// Makes a `.torrent` for each of some shared files.
async fn create(session: &mut Session, item: &Item, path: Option<String>) -> Result<(), Failure> {
    let files = contents(session, item).await?;
    if path.is_some() && files.len() > 1 {
        return Err(Failure::SeveralAsOne { count: files.len() });
    }
    for listed in files {
        let made = session.node.offers().create(listed.digest).await?;
        let name = format!("{}.torrent", local_file_name(made.metainfo.name()));
        let path = path.as_deref().map_or_else(|| name.into(), |path| user_path(path, home().as_deref()));
        let bytes = made.metainfo.bytes().to_vec();
        let at = path.clone();
        let written = tokio::task::spawn_blocking(move || write_new(&at, &bytes)).await;
        written.map_err(|_| Failure::Told)??;
        tell(session, &made, &path)?;
    }
    Ok(())
}

/// Says what was made.
fn tell(session: &mut Session, made: &Made, path: &Path) -> Result<(), Failure> {
    let (infohash, path) = (made.metainfo.infohash(), display_safe(&path.to_string_lossy()).into_owned());
    let tracker = made.tracker.as_ref().map_or("without a tracker".into(), |url| display_safe(url));
    if session.output.is_for_person() {
        let made = session.output.look().paint(Style::Good, "made");
        session.output.line(format!("{made}  {path}"))?;
        session.output.line(format!("  infohash {infohash}"))?;
        session.output.line(format!("  {tracker}"))?;
    } else {
        session.output.line(format!("made\t{path}\tinfohash {infohash}\t{tracker}"))?;
    }
    if let Err(why) = &made.tracker {
        session.output.warning(format!("it names no tracker: {why}"));
    }
    Ok(())
}

/// Writes a file that was not there. One that says the same already is as good.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(bytes));
    written.or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists if is_there(path, bytes) => Ok(()),
        io::ErrorKind::AlreadyExists => Err(Failure::Exists { path: path.to_owned() }),
        _ => Err(Failure::Unwritable { path: path.to_owned(), source: error }),
    })
}

/// Returns true if a file says that already.
fn is_there(path: &Path, bytes: &[u8]) -> bool {
    read_regular_file(path, bytes.len() as u64 + 1).is_ok_and(|there| there == bytes)
}
