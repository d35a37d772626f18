//! The system calls that change names, make data durable or allocate disk space.

use std::fmt::{self, Display, Formatter};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::Pid;

/// Maximum length of a path that is read, in bytes.
const MAX_PATH: usize = 4096;

/// A call and the file it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedCall {
    /// The name of the call.
    pub name: String,
    /// The file relative to the watched folder; the new name if the call has two.
    pub path: String,
}

impl Display for WatchedCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.path)
    }
}

impl WatchedCall {
    /// Parses a line of the log.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, path) = line.split_once('\t')?;
        Some(Self { name: name.into(), path: path.into() })
    }
}

/// The arguments of a call that identify its file.
#[derive(Debug, Clone, Copy)]
enum CallSubject {
    /// An open file.
    Descriptor(usize),
    /// A path.
    Path(usize),
    /// A path below an open folder.
    PathBelow(usize, usize),
}

/// A call at which a thread is stopped.
#[derive(Debug, Clone, Copy)]
pub struct SyscallEntry {
    /// The thread.
    pub thread: Pid,
    /// The number of the call.
    pub number: i64,
    /// Its arguments.
    pub arguments: [u64; 6],
}

impl SyscallEntry {
    /// Returns the call if it is watched and concerns a file below the given folder.
    pub fn watched_call(&self, below: &Path) -> Option<WatchedCall> {
        let (name, subject) = self.subject()?;
        let path = self.resolve_descriptor_path(self.path(subject)?);
        let path = path.strip_prefix(below).ok()?.to_string_lossy().into_owned();
        Some(WatchedCall { name: name.into(), path: stable_path(&path) })
    }

    fn subject(&self) -> Option<(&'static str, CallSubject)> {
        Some(match self.number {
            libc::SYS_fsync => ("fsync", CallSubject::Descriptor(0)),
            libc::SYS_fdatasync => ("fdatasync", CallSubject::Descriptor(0)),
            libc::SYS_syncfs => ("syncfs", CallSubject::Descriptor(0)),
            libc::SYS_sync_file_range => ("sync_file_range", CallSubject::Descriptor(0)),
            libc::SYS_fallocate => ("fallocate", CallSubject::Descriptor(0)),
            libc::SYS_ftruncate => ("ftruncate", CallSubject::Descriptor(0)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rename => ("rename", CallSubject::Path(1)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_link => ("link", CallSubject::Path(1)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_unlink => ("unlink", CallSubject::Path(0)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rmdir => ("rmdir", CallSubject::Path(0)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir => ("mkdir", CallSubject::Path(0)),
            libc::SYS_renameat => ("renameat", CallSubject::PathBelow(2, 3)),
            libc::SYS_renameat2 => ("renameat2", CallSubject::PathBelow(2, 3)),
            libc::SYS_linkat => ("linkat", CallSubject::PathBelow(2, 3)),
            libc::SYS_unlinkat => ("unlinkat", CallSubject::PathBelow(0, 1)),
            libc::SYS_mkdirat => ("mkdirat", CallSubject::PathBelow(0, 1)),
            libc::SYS_openat if creates_file(self.argument(2)) => ("openat", CallSubject::PathBelow(0, 1)),
            libc::SYS_openat2 if creates_file(self.read_word(self.argument(2))?) => {
                ("openat2", CallSubject::PathBelow(0, 1))
            }
            _ => return None,
        })
    }

    fn path(&self, subject: CallSubject) -> Option<PathBuf> {
        match subject {
            CallSubject::Descriptor(at) => self.descriptor_path(self.argument(at)),
            CallSubject::Path(at) => self.read_text(self.argument(at)).map(PathBuf::from),
            CallSubject::PathBelow(folder, at) => {
                let path = PathBuf::from(self.read_text(self.argument(at))?);
                if path.is_absolute() {
                    Some(path)
                } else {
                    Some(self.descriptor_path(self.argument(folder))?.join(path))
                }
            }
        }
    }

    /// Returns the real path of a path that begins with a descriptor of the thread.
    fn resolve_descriptor_path(&self, path: PathBuf) -> PathBuf {
        // An unnamed file is linked through `/proc/self/fd`.
        let Ok(rest) = path.strip_prefix("/proc/self/fd") else { return path };
        let mut rest = rest.components();
        let descriptor = rest.next().and_then(|number| number.as_os_str().to_str()?.parse().ok());
        let folder = descriptor.and_then(|descriptor| self.descriptor_path(descriptor));
        folder.map_or(path.clone(), |folder| folder.join(rest.as_path()))
    }

    fn argument(&self, at: usize) -> u64 {
        self.arguments.get(at).copied().unwrap_or_default()
    }

    /// Returns the path of an open file or folder.
    fn descriptor_path(&self, descriptor: u64) -> Option<PathBuf> {
        // The descriptor is an `int`; the upper half of the register is undefined.
        let descriptor = u32::try_from(descriptor & u64::from(u32::MAX)).ok()?.cast_signed();
        let name = if descriptor == libc::AT_FDCWD { "cwd".into() } else { format!("fd/{descriptor}") };
        fs::read_link(format!("/proc/{}/{name}", self.thread)).ok()
    }

    fn read_word(&self, address: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.memory()?.read_exact_at(&mut word, address).ok()?;
        Some(u64::from_ne_bytes(word))
    }

    fn read_text(&self, address: u64) -> Option<String> {
        let (memory, mut text) = (self.memory()?, Vec::new());
        // Byte by byte, since the memory after the text may be unmapped.
        let mut byte = [0];
        while text.len() < MAX_PATH {
            memory.read_exact_at(&mut byte, address + text.len() as u64).ok()?;
            match byte {
                [0] => return Some(String::from_utf8_lossy(&text).into_owned()),
                [other] => text.push(other),
            }
        }
        None
    }

    fn memory(&self) -> Option<File> {
        File::open(format!("/proc/{}/mem", self.thread)).ok()
    }
}

/// Returns true if the flags of an open create a missing file.
fn creates_file(flags: u64) -> bool {
    let temporary = u64::from((libc::O_TMPFILE & !libc::O_DIRECTORY).cast_unsigned());
    flags & (u64::from(libc::O_CREAT.cast_unsigned()) | temporary) != 0
}

/// Replaces what differs between runs: the number of an unnamed file and that of a snapshot of the index's store.
fn stable_path(path: &str) -> String {
    if let Some((before, rest)) = path.split_once('#').filter(|(_, rest)| rest.ends_with(" (deleted)")) {
        return format!("{before}(nameless{}", rest.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    }
    match path.split_once("snap.") {
        Some((before, rest)) => {
            format!("{before}snap.N{}", rest.trim_start_matches(|digit: char| digit.is_ascii_hexdigit()))
        }
        None => path.to_owned(),
    }
}
