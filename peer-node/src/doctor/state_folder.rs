use rustix::fs::{StatVfsMountFlags, statfs, statvfs};

use super::Finding;
use crate::state_dir::{StateDir, StateHealth};

const CHECK: &str = "state folder";

/// The kind of a file system, as far as it matters for a node's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileSystemKind {
    /// A local disk, or an unknown kind.
    Ordinary,
    /// In memory.
    Memory(&'static str),
    /// Shared with other machines.
    Network(&'static str),
    /// A container's layer.
    Overlay,
    /// Without permissions.
    NoPermissions(&'static str),
}

/// Checks the node's state folder and its file system.
pub(super) fn state_folder(state: &StateDir) -> Finding {
    let health = state.health().borrow().clone();
    let kind =
        statfs(state.path()).map(|stat| file_system_kind(u64::from_ne_bytes(stat.f_type.to_ne_bytes())));
    let is_read_only =
        statvfs(state.path()).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY));
    match kind {
        Ok(kind) => assess(&state.path().display().to_string(), &health, kind, is_read_only),
        Err(error) => Finding::problem(
            CHECK,
            format!("{}: {}", state.path().display(), std::io::Error::from(error)),
            "check that the share folder exists and is writable; the node recreates the rest",
        ),
    }
}

fn assess(path: &str, health: &StateHealth, kind: FileSystemKind, is_read_only: bool) -> Finding {
    let troubles: Vec<String> = health.problems().collect();
    if !troubles.is_empty() {
        let remedy = "free some space, or check that the folder is writable; nothing else is needed";
        return Finding::problem(CHECK, format!("{path}: {}", troubles.join("; ")), remedy);
    }
    if is_read_only {
        let remedy = "mount it writable, or choose another folder with --share-dir";
        return Finding::problem(CHECK, format!("{path}: its file system is read-only"), remedy);
    }
    if let Some(warning) = health.warning() {
        let remedy = "keep the share folder on a file system with permissions, in a folder of your own, or mount it with umask=077";
        return Finding::warning(CHECK, format!("{path}: {warning}"), remedy);
    }
    match kind {
        FileSystemKind::Ordinary => Finding::ok(CHECK, path.to_owned()),
        FileSystemKind::Memory(name) => Finding::warning(
            CHECK,
            format!("{path}: {name}, which is lost when the machine restarts"),
            "keep the share folder on a disk: the node's key, its hashes and its downloads are in it",
        ),
        FileSystemKind::Network(name) => Finding::warning(
            CHECK,
            format!("{path}: {name}, a network file system"),
            "changes made by other machines are noticed only every five minutes, and locks may not exclude a second node; a local disk is better",
        ),
        FileSystemKind::Overlay => Finding::warning(
            CHECK,
            format!("{path}: overlay, which is lost when its container is removed"),
            "mount a volume at the share folder if this is a container",
        ),
        FileSystemKind::NoPermissions(name) => Finding::warning(
            CHECK,
            format!("{path}: {name}, which does not support permissions"),
            "other users of this machine may read the node's key; use a Linux file system",
        ),
    }
}

/// Returns the kind of a file system from its magic number (statfs(2)).
fn file_system_kind(magic: u64) -> FileSystemKind {
    match magic & 0xffff_ffff {
        0x0102_1994 => FileSystemKind::Memory("tmpfs"),
        0x8584_58f6 => FileSystemKind::Memory("ramfs"),
        0x6969 => FileSystemKind::Network("NFS"),
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => FileSystemKind::Network("SMB"),
        0x0102_1997 => FileSystemKind::Network("9p"),
        0x6573_5546 => FileSystemKind::Network("FUSE"),
        0x00c3_6400 => FileSystemKind::Network("Ceph"),
        0x5346_414f => FileSystemKind::Network("AFS"),
        0x794c_7630 => FileSystemKind::Overlay,
        0x4d44 => FileSystemKind::NoPermissions("FAT"),
        0x2011_bab0 => FileSystemKind::NoPermissions("exFAT"),
        _ => FileSystemKind::Ordinary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn every_file_system_kind_has_a_severity() {
        let healthy = StateHealth::default();
        for (magic, severity, word) in [
            (0xef53, Severity::Ok, "/s"),
            (0x0102_1994, Severity::Warning, "tmpfs"),
            (0x6969, Severity::Warning, "NFS"),
            (0x794c_7630, Severity::Warning, "overlay"),
            (0x4d44, Severity::Warning, "FAT"),
        ] {
            let found = assess("/s", &healthy, file_system_kind(magic), false);
            assert!(found.severity == severity && found.detail.contains(word), "{found:?}");
            assert_eq!(assess("/s", &healthy, file_system_kind(magic), true).severity, Severity::Problem);
        }
        let open = StateHealth { exposed_mode: Some(0o755), ..StateHealth::default() };
        let found = assess("/s", &open, FileSystemKind::Ordinary, false);
        assert!(found.severity == Severity::Warning && found.detail.contains("mode 755"), "{found:?}");
        let full = StateHealth { store_error: Some("No space left on device".into()), ..healthy };
        let found = assess("/s", &full, FileSystemKind::Ordinary, false);
        assert!(found.severity == Severity::Problem && found.detail.contains("No space left"), "{found:?}");
    }

    #[test]
    fn local_state_folder_is_no_problem() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        assert_ne!(state_folder(&state).severity, Severity::Problem);
    }
}
