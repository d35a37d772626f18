use std::fs;
use std::io::Read;

use protocol::manifest::{Manifest, ManifestBuilder};

use super::super::OpenError;
use super::*;

fn manifest(content: &[u8]) -> Arc<Manifest> {
    let mut builder = ManifestBuilder::new(content.len() as u64).unwrap();
    builder.update(content);
    Arc::new(builder.finish().unwrap())
}

#[tokio::test]
async fn shared_file_opens_by_digest() {
    let home = LibraryHome::new();
    home.write("share/a", "content");
    let running = home.open_settled().await;
    let open = running.library.open_file(&sha256(b"content")).unwrap();
    let mut content = String::new();
    (&*open.file).read_to_string(&mut content).unwrap();
    assert_eq!((content.as_str(), open.size, open.is_unchanged()), ("content", 7, true));
    assert!(matches!(running.library.open_file(&sha256(b"other")), Err(OpenError::NotShared)));
}

#[tokio::test]
async fn changed_file_is_not_served_and_is_rescanned() {
    let mut home = LibraryHome::new();
    // A long debounce time, so that only opening the file detects the change.
    home.timing.debounce_time = Duration::from_secs(1);
    home.write("share/a", "content");
    home.write("share/copy", "content");
    let running = home.open_settled().await;
    home.write("share/a", "changed");
    // The other copy is served instead.
    assert!(running.library.open_file(&sha256(b"content")).is_ok());
    fs::remove_file(home.at("share/copy")).unwrap();
    assert!(matches!(
        running.library.open_file(&sha256(b"content")),
        Err(OpenError::Changed | OpenError::Missing)
    ));
    running.wait_for_files(|files| files.len() == 1 && files[0].digest == sha256(b"changed")).await;
}

#[tokio::test]
async fn rechecked_file_is_rescanned() {
    let home = LibraryHome::new();
    home.write("share/a", "content");
    let running = home.open_settled().await;
    running
        .library
        .context
        .watcher
        .set_shares(Arc::new(super::super::shares::ShareSet::with_root("/nowhere".into())));
    home.write("share/a", "changed");
    running.library.recheck(&sha256(b"content"));
    running.wait_for_files(|files| files.len() == 1 && files[0].digest == sha256(b"changed")).await;
}

#[tokio::test]
async fn lost_manifests_are_rebuilt() {
    let home = LibraryHome::new();
    let content = vec![3; 1_000_000];
    home.write("share/a", &content);
    let digest = sha256(&content);
    home.open_settled().await.stop().await;
    let file = home.at("share/.peerdex/manifests").join(digest.to_string());
    assert!(fs::read(&file).unwrap().starts_with(&manifest(&content).state_bytes()));
    fs::remove_file(&file).unwrap();

    let running = home.open_settled().await;
    assert_eq!(running.library.manifest(&digest).unwrap(), None);
    let mut changes = running.library.generation();
    let found = async {
        loop {
            if let Some(found) = running.library.manifest(&digest).unwrap() {
                return found;
            }
            changes.changed().await.unwrap();
        }
    };
    assert_eq!(tokio::time::timeout(TIMEOUT, found).await.unwrap(), manifest(&content));
    assert_eq!(running.library.manifest(&sha256(b"unknown")).unwrap(), None);
}

/// Adopts a download with its current identity.
async fn adopt(
    running: &RunningLibrary,
    path: PathBuf,
    manifest: Arc<Manifest>,
) -> Result<SharedFile, LibraryError> {
    let nothing = FileIdentity { dev: 0, ino: 0, size: 0, mtime_ns: 0, ctime_ns: 0 };
    let identity = open_regular(&path).ok().flatten().map_or(nothing, |(_, identity)| identity);
    running.library.adopt(path, identity, manifest).await
}

#[tokio::test]
async fn replaced_download_is_refused() {
    let home = LibraryHome::new();
    let running = home.open_settled().await;
    home.write("share/x", "content");
    let (_, verified) = open_regular(&home.at("share/x")).unwrap().unwrap();
    home.write("share/y", "CONTENT");
    std::fs::rename(home.at("share/y"), home.at("share/x")).unwrap();
    let adopted = running.library.adopt(home.at("share/x"), verified, manifest(b"content")).await;
    assert!(matches!(adopted, Err(LibraryError::WrongContent { .. })), "{adopted:?}");
}

#[tokio::test]
async fn download_is_adopted_without_hashing() {
    let home = LibraryHome::new();
    let running = home.open_settled().await;
    // The manifest is of another content, which hashing would reveal.
    let claimed = manifest(&vec![1; 600_000]);
    home.write("share/new/x.iso", vec![2; 600_000]);
    let file = adopt(&running, home.at("share/new/x.iso"), Arc::clone(&claimed)).await.unwrap();
    assert_eq!((file.path.as_str(), file.digest, file.size), ("new/x.iso", claimed.digest(), 600_000));
    assert!(running.library.open_file(&claimed.digest()).is_ok());
    assert_eq!(running.library.manifest(&claimed.digest()).unwrap(), Some(Arc::clone(&claimed)));
    running.library.register(Vec::new()).await.unwrap();
    assert_eq!(running.digest_of("new/x.iso"), claimed.digest());
    running.stop().await;
    let running = home.open_settled().await;
    assert_eq!(running.digest_of("new/x.iso"), claimed.digest());
}

#[tokio::test]
async fn adopted_outside_download_persists() {
    let home = LibraryHome::new();
    let running = home.open_settled().await;
    home.write("downloads/x.iso", "content");
    let file = adopt(&running, home.at("downloads/x.iso"), manifest(b"content")).await.unwrap();
    assert_eq!((file.path.as_str(), file.location), ("x.iso", home.at("downloads/x.iso")));
    running.stop().await;
    assert_eq!(home.open_settled().await.names(), ["x.iso"]);
}

#[tokio::test]
async fn missing_or_different_download_is_refused() {
    let home = LibraryHome::new();
    let running = home.open_settled().await;
    home.write("share/x", "short");
    let refusal = async |path: &str| adopt(&running, home.at(path), manifest(b"content")).await.unwrap_err();
    assert!(matches!(refusal("share/x").await, LibraryError::WrongContent { .. }));
    assert!(matches!(refusal("share").await, LibraryError::WrongContent { .. }));
    assert!(matches!(refusal("none/x").await, LibraryError::NotFound { .. }));
    home.write("share/.hidden/x", "content");
    assert!(matches!(refusal("share/.hidden/x").await, LibraryError::CannotShare { .. }));
}
