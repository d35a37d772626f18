use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn identity(version: i64) -> FileIdentity {
    FileIdentity { dev: 1, ino: 7, size: 10, mtime_ns: version, ctime_ns: version }
}

fn found(location: &str, path: &str, version: i64) -> ScannedFile {
    let path = SharePath::parse(path).unwrap();
    ScannedFile { location: location.into(), path, identity: identity(version) }
}

fn confirm(inventory: &mut Inventory, location: &str, version: i64) -> Option<Arc<SharedFile>> {
    let digest = Digest::from_bytes([u8::try_from(version).unwrap(); 32]);
    inventory.confirm(Path::new(location), identity(version), digest, SystemTime::UNIX_EPOCH)
}

fn listed(inventory: &Inventory) -> Vec<String> {
    inventory.listing().iter().map(|file| file.path.as_str().to_owned()).collect()
}

#[test]
fn file_is_listed_from_hashing_until_it_changes() {
    let mut inventory = Inventory::default();
    assert_eq!(inventory.observe(found("/s/a", "a", 1), 1), Observation::NeedsHash);
    assert!(listed(&inventory).is_empty());
    assert!(confirm(&mut inventory, "/s/a", 1).is_some());
    assert_eq!(listed(&inventory), ["a"]);
    assert_eq!(inventory.observe(found("/s/a", "a", 1), 2), Observation::Known);
    let before = inventory.revision();
    assert_eq!(inventory.observe(found("/s/a", "a", 2), 3), Observation::NeedsHash);
    assert!(listed(&inventory).is_empty() && inventory.revision() > before);
}

#[test]
fn stale_digest_is_ignored() {
    let mut inventory = Inventory::default();
    inventory.observe(found("/s/a", "a", 1), 1);
    inventory.observe(found("/s/a", "a", 2), 2);
    assert!(confirm(&mut inventory, "/s/a", 1).is_none());
    assert!(confirm(&mut inventory, "/s/b", 1).is_none());
    assert!(listed(&inventory).is_empty());
}

#[test]
fn names_are_unique_and_stable() {
    let mut inventory = Inventory::default();
    for (location, version) in [("/s/x.iso", 1), ("/data/x.iso", 2), ("/backup/x.iso", 3)] {
        inventory.observe(found(location, "x.iso", version), 1);
        confirm(&mut inventory, location, version).unwrap();
    }
    assert_eq!(listed(&inventory), ["x (1).iso", "x (2).iso", "x.iso"]);
    inventory.remove(Path::new("/s/x.iso")).unwrap();
    assert_eq!(inventory.observe(found("/data/x.iso", "x.iso", 2), 2), Observation::Known);
    assert_eq!(listed(&inventory), ["x (1).iso", "x (2).iso"]);
}

#[test]
fn file_in_renamed_place_gets_a_new_name() {
    let mut inventory = Inventory::default();
    inventory.observe(found("/data/m/old/x", "old/x", 1), 1);
    confirm(&mut inventory, "/data/m/old/x", 1).unwrap();
    assert_eq!(inventory.observe(found("/data/m/old/x", "m/old/x", 1), 2), Observation::NeedsHash);
    confirm(&mut inventory, "/data/m/old/x", 1).unwrap();
    assert_eq!(listed(&inventory), ["m/old/x"]);
}

#[test]
fn sweep_removes_unseen_files_of_its_place_only() {
    let mut inventory = Inventory::default();
    for name in ["a/1", "a/2", "a.b", "b/1"] {
        inventory.observe(found(&format!("/s/{name}"), name, 1), 1);
        confirm(&mut inventory, &format!("/s/{name}"), 1).unwrap();
    }
    inventory.observe(found("/s/a/2", "a/2", 1), 2);
    assert_eq!(inventory.sweep(Path::new("/s/a"), 2), [PathBuf::from("/s/a/1")]);
    assert_eq!(listed(&inventory), ["a.b", "a/2", "b/1"]);
    assert!(inventory.has_beneath(Path::new("/s/a")) && !inventory.has_beneath(Path::new("/s/c")));
    assert_eq!(inventory.listed_beneath(Path::new("/s")).count(), 3);
}

#[test]
fn invalidated_file_is_hidden_until_confirmed() {
    let mut inventory = Inventory::default();
    inventory.observe(found("/s/a", "a", 1), 1);
    confirm(&mut inventory, "/s/a", 1).unwrap();
    assert_eq!(inventory.invalidate(Path::new("/s/a")), Some(identity(1)));
    assert!(listed(&inventory).is_empty());
    confirm(&mut inventory, "/s/a", 1).unwrap();
    assert_eq!(listed(&inventory), ["a"]);
}

#[test]
fn file_and_folder_names_are_taken() {
    let mut inventory = Inventory::default();
    inventory.observe(found("/s/movies/x", "movies/x", 1), 1);
    inventory.observe(found("/s/movies-old", "movies-old", 2), 1);
    let taken = |path: &str| inventory.is_taken(&SharePath::parse(path).unwrap());
    assert!(taken("movies") && taken("movies/x") && taken("movies-old"));
    assert!(!taken("movie") && !taken("movies/y") && !taken("x"));
    let place = inventory.location_of(&SharePath::parse("movies/x").unwrap());
    assert_eq!(place, Some("/s/movies/x".into()));
}

/// Changes one of many shared files; returns the time that this and the new listing took, and how many items were copied.
fn change_one_of(files: u32) -> (Duration, usize) {
    let mut inventory = Inventory::default();
    let path = |number: u32| format!("folder {:04}/{number:07}.flac", number / 200);
    for number in 0..files {
        let location = format!("/s/{}", path(number));
        inventory.observe(found(&location, &path(number), 1), 1);
        let digest = protocol::sha256::sha256(&number.to_be_bytes());
        inventory.confirm(Path::new(&location), identity(1), digest, SystemTime::UNIX_EPOCH).unwrap();
    }
    let before = inventory.listing();
    let (changed, began) = (format!("/s/{}", path(files / 2)), Instant::now());
    inventory.observe(found(&changed, &path(files / 2), 2), 2);
    confirm(&mut inventory, &changed, 2).unwrap();
    let after = inventory.listing();
    let took = began.elapsed();
    assert_eq!((before.len(), after.len()), (files as usize, files as usize));
    (took, after.unshared_len(&before))
}

#[test]
fn one_change_copies_little_of_the_listing() {
    let (_, copied) = change_one_of(20_000);
    assert!(copied <= 4 * 513, "{copied} items copied");
}

#[test]
#[ignore = "a measurement: cargo test --release -p peer-node --lib a_million_files -- --ignored --nocapture"]
fn change_among_a_million_files_is_measured() {
    let (took, copied) = change_one_of(1_000_000);
    println!("one change among 1,000,000 shared files: {took:?}, {copied} list items copied");
}

/// The events of one file. Some files compete for the same name.
#[derive(Debug, Clone)]
enum InventoryEvent {
    Seen { version: i64 },
    Hashed { version: i64 },
    Invalidated,
    Removed,
    Swept,
}

fn event() -> impl Strategy<Value = InventoryEvent> {
    prop_oneof![
        4 => (1..4_i64).prop_map(|version| InventoryEvent::Seen { version }),
        4 => (1..4_i64).prop_map(|version| InventoryEvent::Hashed { version }),
        1 => Just(InventoryEvent::Invalidated),
        1 => Just(InventoryEvent::Removed),
        1 => Just(InventoryEvent::Swept),
    ]
}

proptest! {
    #[test]
    fn file_is_listed_only_while_its_hash_is_current(
        events in prop::collection::vec((0..6_usize, event()), 0..60),
    ) {
        let places = ["/s/x", "/s/y", "/s/d/x", "/data/x", "/data/d/x", "/backup/x"];
        let preferred = ["x", "y", "d/x", "x", "d/x", "x"];
        let mut inventory = Inventory::default();
        // The last seen version of each file, and whether it was hashed.
        let mut model: HashMap<usize, (i64, bool)> = HashMap::new();
        for (scan, (file, event)) in (1..).zip(events) {
            let place = Path::new(places[file]);
            match event {
                InventoryEvent::Seen { version } => {
                    inventory.observe(found(places[file], preferred[file], version), scan);
                    let state = model.entry(file).or_insert((version, false));
                    *state = (version, state.1 && state.0 == version);
                }
                InventoryEvent::Hashed { version } => {
                    confirm(&mut inventory, places[file], version);
                    if let Some(state) = model.get_mut(&file).filter(|state| state.0 == version) {
                        state.1 = true;
                    }
                }
                InventoryEvent::Invalidated => {
                    inventory.invalidate(place);
                    model.entry(file).and_modify(|state| state.1 = false);
                }
                InventoryEvent::Removed => {
                    inventory.remove(place);
                    model.remove(&file);
                }
                InventoryEvent::Swept => {
                    inventory.sweep(place, scan);
                    model.remove(&file);
                }
            }
            let listing = inventory.listing();
            let listed: BTreeMap<&Path, i64> =
                listing.iter().map(|file| (file.location.as_path(), file.identity.mtime_ns)).collect();
            let expected = model.iter().filter(|(_, state)| state.1);
            let expected = expected.map(|(file, state)| (Path::new(places[*file]), state.0)).collect();
            prop_assert_eq!(listed, expected);
            prop_assert!(listing.iter().is_sorted_by(|a, b| a.path < b.path));
            prop_assert_eq!(inventory.len(), model.len());
        }
    }
}
