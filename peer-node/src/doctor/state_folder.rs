use super::Finding;
use crate::platform::{FileSystemType, file_system_type, is_read_only_file_system};
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
    let kind = file_system_type(state.path()).map(file_system_kind);
    let is_read_only = is_read_only_file_system(state.path());
    match kind {
        Ok(kind) => assess(&state.path().display().to_string(), &health, kind, is_read_only),
        Err(error) => Finding::problem(
            CHECK,
            format!("{}: {error}", state.path().display()),
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

/// Returns what a type of file systems means for a node's state.
const fn file_system_kind(found: FileSystemType) -> FileSystemKind {
    match found {
        FileSystemType::Tmpfs => FileSystemKind::Memory("tmpfs"),
        FileSystemType::Ramfs => FileSystemKind::Memory("ramfs"),
        FileSystemType::Nfs => FileSystemKind::Network("NFS"),
        FileSystemType::Smb => FileSystemKind::Network("SMB"),
        FileSystemType::NineP => FileSystemKind::Network("9p"),
        FileSystemType::Fuse => FileSystemKind::Network("FUSE"),
        FileSystemType::Ceph => FileSystemKind::Network("Ceph"),
        FileSystemType::Afs => FileSystemKind::Network("AFS"),
        FileSystemType::Overlay => FileSystemKind::Overlay,
        FileSystemType::Fat => FileSystemKind::NoPermissions("FAT"),
        FileSystemType::ExFat => FileSystemKind::NoPermissions("exFAT"),
        FileSystemType::Ntfs | FileSystemType::Ordinary => FileSystemKind::Ordinary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn every_file_system_kind_has_a_severity() {
        let healthy = StateHealth::default();
        for (found_type, severity, word) in [
            (FileSystemType::Ordinary, Severity::Ok, "/s"),
            (FileSystemType::Tmpfs, Severity::Warning, "tmpfs"),
            (FileSystemType::Nfs, Severity::Warning, "NFS"),
            (FileSystemType::Overlay, Severity::Warning, "overlay"),
            (FileSystemType::Fat, Severity::Warning, "FAT"),
        ] {
            let found = assess("/s", &healthy, file_system_kind(found_type), false);
            assert!(found.severity == severity && found.detail.contains(word), "{found:?}");
            assert_eq!(
                assess("/s", &healthy, file_system_kind(found_type), true).severity,
                Severity::Problem
            );
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
