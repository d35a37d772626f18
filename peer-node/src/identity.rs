//! Who this node is: its ed25519 key, made once and kept in the state folder.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer, SigningKey};
use protocol::node_id::NodeId;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::storage::replace_file;

const SEED_LEN: usize = 32;

/// The node's secret key and the id that belongs to it.
pub struct Identity {
    key: SigningKey,
}

/// Whether a key may be used that other users of this machine can read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExposedKeyPolicy {
    /// It is refused.
    #[default]
    Refused,
    /// It is used with a warning, as on a file system that stores no permissions.
    Allowed,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file does not hold a key.
    #[error(
        "{} is not a key of {SEED_LEN} bytes: restore it, or remove it to become a new node under a new id",
        path.display()
    )]
    NotAKey {
        /// Where the key should lie.
        path: PathBuf,
    },
    /// The file holds a key that is no secret: all of its bytes are the same, as after a failure of the disk.
    #[error(
        "the key in {} is blank: every byte of it is {byte:02x}; restore it, or remove it to become a new node under a new id",
        path.display()
    )]
    Blank {
        /// Where the key lies.
        path: PathBuf,
        /// What it consists of.
        byte: u8,
    },
    /// Others on this machine could read or change the key.
    #[error("{} can be used by others (mode {mode:03o}): run chmod 600 on it", path.display())]
    Exposed {
        /// Where the key lies.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a new key: {0}")]
    NoRandomness(getrandom::Error),
    /// The key cannot be read or written.
    #[error("cannot keep the key in {}: {source}", path.display())]
    Io {
        /// Where the key should lie.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Identity {
    /// Reads the key at `path`, or makes one and puts it there for good.
    pub fn load_or_create(path: &Path, exposure: ExposedKeyPolicy) -> Result<Self, IdentityError> {
        let seed = match read(path, exposure)? {
            Some(seed) => seed,
            None => create(path, exposure)?,
        };
        Ok(Self { key: SigningKey::from_bytes(&seed) })
    }

    /// Writes the key again if there is none at `path`. Another key that lies there is left alone.
    pub(crate) fn restore(&self, path: &Path) -> Result<(), IdentityError> {
        if read(path, ExposedKeyPolicy::Allowed)?.is_none() {
            replace_file(path, &self.key.to_bytes())
                .map_err(|source| IdentityError::Io { path: path.to_owned(), source })?;
        }
        Ok(())
    }

    /// Returns the public half, the node's name on the network.
    pub fn node_id(&self) -> NodeId {
        NodeId::from_bytes(self.key.verifying_key().to_bytes())
    }

    /// Signs a text with the secret half.
    pub fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.key.sign(text).to_bytes()
    }
}

impl fmt::Debug for Identity {
    /// Shows the public half alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.node_id()).finish()
    }
}

fn read(path: &Path, exposure: ExposedKeyPolicy) -> Result<Option<[u8; SEED_LEN]>, IdentityError> {
    let not_a_key = || IdentityError::NotAKey { path: path.to_owned() };
    let failed = |source: io::Error| IdentityError::Io { path: path.to_owned(), source };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(not_a_key()),
        Err(errno) => return Err(failed(errno.into())),
    };
    let stat = rustix::fs::fstat(&file).map_err(|errno| failed(errno.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(not_a_key());
    }
    let mode = stat.st_mode & 0o777;
    if mode & 0o077 != 0 {
        if exposure == ExposedKeyPolicy::Refused {
            return Err(IdentityError::Exposed { path: path.to_owned(), mode });
        }
        tracing::warn!(path = %path.display(), mode = format_args!("{mode:03o}"), "the key can be used by others");
    }
    let mut bytes = Vec::with_capacity(SEED_LEN + 1);
    file.take(SEED_LEN as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let seed: [u8; SEED_LEN] = bytes.try_into().map_err(|_| not_a_key())?;
    let [first, ..] = seed;
    if seed == [first; SEED_LEN] {
        return Err(IdentityError::Blank { path: path.to_owned(), byte: first });
    }
    Ok(Some(seed))
}

fn create(path: &Path, exposure: ExposedKeyPolicy) -> Result<[u8; SEED_LEN], IdentityError> {
    let mut seed = [0; SEED_LEN];
    getrandom::fill(&mut seed).map_err(IdentityError::NoRandomness)?;
    replace_file(path, &seed).map_err(|source| IdentityError::Io { path: path.to_owned(), source })?;
    // A file system may not store who may read it.
    if let Err(error) = read(path, exposure) {
        // What matters is why it cannot be used.
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    tracing::info!(path = %path.display(), "made a new identity");
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use ed25519_dalek::{Signature, VerifyingKey};

    #[test]
    fn removed_key_is_restored_and_another_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        let identity = load(&path).unwrap();
        fs::remove_file(&path).unwrap();
        identity.restore(&path).unwrap();
        assert_eq!(load(&path).unwrap().node_id(), identity.node_id());
        fs::remove_file(&path).unwrap();
        let other = load(&path).unwrap();
        identity.restore(&path).unwrap();
        assert_eq!(load(&path).unwrap().node_id(), other.node_id());
    }

    use super::*;

    fn load(path: &Path) -> Result<Identity, IdentityError> {
        Identity::load_or_create(path, ExposedKeyPolicy::Refused)
    }

    #[test]
    fn identity_is_created_once_and_then_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        let made = load(&path).unwrap();
        let loaded = load(&path).unwrap();
        assert_eq!(made.node_id(), loaded.node_id());
        assert_eq!(made.sign(b"text"), loaded.sign(b"text"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let other = load(&folder.path().join("other")).unwrap();
        assert_ne!(made.node_id(), other.node_id());
    }

    #[test]
    fn signature_verifies_against_the_node_id() {
        let folder = tempfile::tempdir().unwrap();
        let identity = load(&folder.path().join("key")).unwrap();
        let public = VerifyingKey::from_bytes(identity.node_id().as_bytes()).unwrap();
        public.verify_strict(b"text", &Signature::from_bytes(&identity.sign(b"text"))).unwrap();
    }

    #[test]
    fn files_of_wrong_length_and_links_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for length in [0, 31, 33, 1000] {
            fs::write(&path, vec![7; length]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(load(&path), Err(IdentityError::NotAKey { .. })), "{length}");
        }
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(load(&link), Err(IdentityError::NotAKey { .. })));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        load(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = load(&path).unwrap_err();
        assert!(matches!(error, IdentityError::Exposed { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"));
    }

    #[test]
    fn a_key_that_others_can_read_is_used_if_that_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = load(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let loaded = Identity::load_or_create(&path, ExposedKeyPolicy::Allowed).unwrap();
        assert_eq!(made.node_id(), loaded.node_id());
    }

    #[test]
    fn a_blank_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for byte in [0, 0xff, b' '] {
            fs::write(&path, [byte; SEED_LEN]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = load(&path).unwrap_err();
            assert!(matches!(error, IdentityError::Blank { byte: found, .. } if found == byte), "{error}");
        }
        fs::write(&path, [[0; SEED_LEN - 1].as_slice(), &[1]].concat()).unwrap();
        load(&path).unwrap();
    }

    #[test]
    fn the_secret_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let identity = load(&folder.path().join("key")).unwrap();
        assert_eq!(format!("{identity:?}"), format!("Identity({:?})", identity.node_id()));
    }
}
