//! A small file system of a story's own: one that fills, or one that loses its power.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::{NamedTempFile, TempDir};

/// What ends an ext4 file system as a power cut does: nothing more reaches the disk, not even its log
/// (`EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`).
const CUT_POWER_SCRIPT: &str = r#"open(my $disk, "<", $ARGV[0]) or die $!; my $how = pack("I", 2); ioctl($disk, 0x8004587d, $how) or die $!"#;

/// A small file system; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
    /// What it lies on, if not in memory.
    image: Option<NamedTempFile>,
}

impl SmallDisk {
    /// Mounts one in memory, which gives room in advance, if this process may.
    pub fn mount(bytes: usize) -> Option<Self> {
        Self::mount_in_memory(&format!("size={bytes}"))
    }

    /// Mounts one in memory that has room for so many files and folders, if this process may.
    pub fn mount_with_file_limit(count: usize) -> Option<Self> {
        Self::mount_in_memory(&format!("nr_inodes={count}"))
    }

    fn mount_in_memory(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "peerdex-story"]).arg(folder.path());
        succeeds(mount, "a full disk").then_some(Self { folder, image: None })
    }

    /// Lets nothing be written to it any more, or lets it again.
    pub fn set_read_only(&self, is_read_only: bool) {
        let option = if is_read_only { "remount,ro" } else { "remount,rw" };
        let mounted = Command::new("mount").args(["-o", option]).arg(self.folder.path()).status();
        assert!(mounted.is_ok_and(|status| status.success()), "the disk cannot be mounted otherwise");
    }

    /// Mounts one that gives room only as bytes are written, if this process may.
    pub fn mount_without_preallocation(bytes: usize) -> Option<Self> {
        Self::mount_image("mkfs.ext2", bytes, "a full disk")
    }

    /// Mounts one whose power can be cut, if this process may.
    pub fn mount_for_power_cuts(bytes: usize) -> Option<Self> {
        let disk = Self::mount_image("mkfs.ext4", bytes, "a power cut")?;
        fs::write(disk.path().join("switch"), "").expect("room for a file");
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

    /// Returns where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Takes all room but so many bytes.
    pub fn fill_except(&self, free: usize) -> PathBuf {
        let path = self.path().join("filler");
        let system = rustix::fs::statvfs(self.folder.path()).expect("a file system");
        let room = usize::try_from(system.f_bavail * system.f_frsize).expect("a small disk");
        fs::write(&path, vec![1; room.saturating_sub(free)]).expect("room for the filler");
        path
    }

    /// Cuts the power: from now on nothing reaches the disk.
    pub fn cut_power(&self) {
        let cut =
            Command::new("perl").args(["-e", CUT_POWER_SCRIPT]).arg(self.path().join("switch")).status();
        assert!(cut.is_ok_and(|status| status.success()), "the power is still on");
    }

    /// Gives it its power again, with what has reached the disk. Nobody may have a file open there.
    pub fn restore_power(&self) {
        let image = self.image.as_ref().expect("a disk with power");
        let unmounted = Command::new("umount").arg(self.folder.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "somebody still uses the disk");
        let mounted = mount_command(image.path(), self.folder.path()).status();
        assert!(mounted.is_ok_and(|status| status.success()), "the disk cannot be mounted again");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, in case a process still has a file open.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
        assert!(
            std::thread::panicking() || unmounted.is_ok_and(|status| status.success()),
            "the small disk stays mounted"
        );
    }
}

fn mount_command(image: &Path, folder: &Path) -> Command {
    let mut mount = Command::new("mount");
    mount.args(["-o", "loop"]).arg(image).arg(folder);
    mount
}

/// Says whether a command does what it should; if not, the story that needs it is left out, loudly.
fn succeeds(mut command: Command, purpose: &str) -> bool {
    let works = command.output().is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("SKIPPED: {command:?} does not work here, so {purpose} is NOT tested");
    }
    works
}
