use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::escape::excerpt;
use protocol::lan::{ChunkName, ChunkNameError, Cut, LengthRule, cannot_line};
use tokio::sync::mpsc;

use super::board::Board;
use super::download_log::DownloadLog;
use super::fetch::{FetchError, Fetched, Wish, fetch};
use super::merge::Merged;
use super::wanted::Wanted;
use super::{ChunkFolder, FolderError, News, Settings};
use crate::addresses::may_dial;

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

/// A reply that may be a chunk: JSON of which no chunk before it has shown whether it has the right length.
struct Held {
    chunk: ChunkName,
    from: IpAddr,
    fetched: Fetched,
}

/// Fetches the chunks of a file one after the other, each from the first of those who have it that gives it, and puts them
/// together. The chunks are kept. The name may be that of the file, with its extension, or that in the names of its chunks.
pub(crate) async fn download(
    folder: &Arc<ChunkFolder>,
    typed: &str,
    settings: &Settings,
    news: &mpsc::Sender<News>,
) -> Result<Downloaded, DownloadError> {
    let home = folder.path().to_owned();
    let board = on_disk(move || Ok(Board::load(&home)?)).await?;
    let Some(wanted) = Wanted::find(typed, |content| board.knows(content)) else {
        // What cannot be a name at all is told so.
        format!("{typed}_1").parse::<ChunkName>()?;
        return Err(DownloadError::Unknown { name: excerpt(typed), place: Board::place(folder.path()) });
    };
    let first: ChunkName = format!("{}_1", wanted.content).parse()?;
    let log = DownloadLog::new(Arc::clone(folder));
    let mut task = Task { folder, settings, news, board, log, had: Vec::new(), held: Vec::new() };
    for number in 1..=settings.count.get() {
        task.obtain(&first.sibling(number)?).await?;
    }
    task.settle_held().await?;
    let chunks = (1..=settings.count.get()).map(|number| first.sibling(number));
    task.judge(&chunks.collect::<Result<Vec<_>, _>>()?)?;
    let merged = task.merge(wanted).await?;
    let is_verified = task.had.iter().all(|had| had.is_verified);
    Ok(Downloaded { path: merged.path, size: merged.size, digest: merged.digest, is_verified })
}

struct Task<'a> {
    folder: &'a Arc<ChunkFolder>,
    settings: &'a Settings,
    news: &'a mpsc::Sender<News>,
    board: Board,
    log: DownloadLog,
    /// The chunks that are here, in order.
    had: Vec<Had>,
    /// At most one reply for each chunk that is not here.
    held: Vec<Held>,
}

impl Task<'_> {
    /// Fetches a chunk from the first that gives it, unless it is here.
    async fn obtain(&mut self, chunk: &ChunkName) -> Result<(), DownloadError> {
        if let Some(had) = self.here(chunk).await? {
            self.had.push(had);
            let _ = self.news.send(News::Here { chunk: chunk.clone() }).await;
            return Ok(());
        }
        self.log.begin(chunk);
        for from in self.board.holders(chunk).to_vec() {
            if !may_dial(SocketAddr::new(from, self.settings.chunk_port)) {
                continue;
            }
            let (digest, length, most) = (self.board.digest(chunk, from), self.length(chunk), self.room());
            let wish = Wish { chunk, from, digest, length, most };
            match fetch(self.settings, self.folder, &wish).await {
                Ok(fetched) => {
                    let is_held = self.held.iter().any(|held| held.chunk == *chunk);
                    if fetched.doubt.is_some() && length.allows(fetched.bytes).is_none() && !is_held {
                        self.held.push(Held { chunk: chunk.clone(), from, fetched });
                        continue;
                    }
                    if fetched.doubt.is_none() {
                        self.refuse_held(chunk).await;
                    }
                    if self.take(chunk, from, fetched).await? {
                        return Ok(());
                    }
                }
                Err(FetchError::Own { path, source }) => return Err(FolderError::Io { path, source }.into()),
                Err(error) => self.not_given(chunk, from, error.to_string()).await,
            }
        }
        if !self.held.iter().any(|held| held.chunk == *chunk) {
            self.log.end(chunk, None);
        }
        Ok(())
    }

    /// Takes what somebody gave for a chunk, unless it is JSON and of the wrong length for a chunk; returns whether it was taken.
    async fn take(
        &mut self,
        chunk: &ChunkName,
        from: IpAddr,
        fetched: Fetched,
    ) -> Result<bool, DownloadError> {
        let Fetched { fresh, bytes, is_verified, doubt } = fetched;
        if let Some(error) = doubt.filter(|_| self.length(chunk).allows(bytes) != Some(true)) {
            self.not_given(chunk, from, error.to_string()).await;
            return Ok(false);
        }
        let (folder, name) = (Arc::clone(self.folder), chunk.clone());
        on_disk(move || Ok(folder.settle(&fresh, &name)?)).await?;
        self.log.end(chunk, Some(from));
        let chunk = chunk.clone();
        let place = self.had.partition_point(|had| had.chunk.number() < chunk.number());
        self.had.insert(place, Had { chunk: chunk.clone(), bytes, is_verified, is_new: true });
        let _ = self.news.send(News::Downloaded { chunk, from, bytes, is_verified }).await;
        Ok(true)
    }

    /// Decides about the replies that may be chunks, now that there are others to compare their lengths with.
    async fn settle_held(&mut self) -> Result<(), DownloadError> {
        for Held { chunk, from, fetched } in std::mem::take(&mut self.held) {
            if !self.take(&chunk, from, fetched).await? {
                self.log.end(&chunk, None);
            }
        }
        Ok(())
    }

    /// Drops the reply that was held for a chunk, since another one certainly is the chunk.
    async fn refuse_held(&mut self, chunk: &ChunkName) {
        for held in self.held.extract_if(.., |held| held.chunk == *chunk).collect::<Vec<_>>() {
            if let Some(error) = held.fetched.doubt {
                self.not_given(chunk, held.from, error.to_string()).await;
            }
        }
    }

    async fn not_given(&self, chunk: &ChunkName, from: IpAddr, reason: String) {
        let _ = self.news.send(News::NotGiven { chunk: chunk.clone(), from, reason }).await;
    }

    /// Returns what is known of the length of a chunk.
    fn length(&self, chunk: &ChunkName) -> LengthRule {
        let others = self.had.iter().map(|had| (had.chunk.number(), had.bytes));
        LengthRule::new(chunk.number(), self.settings.count, others)
    }

    /// Returns how many bytes may still come.
    fn room(&self) -> u64 {
        self.had.iter().fold(self.settings.max_size, |room, had| room.saturating_sub(had.bytes))
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
    fn judge(&self, chunks: &[ChunkName]) -> Result<(), DownloadError> {
        let had = &self.had;
        let is_here = |chunk: &&ChunkName| had.iter().any(|had| had.chunk == **chunk);
        let missing: Vec<&ChunkName> = chunks.iter().filter(|chunk| !is_here(chunk)).collect();
        let lengths: Vec<u64> = had.iter().map(|had| had.bytes).collect();
        let in_order = (1..).zip(had).all(|(number, had)| had.chunk.number() == number);
        let is_unheard = missing.iter().all(|chunk| self.board.holders(chunk).is_empty());
        if !had.is_empty() && in_order && is_unheard && Cut::is_whole(&lengths, self.settings.count) {
            return Ok(());
        }
        if !missing.is_empty() {
            let lines: Vec<String> = missing.into_iter().map(cannot_line).collect();
            return Err(DownloadError::Missing(lines.join("\n")));
        }
        for had in had.iter().filter(|had| had.is_new && !had.is_verified) {
            // Otherwise they would be taken for right the next time.
            let _ = fs::remove_file(self.folder.path().join(had.chunk.as_str()));
        }
        Err(DownloadError::Unfit { lengths })
    }

    async fn merge(&self, wanted: Wanted) -> Result<Merged, DownloadError> {
        let folder = Arc::clone(self.folder);
        let chunks: Vec<ChunkName> = self.had.iter().map(|had| had.chunk.clone()).collect();
        on_disk(move || Ok(folder.merge(&wanted, &chunks)?)).await
    }
}

/// Waits for what waits for the disk.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DownloadError> + Send + 'static,
) -> Result<T, DownloadError> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
