use rustix::fs::{StatVfsMountFlags, statfs, statvfs};

use super::Finding;
use crate::state_dir::{StateDir, StateHealth};

const WHAT: &str = "state folder";

/// The kind of a file system, as far as it matters to the state of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A disk of this machine, or something of which nothing is known.
    Ordinary,
    /// It lies in memory.
    Memory(&'static str),
    /// Other machines can change it.
    Network(&'static str),
    /// The layer of a container.
    Overlay,
    /// It knows no permissions.
    WithoutOwners(&'static str),
}

/// Judges the folder in which the node keeps its state, and the file system it lies on.
pub(super) fn state_folder(state: &StateDir) -> Finding {
    let health = state.health().borrow().clone();
    let kind = statfs(state.path()).map(|stat| kind(u64::from_ne_bytes(stat.f_type.to_ne_bytes())));
    let is_read_only =
        statvfs(state.path()).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY));
    match kind {
        Ok(kind) => judge(&state.path().display().to_string(), &health, kind, is_read_only),
        Err(error) => Finding::ill(
            WHAT,
            format!("{}: {}", state.path().display(), std::io::Error::from(error)),
            "check that the share folder is there and may be written to; the node creates the rest again",
        ),
    }
}

fn judge(path: &str, health: &StateHealth, kind: Kind, is_read_only: bool) -> Finding {
    let troubles: Vec<String> = health.troubles().collect();
    if !troubles.is_empty() {
        let remedy =
            "free some space there, or check that the folder may be written to; nothing else is needed";
        return Finding::ill(WHAT, format!("{path}: {}", troubles.join("; ")), remedy);
    }
    if is_read_only {
        let remedy = "mount it for writing, or choose another folder with --share-dir";
        return Finding::ill(WHAT, format!("{path}: its file system is read-only"), remedy);
    }
    if let Some(doubt) = health.doubt() {
        let remedy = "keep the share folder on a file system with permissions, in a folder of your own, or mount it with umask=077";
        return Finding::doubtful(WHAT, format!("{path}: {doubt}"), remedy);
    }
    match kind {
        Kind::Ordinary => Finding::well(WHAT, path.to_owned()),
        Kind::Memory(name) => Finding::doubtful(
            WHAT,
            format!("{path}: {name}, which is lost when the machine restarts"),
            "keep the share folder on a disk: the node's key, its hashes and its downloads are in it",
        ),
        Kind::Network(name) => Finding::doubtful(
            WHAT,
            format!("{path}: {name}, a network file system"),
            "changes made by other machines are noticed only every five minutes, and locks may not keep a second node out; a local disk is better",
        ),
        Kind::Overlay => Finding::doubtful(
            WHAT,
            format!("{path}: overlay, which is lost when its container is removed"),
            "mount a volume at the share folder if this is a container",
        ),
        Kind::WithoutOwners(name) => Finding::doubtful(
            WHAT,
            format!("{path}: {name}, which knows no permissions"),
            "others on this machine may read the node's key; use a Linux file system",
        ),
    }
}

/// Returns the kind of a file system from its magic number (statfs(2)).
fn kind(magic: u64) -> Kind {
    match magic & 0xffff_ffff {
        0x0102_1994 => Kind::Memory("tmpfs"),
        0x8584_58f6 => Kind::Memory("ramfs"),
        0x6969 => Kind::Network("NFS"),
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => Kind::Network("SMB"),
        0x0102_1997 => Kind::Network("9p"),
        0x6573_5546 => Kind::Network("FUSE"),
        0x00c3_6400 => Kind::Network("Ceph"),
        0x5346_414f => Kind::Network("AFS"),
        0x794c_7630 => Kind::Overlay,
        0x4d44 => Kind::WithoutOwners("FAT"),
        0x2011_bab0 => Kind::WithoutOwners("exFAT"),
        _ => Kind::Ordinary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn every_kind_has_a_verdict() {
        let well = StateHealth::default();
        for (magic, verdict, word) in [
            (0xef53, Verdict::Well, "/s"),
            (0x0102_1994, Verdict::Doubtful, "tmpfs"),
            (0x6969, Verdict::Doubtful, "NFS"),
            (0x794c_7630, Verdict::Doubtful, "overlay"),
            (0x4d44, Verdict::Doubtful, "FAT"),
        ] {
            let found = judge("/s", &well, kind(magic), false);
            assert!(found.verdict == verdict && found.seen.contains(word), "{found:?}");
            assert_eq!(judge("/s", &well, kind(magic), true).verdict, Verdict::Ill);
        }
        let open = StateHealth { exposure: Some(0o755), ..StateHealth::default() };
        let found = judge("/s", &open, Kind::Ordinary, false);
        assert!(found.verdict == Verdict::Doubtful && found.seen.contains("mode 755"), "{found:?}");
        let full = StateHealth { store: Some("No space left on device".into()), ..well };
        let found = judge("/s", &full, Kind::Ordinary, false);
        assert!(found.verdict == Verdict::Ill && found.seen.contains("No space left"), "{found:?}");
    }

    #[test]
    fn a_folder_of_this_machine_is_judged() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        assert_ne!(state_folder(&state).verdict, Verdict::Ill);
    }
}
