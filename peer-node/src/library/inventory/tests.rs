use super::*;

fn identity(version: i64) -> FileIdentity {
    FileIdentity { dev: 1, ino: 7, size: 10, mtime_ns: version, ctime_ns: version }
}

fn found(location: &str, path: &str, version: i64) -> Found {
    let path = SharePath::parse(path).unwrap();
    Found { location: location.into(), path, identity: identity(version) }
}

fn confirm(inventory: &mut Inventory, location: &str, version: i64) -> Option<Arc<SharedFile>> {
    let digest = Digest::from_bytes([u8::try_from(version).unwrap(); 32]);
    inventory.confirm(Path::new(location), identity(version), digest, SystemTime::UNIX_EPOCH)
}

fn listed(inventory: &Inventory) -> Vec<String> {
    inventory.listing().iter().map(|file| file.path.as_str().to_owned()).collect()
}

#[test]
fn a_file_is_listed_once_it_is_hashed_and_until_it_changes() {
    let mut inventory = Inventory::default();
    assert_eq!(inventory.observe(found("/s/a", "a", 1), 1), Verdict::Wanted);
    assert!(listed(&inventory).is_empty());
    assert!(confirm(&mut inventory, "/s/a", 1).is_some());
    assert_eq!(listed(&inventory), ["a"]);
    assert_eq!(inventory.observe(found("/s/a", "a", 1), 2), Verdict::Known);
    let before = inventory.revision();
    assert_eq!(inventory.observe(found("/s/a", "a", 2), 3), Verdict::Wanted);
    assert!(listed(&inventory).is_empty() && inventory.revision() > before);
}

#[test]
fn a_digest_of_an_older_state_is_not_taken() {
    let mut inventory = Inventory::default();
    inventory.observe(found("/s/a", "a", 1), 1);
    inventory.observe(found("/s/a", "a", 2), 2);
    assert!(confirm(&mut inventory, "/s/a", 1).is_none());
    assert!(confirm(&mut inventory, "/s/b", 1).is_none());
    assert!(listed(&inventory).is_empty());
}

#[test]
fn no_two_files_have_one_name_and_a_name_stays() {
    let mut inventory = Inventory::default();
    for (location, version) in [("/s/x.iso", 1), ("/data/x.iso", 2), ("/backup/x.iso", 3)] {
        inventory.observe(found(location, "x.iso", version), 1);
        confirm(&mut inventory, location, version).unwrap();
    }
    assert_eq!(listed(&inventory), ["x (1).iso", "x (2).iso", "x.iso"]);
    inventory.remove(Path::new("/s/x.iso")).unwrap();
    assert_eq!(inventory.observe(found("/data/x.iso", "x.iso", 2), 2), Verdict::Known);
    assert_eq!(listed(&inventory), ["x (1).iso", "x (2).iso"]);
}

#[test]
fn a_file_whose_place_is_renamed_is_named_anew() {
    let mut inventory = Inventory::default();
    inventory.observe(found("/data/m/old/x", "old/x", 1), 1);
    confirm(&mut inventory, "/data/m/old/x", 1).unwrap();
    assert_eq!(inventory.observe(found("/data/m/old/x", "m/old/x", 1), 2), Verdict::Wanted);
    confirm(&mut inventory, "/data/m/old/x", 1).unwrap();
    assert_eq!(listed(&inventory), ["m/old/x"]);
}

#[test]
fn what_a_scan_did_not_see_is_swept_from_its_place_only() {
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
fn a_doubted_file_is_hidden_until_it_is_confirmed() {
    let mut inventory = Inventory::default();
    inventory.observe(found("/s/a", "a", 1), 1);
    confirm(&mut inventory, "/s/a", 1).unwrap();
    assert_eq!(inventory.doubt(Path::new("/s/a")), Some(identity(1)));
    assert!(listed(&inventory).is_empty());
    confirm(&mut inventory, "/s/a", 1).unwrap();
    assert_eq!(listed(&inventory), ["a"]);
}

#[test]
fn names_of_files_and_of_folders_are_taken() {
    let mut inventory = Inventory::default();
    inventory.observe(found("/s/movies/x", "movies/x", 1), 1);
    inventory.observe(found("/s/movies-old", "movies-old", 2), 1);
    let taken = |path: &str| inventory.is_taken(&SharePath::parse(path).unwrap());
    assert!(taken("movies") && taken("movies/x") && taken("movies-old"));
    assert!(!taken("movie") && !taken("movies/y") && !taken("x"));
    let place = inventory.location_of(&SharePath::parse("movies/x").unwrap());
    assert_eq!(place, Some("/s/movies/x".into()));
}
