//! A small file system for one story, which can fill up or lose power.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::{NamedTempFile, TempDir};

/// Ends an ext4 file system as a power cut does: nothing more reaches the disk, including the journal
/// (`EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`).
const CUT_POWER_SCRIPT: &str = r#"open(my $disk, "<", $ARGV[0]) or die $!; my $how = pack("I", 2); ioctl($disk, 0x8004587d, $how) or die $!"#;

/// A small file system; unmounted when it is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
    /// The image, unless the file system is in memory.
    image: Option<NamedTempFile>,
}

impl SmallDisk {
    /// Mounts a file system in memory that supports preallocation. Returns `None` without the permission to mount.
    pub fn mount(bytes: usize) -> Option<Self> {
        Self::mount_in_memory(&format!("size={bytes}"))
    }

    /// Mounts a file system in memory with a limit on the number of files and folders. Returns `None` without the
    /// permission to mount.
    pub fn mount_with_file_limit(count: usize) -> Option<Self> {
        Self::mount_in_memory(&format!("nr_inodes={count}"))
    }

    fn mount_in_memory(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "peerdex-story"]).arg(folder.path());
        succeeds(mount, "a full disk").then_some(Self { folder, image: None })
    }

    /// Makes the file system read-only or writable.
    pub fn set_read_only(&self, is_read_only: bool) {
        let option = if is_read_only { "remount,ro" } else { "remount,rw" };
        let mounted = Command::new("mount").args(["-o", option]).arg(self.folder.path()).status();
        assert!(mounted.is_ok_and(|status| status.success()), "cannot remount the disk");
    }

    /// Mounts a file system without preallocation. Returns `None` without the permission to mount.
    pub fn mount_without_preallocation(bytes: usize) -> Option<Self> {
        Self::mount_image("mkfs.ext2", bytes, "a full disk")
    }

    /// Mounts a file system whose power can be cut. Returns `None` without the permission to mount.
    pub fn mount_for_power_cuts(bytes: usize) -> Option<Self> {
        let disk = Self::mount_image("mkfs.ext4", bytes, "a power cut")?;
        fs::write(disk.path().join("switch"), "").expect("space for a file");
        let mut perl = Command::new("perl");
        perl.arg("-v");
        succeeds(perl, "a power cut").then_some(disk)
    }

    fn mount_image(format: &str, bytes: usize, purpose: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let image = NamedTempFile::new().expect("a file");
        image.as_file().set_len(bytes as u64).expect("a sparse file");
        let mut format = Command::new(format);
        format.args(["-q", "-F", "-m", "0"]).arg(image.path());
        let mounted =
            succeeds(format, purpose) && succeeds(mount_command(image.path(), folder.path()), purpose);
        mounted.then_some(Self { folder, image: Some(image) })
    }

    /// Returns the mount point.
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Fills the disk except for `free` bytes.
    pub fn fill_except(&self, free: usize) -> PathBuf {
        let path = self.path().join("filler");
        let system = rustix::fs::statvfs(self.folder.path()).expect("a file system");
        let room = usize::try_from(system.f_bavail * system.f_frsize).expect("a small disk");
        fs::write(&path, vec![1; room.saturating_sub(free)]).expect("space for the filler");
        path
    }

    /// Cuts the power: nothing more reaches the disk.
    pub fn cut_power(&self) {
        let cut =
            Command::new("perl").args(["-e", CUT_POWER_SCRIPT]).arg(self.path().join("switch")).status();
        assert!(cut.is_ok_and(|status| status.success()), "the power is still on");
    }

    /// Restores the power, with the data that has reached the disk. No file may be open there.
    pub fn restore_power(&self) {
        let image = self.image.as_ref().expect("a disk whose power can be cut");
        let unmounted = Command::new("umount").arg(self.folder.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the disk is still in use");
        let mounted = mount_command(image.path(), self.folder.path()).status();
        assert!(mounted.is_ok_and(|status| status.success()), "cannot mount the disk again");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, in case a process still has a file open.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
        assert!(
            std::thread::panicking() || unmounted.is_ok_and(|status| status.success()),
            "cannot unmount the small disk"
        );
    }
}

fn mount_command(image: &Path, folder: &Path) -> Command {
    let mut mount = Command::new("mount");
    mount.args(["-o", "loop"]).arg(image).arg(folder);
    mount
}

/// Runs a command and returns true if it succeeds. Otherwise prints that the story is skipped.
fn succeeds(mut command: Command, purpose: &str) -> bool {
    let works = command.output().is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("SKIPPED: {command:?} does not work here, so {purpose} is NOT tested");
    }
    works
}
