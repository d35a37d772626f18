//! Saves content that is already on this machine at a new target: by a reflink if the file system supports it, otherwise by
//! a verified copy, or by a hard link on request.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::digest::Digest;
use protocol::geometry::Geometry;
use protocol::manifest::{Manifest, ManifestBuilder, ManifestError};
use tokio_util::sync::CancellationToken;

use super::file_attributes::FileAttributes;
use super::location;
use super::part_file::{PartFile, PartFileError};
use super::part_folders::PartFolders;
use super::reservations::ReservedName;
use super::wanted::SaveOptions;
use crate::library::OpenFile;
use crate::platform::{FileAt, FileIdentity, is_executable, reflink};

/// Number of bytes read at once.
const READ_SIZE: usize = 1 << 20;

/// A file on this machine that should have the wanted content.
#[derive(Debug, Clone)]
pub(super) struct CopySource {
    pub(super) location: PathBuf,
    pub(super) file: OpenFile,
}

/// Why a local copy failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// The original no longer has the content.
    #[error("the source file has changed")]
    Changed,
    #[error("cannot read the source file: {0}")]
    Read(io::Error),
    #[error("stopped")]
    Cancelled,
    /// The target cannot be written.
    #[error(transparent)]
    Part(#[from] PartFileError),
}

/// A copy to make.
#[derive(Debug)]
pub(super) struct CopyJob {
    pub(super) source: CopySource,
    pub(super) digest: Digest,
    /// Manifest of the content, if known.
    pub(super) manifest: Option<Arc<Manifest>>,
    pub(super) folders: PartFolders,
    pub(super) reserved_name: ReservedName,
    pub(super) save_options: SaveOptions,
    /// Attributes for the copy; `None` keeps those of the original.
    pub(super) attributes: Option<FileAttributes>,
    /// Number of bytes copied so far.
    pub(super) progress: Arc<AtomicU64>,
    pub(super) cancel: CancellationToken,
}

/// A finished copy.
#[derive(Debug)]
pub(super) struct CopiedFile {
    pub(super) location: PathBuf,
    /// File identity of the copy.
    pub(super) identity: FileIdentity,
    pub(super) manifest: Arc<Manifest>,
    /// Whether it is a hard link, which changes the status change time of the original.
    pub(super) is_link: bool,
}

impl CopySource {
    /// Opens a file. Returns `None` if it is not a regular file, or if its path below `root` contains a link.
    pub(super) fn open(root: &Path, location: &Path) -> io::Result<Option<Self>> {
        let opened = location::open_regular(root, location)?;
        Ok(opened.map(|(file, identity)| Self {
            location: location.to_owned(),
            file: OpenFile { file: Arc::new(file), size: identity.size, identity },
        }))
    }

    /// Reads the file and returns its manifest if it has the digest.
    pub(super) fn verify(&self, digest: &Digest, cancel: &CancellationToken) -> Result<Manifest, CopyError> {
        read_verified(self, digest, cancel, &AtomicU64::new(0), |_, _| Ok(()))
    }

    fn attributes(&self) -> FileAttributes {
        let Ok(found) = self.file.file.metadata() else { return FileAttributes::default() };
        FileAttributes { modified: found.modified().ok(), executable: is_executable(&found) }
    }
}

impl CopyJob {
    /// Makes the copy. Its data and its name are durable on return. Blocking.
    pub(super) fn run(mut self) -> Result<CopiedFile, CopyError> {
        if self.save_options.link
            && let Some(manifest) = self.manifest.clone()
            && let Some((location, identity)) = self.try_link()?
        {
            return Ok(CopiedFile { location, identity, manifest, is_link: true });
        }
        let geometry = Geometry::for_native(self.source.file.size).map_err(|_| CopyError::Changed)?;
        let part = PartFile::open_for_copy(&self.folders, self.reserved_name.name(), self.digest, geometry)?;
        let manifest = match self.try_reflink(&part)? {
            Some(manifest) => manifest,
            None => Arc::new(self.copy(&part)?),
        };
        let details = self.attributes.unwrap_or_else(|| self.source.attributes());
        let executable = details.executable && self.save_options.executable;
        let path = self.reserved_name.name().to_owned();
        let at = |source| PartFileError::Io { path: path.clone(), source };
        part.set_attributes(FileAttributes { executable, ..details });
        let named = part.finalize(self.reserved_name).map_err(at)?;
        named.folder().sync().map_err(at)?;
        let (location, identity) = named.finish().map_err(at)?;
        Ok(CopiedFile { location, identity, manifest, is_link: false })
    }

    /// Hard-links the original to the reserved name. Returns `None` if the system does not support that.
    fn try_link(&mut self) -> Result<Option<(PathBuf, FileIdentity)>, PartFileError> {
        let folder = location::create_folder(self.folders.root(), self.reserved_name.name())?;
        loop {
            match folder.link_new(&self.source.file.file, self.reserved_name.name()) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.reserved_name.renew()?,
                Err(error) => {
                    tracing::info!(%error, "hard link not possible; copying instead");
                    return Ok(None);
                }
            }
        }
        let location = self.reserved_name.name().to_owned();
        let at = |source| PartFileError::Io { path: location.clone(), source };
        let Some(identity) = self.identity_if_unchanged().map_err(at)? else {
            // The original is being written to.
            let _ = folder.remove_file(Path::new(location.file_name().unwrap_or_default()));
            return Ok(None);
        };
        folder.sync().map_err(at)?;
        Ok(Some((location, identity)))
    }

    /// Returns the current identity of the original, if its content has not changed since it was opened.
    fn identity_if_unchanged(&self) -> io::Result<Option<FileIdentity>> {
        let found = FileIdentity::from_file(&self.source.file.file)?;
        Ok(found.filter(|found| found.has_same_bytes(&self.source.file.identity)))
    }

    /// Reflinks the original's data to the copy. Returns `None` if the file system does not support that.
    fn try_reflink(&self, part: &PartFile) -> Result<Option<Arc<Manifest>>, CopyError> {
        let Some(manifest) = self.manifest.clone() else { return Ok(None) };
        if reflink(&self.source.file.file, &part.file()).is_err() {
            return Ok(None);
        }
        // The original was hashed in this state and was unchanged after the reflink.
        if self.source.file.is_unchanged() { Ok(Some(manifest)) } else { Err(CopyError::Changed) }
    }

    /// Copies the bytes and verifies them on the way.
    fn copy(&self, part: &PartFile) -> Result<Manifest, CopyError> {
        part.allocate()?;
        let (to, path) = (part.file(), part.path().to_owned());
        let write = |bytes: &[u8], offset| {
            to.write_all_at(bytes, offset)
                .map_err(|source| PartFileError::Io { path: path.clone(), source }.into())
        };
        read_verified(&self.source, &self.digest, &self.cancel, &self.progress, write)
    }
}

/// Reads a complete file, passes its bytes and their offsets to `write`, and returns its manifest if it has the digest.
fn read_verified(
    original: &CopySource,
    digest: &Digest,
    cancel: &CancellationToken,
    progress: &AtomicU64,
    mut write: impl FnMut(&[u8], u64) -> Result<(), CopyError>,
) -> Result<Manifest, CopyError> {
    let changed = |_: ManifestError| CopyError::Changed;
    let size = original.file.size;
    let mut builder = ManifestBuilder::new(size).map_err(changed)?;
    let (mut buffer, mut offset) = (vec![0; READ_SIZE], 0);
    while offset < size {
        if cancel.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        let count = match original.file.file.read_at(&mut buffer, offset) {
            Ok(0) => return Err(CopyError::Changed),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyError::Read(error)),
        };
        let count = count.min(usize::try_from(size - offset).unwrap_or(count));
        let bytes = buffer.get(..count).unwrap_or_default();
        builder.update(bytes);
        write(bytes, offset)?;
        offset += count as u64;
        progress.store(offset, Ordering::Relaxed);
    }
    let manifest = builder.finish().map_err(changed)?;
    if manifest.digest() == *digest { Ok(manifest) } else { Err(CopyError::Changed) }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::time::{Duration, UNIX_EPOCH};

    use protocol::sha256::sha256;

    use super::*;
    use crate::download::reservations::NameReservations;

    fn job(root: &Path, content: &[u8], saving: SaveOptions) -> CopyJob {
        let location = root.join("original");
        let file = File::create(&location).unwrap();
        file.write_all_at(content, 0).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o755)).unwrap();
        let original = CopySource::open(root, &location).unwrap().unwrap();
        let manifest = original.verify(&sha256(content), &CancellationToken::new()).ok().map(Arc::new);
        CopyJob {
            source: original,
            digest: sha256(content),
            manifest,
            folders: PartFolders::for_test(root),
            reserved_name: NameReservations::default().reserve(&root.join("below/copy")).unwrap(),
            save_options: saving,
            attributes: None,
            progress: Arc::default(),
            cancel: CancellationToken::new(),
        }
    }

    #[test]
    fn copy_has_the_bytes_and_times_of_its_source() {
        for content in [vec![], vec![7; 10], vec![8; (3 << 20) + 5]] {
            for executable in [false, true] {
                let root = tempfile::tempdir().unwrap();
                let job = job(root.path(), &content, SaveOptions { link: false, executable });
                let copied = job.run().unwrap();
                assert_eq!(copied.location, root.path().join("below/copy"));
                assert_eq!(fs::read(&copied.location).unwrap(), content);
                let found = fs::metadata(&copied.location).unwrap();
                assert_eq!(found.modified().unwrap(), UNIX_EPOCH + Duration::from_secs(1_000_000_000));
                assert_eq!((found.permissions().mode() & 0o100 != 0, found.nlink()), (executable, 1));
            }
        }
    }

    #[test]
    fn damaged_source_is_not_copied() {
        let root = tempfile::tempdir().unwrap();
        let mut job = job(root.path(), &[7; 1000], SaveOptions::default());
        // Without a manifest, the bytes are compared with the digest.
        job.manifest = None;
        job.digest = sha256(&[8; 1000]);
        assert!(matches!(job.run(), Err(CopyError::Changed)));
        assert_eq!(fs::read_dir(root.path().join("below")).unwrap().count(), 0);
    }

    #[test]
    fn hard_link_is_made_only_when_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let linked =
            job(root.path(), &[7; 1000], SaveOptions { link: true, executable: false }).run().unwrap();
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        assert!(linked.is_link);
        assert_eq!(inode(&linked.location), inode(&root.path().join("original")));
        // An existing name is not replaced here either.
        let again =
            job(root.path(), &[7; 1000], SaveOptions { link: true, executable: false }).run().unwrap();
        assert_eq!(again.location, root.path().join("below/copy (1)"));
    }

    #[test]
    fn link_is_to_the_file_that_was_opened() {
        let root = tempfile::tempdir().unwrap();
        let job = job(root.path(), &[7; 1000], SaveOptions { link: true, executable: false });
        fs::rename(root.path().join("original"), root.path().join("moved")).unwrap();
        fs::write(root.path().join("original"), "other").unwrap();
        let copied = job.run().unwrap();
        assert_eq!(fs::read(&copied.location).unwrap(), [7; 1000]);
    }
}
