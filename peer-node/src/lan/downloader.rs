use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use protocol::digest::Digest;
use protocol::escape::excerpt;
use protocol::lan::{ChunkLayout, ChunkLengthRule, ChunkName, ChunkNameError, failure_line};
use tokio::sync::mpsc;

use super::dictionary::ContentDictionary;
use super::download_log::DownloadLog;
use super::fetch::{ChunkFetchError, FetchRequest, FetchedChunk, fetch};
use super::merge::MergedFile;
use super::requested_content::RequestedContent;
use super::{ChunkFolder, ChunkFolderError, LanEvent, LanSettings};
use crate::addresses::is_dialable;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LanDownloadError {
    /// The name does not serve.
    #[error(transparent)]
    Name(#[from] ChunkNameError),
    /// Nobody was heard to have it.
    #[error("nobody was heard to have {name}; {} says who has what, and peer-node lan discover writes it", path.display())]
    Unknown { name: String, path: PathBuf },
    /// Some chunks could not be had.
    #[error("{0}")]
    Missing(String),
    /// They are not those of one file.
    #[error(
        "the chunks do not fit together: {lengths:?} bytes; one was cut short, or they are of different files. Those that came now are removed again"
    )]
    Mismatched { lengths: Vec<u64> },
    /// What is here is not what is announced.
    #[error(
        "{chunk} lies in the folder and is not what {holder} announces; take another folder, or move it away"
    )]
    Differs { chunk: ChunkName, holder: IpAddr },
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] ChunkFolderError),
    /// The disk cannot.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// A file that is here.
#[derive(Debug)]
pub(crate) struct DownloadedFile {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    /// Whether every chunk matched a digest that was announced with it.
    pub(crate) is_verified: bool,
}

/// A chunk that is here.
struct PresentChunk {
    chunk: ChunkName,
    bytes: u64,
    is_verified: bool,
    is_new: bool,
}

/// A reply that may be a chunk: JSON of which no chunk before it has shown whether it has the right length.
struct DeferredReply {
    chunk: ChunkName,
    from: IpAddr,
    fetched: FetchedChunk,
}

/// Fetches the chunks of a file one after the other, each from the first of those who have it that gives it, and puts them
/// together. The chunks are kept. The name may be that of the file, with its extension, or that in the names of its chunks.
pub(crate) async fn download(
    folder: &Arc<ChunkFolder>,
    typed: &str,
    settings: &LanSettings,
    news: &mpsc::Sender<LanEvent>,
) -> Result<DownloadedFile, LanDownloadError> {
    let home = folder.path().to_owned();
    let dictionary = run_blocking(move || Ok(ContentDictionary::load(&home)?)).await?;
    let Some(wanted) = RequestedContent::find(typed, |content| dictionary.has_file(content)) else {
        // What cannot be a name at all is told so.
        format!("{typed}_1").parse::<ChunkName>()?;
        return Err(LanDownloadError::Unknown {
            name: excerpt(typed),
            path: ContentDictionary::path(folder.path()),
        });
    };
    let first: ChunkName = format!("{}_1", wanted.content).parse()?;
    let log = DownloadLog::new(Arc::clone(folder));
    let mut task = FileDownload {
        folder,
        settings,
        events: news,
        dictionary,
        log,
        present: Vec::new(),
        deferred: Vec::new(),
    };
    for number in 1..=settings.chunk_count.get() {
        task.obtain_chunk(&first.sibling(number)?).await?;
    }
    task.resolve_deferred().await?;
    let chunks = (1..=settings.chunk_count.get()).map(|number| first.sibling(number));
    task.check_complete(&chunks.collect::<Result<Vec<_>, _>>()?)?;
    let merged = task.merge(wanted).await?;
    let is_verified = task.present.iter().all(|had| had.is_verified);
    Ok(DownloadedFile { path: merged.path, size: merged.size, digest: merged.digest, is_verified })
}

struct FileDownload<'a> {
    folder: &'a Arc<ChunkFolder>,
    settings: &'a LanSettings,
    events: &'a mpsc::Sender<LanEvent>,
    dictionary: ContentDictionary,
    log: DownloadLog,
    /// The chunks that are here, in order.
    present: Vec<PresentChunk>,
    /// At most one reply for each chunk that is not here.
    deferred: Vec<DeferredReply>,
}

impl FileDownload<'_> {
    /// Fetches a chunk from the first that gives it, unless it is here.
    async fn obtain_chunk(&mut self, chunk: &ChunkName) -> Result<(), LanDownloadError> {
        if let Some(present) = self.find_in_folder(chunk).await? {
            self.present.push(present);
            let _ = self.events.send(LanEvent::AlreadyPresent { chunk: chunk.clone() }).await;
            return Ok(());
        }
        self.log.begin_chunk(chunk);
        for from in self.dictionary.holders(chunk).to_vec() {
            if !is_dialable(SocketAddr::new(from, self.settings.chunk_port)) {
                continue;
            }
            let (digest, length, most) =
                (self.dictionary.digest(chunk, from), self.length_rule(chunk), self.remaining_bytes());
            let request = FetchRequest { chunk, from, digest, length, max_bytes: most };
            match fetch(self.settings, self.folder, &request).await {
                Ok(fetched) => {
                    let is_held = self.deferred.iter().any(|held| held.chunk == *chunk);
                    if fetched.doubt.is_some() && length.allows(fetched.bytes).is_none() && !is_held {
                        self.deferred.push(DeferredReply { chunk: chunk.clone(), from, fetched });
                        continue;
                    }
                    if fetched.doubt.is_none() {
                        self.reject_deferred(chunk).await;
                    }
                    if self.accept(chunk, from, fetched).await? {
                        return Ok(());
                    }
                }
                Err(ChunkFetchError::LocalIo { path, source }) => {
                    return Err(ChunkFolderError::Io { path, source }.into());
                }
                Err(error) => self.report_not_sent(chunk, from, error.to_string()).await,
            }
        }
        if !self.deferred.iter().any(|held| held.chunk == *chunk) {
            self.log.end_chunk(chunk, None);
        }
        Ok(())
    }

    /// Takes what somebody gave for a chunk, unless it is JSON and of the wrong length for a chunk; returns whether it was taken.
    async fn accept(
        &mut self,
        chunk: &ChunkName,
        from: IpAddr,
        fetched: FetchedChunk,
    ) -> Result<bool, LanDownloadError> {
        let FetchedChunk { file: fresh, bytes, is_verified, doubt } = fetched;
        if let Some(error) = doubt.filter(|_| self.length_rule(chunk).allows(bytes) != Some(true)) {
            self.report_not_sent(chunk, from, error.to_string()).await;
            return Ok(false);
        }
        let (folder, name) = (Arc::clone(self.folder), chunk.clone());
        run_blocking(move || Ok(folder.finalize(&fresh, &name)?)).await?;
        self.log.end_chunk(chunk, Some(from));
        let chunk = chunk.clone();
        let position = self.present.partition_point(|had| had.chunk.number() < chunk.number());
        self.present
            .insert(position, PresentChunk { chunk: chunk.clone(), bytes, is_verified, is_new: true });
        let _ = self.events.send(LanEvent::Downloaded { chunk, from, bytes, is_verified }).await;
        Ok(true)
    }

    /// Decides about the replies that may be chunks, now that there are others to compare their lengths with.
    async fn resolve_deferred(&mut self) -> Result<(), LanDownloadError> {
        for DeferredReply { chunk, from, fetched } in std::mem::take(&mut self.deferred) {
            if !self.accept(&chunk, from, fetched).await? {
                self.log.end_chunk(&chunk, None);
            }
        }
        Ok(())
    }

    /// Drops the reply that was held for a chunk, since another one certainly is the chunk.
    async fn reject_deferred(&mut self, chunk: &ChunkName) {
        for held in self.deferred.extract_if(.., |held| held.chunk == *chunk).collect::<Vec<_>>() {
            if let Some(error) = held.fetched.doubt {
                self.report_not_sent(chunk, held.from, error.to_string()).await;
            }
        }
    }

    async fn report_not_sent(&self, chunk: &ChunkName, from: IpAddr, reason: String) {
        let _ = self.events.send(LanEvent::FetchFailed { chunk: chunk.clone(), from, reason }).await;
    }

    /// Returns what is known of the length of a chunk.
    fn length_rule(&self, chunk: &ChunkName) -> ChunkLengthRule {
        let others = self.present.iter().map(|had| (had.chunk.number(), had.bytes));
        ChunkLengthRule::new(chunk.number(), self.settings.chunk_count, others)
    }

    /// Returns how many bytes may still come.
    fn remaining_bytes(&self) -> u64 {
        self.present.iter().fold(self.settings.max_size, |room, had| room.saturating_sub(had.bytes))
    }

    /// Looks whether a chunk is in the folder. It must be what was announced, as far as anybody has said what that is.
    async fn find_in_folder(&self, chunk: &ChunkName) -> Result<Option<PresentChunk>, LanDownloadError> {
        let (folder, wanted) = (Arc::clone(self.folder), chunk.clone());
        let found = run_blocking(move || {
            let Some((_, identity)) = folder.open_chunk(&wanted)? else { return Ok(None) };
            Ok(folder.digest(&wanted)?.map(|digest| (identity.size, digest)))
        });
        let Some((bytes, digest)) = found.await? else { return Ok(None) };
        let announced = |holder: &IpAddr| Some((*holder, self.dictionary.digest(chunk, *holder)?));
        let announced: Vec<_> = self.dictionary.holders(chunk).iter().filter_map(announced).collect();
        let is_verified = announced.iter().any(|(_, said)| *said == digest);
        match announced.first() {
            Some((holder, _)) if !is_verified => {
                Err(LanDownloadError::Differs { chunk: chunk.clone(), holder: *holder })
            }
            _ => Ok(Some(PresentChunk { chunk: chunk.clone(), bytes, is_verified, is_new: false })),
        }
    }

    /// Says whether the chunks that are here are all of a file: a small one has fewer than others.
    fn check_complete(&self, chunks: &[ChunkName]) -> Result<(), LanDownloadError> {
        let present = &self.present;
        let is_here = |chunk: &&ChunkName| present.iter().any(|had| had.chunk == **chunk);
        let missing: Vec<&ChunkName> = chunks.iter().filter(|chunk| !is_here(chunk)).collect();
        let lengths: Vec<u64> = present.iter().map(|had| had.bytes).collect();
        let in_order = (1..).zip(present).all(|(number, had)| had.chunk.number() == number);
        let is_unheard = missing.iter().all(|chunk| self.dictionary.holders(chunk).is_empty());
        if !present.is_empty()
            && in_order
            && is_unheard
            && ChunkLayout::is_complete(&lengths, self.settings.chunk_count)
        {
            return Ok(());
        }
        if !missing.is_empty() {
            let lines: Vec<String> = missing.into_iter().map(failure_line).collect();
            return Err(LanDownloadError::Missing(lines.join("\n")));
        }
        for had in present.iter().filter(|had| had.is_new && !had.is_verified) {
            // Otherwise they would be taken for right the next time.
            let _ = fs::remove_file(self.folder.path().join(had.chunk.as_str()));
        }
        Err(LanDownloadError::Mismatched { lengths })
    }

    async fn merge(&self, wanted: RequestedContent) -> Result<MergedFile, LanDownloadError> {
        let folder = Arc::clone(self.folder);
        let chunks: Vec<ChunkName> = self.present.iter().map(|had| had.chunk.clone()).collect();
        run_blocking(move || Ok(folder.merge(&wanted, &chunks)?)).await
    }
}

/// Waits for what waits for the disk.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LanDownloadError> + Send + 'static,
) -> Result<T, LanDownloadError> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
