use protocol::manifest::ManifestBuilder;

use super::*;

fn manifest(size: usize, fill: u8) -> Arc<Manifest> {
    let mut builder = ManifestBuilder::new(size as u64).unwrap();
    builder.update(&vec![fill; size]);
    Arc::new(builder.finish().unwrap())
}

fn store(folder: &tempfile::TempDir) -> ManifestStore {
    ManifestStore::new(folder.path().to_owned())
}

fn load(store: &ManifestStore, manifest: &Manifest) -> Option<Arc<Manifest>> {
    match store.load(manifest.digest(), manifest.geometry().size()).unwrap() {
        LoadedManifest::Checked(manifest) => Some(manifest),
        LoadedManifest::Unchecked(manifest) => panic!("{} has no checksum", manifest.digest()),
        LoadedManifest::Missing => None,
    }
}

#[test]
fn manifests_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let kept = manifest(700_000, 1);
    store(&folder).save(&kept).unwrap();
    assert_eq!(fs::metadata(folder.path().join(kept.digest().to_string())).unwrap().len(), 64 + 40);
    assert_eq!(load(&store(&folder), &kept), Some(kept));
    assert_eq!(load(&store(&folder), &manifest(700_000, 2)), None);
}

#[test]
fn single_piece_content_needs_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for size in [0, 1, 256 << 10] {
        let kept = manifest(size, 1);
        assert_eq!(load(&store(&folder), &kept), Some(Arc::clone(&kept)), "{size}");
        store(&folder).save(&kept).unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn manifest_of_wrong_length_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let kept = manifest(700_000, 1);
    for length in [0, 1, 32, 63, 65, 104, 105] {
        fs::write(folder.path().join(kept.digest().to_string()), vec![0; length]).unwrap();
        assert_eq!(load(&store(&folder), &kept), None, "{length}");
        store(&folder).save(&kept).unwrap();
        assert_eq!(load(&store(&folder), &kept).as_ref(), Some(&kept), "{length}");
    }
}

#[test]
fn unneeded_and_partial_files_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, unneeded) = (manifest(700_000, 1), manifest(700_000, 2));
    let store = store(&folder);
    store.save(&kept).unwrap();
    store.save(&unneeded).unwrap();
    fs::write(folder.path().join("17.new"), b"half").unwrap();
    store.clean().unwrap();
    assert_eq!(store.retain(|| HashSet::from([kept.digest()])).unwrap(), 1);
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [kept.digest().to_string().as_str()]);
}

#[test]
fn memory_cache_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let geometry = Geometry::for_native(1 << 30).unwrap();
    for number in 0..MAX_CACHED + 50 {
        let digest = Digest::from_bytes([u8::try_from(number % 256).unwrap(); 32]);
        let states = vec![protocol::sha256::Sha256State::INITIAL; 4095];
        let manifest = Arc::new(Manifest::from_states(digest, geometry, states).unwrap());
        store.cache(CachedManifest { manifest, is_checked: true, is_written: true });
    }
    let total: usize = store.recent.lock().iter().map(|kept| size_of_val(kept.manifest.states())).sum();
    assert!(total <= MAX_CACHED_BYTES && total > MAX_CACHED_BYTES / 2, "{total}");
}

#[test]
fn damaged_manifest_is_removed_old_one_is_unchecked() {
    let folder = tempfile::tempdir().unwrap();
    let kept = manifest(700_000, 1);
    let (digest, size) = (kept.digest(), kept.geometry().size());
    let path = folder.path().join(digest.to_string());
    fs::write(&path, kept.state_bytes()).unwrap();
    let old = store(&folder);
    assert_eq!(old.load(digest, size).unwrap(), LoadedManifest::Unchecked(Arc::clone(&kept)));
    assert!(!old.has(digest, size));
    old.save(&kept).unwrap();
    assert_eq!(load(&old, &kept).as_ref(), Some(&kept));
    let mut damaged = fs::read(&path).unwrap();
    damaged[40] ^= 1;
    fs::write(&path, damaged).unwrap();
    assert_eq!(load(&store(&folder), &kept), None);
    assert!(!path.exists());
}

#[test]
fn unwritable_manifest_is_cached_and_written_later() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("manifests");
    let (store, kept) = (ManifestStore::new(folder.clone()), manifest(700_000, 1));
    let error = store.save(&kept).unwrap_err().to_string();
    assert!(error.contains("/manifests: "), "{error}");
    assert_eq!(load(&store, &kept).as_ref(), Some(&kept));
    assert!(store.write_cached(false).is_err());
    fs::create_dir(&folder).unwrap();
    store.write_cached(false).unwrap();
    assert_eq!(load(&ManifestStore::new(folder.clone()), &kept).as_ref(), Some(&kept));
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    store.write_cached(true).unwrap();
    assert_eq!(load(&ManifestStore::new(folder), &kept).as_ref(), Some(&kept));
}
