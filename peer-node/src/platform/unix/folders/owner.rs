use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};

use rustix::fs::{Mode, OFlags, openat};

use super::super::files::exposed_mode;
use super::Folder;

impl Folder {
    /// Restricts the folder to its owner.
    pub(crate) fn restrict_to_owner(&self) -> io::Result<()> {
        Ok(rustix::fs::fchmod(&self.0, Mode::RWXU)?)
    }

    /// Returns the folder's permissions if other users can use it.
    pub(crate) fn exposed_mode(&self) -> io::Result<Option<u32>> {
        Ok(exposed_mode(&self.0.metadata()?))
    }

    /// Opens a file of this folder that exists only to be locked, and creates it, for its owner only, if it is missing.
    pub(crate) fn open_lock_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Refuses files and folders of users who could change them behind our back: everyone but us, root, and the owner of this
    /// folder, who could replace everything in it anyway.
    pub(super) fn check_owner(&self, opened: impl AsFd) -> io::Result<()> {
        let owner = rustix::fs::fstat(opened)?.st_uid;
        let us = rustix::process::geteuid().as_raw();
        if owner == us || owner == 0 || owner == self.0.metadata()?.uid() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "owned by another user, who could change its contents",
        ))
    }
}

/// Returns a builder of folders that only their owner can use.
pub(crate) fn private_folder_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}
