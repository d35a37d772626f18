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

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LanDownloadError {
    /// The name is invalid.
    #[error(transparent)]
    Name(#[from] ChunkNameError),
    /// Nobody has announced the file.
    #[error("no peer has announced {name}; {} lists the announced chunks, and peer-node lan discover updates it", path.display())]
    Unknown { name: String, path: PathBuf },
    /// Some chunks could not be fetched.
    #[error("{0}")]
    Missing(String),
    /// The chunks do not belong to one file.
    #[error(
        "the chunks do not fit together: {lengths:?} bytes; one was truncated, or they belong to different files; the chunks just downloaded were removed"
    )]
    Mismatched { lengths: Vec<u64> },
    /// A chunk in the folder differs from the announced one.
    #[error(
        "{chunk} in the folder differs from the one that {holder} announces; use another folder, or move it away"
    )]
    Differs { chunk: ChunkName, holder: IpAddr },
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] ChunkFolderError),
    /// Another I/O error.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// A complete file.
#[derive(Debug)]
pub(crate) struct DownloadedFile {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    /// Whether every chunk matched an announced digest.
    pub(crate) is_verified: bool,
}

/// A chunk in the folder.
struct PresentChunk {
    chunk: ChunkName,
    bytes: u64,
    is_verified: bool,
    is_new: bool,
}

/// A reply that may be a chunk: JSON whose length could not be compared with those of other chunks yet.
struct DeferredReply {
    chunk: ChunkName,
    from: IpAddr,
    fetched: FetchedChunk,
}

/// Fetches the chunks of a file in order, each from its first holder that sends it, and merges them. The chunks are kept.
/// `typed` is the name of the file, with its extension, or the one in its chunks' names.
pub(crate) async fn download(
    folder: &Arc<ChunkFolder>,
    typed: &str,
    settings: &LanSettings,
    events: &mpsc::Sender<LanEvent>,
) -> Result<DownloadedFile, LanDownloadError> {
    let home = folder.path().to_owned();
    let dictionary = run_blocking(move || Ok(ContentDictionary::load(&home)?)).await?;
    let Some(wanted) = RequestedContent::find(typed, |content| dictionary.has_file(content)) else {
        // A name that is invalid anyway gets the more specific error.
        format!("{typed}_1").parse::<ChunkName>()?;
        return Err(LanDownloadError::Unknown {
            name: excerpt(typed),
            path: ContentDictionary::path(folder.path()),
        });
    };
    let first: ChunkName = format!("{}_1", wanted.content).parse()?;
    let log = DownloadLog::new(Arc::clone(folder));
    let mut task =
        FileDownload { folder, settings, events, dictionary, log, present: Vec::new(), deferred: Vec::new() };
    for number in 1..=settings.chunk_count.get() {
        task.obtain_chunk(&first.sibling(number)?).await?;
    }
    task.resolve_deferred().await?;
    let chunks = (1..=settings.chunk_count.get()).map(|number| first.sibling(number));
    task.check_complete(&chunks.collect::<Result<Vec<_>, _>>()?)?;
    let merged = task.merge(wanted).await?;
    let is_verified = task.present.iter().all(|chunk| chunk.is_verified);
    Ok(DownloadedFile { path: merged.path, size: merged.size, digest: merged.digest, is_verified })
}

struct FileDownload<'a> {
    folder: &'a Arc<ChunkFolder>,
    settings: &'a LanSettings,
    events: &'a mpsc::Sender<LanEvent>,
    dictionary: ContentDictionary,
    log: DownloadLog,
    /// The chunks in the folder, in order.
    present: Vec<PresentChunk>,
    /// At most one reply per missing chunk.
    deferred: Vec<DeferredReply>,
}

impl FileDownload<'_> {
    /// Fetches a chunk from its first holder that sends it, unless the folder has it.
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
            let (digest, length, max_bytes) =
                (self.dictionary.digest(chunk, from), self.length_rule(chunk), self.remaining_bytes());
            let request = FetchRequest { chunk, from, digest, length, max_bytes };
            match fetch(self.settings, self.folder, &request).await {
                Ok(fetched) => {
                    let is_deferred = self.deferred.iter().any(|reply| reply.chunk == *chunk);
                    // JSON of unknown length may be an error reply or the chunk itself; later chunks will show which.
                    if fetched.reply_error.is_some() && length.allows(fetched.bytes).is_none() && !is_deferred
                    {
                        self.deferred.push(DeferredReply { chunk: chunk.clone(), from, fetched });
                        continue;
                    }
                    // A reply that is certainly a chunk settles the question for the deferred one.
                    if fetched.reply_error.is_none() {
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
        if !self.deferred.iter().any(|reply| reply.chunk == *chunk) {
            self.log.end_chunk(chunk, None);
        }
        Ok(())
    }

    /// Accepts a fetched chunk, unless it is JSON whose length is wrong for a chunk. Returns true if it was accepted.
    async fn accept(
        &mut self,
        chunk: &ChunkName,
        from: IpAddr,
        fetched: FetchedChunk,
    ) -> Result<bool, LanDownloadError> {
        let FetchedChunk { file, bytes, is_verified, reply_error: doubt } = fetched;
        if let Some(error) = doubt.filter(|_| self.length_rule(chunk).allows(bytes) != Some(true)) {
            self.report_not_sent(chunk, from, error.to_string()).await;
            return Ok(false);
        }
        let (folder, name) = (Arc::clone(self.folder), chunk.clone());
        run_blocking(move || Ok(folder.finalize(&file, &name)?)).await?;
        self.log.end_chunk(chunk, Some(from));
        let chunk = chunk.clone();
        let position = self.present.partition_point(|present| present.chunk.number() < chunk.number());
        self.present
            .insert(position, PresentChunk { chunk: chunk.clone(), bytes, is_verified, is_new: true });
        let _ = self.events.send(LanEvent::Downloaded { chunk, from, bytes, is_verified }).await;
        Ok(true)
    }

    /// Decides on the deferred replies, now that the lengths of other chunks are known.
    async fn resolve_deferred(&mut self) -> Result<(), LanDownloadError> {
        for DeferredReply { chunk, from, fetched } in std::mem::take(&mut self.deferred) {
            if !self.accept(&chunk, from, fetched).await? {
                self.log.end_chunk(&chunk, None);
            }
        }
        Ok(())
    }

    /// Rejects the deferred reply for a chunk, because another reply certainly is the chunk.
    async fn reject_deferred(&mut self, chunk: &ChunkName) {
        for reply in self.deferred.extract_if(.., |reply| reply.chunk == *chunk).collect::<Vec<_>>() {
            if let Some(error) = reply.fetched.reply_error {
                self.report_not_sent(chunk, reply.from, error.to_string()).await;
            }
        }
    }

    async fn report_not_sent(&self, chunk: &ChunkName, from: IpAddr, reason: String) {
        let _ = self.events.send(LanEvent::FetchFailed { chunk: chunk.clone(), from, reason }).await;
    }

    /// Returns the known constraints on the length of a chunk.
    fn length_rule(&self, chunk: &ChunkName) -> ChunkLengthRule {
        let others = self.present.iter().map(|present| (present.chunk.number(), present.bytes));
        ChunkLengthRule::new(chunk.number(), self.settings.chunk_count, others)
    }

    /// Returns the number of bytes that may still be downloaded.
    fn remaining_bytes(&self) -> u64 {
        self.present
            .iter()
            .fold(self.settings.max_size, |remaining, present| remaining.saturating_sub(present.bytes))
    }

    /// Looks for a chunk in the folder. It must match an announced digest, if any was announced.
    async fn find_in_folder(&self, chunk: &ChunkName) -> Result<Option<PresentChunk>, LanDownloadError> {
        let (folder, wanted) = (Arc::clone(self.folder), chunk.clone());
        let found = run_blocking(move || {
            let Some((_, identity)) = folder.open_chunk(&wanted)? else { return Ok(None) };
            Ok(folder.digest(&wanted)?.map(|digest| (identity.size, digest)))
        });
        let Some((bytes, digest)) = found.await? else { return Ok(None) };
        let announced = |holder: &IpAddr| Some((*holder, self.dictionary.digest(chunk, *holder)?));
        let announced: Vec<_> = self.dictionary.holders(chunk).iter().filter_map(announced).collect();
        let is_verified = announced.iter().any(|(_, announced)| *announced == digest);
        match announced.first() {
            Some((holder, _)) if !is_verified => {
                Err(LanDownloadError::Differs { chunk: chunk.clone(), holder: *holder })
            }
            _ => Ok(Some(PresentChunk { chunk: chunk.clone(), bytes, is_verified, is_new: false })),
        }
    }

    /// Checks that the chunks form a complete file. A small file has fewer chunks than others.
    fn check_complete(&self, chunks: &[ChunkName]) -> Result<(), LanDownloadError> {
        let present = &self.present;
        let is_present = |chunk: &&ChunkName| present.iter().any(|entry| entry.chunk == **chunk);
        let missing: Vec<&ChunkName> = chunks.iter().filter(|chunk| !is_present(chunk)).collect();
        let lengths: Vec<u64> = present.iter().map(|entry| entry.bytes).collect();
        let in_order = (1..).zip(present).all(|(number, entry)| entry.chunk.number() == number);
        let is_unannounced = missing.iter().all(|chunk| self.dictionary.holders(chunk).is_empty());
        if !present.is_empty()
            && in_order
            && is_unannounced
            && ChunkLayout::is_complete(&lengths, self.settings.chunk_count)
        {
            return Ok(());
        }
        if !missing.is_empty() {
            let lines: Vec<String> = missing.into_iter().map(failure_line).collect();
            return Err(LanDownloadError::Missing(lines.join("\n")));
        }
        for entry in present.iter().filter(|entry| entry.is_new && !entry.is_verified) {
            // Otherwise the next attempt would trust them.
            let _ = fs::remove_file(self.folder.path().join(entry.chunk.as_str()));
        }
        Err(LanDownloadError::Mismatched { lengths })
    }

    async fn merge(&self, wanted: RequestedContent) -> Result<MergedFile, LanDownloadError> {
        let folder = Arc::clone(self.folder);
        let chunks: Vec<ChunkName> = self.present.iter().map(|entry| entry.chunk.clone()).collect();
        run_blocking(move || Ok(folder.merge(&wanted, &chunks)?)).await
    }
}

/// Runs blocking work on a thread for it.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LanDownloadError> + Send + 'static,
) -> Result<T, LanDownloadError> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
