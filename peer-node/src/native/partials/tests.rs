use std::task::{Context, Poll, Waker};

use protocol::manifest::ManifestBuilder;
use tokio::sync::Notify;

use super::*;

/// Returns the manifest of a content of `pieces` pieces, all zeros.
fn manifest(pieces: usize) -> Arc<Manifest> {
    let mut builder = ManifestBuilder::new((pieces << 18) as u64).unwrap();
    builder.update(&vec![0; pieces << 18]);
    Arc::new(builder.finish().unwrap())
}

fn publish(partials: &Partials, manifest: &Arc<Manifest>, have: &Bitfield) -> Publication {
    let file = Arc::new(tempfile::tempfile().unwrap());
    let path = SharePath::parse("films/a.mkv").unwrap();
    partials.publish(path, Arc::clone(manifest), file, have).0
}

fn is_notified(bell: &Notify) -> bool {
    std::pin::pin!(bell.notified()).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

#[test]
fn content_is_listed_from_announcement_to_completion() {
    let (partials, manifest) = (Partials::default(), manifest(3));
    let (digest, geometry) = (manifest.digest(), *manifest.geometry());
    let changes = partials.changes();
    let publication = publish(&partials, &manifest, &Bitfield::empty(&geometry));
    assert!(partials.find(&digest).is_some() && partials.records().is_empty());
    publication.add_piece(geometry.piece(2).unwrap());
    let before = *changes.borrow();
    publication.announce();
    assert!(*changes.borrow() > before);
    let partial = partials.find(&digest).unwrap();
    assert!(partial.has(geometry.piece(2).unwrap()) && !partial.has(geometry.piece(0).unwrap()));
    let record = partials.records().remove(0);
    assert_eq!((record.path.as_str(), record.size, record.share), ("films/a.mkv", 3 << 18, Share::Partial));
    assert!(record.check().is_ok());
    let before = *changes.borrow();
    publication.add_piece(geometry.piece(1).unwrap());
    publication.announce();
    assert_eq!(*changes.borrow(), before, "the index is not notified of every piece");
    drop(publication);
    assert!(*changes.borrow() > before);
    assert!(partials.find(&digest).is_none());
    assert_eq!(partial.status(), PartialStatus::Withdrawn);
    assert!(!partial.has(geometry.piece(2).unwrap()));
}

#[test]
fn follower_sees_each_new_piece_once_in_order() {
    let (partials, manifest) = (Partials::default(), manifest(4));
    let piece = |number| manifest.geometry().piece(number).unwrap();
    let mut have = Bitfield::empty(manifest.geometry());
    have.insert(piece(0));
    let publication = publish(&partials, &manifest, &have);
    publication.add_piece(piece(3));
    let partial = partials.find(&manifest.digest()).unwrap();
    let bell = Arc::new(Notify::new());
    let (seen, mut cursor) = partial.follow(&bell);
    assert_eq!((seen.as_bytes(), is_notified(&bell)), (&[0x90][..], false));
    publication.add_piece(piece(3));
    assert!(!is_notified(&bell));
    publication.add_piece(piece(2));
    publication.add_piece(piece(1));
    assert!(is_notified(&bell));
    assert_eq!(partial.read(&mut cursor, 1), [piece(2)]);
    assert_eq!(partial.read(&mut cursor, 9), [piece(1)]);
    assert_eq!(partial.read(&mut cursor, 9), []);
    drop(publication);
    assert!(is_notified(&bell));
    assert_eq!(partial.status(), PartialStatus::Complete);
    assert!(partial.has(piece(2)));
}

#[test]
fn new_publication_outlives_the_old_one() {
    let (partials, manifest) = (Partials::default(), manifest(1));
    let full = Bitfield::full(manifest.geometry());
    let old = publish(&partials, &manifest, &full);
    let new = publish(&partials, &manifest, &full);
    drop(old);
    assert!(partials.find(&manifest.digest()).is_some());
    drop(new);
    assert!(partials.find(&manifest.digest()).is_none());
}
