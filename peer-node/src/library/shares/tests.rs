use super::*;

fn shares() -> Shares {
    Shares::of_root("/home/me/share".into())
}

fn share(shares: &mut Shares, location: &str) -> Result<(), SkipReason> {
    shares.share(Path::new(location), NameOf::Folder, |_| false)
}

fn is_shared(shares: &Shares, location: &str) -> bool {
    let location = Path::new(location);
    shares.cover(location).is_some() && !shares.is_excluded(location)
}

fn name_of<'a>(shares: &'a Shares, location: &str) -> Option<&'a str> {
    shares.cover(Path::new(location)).and_then(|cover| cover.name).map(SharePath::as_str)
}

#[test]
fn the_share_folder_is_shared_and_nothing_else() {
    let shares = shares();
    assert!(is_shared(&shares, "/home/me/share/a/b") && is_shared(&shares, "/home/me/share"));
    assert!(!is_shared(&shares, "/home/me/shared") && !is_shared(&shares, "/home/me"));
}

#[test]
fn what_is_registered_outside_gets_its_own_name_or_a_free_one() {
    let mut shares = shares();
    share(&mut shares, "/data/movies").unwrap();
    share(&mut shares, "/backup/movies").unwrap();
    assert_eq!(name_of(&shares, "/data/movies/x"), Some("movies"));
    assert_eq!(name_of(&shares, "/backup/movies/x"), Some("movies (1)"));
    let taken = SharePath::parse("x.iso").unwrap();
    shares.share(Path::new("/data/x.iso"), NameOf::File, |path| *path == taken).unwrap();
    assert_eq!(name_of(&shares, "/data/x.iso"), Some("x (1).iso"));
    // Once more changes nothing.
    let before = shares.clone();
    share(&mut shares, "/backup/movies").unwrap();
    assert_eq!(shares, before);
}

#[test]
fn a_folder_around_registered_ones_takes_them_in() {
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
fn the_nearest_exception_decides() {
    let mut shares = shares();
    shares.unshare(Path::new("/home/me/share/a"));
    share(&mut shares, "/home/me/share/a/b").unwrap();
    shares.unshare(Path::new("/home/me/share/a/b/c"));
    assert!(!is_shared(&shares, "/home/me/share/a/x"));
    assert!(is_shared(&shares, "/home/me/share/a/b/x"));
    assert!(!is_shared(&shares, "/home/me/share/a/b/c/x"));
    assert!(!shares.is_excluded_whole(Path::new("/home/me/share/a")));
    assert!(shares.is_excluded_whole(Path::new("/home/me/share/a/b/c")));
    // The outermost takes all of them back.
    share(&mut shares, "/home/me/share").unwrap();
    assert_eq!(shares, self::shares());
}

#[test]
fn unsharing_a_place_outside_forgets_it() {
    let mut shares = shares();
    share(&mut shares, "/data/movies").unwrap();
    shares.unshare(Path::new("/data/movies/old"));
    assert!(is_shared(&shares, "/data/movies/new") && !is_shared(&shares, "/data/movies/old"));
    assert!(shares.has_outside_beneath(Path::new("/data")));
    shares.unshare(Path::new("/data"));
    assert_eq!(shares, self::shares());
}

#[test]
fn folders_around_the_node_hidden_ones_and_its_state_are_refused() {
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
fn a_share_folder_may_itself_lie_in_a_hidden_one() {
    let shares = Shares::of_root("/home/me/.local/share".into());
    assert_eq!(shares.may_share(Path::new("/home/me/.local/share/x")), Ok(()));
}

#[test]
fn a_path_on_the_network_stands_for_places() {
    let mut shares = shares();
    share(&mut shares, "/data/movies").unwrap();
    let places = |path: &str| shares.places_of(&SharePath::parse(path).unwrap());
    assert_eq!(places("movies/a"), [PathBuf::from("/data/movies/a"), "/home/me/share/movies/a".into()]);
    assert_eq!(places("movies"), [PathBuf::from("/data/movies"), "/home/me/share/movies".into()]);
    assert_eq!(places("moviesx"), [PathBuf::from("/home/me/share/moviesx")]);
}
