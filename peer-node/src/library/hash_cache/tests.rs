use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, UNIX_EPOCH};

use super::*;

fn hashed(location: impl Into<PathBuf>, ino: u64, digest: u8) -> HashedFile {
    HashedFile {
        location: location.into(),
        identity: FileIdentity { dev: 1, ino, size: 5, mtime_ns: -3, ctime_ns: i64::MAX },
        digest: Digest::from_bytes([digest; 32]),
        since: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    }
}

fn found(cache: &HashCache, hashed: &HashedFile) -> Option<u8> {
    let known = cache.find(&hashed.location, hashed.identity)?;
    assert_eq!(known.since, hashed.since);
    Some(known.digest.as_bytes()[0])
}

#[test]
fn hashes_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hashes.jsonl");
    let non_utf8 = hashed(OsString::from_vec(b"/caf\xe9/x".to_vec()), 1, 1);
    let plain = hashed("/s/\"new\nline\"", 2, 2);
    let cache = HashCache::open(&path).unwrap();
    cache.insert(non_utf8.clone()).unwrap();
    cache.insert(plain.clone()).unwrap();
    for cache in [cache, HashCache::open(&path).unwrap()] {
        assert_eq!((found(&cache, &non_utf8), found(&cache, &plain)), (Some(1), Some(2)));
        assert_eq!(found(&cache, &hashed("/s/x", 3, 3)), None);
    }
}

#[test]
fn later_lines_win() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hashes.jsonl");
    let cache = HashCache::open(&path).unwrap();
    cache.insert(hashed("/s/x", 1, 1)).unwrap();
    cache.insert(hashed("/s/x", 1, 2)).unwrap();
    drop(cache);
    assert_eq!(found(&HashCache::open(&path).unwrap(), &hashed("/s/x", 1, 0)), Some(2));
}

#[test]
fn new_name_or_new_device_is_known_but_not_both() {
    let folder = tempfile::tempdir().unwrap();
    let cache = HashCache::open(&folder.path().join("hashes.jsonl")).unwrap();
    cache.insert(hashed("/s/x", 1, 1)).unwrap();
    let mut moved = hashed("/s/renamed", 1, 1);
    assert_eq!(found(&cache, &moved), Some(1));
    moved.identity.dev = 2;
    assert_eq!(found(&cache, &moved), None);
    moved.location = "/s/x".into();
    assert_eq!(found(&cache, &moved), Some(1));
}

#[test]
fn torn_and_foreign_lines_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hashes.jsonl");
    let cache = HashCache::open(&path).unwrap();
    cache.insert(hashed("/s/a", 1, 1)).unwrap();
    cache.insert(hashed("/s/b", 2, 2)).unwrap();
    drop(cache);
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap();
    for length in first + 1..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let cache = HashCache::open(&path).unwrap();
        assert_eq!(found(&cache, &hashed("/s/a", 1, 0)), Some(1), "{length}");
        assert_eq!(found(&cache, &hashed("/s/b", 2, 0)), None, "{length}");
        cache.insert(hashed("/s/c", 3, 3)).unwrap();
        drop(cache);
        assert_eq!(found(&HashCache::open(&path).unwrap(), &hashed("/s/c", 3, 0)), Some(3), "{length}");
    }
    let mut garbage = b"not json\n{}\n\xff\xfe\n\n[1,2]\n".to_vec();
    garbage.extend(vec![b'x'; 200_000]);
    garbage.push(b'\n');
    garbage.extend(&whole);
    fs::write(&path, garbage).unwrap();
    assert_eq!(found(&HashCache::open(&path).unwrap(), &hashed("/s/b", 2, 0)), Some(2));
}

#[test]
fn mostly_stale_file_is_compacted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hashes.jsonl");
    let cache = HashCache::open(&path).unwrap();
    for ino in 0..200 {
        cache.insert(hashed(format!("/s/{ino}"), ino, 1)).unwrap();
    }
    assert!(!cache.compact(|_| false).unwrap(), "new entries are needed");
    drop(cache);
    let cache = HashCache::open(&path).unwrap();
    assert!(!cache.compact(|hashed| hashed.identity.ino >= 100).unwrap());
    assert!(cache.compact(|hashed| hashed.identity.ino >= 150).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 50);
    cache.insert(hashed("/s/new", 1000, 2)).unwrap();
    for cache in [cache, HashCache::open(&path).unwrap()] {
        assert_eq!(found(&cache, &hashed("/s/149", 149, 0)), None);
        assert_eq!(found(&cache, &hashed("/s/150", 150, 0)), Some(1));
        assert_eq!(found(&cache, &hashed("/s/new", 1000, 0)), Some(2));
    }
}

#[test]
fn damaged_line_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hashes.jsonl");
    let kept = hashed("/s/x", 1, 1);
    HashCache::open(&path).unwrap().insert(kept.clone()).unwrap();
    let whole = fs::read(&path).unwrap();
    for index in 0..whole.len() - 1 {
        let mut damaged = whole.clone();
        damaged[index] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let cache = HashCache::open(&path).unwrap();
        // Damage to the name of the checksum field turns the line into one without a checksum.
        let known = cache.find(&kept.location, kept.identity);
        assert!(known.is_none_or(|known| !known.is_checked && known.digest == kept.digest), "{index}");
    }
}

#[test]
fn line_from_0_1_0_is_loaded_as_unchecked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hashes.jsonl");
    let old = format!(
        r#"{{"location":"/s/x","dev":1,"ino":1,"size":5,"mtime_ns":-3,"ctime_ns":{},"digest":"{}","since":1700000000}}"#,
        i64::MAX,
        Digest::from_bytes([1; 32])
    );
    fs::write(&path, format!("{old}\n")).unwrap();
    let cache = HashCache::open(&path).unwrap();
    let file = hashed("/s/x", 1, 1);
    let is_checked = |cache: &HashCache| cache.find(&file.location, file.identity).unwrap().is_checked;
    assert!(!is_checked(&cache));
    cache.restore().unwrap();
    assert!(!is_checked(&HashCache::open(&path).unwrap()), "rewriting must not add a checksum");
    cache.insert(file.clone()).unwrap();
    assert!(is_checked(&cache) && is_checked(&HashCache::open(&path).unwrap()));
}

#[test]
fn removed_file_is_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hashes.jsonl");
    let cache = HashCache::open(&path).unwrap();
    cache.insert(hashed("/s/a", 1, 1)).unwrap();
    fs::remove_file(&path).unwrap();
    cache.restore().unwrap();
    cache.insert(hashed("/s/b", 2, 2)).unwrap();
    let cache = HashCache::open(&path).unwrap();
    let both = (found(&cache, &hashed("/s/a", 1, 0)), found(&cache, &hashed("/s/b", 2, 0)));
    assert_eq!(both, (Some(1), Some(2)));
}

#[test]
fn lines_are_written_once_the_disk_has_space() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hashes.jsonl");
    let cache = HashCache::open(&path).unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let real = std::mem::replace(&mut cache.inner.lock().file, full);
    assert!(cache.insert(hashed("/s/a", 1, 1)).is_err());
    assert!(cache.insert(hashed("/s/b", 2, 2)).is_err() && cache.flush_unwritten().is_err());
    assert_eq!(found(&cache, &hashed("/s/a", 1, 0)), Some(1));
    cache.inner.lock().file = real;
    cache.flush_unwritten().unwrap();
    cache.insert(hashed("/s/c", 3, 3)).unwrap();
    let cache = HashCache::open(&path).unwrap();
    for (name, ino) in [("/s/a", 1), ("/s/b", 2), ("/s/c", 3)] {
        assert!(found(&cache, &hashed(name, ino, 0)).is_some(), "{name}");
    }
}

#[test]
fn write_error_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone/hashes.jsonl");
    fs::create_dir(folder.path().join("gone")).unwrap();
    let cache = HashCache::open(&path).unwrap();
    fs::remove_dir_all(folder.path().join("gone")).unwrap();
    let error = cache.restore().unwrap_err().to_string();
    assert!(error.contains("gone/hashes.jsonl: "), "{error}");
}
