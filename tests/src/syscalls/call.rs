//! The calls that change names, make bytes durable or need room.

use std::fmt::{self, Display, Formatter};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::Pid;

/// The longest path that is read.
const MAX_PATH: usize = 4096;

/// A call and what it was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The name of the call.
    pub name: String,
    /// The file, below the folder that is watched; the new name where there are two.
    pub path: String,
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.path)
    }
}

impl Call {
    /// Reads a call from a line of a log.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, path) = line.split_once('\t')?;
        Some(Self { name: name.into(), path: path.into() })
    }
}

/// Where a call says which file it is about: the numbers of its arguments.
#[derive(Debug, Clone, Copy)]
enum Subject {
    /// An open file.
    Descriptor(usize),
    /// A path.
    Path(usize),
    /// A path below an open folder.
    Below(usize, usize),
}

/// A call of a thread that is stopped at it.
#[derive(Debug, Clone, Copy)]
pub struct Entered {
    /// The thread.
    pub thread: Pid,
    /// The number of the call.
    pub number: i64,
    /// Its arguments.
    pub arguments: [u64; 6],
}

impl Entered {
    /// Returns the call if it is one that is watched, about a file below a folder.
    pub fn call(&self, below: &Path) -> Option<Call> {
        let (name, subject) = self.subject()?;
        let path = self.resolved(self.path(subject)?);
        let path = path.strip_prefix(below).ok()?.to_string_lossy().into_owned();
        Some(Call { name: name.into(), path: steady(&path) })
    }

    fn subject(&self) -> Option<(&'static str, Subject)> {
        Some(match self.number {
            libc::SYS_fsync => ("fsync", Subject::Descriptor(0)),
            libc::SYS_fdatasync => ("fdatasync", Subject::Descriptor(0)),
            libc::SYS_syncfs => ("syncfs", Subject::Descriptor(0)),
            libc::SYS_sync_file_range => ("sync_file_range", Subject::Descriptor(0)),
            libc::SYS_fallocate => ("fallocate", Subject::Descriptor(0)),
            libc::SYS_ftruncate => ("ftruncate", Subject::Descriptor(0)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rename => ("rename", Subject::Path(1)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_link => ("link", Subject::Path(1)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_unlink => ("unlink", Subject::Path(0)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rmdir => ("rmdir", Subject::Path(0)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir => ("mkdir", Subject::Path(0)),
            libc::SYS_renameat => ("renameat", Subject::Below(2, 3)),
            libc::SYS_renameat2 => ("renameat2", Subject::Below(2, 3)),
            libc::SYS_linkat => ("linkat", Subject::Below(2, 3)),
            libc::SYS_unlinkat => ("unlinkat", Subject::Below(0, 1)),
            libc::SYS_mkdirat => ("mkdirat", Subject::Below(0, 1)),
            libc::SYS_openat if creates(self.argument(2)) => ("openat", Subject::Below(0, 1)),
            libc::SYS_openat2 if creates(self.word_at(self.argument(2))?) => {
                ("openat2", Subject::Below(0, 1))
            }
            _ => return None,
        })
    }

    fn path(&self, subject: Subject) -> Option<PathBuf> {
        match subject {
            Subject::Descriptor(at) => self.folder_of(self.argument(at)),
            Subject::Path(at) => self.text_at(self.argument(at)).map(PathBuf::from),
            Subject::Below(folder, at) => {
                let path = PathBuf::from(self.text_at(self.argument(at))?);
                if path.is_absolute() {
                    Some(path)
                } else {
                    Some(self.folder_of(self.argument(folder))?.join(path))
                }
            }
        }
    }

    /// Returns the path itself for one that begins with an open folder of the thread.
    fn resolved(&self, path: PathBuf) -> PathBuf {
        let Ok(rest) = path.strip_prefix("/proc/self/fd") else { return path };
        let mut rest = rest.components();
        let descriptor = rest.next().and_then(|number| number.as_os_str().to_str()?.parse().ok());
        let folder = descriptor.and_then(|descriptor| self.folder_of(descriptor));
        folder.map_or(path.clone(), |folder| folder.join(rest.as_path()))
    }

    fn argument(&self, at: usize) -> u64 {
        self.arguments.get(at).copied().unwrap_or_default()
    }

    /// Returns where an open file or folder lies.
    fn folder_of(&self, descriptor: u64) -> Option<PathBuf> {
        // An `int`; the upper half of the register says nothing.
        let descriptor = u32::try_from(descriptor & u64::from(u32::MAX)).ok()?.cast_signed();
        let name = if descriptor == libc::AT_FDCWD { "cwd".into() } else { format!("fd/{descriptor}") };
        fs::read_link(format!("/proc/{}/{name}", self.thread)).ok()
    }

    fn word_at(&self, address: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.memory()?.read_exact_at(&mut word, address).ok()?;
        Some(u64::from_ne_bytes(word))
    }

    fn text_at(&self, address: u64) -> Option<String> {
        let (memory, mut text) = (self.memory()?, Vec::new());
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

/// Returns true if flags of an open make a file where there is none.
fn creates(flags: u64) -> bool {
    let temporary = u64::from((libc::O_TMPFILE & !libc::O_DIRECTORY).cast_unsigned());
    flags & (u64::from(libc::O_CREAT.cast_unsigned()) | temporary) != 0
}

/// Leaves out what is another one in every run: the number of a file without a name, and that of a snapshot of the index's store.
fn steady(path: &str) -> String {
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
