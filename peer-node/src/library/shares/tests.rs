use super::*;

fn shares() -> ShareSet {
    ShareSet::with_root("/home/me/share".into())
}

fn share(shares: &mut ShareSet, location: &str) -> Result<(), SkipReason> {
    shares.share(Path::new(location), EntryKind::Folder, |_| false)
}

fn is_shared(shares: &ShareSet, location: &str) -> bool {
    let location = Path::new(location);
    shares.containing_share(location).is_some() && !shares.is_excluded(location)
}

fn name_of<'a>(shares: &'a ShareSet, location: &str) -> Option<&'a str> {
    shares.containing_share(Path::new(location)).and_then(|share| share.name).map(SharePath::as_str)
}

#[test]
fn only_the_share_folder_is_shared_at_first() {
    let shares = shares();
    assert!(is_shared(&shares, "/home/me/share/a/b") && is_shared(&shares, "/home/me/share"));
    assert!(!is_shared(&shares, "/home/me/shared") && !is_shared(&shares, "/home/me"));
}

#[test]
fn outside_place_gets_its_own_or_a_free_name() {
    let mut shares = shares();
    share(&mut shares, "/data/movies").unwrap();
    share(&mut shares, "/backup/movies").unwrap();
    assert_eq!(name_of(&shares, "/data/movies/x"), Some("movies"));
    assert_eq!(name_of(&shares, "/backup/movies/x"), Some("movies (1)"));
    let taken = SharePath::parse("x.iso").unwrap();
    shares.share(Path::new("/data/x.iso"), EntryKind::File, |path| *path == taken).unwrap();
    assert_eq!(name_of(&shares, "/data/x.iso"), Some("x (1).iso"));
    // Registering again changes nothing.
    let before = shares.clone();
    share(&mut shares, "/backup/movies").unwrap();
    assert_eq!(shares, before);
}

#[test]
fn outer_folder_absorbs_registered_ones() {
    let mut shares = shares();
    share(&mut shares, "/data/movies/old").unwrap();
    share(&mut shares, "/data/movies/new").unwrap();
    shares.unshare(Path::new("/data/movies/new/bad"));
    share(&mut shares, "/data/movies").unwrap();
    assert_eq!(shares.bases().count(), 2);
    assert_eq!(name_of(&shares, "/data/movies/new/bad"), Some("movies"));
    assert!(is_shared(&shares, "/data/movies/new/bad"));
}

#[test]
fn innermost_exception_decides() {
    let mut shares = shares();
    shares.unshare(Path::new("/home/me/share/a"));
    share(&mut shares, "/home/me/share/a/b").unwrap();
    shares.unshare(Path::new("/home/me/share/a/b/c"));
    assert!(!is_shared(&shares, "/home/me/share/a/x"));
    assert!(is_shared(&shares, "/home/me/share/a/b/x"));
    assert!(!is_shared(&shares, "/home/me/share/a/b/c/x"));
    assert!(!shares.is_fully_excluded(Path::new("/home/me/share/a")));
    assert!(shares.is_fully_excluded(Path::new("/home/me/share/a/b/c")));
    // Sharing the outermost folder removes all exceptions.
    share(&mut shares, "/home/me/share").unwrap();
    assert_eq!(shares, self::shares());
}

#[test]
fn unsharing_an_outside_place_removes_it() {
    let mut shares = shares();
    share(&mut shares, "/data/movies").unwrap();
    shares.unshare(Path::new("/data/movies/old"));
    assert!(is_shared(&shares, "/data/movies/new") && !is_shared(&shares, "/data/movies/old"));
    assert!(shares.has_outside_beneath(Path::new("/data")));
    shares.unshare(Path::new("/data"));
    assert_eq!(shares, self::shares());
}

#[test]
fn unsafe_places_are_refused() {
    let mut shares = shares();
    for location in ["/", "/home", "/home/me"] {
        assert_eq!(share(&mut shares, location), Err(SkipReason::ContainsNode), "{location}");
    }
    for location in ["/home/me/share/.git/x", "/home/me/.ssh/id", "/data/.hidden"] {
        assert_eq!(share(&mut shares, location), Err(SkipReason::Hidden), "{location}");
    }
    let own = "/home/me/share/.peerdex/identity.key";
    assert_eq!(share(&mut shares, own), Err(SkipReason::OwnState));
    for location in ["/data/x.iso.part", "/data/x.iso.part.json"] {
        assert_eq!(share(&mut shares, location), Err(SkipReason::Unfinished), "{location}");
    }
    assert!(matches!(share(&mut shares, "/data/a\nb"), Err(SkipReason::BadName(_))));
    assert_eq!(shares, self::shares());
}

#[test]
fn share_folder_may_be_inside_a_hidden_one() {
    let shares = ShareSet::with_root("/home/me/.local/share".into());
    assert_eq!(shares.check_shareable(Path::new("/home/me/.local/share/x")), Ok(()));
}

#[test]
fn network_path_maps_to_local_places() {
    let mut shares = shares();
    share(&mut shares, "/data/movies").unwrap();
    let places = |path: &str| shares.locations_of(&SharePath::parse(path).unwrap());
    assert_eq!(places("movies/a"), [PathBuf::from("/data/movies/a"), "/home/me/share/movies/a".into()]);
    assert_eq!(places("movies"), [PathBuf::from("/data/movies"), "/home/me/share/movies".into()]);
    assert_eq!(places("moviesx"), [PathBuf::from("/home/me/share/moviesx")]);
}
