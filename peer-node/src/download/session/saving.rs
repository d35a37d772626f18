//! Saves the file at its target: from the part file, or from the same content elsewhere on this machine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::digest::Digest;
use protocol::manifest::{Manifest, ManifestBuilder};

use super::{DownloadSession, DownloadSessionError, DownloadStage, PartFile, PartFileError};
use crate::download::disk_jobs::Destination;
use crate::download::file_attributes::FileAttributes;
use crate::download::local_copy::{CopiedFile, CopyError, CopyJob, CopySource};
use crate::download::local_files::{at_target, copy_sources};
use crate::download::reservations::ReservedName;
use crate::download::{DownloadTarget, DownloadsConfig, location};
use crate::library::SharedFile;
use crate::storage::FileIdentity;
use crate::transfer::view_schedule::VIEW_INTERVAL;
use crate::view::DownloadState;

/// A complete file at its target.
#[derive(Debug, Clone)]
pub(super) struct PlacedFile {
    location: PathBuf,
    /// File identity, so that a replaced file is not mistaken for it.
    identity: FileIdentity,
    manifest: Arc<Manifest>,
}

impl DownloadSession {
    /// Returns the target and the folders for its partial file.
    pub(super) fn destination(&self) -> Destination {
        let (folders, requested_path) = (self.config.part_folders.clone(), self.requested_path.clone());
        let target =
            self.reserved_name.as_ref().map_or_else(|| requested_path.clone(), |name| name.name().to_owned());
        Destination { folders, requested_path, target }
    }

    /// Returns the reserved name, or reserves a new one if it was used.
    async fn take_name(&mut self) -> Result<ReservedName, DownloadSessionError> {
        if let Some(reserved) = self.reserved_name.take() {
            return Ok(reserved);
        }
        let (reservations, requested_path) = (self.config.reservations.clone(), self.requested_path.clone());
        let reserved = tokio::task::spawn_blocking(move || reservations.reserve(&requested_path)).await;
        Ok(reserved.map_err(|_| DownloadSessionError::Cancelled)?.map_err(PartFileError::from)?)
    }

    /// Creates an empty file, which needs no source.
    pub(super) async fn create_empty(&mut self) -> Result<DownloadState, DownloadSessionError> {
        let Destination { folders, target, .. } = self.destination();
        let made = tokio::task::spawn_blocking(move || {
            let manifest = ManifestBuilder::new(0).and_then(ManifestBuilder::finish).ok()?;
            let digest = manifest.digest();
            Some((PartFile::open(&folders, &target, digest, *manifest.geometry()), manifest))
        });
        let Ok(Some((part, manifest))) = made.await else {
            return Err(DownloadSessionError::Internal("the empty file has no manifest"));
        };
        let (part, _) = part?;
        self.publisher.update(|view| view.size = Some(0));
        self.finalize(part, Arc::new(manifest)).await
    }

    /// Moves the complete file to its target and shares it.
    pub(super) async fn finalize(
        &mut self,
        part: PartFile,
        manifest: Arc<Manifest>,
    ) -> Result<DownloadState, DownloadSessionError> {
        self.publisher.update(|view| view.warning = None);
        self.publisher.set_state(DownloadState::Finishing);
        let (reserved, details) = (self.take_name().await?, self.attributes_for(self.wanted.path.as_deref()));
        // Errors from here on concern the target and not the part file.
        let path = reserved.name().to_owned();
        let at = |source| DownloadSessionError::Write { path: path.clone(), source };
        let named = tokio::task::spawn_blocking(move || {
            part.set_attributes(details);
            part.finalize(reserved)
        });
        let named = named.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(at)?;
        self.config.folder_syncer.sync(named.folder()).await.map_err(at)?;
        let finished = tokio::task::spawn_blocking(move || named.finish()).await;
        let (location, identity) =
            finished.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(at)?;
        self.share_and_copy(PlacedFile { location, identity, manifest }).await
    }

    /// Returns the attributes for a share path of the source.
    fn attributes_for(&self, path: Option<&str>) -> FileAttributes {
        let FileAttributes { modified, executable } = self.source_attributes.for_path_or_first(path);
        FileAttributes { modified, executable: executable && self.wanted.save_options.executable }
    }

    /// Shares a file that is at its target, and copies it to the additional targets.
    pub(super) async fn share_and_copy(
        &mut self,
        placed: PlacedFile,
    ) -> Result<DownloadState, DownloadSessionError> {
        self.share(&placed).await;
        self.stage = DownloadStage::Copying(placed);
        self.make_copies().await
    }

    async fn share(&self, placed: &PlacedFile) {
        let PlacedFile { location, identity, manifest } = placed.clone();
        if let Err(error) = self.config.library.adopt(location, identity, manifest).await {
            tracing::warn!(%error, "cannot share the finished download");
        }
    }

    /// Saves the file without any source if its content is on this machine. A file whose content has changed since it was hashed
    /// is skipped.
    pub(super) async fn copy_local_file(&mut self) -> Result<Option<DownloadState>, DownloadSessionError> {
        if !matches!(self.stage, DownloadStage::ChoosingManifest(_)) {
            return Ok(None);
        }
        if let Some(placed) = self.find_at_target().await? {
            return self.share_and_copy(placed).await.map(Some);
        }
        let digest = self.wanted.digest;
        for file in self.local_candidates().await {
            let open = move || file.open().map(|opened| CopySource { location: file.location, file: opened });
            let Ok(Ok(original)) = tokio::task::spawn_blocking(open).await else {
                self.config.library.recheck(&digest);
                continue;
            };
            let (from, size) = (original.location.clone(), original.file.size);
            self.publisher.update(|view| view.size = Some(size));
            self.publisher.set_state(DownloadState::Finishing);
            let reserved = self.take_name().await?;
            match self.copy(original, None, (reserved, None)).await {
                Ok(copied) => {
                    self.publisher.update(|view| {
                        view.bytes_done = size;
                        view.copied_from = Some(from);
                    });
                    let CopiedFile { location, identity, manifest, .. } = copied;
                    return self.share_and_copy(PlacedFile { location, identity, manifest }).await.map(Some);
                }
                Err(CopyError::Cancelled) => return Err(DownloadSessionError::Cancelled),
                Err(CopyError::Part(error)) => return Err(error.into()),
                Err(error @ (CopyError::Changed | CopyError::Read(_))) => {
                    tracing::warn!(location = %from.display(), %error, "cannot copy content from a local file");
                    self.config.library.recheck(&digest);
                }
            }
        }
        if self.reserved_name.is_none() {
            self.reserved_name = Some(self.take_name().await?);
        }
        Ok(None)
    }

    /// Returns the files on this machine that may have the content.
    async fn local_candidates(&self) -> Vec<SharedFile> {
        let (files, digest) = (self.config.library.files(), self.wanted.digest);
        let requested_path = self.requested_path.clone();
        let look = move || copy_sources(&files, &digest, &requested_path).into_iter().cloned().collect();
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// Checks whether the complete file is already at its target: an earlier run may have stopped right after renaming it, or
    /// the user may have put it there.
    pub(super) async fn find_at_target(&mut self) -> Result<Option<PlacedFile>, DownloadSessionError> {
        let (digest, size, requested_path) =
            (self.wanted.digest, self.wanted.size, self.requested_path.clone());
        let (library, cancel) = (self.config.library.clone(), self.cancel.clone());
        let folders = self.config.part_folders.clone();
        let is_first = !std::mem::replace(&mut self.is_target_checked, true);
        let looked = tokio::task::spawn_blocking(move || {
            let shared = at_target(&library.files(), folders.root(), &requested_path, &digest);
            let (location, manifest) = match shared {
                Some(location) => {
                    let manifest = library.manifest(&digest).ok().flatten();
                    (location, manifest)
                }
                None if is_first => (requested_path, None),
                None => return None,
            };
            let original = CopySource::open(folders.root(), &location).ok().flatten()?;
            let verify = || {
                let may_be = size.is_none_or(|size| size == original.file.size);
                may_be.then(|| original.verify(&digest, &cancel).ok()).flatten().map(Arc::new)
            };
            // The known manifest applies only to the very file that is shared.
            let is_shared =
                || library.files().by_digest(&digest).any(|file| file.identity == original.file.identity);
            let manifest = manifest.filter(|_| is_shared()).or_else(verify)?;
            folders.remove_part(&location, &digest);
            Some(PlacedFile { location, identity: original.file.identity, manifest })
        });
        let found = looked.await.ok().flatten();
        if self.cancel.is_cancelled() {
            return Err(DownloadSessionError::Cancelled);
        }
        if let Some(placed) = &found {
            let size = placed.manifest.geometry().size();
            self.publisher.update(|view| {
                (view.size, view.bytes_done) = (Some(size), size);
                view.copied_from = Some(placed.location.clone());
            });
        }
        Ok(found)
    }

    /// Makes one copy and publishes its progress.
    async fn copy(
        &self,
        original: CopySource,
        manifest: Option<Arc<Manifest>>,
        (reserved, details): (ReservedName, Option<FileAttributes>),
    ) -> Result<CopiedFile, CopyError> {
        let (library, digest) = (self.config.library.clone(), self.wanted.digest);
        let (from, identity) = (original.location.clone(), original.file.identity);
        let progress = Arc::new(AtomicU64::new(0));
        let (folders, saving, cancel) =
            (self.config.part_folders.clone(), self.wanted.save_options, self.cancel.clone());
        let counted = Arc::clone(&progress);
        let mut copying = tokio::task::spawn_blocking(move || {
            let manifest = manifest.or_else(|| library.manifest(&digest).ok().flatten());
            let progress = counted;
            CopyJob {
                source: original,
                digest,
                manifest,
                folders,
                reserved_name: reserved,
                save_options: saving,
                attributes: details,
                progress,
                cancel,
            }
            .run()
        });
        let copied = loop {
            tokio::select! {
                copied = &mut copying => break copied,
                () = tokio::time::sleep(VIEW_INTERVAL) => {
                    self.publisher.update(|view| view.bytes_done = progress.load(Ordering::Relaxed));
                }
            }
        };
        let copied = copied.unwrap_or_else(|error| Err(CopyError::Read(io::Error::other(error))))?;
        if copied.is_link {
            // The link changed the status change time of the original, so its identity is shared again.
            self.share(&PlacedFile { location: from, identity, manifest: Arc::clone(&copied.manifest) })
                .await;
        }
        Ok(copied)
    }

    /// Copies the complete file to its additional targets, including those added in the meantime.
    pub(super) async fn make_copies(&mut self) -> Result<DownloadState, DownloadSessionError> {
        let DownloadStage::Copying(placed) = &self.stage else {
            return Err(DownloadSessionError::Internal("nothing to copy"));
        };
        let placed = placed.clone();
        while let Some(target) = self.copies.peek() {
            self.make_copy(&placed, &target).await?;
            self.copies.pop();
        }
        let location = placed.location;
        let name =
            location.strip_prefix(&self.config.root).unwrap_or(&location).to_string_lossy().into_owned();
        self.publisher.update(|view| view.name = name);
        let renamed = self.rename_reason(&location);
        Ok(DownloadState::Done { location, renamed })
    }

    async fn make_copy(
        &mut self,
        placed: &PlacedFile,
        target: &DownloadTarget,
    ) -> Result<(), DownloadSessionError> {
        let (config, digest, from) = (self.config.clone(), self.wanted.digest, &placed.location);
        let (original, asked) = (placed.clone(), target.clone());
        let prepared = tokio::task::spawn_blocking(move || prepare_copy(&config, &original, &digest, &asked));
        let Some((original, reserved)) = prepared.await.map_err(|_| DownloadSessionError::Cancelled)?? else {
            return Ok(());
        };
        let details = match target {
            DownloadTarget::InFolder(path) => self.source_attributes.for_path(path),
            DownloadTarget::AtPath(..) => None,
        };
        match self.copy(original, Some(Arc::clone(&placed.manifest)), (reserved, details)).await {
            Ok(CopiedFile { location, identity, manifest, .. }) => {
                tracing::info!(copy = %location.display(), "download copied");
                self.share(&PlacedFile { location, identity, manifest }).await;
                Ok(())
            }
            Err(CopyError::Cancelled) => Err(DownloadSessionError::Cancelled),
            Err(CopyError::Part(error)) => Err(error.into()),
            Err(CopyError::Read(source)) => Err(DownloadSessionError::Read { path: from.to_owned(), source }),
            Err(error @ CopyError::Changed) => {
                Err(DownloadSessionError::Read { path: from.to_owned(), source: io::Error::other(error) })
            }
        }
    }

    /// Returns why the file has another name than the requested one, if it has.
    fn rename_reason(&self, location: &Path) -> Option<String> {
        let requested_path = self.requested_path.clone();
        let replaced = location::replaced_name(&self.config.root, &self.wanted.target);
        let replaced = replaced.map(|name| format!("the name \"{name}\" cannot be kept"));
        let taken = (location != requested_path)
            .then(|| format!("{} is taken by another file", requested_path.display()));
        let reasons: Vec<String> = replaced.into_iter().chain(taken).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

/// Opens a complete file and reserves a name for its copy. Returns `None` if the copy already exists. Blocking.
fn prepare_copy(
    config: &DownloadsConfig,
    placed: &PlacedFile,
    digest: &Digest,
    target: &DownloadTarget,
) -> Result<Option<(CopySource, ReservedName)>, DownloadSessionError> {
    let requested_path = location::requested_path(&config.root, target);
    if at_target(&config.library.files(), &config.root, &requested_path, digest).is_some() {
        return Ok(None);
    }
    let reserved = config.reservations.reserve(&requested_path).map_err(PartFileError::from)?;
    let at = |source| DownloadSessionError::Read { path: placed.location.clone(), source };
    let original = match CopySource::open(&config.root, &placed.location) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        opened => opened.map_err(at)?,
    };
    // The manifest applies only to that file.
    let original = original.filter(|original| original.file.identity.has_same_bytes(&placed.identity));
    let original = original.ok_or_else(|| at(io::Error::other(CopyError::Changed)))?;
    Ok(Some((original, reserved)))
}
