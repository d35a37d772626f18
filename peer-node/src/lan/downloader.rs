use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::escape::excerpt;
use protocol::lan::{ChunkName, ChunkNameError, Cut, cannot_line, download_line};
use tokio::sync::mpsc;

use super::board::Board;
use super::fetch::{FetchError, fetch};
use super::fresh::Fresh;
use super::merge::Merged;
use super::{ChunkFolder, FolderError, News, Settings};
use crate::addresses::may_dial;
use crate::local_time::local_time;
use crate::log::RotatingFile;

/// Where it stands what was fetched.
const LOG: &str = "download_log.txt";

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// The name does not serve.
    #[error(transparent)]
    Name(#[from] ChunkNameError),
    /// Nobody was heard to have it.
    #[error("nobody was heard to have {name}; {} says who has what, and peer-node lan discover writes it", place.display())]
    Unknown { name: String, place: PathBuf },
    /// Some chunks could not be had.
    #[error("{0}")]
    Missing(String),
    /// They are not those of one file.
    #[error(
        "the chunks do not fit together: {lengths:?} bytes; one was cut short, or they are of different files. Those that came now are removed again"
    )]
    Unfit { lengths: Vec<u64> },
    /// What is here is not what is announced.
    #[error(
        "{chunk} lies in the folder and is not what {holder} announces; take another folder, or move it away"
    )]
    Differs { chunk: ChunkName, holder: IpAddr },
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The disk cannot.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// A file that is here.
#[derive(Debug)]
pub(crate) struct Downloaded {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    /// Whether every chunk matched a digest that was announced with it.
    pub(crate) is_verified: bool,
}

/// A chunk that is here.
struct Had {
    chunk: ChunkName,
    bytes: u64,
    is_verified: bool,
    is_new: bool,
}

/// Fetches the chunks of a file one after the other, each from the first of those who have it that gives it, and puts them
/// together. The chunks are kept.
pub(crate) async fn download(
    folder: &Arc<ChunkFolder>,
    name: &str,
    settings: &Settings,
    news: &mpsc::Sender<News>,
) -> Result<Downloaded, DownloadError> {
    let home = folder.path().to_owned();
    let board = on_disk(move || Ok(Board::load(&home)?)).await?;
    let first: ChunkName = format!("{name}_1").parse()?;
    if !board.knows(name) {
        return Err(DownloadError::Unknown { name: excerpt(name), place: Board::place(folder.path()) });
    }
    let task = Task { folder, settings, news, board };
    let (mut had, mut missing, mut room) = (Vec::new(), Vec::new(), settings.max_size);
    for number in 1..=settings.count.get() {
        let chunk = first.sibling(number)?;
        match task.obtain(&chunk, room).await? {
            Some(one) => {
                room = room.saturating_sub(one.bytes);
                had.push(one);
            }
            None => missing.push(chunk),
        }
    }
    task.judge(&had, &missing)?;
    let merged = task.merge(name, &had).await?;
    let is_verified = had.iter().all(|had| had.is_verified);
    Ok(Downloaded { path: merged.path, size: merged.size, digest: merged.digest, is_verified })
}

struct Task<'a> {
    folder: &'a Arc<ChunkFolder>,
    settings: &'a Settings,
    news: &'a mpsc::Sender<News>,
    board: Board,
}

impl Task<'_> {
    /// Returns a chunk that is here, or fetches it; none if nobody gives it.
    async fn obtain(&self, chunk: &ChunkName, room: u64) -> Result<Option<Had>, DownloadError> {
        if let Some(had) = self.here(chunk).await? {
            let _ = self.news.send(News::Here { chunk: chunk.clone() }).await;
            return Ok(Some(had));
        }
        for holder in self.board.holders(chunk) {
            let fresh = self.folder.fresh(chunk.as_str().as_ref());
            let announced = self.board.digest(chunk, *holder);
            if !may_dial(SocketAddr::new(*holder, self.settings.chunk_port)) {
                continue;
            }
            match fetch(self.settings, (chunk, *holder), announced, room, &fresh).await {
                Ok(fetched) => {
                    self.settle(fresh, chunk).await?;
                    self.note(chunk, *holder);
                    let (bytes, is_verified) = (fetched.bytes, fetched.is_verified);
                    let (chunk, from) = (chunk.clone(), *holder);
                    let said = News::Downloaded { chunk: chunk.clone(), from, bytes, is_verified };
                    let _ = self.news.send(said).await;
                    return Ok(Some(Had { chunk, bytes, is_verified, is_new: true }));
                }
                Err(error) => {
                    if let FetchError::Own { path, source } = error {
                        return Err(FolderError::Io { path, source }.into());
                    }
                    let (chunk, from, reason) = (chunk.clone(), *holder, error.to_string());
                    let _ = self.news.send(News::NotGiven { chunk, from, reason }).await;
                }
            }
        }
        Ok(None)
    }

    /// Looks whether a chunk is in the folder. It must be what was announced, as far as anybody has said what that is.
    async fn here(&self, chunk: &ChunkName) -> Result<Option<Had>, DownloadError> {
        let (folder, wanted) = (Arc::clone(self.folder), chunk.clone());
        let found = on_disk(move || {
            let Some((_, identity)) = folder.open_chunk(&wanted)? else { return Ok(None) };
            Ok(folder.digest(&wanted)?.map(|digest| (identity.size, digest)))
        });
        let Some((bytes, digest)) = found.await? else { return Ok(None) };
        let announced = |holder: &IpAddr| Some((*holder, self.board.digest(chunk, *holder)?));
        let announced: Vec<_> = self.board.holders(chunk).iter().filter_map(announced).collect();
        let is_verified = announced.iter().any(|(_, said)| *said == digest);
        match announced.first() {
            Some((holder, _)) if !is_verified => {
                Err(DownloadError::Differs { chunk: chunk.clone(), holder: *holder })
            }
            _ => Ok(Some(Had { chunk: chunk.clone(), bytes, is_verified, is_new: false })),
        }
    }

    /// Says whether the chunks that are here are all of a file: a small one has fewer than others.
    fn judge(&self, had: &[Had], missing: &[ChunkName]) -> Result<(), DownloadError> {
        let lengths: Vec<u64> = had.iter().map(|had| had.bytes).collect();
        let in_order = (1..).zip(had).all(|(number, had)| had.chunk.number() == number);
        let is_unheard = missing.iter().all(|chunk| self.board.holders(chunk).is_empty());
        if !had.is_empty() && in_order && is_unheard && Cut::is_whole(&lengths, self.settings.count) {
            return Ok(());
        }
        if !missing.is_empty() {
            let lines: Vec<String> = missing.iter().map(cannot_line).collect();
            return Err(DownloadError::Missing(lines.join("\n")));
        }
        for had in had.iter().filter(|had| had.is_new && !had.is_verified) {
            // Otherwise they would be taken for right the next time.
            let _ = fs::remove_file(self.folder.path().join(had.chunk.as_str()));
        }
        Err(DownloadError::Unfit { lengths })
    }

    async fn merge(&self, name: &str, had: &[Had]) -> Result<Merged, DownloadError> {
        let (folder, name) = (Arc::clone(self.folder), name.to_owned());
        let chunks: Vec<ChunkName> = had.iter().map(|had| had.chunk.clone()).collect();
        on_disk(move || Ok(folder.merge(&name, &chunks)?)).await
    }

    /// Gives what was fetched its name.
    async fn settle(&self, fresh: Fresh, chunk: &ChunkName) -> Result<(), DownloadError> {
        let (folder, chunk) = (Arc::clone(self.folder), chunk.clone());
        on_disk(move || Ok(folder.settle(&fresh, &chunk)?)).await
    }

    fn note(&self, chunk: &ChunkName, from: IpAddr) {
        append(self.folder, LOG, &download_line(&local_time(), chunk, from));
    }
}

/// Waits for what waits for the disk.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DownloadError> + Send + 'static,
) -> Result<T, DownloadError> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Adds a line to a log in the folder. A log that cannot be written keeps nobody from working.
pub(super) fn append(folder: &ChunkFolder, log: &str, line: &str) {
    match RotatingFile::open(folder.path().join(log)) {
        Ok(file) => file.append(format!("{line}\n").as_bytes()),
        Err(error) => tracing::warn!(log, %error, "log not written"),
    }
}
