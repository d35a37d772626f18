use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use protocol::digest::Digest;
use protocol::metainfo::Metainfo;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::torrent_plan::ExclusionReason;
use super::*;

fn album_with(files: &[(&str, usize)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, length) in files {
        let path = folder.path().join("album").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes: Vec<u8> = (0..*length).map(|at| (at * 7 + at / 251).to_le_bytes()[0]).collect();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn make(path: &Path, options: &MakeOptions) -> Result<Metainfo, MakeTorrentError> {
    let bytes = TorrentPlan::scan(path, None)?.make(options, &CancellationToken::new(), &mut |_| {})?;
    Ok(Metainfo::parse(&bytes).unwrap())
}

fn small_pieces() -> MakeOptions {
    MakeOptions { piece_length: Some(16 << 10), ..MakeOptions::default() }
}

#[test]
fn every_piece_has_its_hash() {
    let folder = album_with(&[("b", 40_000), ("a/x", 1), ("a-b", 0), ("a/y", 70_000), ("c", 16 << 10)]);
    let metainfo = make(&folder.path().join("album"), &small_pieces()).unwrap();
    let paths: Vec<_> = metainfo.files().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["album/a-b", "album/a/x", "album/a/y", "album/b", "album/c"]);
    let content: Vec<u8> =
        paths.iter().flat_map(|path| fs::read(folder.path().join(path)).unwrap()).collect();
    assert_eq!(metainfo.geometry().size(), content.len() as u64);
    for (piece, bytes) in metainfo.geometry().pieces().zip(content.chunks(16 << 10)) {
        assert!(metainfo.verify_piece(piece, [bytes]), "{piece:?}");
    }
    assert_eq!(metainfo.digest(), None);
}

#[test]
fn a_single_file_torrent_has_its_sha256() {
    let folder = album_with(&[("b", 100_000)]);
    let path = folder.path().join("album/b");
    let options = MakeOptions { name: Some("other".to_owned()), private: true, ..small_pieces() };
    let metainfo = make(&path, &options).unwrap();
    let digest = Digest::from_bytes(Sha256::digest(fs::read(&path).unwrap()).into());
    assert_eq!((metainfo.name(), metainfo.digest()), ("other", Some(digest)));
    assert!(metainfo.is_single_file() && metainfo.is_private());
    assert_eq!(metainfo.geometry().piece_count(), 7);
    let other = make(&path, &MakeOptions { creation_date: Some(1), ..options }).unwrap();
    assert_eq!(other.infohash(), metainfo.infohash());
    assert_eq!(other.creation_date(), Some(1));
}

#[test]
fn symlinks_and_special_files_are_excluded_and_reported() {
    let folder = album_with(&[("a", 5), ("sub/b", 5), ("old.torrent", 9)]);
    let album = folder.path().join("album");
    symlink("a", album.join("link")).unwrap();
    symlink("..", album.join("sub/up")).unwrap();
    let socket = UnixListener::bind(album.join("socket")).unwrap();
    let plan = TorrentPlan::scan(&album, Some(&album.join("old.torrent"))).unwrap();
    drop(socket);
    let excluded: Vec<_> = plan
        .excluded()
        .iter()
        .map(|entry| {
            let path = entry.path.strip_prefix(album.canonicalize().unwrap()).unwrap();
            (path.to_str().unwrap(), entry.reason.clone())
        })
        .collect();
    let expected = [
        ("link", ExclusionReason::Symlink),
        ("old.torrent", ExclusionReason::OutputFile),
        ("socket", ExclusionReason::SpecialFile),
        ("sub/up", ExclusionReason::Symlink),
    ];
    assert_eq!(excluded, expected);
    assert_eq!((plan.file_count(), plan.size()), (2, 10));
}

#[test]
fn a_symlink_given_as_root_is_followed() {
    let folder = album_with(&[("a", 5)]);
    let link = folder.path().join("link");
    symlink("album", &link).unwrap();
    assert_eq!(TorrentPlan::scan(&link, None).unwrap().name(), Some("album"));
}

#[test]
fn empty_content_is_an_error() {
    let folder = album_with(&[("empty", 0), ("nested/empty", 0)]);
    let album = folder.path().join("album");
    for path in [album.clone(), album.join("empty")] {
        assert!(
            matches!(make(&path, &MakeOptions::default()), Err(MakeTorrentError::Empty { .. })),
            "{path:?}"
        );
    }
    assert!(matches!(TorrentPlan::scan(&album.join("none"), None), Err(MakeTorrentError::Unreadable { .. })));
    assert!(matches!(
        TorrentPlan::scan(Path::new("/dev/null"), None),
        Err(MakeTorrentError::NotFileOrFolder { .. })
    ));
}

#[test]
fn unsupported_names_are_excluded_and_reported() {
    let folder = album_with(&[("good", 5), ("a\nb", 5), ("line\n/x", 5), ("locked/x", 5)]);
    let album = folder.path().join("album");
    fs::write(album.join(OsStr::from_bytes(b"\xff")), "x").unwrap();
    let deep: PathBuf = vec!["d"; 100].iter().collect();
    fs::create_dir_all(album.join(&deep)).unwrap();
    fs::write(album.join(deep).join("x"), "x").unwrap();
    let deepest: PathBuf = vec!["d"; 99].iter().collect();
    fs::write(album.join(deepest).join("x"), "x").unwrap();
    let plan = TorrentPlan::scan(&album, None).unwrap();
    let excluded: Vec<&ExclusionReason> = plan.excluded().iter().map(|entry| &entry.reason).collect();
    assert_eq!(
        excluded,
        [
            &ExclusionReason::ControlCharacter,
            &ExclusionReason::TooDeep,
            &ExclusionReason::ControlCharacter,
            &ExclusionReason::NotUtf8
        ]
    );
    let metainfo = make(&album, &MakeOptions::default()).unwrap();
    assert_eq!(metainfo.files().len(), 3);
    assert!(metainfo.files().iter().all(|file| !file.path.is_mapped()));
}

#[test]
fn an_invalid_root_name_needs_a_name_option() {
    let folder = album_with(&[("a\nb", 5)]);
    let path = folder.path().join("album/a\nb");
    let mut read = false;
    let result = TorrentPlan::scan(&path, None).unwrap().make(
        &MakeOptions::default(),
        &CancellationToken::new(),
        &mut |_| read = true,
    );
    let message = result.unwrap_err().to_string();
    assert!(
        message.contains("give the torrent another name") && !message.contains('\n') && !read,
        "{message}"
    );
    let named = |name: &str| MakeOptions { name: Some(name.to_owned()), ..MakeOptions::default() };
    assert_eq!(make(&path, &named("good")).unwrap().name(), "good");
    assert!(matches!(make(&path, &named("a/b")), Err(MakeTorrentError::InvalidMetainfo { .. })));
}

#[test]
fn a_file_that_changes_while_read_is_an_error() {
    let folder = album_with(&[("a", 100_000), ("b", 100_000)]);
    let album = folder.path().join("album");
    for length in [99_999, 0, 100_001] {
        let plan = TorrentPlan::scan(&album, None).unwrap();
        let file = fs::OpenOptions::new().write(true).open(album.join("b")).unwrap();
        file.set_len(length).unwrap();
        let result = plan.make(&small_pieces(), &CancellationToken::new(), &mut |_| {});
        assert!(matches!(result, Err(MakeTorrentError::Changed { .. })), "{length}: {result:?}");
        file.set_len(100_000).unwrap();
    }
}

#[test]
fn making_a_torrent_can_be_cancelled() {
    let folder = album_with(&[("a", 100_000)]);
    let cancel = CancellationToken::new();
    let plan = TorrentPlan::scan(&folder.path().join("album"), None).unwrap();
    let result = plan.make(&small_pieces(), &cancel, &mut |_| cancel.cancel());
    assert!(matches!(result, Err(MakeTorrentError::Cancelled)));
}

#[test]
fn default_piece_length_matches_the_native_dialect() {
    assert_eq!(default_piece_length(1), 256 << 10);
    assert_eq!(default_piece_length(4 << 30), 1 << 20);
    assert_eq!(default_piece_length(u64::MAX), 16 << 20);
}
