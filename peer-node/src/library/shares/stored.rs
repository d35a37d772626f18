use std::io;
use std::path::{Path, PathBuf};

use protocol::share_path::SharePath;
use serde::{Deserialize, Serialize};

use super::super::exclusions;
use super::super::shares_error::SharesFileError;
use super::super::stored_path::StoredPath;
use super::{ShareMark, ShareSet};
use crate::storage::read_regular_file;
use crate::storage::replace_file;

/// Current version of the file format. Files of later versions are rejected.
pub(in super::super) const VERSION: u32 = 2;

/// The version without patterns. Programs that support only this version must reject a file with patterns, because they would
/// share files that the patterns exclude.
const VERSION_WITHOUT_PATTERNS: u32 = 1;

/// Maximum size of the file, in bytes: far more than anyone registers by hand.
const MAX_FILE_SIZE: u64 = 64 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct StoredShares {
    version: u32,
    outside: Vec<StoredPlace>,
    /// Paths in the share folder are relative to it, so that the folder can be moved.
    excluded: Vec<StoredPath>,
    shared: Vec<StoredPath>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    patterns: Vec<StoredPatterns>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredPatterns {
    /// Relative to the share folder if inside it.
    folder: StoredPath,
    patterns: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredPlace {
    location: StoredPath,
    name: String,
}

/// Saves the shares durably.
pub(in super::super) fn save(shares: &ShareSet, file: &Path) -> io::Result<()> {
    let relative = |place: &Path| place.strip_prefix(&shares.root).unwrap_or(place).into();
    let marked = |wanted: ShareMark| {
        let places = shares.marks.iter().filter(move |(_, mark)| **mark == wanted);
        places.map(|(place, _)| relative(place)).collect()
    };
    let patterns = shares.patterns.iter();
    let patterns = patterns
        .map(|(folder, patterns)| StoredPatterns { folder: relative(folder), patterns: patterns.clone() });
    let outside = shares.outside.iter().map(|(location, name)| StoredPlace {
        location: location.as_path().into(),
        name: name.as_str().to_owned(),
    });
    let stored = StoredShares {
        version: if shares.patterns.is_empty() { VERSION_WITHOUT_PATTERNS } else { VERSION },
        outside: outside.collect(),
        excluded: marked(ShareMark::Excluded),
        shared: marked(ShareMark::Shared),
        patterns: patterns.collect(),
    };
    let mut json = serde_json::to_vec_pretty(&stored).map_err(io::Error::from)?;
    json.push(b'\n');
    replace_file(file, &json)
}

/// Reads the file that [`save`] wrote. Without a file, only the share folder is shared.
pub(in super::super) fn load(root: PathBuf, file: &Path) -> Result<ShareSet, SharesFileError> {
    let mut shares = ShareSet::with_root(root);
    let json = match read_regular_file(file, MAX_FILE_SIZE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(shares),
        read => read?,
    };
    let stored: StoredShares = serde_json::from_slice(&json)?;
    if !(VERSION_WITHOUT_PATTERNS..=VERSION).contains(&stored.version) {
        return Err(SharesFileError::TooNew(stored.version));
    }
    for StoredPlace { location, name } in stored.outside {
        let location = PathBuf::from(location);
        let name = SharePath::parse(&name).ok().filter(|name| name.parent().is_none());
        let Some(name) = name.filter(|_| location.is_absolute()) else {
            return Err(SharesFileError::BadPath(location));
        };
        // The share folder may have been moved next to the place or into it.
        if let Err(reason) = shares.check_shareable(&location) {
            tracing::warn!(path = %location.display(), %reason, "a registered place is no longer shared");
        } else if shares.containing_share(&location).is_none() {
            shares.outside.insert(location, name);
        }
    }
    for (mark, places) in [(ShareMark::Excluded, stored.excluded), (ShareMark::Shared, stored.shared)] {
        let places = places.into_iter().map(|place| (shares.root.join(PathBuf::from(place)), mark));
        shares.marks.extend(places.collect::<Vec<_>>());
    }
    for StoredPatterns { folder, patterns } in stored.patterns {
        let folder = shares.root.join(PathBuf::from(folder));
        exclusions::check(patterns.iter().map(String::as_str)).map_err(SharesFileError::BadPattern)?;
        shares.set_patterns(&folder, patterns);
    }
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::ffi::OsStringExt;

    use super::super::EntryKind;
    use super::*;

    fn some_shares(root: &Path) -> ShareSet {
        let mut shares = ShareSet::with_root(root.to_owned());
        let odd = PathBuf::from(OsString::from_vec(b"/data/caf\xe9/movies".to_vec()));
        shares.share(&odd, EntryKind::Folder, |_| false).unwrap();
        shares.unshare(&odd.join("a"));
        shares.share(&odd.join("a/b"), EntryKind::Folder, |_| false).unwrap();
        shares.unshare(&root.join("x"));
        shares
    }

    #[test]
    fn shares_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shares.json");
        let shares = some_shares(Path::new("/share"));
        save(&shares, &file).unwrap();
        assert_eq!(load("/share".into(), &file).unwrap(), shares);
        assert!(fs::read_to_string(&file).unwrap().contains("\"version\": 1"));
        // Moving the share folder keeps its exceptions.
        let moved = load("/moved".into(), &file).unwrap();
        assert!(moved.is_excluded(Path::new("/moved/x")) && !moved.is_excluded(Path::new("/share/x")));
    }

    #[test]
    fn patterns_are_read_back_and_raise_the_version() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shares.json");
        let mut shares = some_shares(Path::new("/share"));
        shares.set_patterns(Path::new("/share"), vec!["*.tmp".to_owned()]);
        shares.set_patterns(Path::new("/data/x"), vec!["!*.tmp".to_owned(), "b".to_owned()]);
        save(&shares, &file).unwrap();
        assert_eq!(load("/share".into(), &file).unwrap(), shares);
        assert!(fs::read_to_string(&file).unwrap().contains("\"version\": 2"));
        let moved = load("/moved".into(), &file).unwrap();
        assert_eq!(moved.patterns_of(Path::new("/moved")), ["*.tmp"]);
    }

    #[test]
    fn missing_file_shares_only_the_share_folder() {
        let folder = tempfile::tempdir().unwrap();
        let shares = load("/share".into(), &folder.path().join("none")).unwrap();
        assert_eq!(shares, ShareSet::with_root("/share".into()));
    }

    #[test]
    fn truncated_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shares.json");
        save(&some_shares(Path::new("/share")), &file).unwrap();
        let whole = fs::read(&file).unwrap();
        for length in 0..whole.len() - 2 {
            fs::write(&file, &whole[..length]).unwrap();
            assert!(matches!(load("/share".into(), &file), Err(SharesFileError::Damaged(_))), "{length}");
        }
    }

    #[test]
    fn foreign_content_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shares.json");
        let refuse = |json: &str| {
            fs::write(&file, json).unwrap();
            load("/share".into(), &file).unwrap_err()
        };
        let later = r#"{"version":3,"outside":[],"excluded":[],"shared":[]}"#;
        assert!(matches!(refuse(later), SharesFileError::TooNew(3)));
        let patterns = r#"[{"folder":"x","patterns":["a[b"]}]"#;
        let bad = format!(r#"{{"version":2,"outside":[],"excluded":[],"shared":[],"patterns":{patterns}}}"#);
        assert!(matches!(refuse(&bad), SharesFileError::BadPattern(_)));
        for (location, name) in [("relative", "x"), ("/data/x", "../x"), ("/data/x", "a/b"), ("/data/x", "")]
        {
            let place = format!(r#"{{"location":"{location}","name":"{name}"}}"#);
            let json = format!(r#"{{"version":1,"outside":[{place}],"excluded":[],"shared":[]}}"#);
            assert!(matches!(refuse(&json), SharesFileError::BadPath(_)), "{location} {name}");
        }
    }
}
