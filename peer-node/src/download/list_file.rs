//! The file `downloads.json` in the state folder: the downloads that resume after a restart.
//!
//! It lists what is downloaded to which target; progress is recorded in the part files. The file is always replaced and read
//! as a whole. This module knows only its format; `download_list` decides when it is written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use protocol::digest::Digest;
use protocol::limits::MAX_FILE_SIZE;
use serde::{Deserialize, Serialize};

use super::listed_download::{DownloadItem, ListedDownload, ListedTorrent};
use super::{DownloadTarget, SaveOptions, WantedFile};
use crate::library::StoredPath;
use crate::storage::replace_file;
use crate::storage::{at_path, read_regular_file};
use crate::view::Priority;

/// Format version of the file. Higher versions are refused.
const VERSION: u32 = 3;

/// Earlier versions that can be read: 1 had no torrents, 2 no share paths and no save options.
const EARLIER_VERSIONS: [u32; 2] = [1, 2];

/// Maximum size of a file that is read, in bytes: some hundred thousand downloads.
const MAX_LIST_SIZE: u64 = 64 << 20;

/// Maximum number of names tried for a damaged list before it is left in place.
const MAX_SET_ASIDE_NAMES: u32 = 100;

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DownloadListError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    #[error("damaged: invalid {0}")]
    InvalidValue(&'static str),
    #[error("written by another version of this program (format {0})")]
    UnknownVersion(u32),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDownloadList {
    version: u32,
    downloads: Vec<StoredDownload>,
    #[serde(default)]
    torrents: Vec<StoredTorrent>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDownload {
    /// SHA-256 of the content, hexadecimal.
    digest: String,
    size: Option<u64>,
    /// Share path by which the content was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    target: StoredTarget,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    copies: Vec<StoredTarget>,
    /// Whether to make hard links to content on this machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    link: bool,
    /// Whether to keep the executable bit of the source.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    executable: bool,
    priority: String,
    paused: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTorrent {
    /// Infohash, hexadecimal.
    infohash: String,
    /// SHA-256 of the content as claimed by the torrent or the index, hexadecimal.
    #[serde(default)]
    digest: Option<String>,
    folder: StoredPath,
    /// Selected files; `None` selects all.
    select: Option<String>,
    seed: bool,
    ratio: Option<f64>,
    #[serde(default)]
    given: u64,
    priority: String,
    paused: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredTarget {
    /// Under this name in the node's folder.
    InFolder(String),
    /// At the user's path; under this name in it if the path is a folder.
    At(StoredPath, String),
}

/// Writes the list durably.
pub(super) fn save<'a>(file: &Path, downloads: impl Iterator<Item = &'a ListedDownload>) -> io::Result<()> {
    let mut list = StoredDownloadList { version: VERSION, downloads: Vec::new(), torrents: Vec::new() };
    for listed in downloads {
        match &listed.item {
            DownloadItem::File(wanted) => list.downloads.push(StoredDownload::new(wanted, listed)),
            DownloadItem::Torrent(torrent) => list.torrents.push(StoredTorrent::new(torrent, listed)),
        }
    }
    let mut json = serde_json::to_vec(&list).map_err(io::Error::from)?;
    json.push(b'\n');
    replace_file(file, &json).map_err(at_path(file))
}

/// Reads a list written by [`save`]. A missing file counts as an empty list.
pub(super) fn load(file: &Path) -> Result<Vec<ListedDownload>, DownloadListError> {
    let json = match read_regular_file(file, MAX_LIST_SIZE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let list: StoredDownloadList = serde_json::from_slice(&json)?;
    if list.version != VERSION && !EARLIER_VERSIONS.contains(&list.version) {
        return Err(DownloadListError::UnknownVersion(list.version));
    }
    let files = list.downloads.into_iter().map(ListedDownload::try_from);
    files.chain(list.torrents.into_iter().map(ListedDownload::try_from)).collect()
}

/// Renames an unusable list so that it is no longer read, and returns the new path.
pub(super) fn set_aside(file: &Path) -> io::Result<PathBuf> {
    let numbered = |number: u32| {
        let mut name = file.as_os_str().to_owned();
        name.push(if number == 0 { ".damaged".to_owned() } else { format!(".damaged-{number}") });
        PathBuf::from(name)
    };
    // The folder is locked, so no other node takes the name in the meantime.
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    let aside = (0..MAX_SET_ASIDE_NAMES).map(numbered).find(is_free).ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(file, &aside)?;
    Ok(aside)
}

impl StoredDownload {
    fn new(wanted: &WantedFile, listed: &ListedDownload) -> Self {
        let WantedFile { digest, size, path, target, copies, save_options, .. } = wanted;
        Self {
            digest: digest.to_string(),
            size: *size,
            path: path.clone(),
            target: target.into(),
            copies: copies.iter().map(StoredTarget::from).collect(),
            link: save_options.link,
            executable: save_options.executable,
            priority: listed.priority.name().to_owned(),
            paused: listed.is_paused,
        }
    }
}

impl StoredTorrent {
    fn new(torrent: &ListedTorrent, listed: &ListedDownload) -> Self {
        let ListedTorrent { infohash, digest, folder, select, seed, ratio, uploaded } = torrent;
        Self {
            infohash: infohash.to_string(),
            digest: digest.as_ref().map(Digest::to_string),
            folder: folder.as_path().into(),
            select: select.clone(),
            seed: *seed,
            ratio: *ratio,
            given: *uploaded,
            priority: listed.priority.name().to_owned(),
            paused: listed.is_paused,
        }
    }
}

impl TryFrom<StoredTorrent> for ListedDownload {
    type Error = DownloadListError;

    fn try_from(stored: StoredTorrent) -> Result<Self, DownloadListError> {
        let infohash = stored.infohash.parse().map_err(|_| DownloadListError::InvalidValue("infohash"))?;
        let digest = stored.digest.as_deref().map(parse_digest).transpose()?;
        if stored.ratio.is_some_and(|ratio| !ratio.is_finite() || ratio < 0.0) {
            return Err(DownloadListError::InvalidValue("ratio"));
        }
        let priority = parse_priority(&stored.priority)?;
        let StoredTorrent { folder, select, seed, ratio, given, paused, .. } = stored;
        let torrent =
            ListedTorrent { infohash, digest, folder: folder.into(), select, seed, ratio, uploaded: given };
        Ok(Self { item: DownloadItem::Torrent(torrent), priority, is_paused: paused })
    }
}

fn parse_digest(text: &str) -> Result<Digest, DownloadListError> {
    text.parse().map_err(|_| DownloadListError::InvalidValue("digest"))
}

fn parse_priority(name: &str) -> Result<Priority, DownloadListError> {
    Priority::from_name(name).ok_or(DownloadListError::InvalidValue("priority"))
}

impl TryFrom<StoredDownload> for ListedDownload {
    type Error = DownloadListError;

    fn try_from(stored: StoredDownload) -> Result<Self, DownloadListError> {
        let digest = parse_digest(&stored.digest)?;
        if stored.size.is_some_and(|size| size > MAX_FILE_SIZE) {
            return Err(DownloadListError::InvalidValue("size"));
        }
        let priority = parse_priority(&stored.priority)?;
        let copies = stored.copies.into_iter().map(DownloadTarget::from).collect();
        let save_options = SaveOptions { link: stored.link, executable: stored.executable };
        let (size, path, target) = (stored.size, stored.path, stored.target.into());
        // A resumed download is saved at its target, even if the content exists elsewhere by now.
        let wanted = WantedFile { digest, size, path, target, copies, anywhere: false, save_options };
        Ok(Self { item: DownloadItem::File(wanted), priority, is_paused: stored.paused })
    }
}

impl From<&DownloadTarget> for StoredTarget {
    fn from(target: &DownloadTarget) -> Self {
        match target {
            DownloadTarget::InFolder(name) => Self::InFolder(name.clone()),
            DownloadTarget::AtPath(path, name) => Self::At(path.as_path().into(), name.clone()),
        }
    }
}

impl From<StoredTarget> for DownloadTarget {
    fn from(stored: StoredTarget) -> Self {
        match stored {
            StoredTarget::InFolder(name) => Self::InFolder(name),
            StoredTarget::At(path, name) => Self::AtPath(path.into(), name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use protocol::infohash::Infohash;

    use super::*;

    fn sample() -> Vec<ListedDownload> {
        let odd = PathBuf::from(OsString::from_vec(b"/data/caf\xe9/".to_vec()));
        let one = WantedFile {
            digest: Digest::from_bytes([7; 32]),
            size: Some(12),
            path: Some("a/b.iso".into()),
            target: DownloadTarget::InFolder("a/\u{1b}b.iso".into()),
            copies: vec![
                DownloadTarget::InFolder("c".into()),
                DownloadTarget::AtPath("d".into(), "e".into()),
            ],
            anywhere: false,
            save_options: SaveOptions { link: true, executable: true },
        };
        let two = WantedFile {
            digest: Digest::EMPTY,
            size: None,
            path: None,
            target: DownloadTarget::AtPath(odd, "x".into()),
            copies: vec![],
            anywhere: false,
            save_options: SaveOptions::default(),
        };
        let torrent = ListedTorrent {
            infohash: Infohash::from_bytes([9; 20]),
            digest: Some(Digest::from_bytes([8; 32])),
            folder: "/data".into(),
            select: Some("1,3-5".into()),
            seed: true,
            ratio: Some(1.5),
            uploaded: 77,
        };
        vec![
            ListedDownload { item: DownloadItem::File(one), priority: Priority::Low, is_paused: true },
            ListedDownload { item: DownloadItem::File(two), priority: Priority::High, is_paused: false },
            ListedDownload {
                item: DownloadItem::Torrent(torrent),
                priority: Priority::Normal,
                is_paused: false,
            },
        ]
    }

    #[test]
    fn list_round_trips_through_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("downloads.json");
        assert_eq!(load(&file).unwrap(), []);
        save(&file, sample().iter()).unwrap();
        assert_eq!(load(&file).unwrap(), sample());
    }

    #[test]
    fn truncated_list_is_damaged_at_every_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("downloads.json");
        save(&file, sample().iter()).unwrap();
        let whole = fs::read(&file).unwrap();
        for length in 0..whole.len() - 1 {
            fs::write(&file, &whole[..length]).unwrap();
            assert!(matches!(load(&file), Err(DownloadListError::Damaged(_))), "{length}");
        }
    }

    #[test]
    fn foreign_lists_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("downloads.json");
        save(&file, sample().iter()).unwrap();
        let whole = fs::read_to_string(&file).unwrap();
        let long = u64::MAX.to_string();
        for (before, after) in [
            ("\"version\":3", "\"version\":4"),
            ("07070707", "0707"),
            ("09090909", "0909"),
            ("08080808", "0808"),
            ("1.5", "-1.5"),
            (":12,", &format!(":{long},")),
            ("\"low\"", "\"lowest\""),
            ("paused", "stopped"),
        ] {
            assert!(whole.contains(before), "{before}");
            fs::write(&file, whole.replacen(before, after, 1)).unwrap();
            assert!(load(&file).is_err(), "{after}");
        }
    }

    #[test]
    fn lists_of_earlier_versions_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("downloads.json");
        let digest = Digest::from_bytes([7; 32]);
        for version in [1, 2] {
            let one = format!(
                r#"{{"digest":"{digest}","size":12,"target":{{"in_folder":"a"}},"priority":"low","paused":true}}"#
            );
            fs::write(&file, format!(r#"{{"version":{version},"downloads":[{one}]}}"#)).unwrap();
            let listed = load(&file).unwrap();
            let [ListedDownload { item: DownloadItem::File(wanted), .. }] = listed.as_slice() else {
                panic!("{listed:?}")
            };
            assert_eq!(
                (wanted.digest, &wanted.path, wanted.save_options),
                (digest, &None, SaveOptions::default())
            );
        }
    }

    #[test]
    fn a_damaged_list_is_kept_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("downloads.json");
        for (content, name) in [("one", "downloads.json.damaged"), ("two", "downloads.json.damaged-1")] {
            fs::write(&file, content).unwrap();
            let aside = set_aside(&file).unwrap();
            assert_eq!((aside.file_name().unwrap().to_str().unwrap(), file.exists()), (name, false));
            assert_eq!(fs::read_to_string(aside).unwrap(), content);
        }
    }

    #[test]
    fn unwritable_list_is_named_in_the_error() {
        let error = save(Path::new("/nowhere/at/all.json"), [].iter()).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/at/all.json: "), "{error}");
    }
}
