//! The node's identity: an ed25519 key, created once and stored in the state folder.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer, SigningKey};
use protocol::node_id::NodeId;

use crate::platform::{LinkPolicy, exposed_mode, is_unfollowed_link, open_nonblocking};
use crate::storage::replace_file;

const SEED_LEN: usize = 32;

/// The node's secret key, which determines its id.
pub struct Identity {
    key: SigningKey,
}

/// What to do with a key that other users of this machine can read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExposedKeyPolicy {
    /// Refuse the key.
    #[default]
    Refused,
    /// Use the key and log a warning, e.g. on a file system that stores no permissions.
    Allowed,
}

/// Why there is no usable identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file does not hold a key.
    #[error(
        "{} is not a key of {SEED_LEN} bytes: restore it, or remove it to start as a new node with a new id",
        path.display()
    )]
    NotAKey {
        /// Path of the key file.
        path: PathBuf,
    },
    /// All bytes of the key are the same, e.g. after a disk failure, so it is no secret.
    #[error(
        "the key in {} is blank: every byte is {byte:02x}; restore it, or remove it to start as a new node with a new id",
        path.display()
    )]
    Blank {
        /// Path of the key file.
        path: PathBuf,
        /// The value of every byte.
        byte: u8,
    },
    /// Other users of this machine can read or change the key.
    #[error("{} is accessible to other users (mode {mode:03o}): run chmod 600 on it", path.display())]
    Exposed {
        /// Path of the key file.
        path: PathBuf,
        /// Permissions of the file.
        mode: u32,
    },
    /// The system provides no random numbers.
    #[error("cannot create a key: the system provides no random numbers: {0}")]
    NoRandomness(getrandom::Error),
    /// The key cannot be read or written.
    #[error("cannot read or write the key in {}: {source}", path.display())]
    Io {
        /// Path of the key file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl Identity {
    /// Reads the key at `path`, or creates one and stores it there durably.
    pub fn load_or_create(path: &Path, exposure: ExposedKeyPolicy) -> Result<Self, IdentityError> {
        let seed = match read(path, exposure)? {
            Some(seed) => seed,
            None => create(path, exposure)?,
        };
        Ok(Self { key: SigningKey::from_bytes(&seed) })
    }

    /// Writes the key again if `path` does not exist. Never overwrites another key.
    pub(crate) fn restore(&self, path: &Path) -> Result<(), IdentityError> {
        if read(path, ExposedKeyPolicy::Allowed)?.is_none() {
            replace_file(path, &self.key.to_bytes())
                .map_err(|source| IdentityError::Io { path: path.to_owned(), source })?;
        }
        Ok(())
    }

    /// Returns the public key, which is the node's id on the network.
    pub fn node_id(&self) -> NodeId {
        NodeId::from_bytes(self.key.verifying_key().to_bytes())
    }

    /// Signs `text` with the secret key.
    pub fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.key.sign(text).to_bytes()
    }
}

impl fmt::Debug for Identity {
    /// Shows the public key only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.node_id()).finish()
    }
}

fn read(path: &Path, exposure: ExposedKeyPolicy) -> Result<Option<[u8; SEED_LEN]>, IdentityError> {
    let not_a_key = || IdentityError::NotAKey { path: path.to_owned() };
    let failed = |source: io::Error| IdentityError::Io { path: path.to_owned(), source };
    let file = match open_nonblocking(path, OpenOptions::new().read(true), LinkPolicy::Refuse) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if is_unfollowed_link(&error) => return Err(not_a_key()),
        opened => opened.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(not_a_key());
    }
    if let Some(mode) = exposed_mode(&metadata) {
        if exposure == ExposedKeyPolicy::Refused {
            return Err(IdentityError::Exposed { path: path.to_owned(), mode });
        }
        tracing::warn!(path = %path.display(), mode = format_args!("{mode:03o}"), "key is accessible to other users");
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
    // Check the permissions again: a file system may ignore the mode.
    if let Err(error) = read(path, exposure) {
        // The error to report is why the key cannot be used.
        let _ = std::fs::remove_file(path);
        return Err(error);
    }
    tracing::info!(path = %path.display(), "created a new identity");
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
    fn key_readable_by_others_is_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        load(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = load(&path).unwrap_err();
        assert!(matches!(error, IdentityError::Exposed { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"));
    }

    #[test]
    fn key_readable_by_others_is_used_if_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = load(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let loaded = Identity::load_or_create(&path, ExposedKeyPolicy::Allowed).unwrap();
        assert_eq!(made.node_id(), loaded.node_id());
    }

    #[test]
    fn blank_key_is_refused() {
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
    fn debug_output_hides_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let identity = load(&folder.path().join("key")).unwrap();
        assert_eq!(format!("{identity:?}"), format!("Identity({:?})", identity.node_id()));
    }
}
