use proptest::prelude::*;

use super::*;

fn read(line: &str) -> Command {
    parse(line).unwrap().unwrap()
}

fn refused(line: &str) -> String {
    parse(line).unwrap_err().to_string()
}

fn numbers(word: &str) -> Numbers {
    Numbers::parse(word).unwrap().unwrap()
}

fn plain(items: Vec<Item>) -> Order {
    Order {
        items,
        destination: None,
        from: None,
        saving: Saving::default(),
        background: false,
        timeout: None,
    }
}

#[test]
fn limits_are_read() {
    let rate = |rate| Some(NonZeroU64::new(rate).unwrap());
    assert_eq!(parse("limit"), Ok(Some(Command::Limit(None))));
    assert_eq!(parse("limit up 10M/s"), Ok(Some(Command::Limit(Some((Direction::Up, rate(10 << 20)))))));
    assert_eq!(parse("limit down off"), Ok(Some(Command::Limit(Some((Direction::Down, None))))));
    for wrong in ["limit up", "limit up 0", "limit sideways 1M", "limit up 1M 2M", "limit up fast"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn downloads_are_chosen_by_numbers_or_all_together() {
    let one = || vec![Which::Numbers(numbers("1"))];
    assert_eq!(parse("pause all"), Ok(Some(Command::Pause(Chosen::All))));
    assert_eq!(parse("resume 1"), Ok(Some(Command::Resume(Chosen::These(one())))));
    assert_eq!(parse("priority 1 high"), Ok(Some(Command::Priority(one(), Priority::High))));
    for wrong in ["pause", "pause all 1", "resume x", "priority 1", "priority high", "priority 1 highest"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn downloads_are_chosen_by_the_beginning_of_their_digest() {
    let digits = |text: &str| vec![Which::Digits(text.into())];
    assert_eq!(read("cancel 9E2260efdf3e"), Command::Cancel(Chosen::These(digits("9e2260efdf3e"))));
    assert_eq!(read("cancel 123456789012"), Command::Cancel(Chosen::These(digits("123456789012"))));
    assert_eq!(read("cancel 1234"), Command::Cancel(Chosen::These(vec![Which::Numbers(numbers("1234"))])));
    assert_eq!(read("pause cafebabe"), Command::Pause(Chosen::These(digits("cafebabe"))));
}

#[test]
fn transfers_that_are_over_can_be_cleared() {
    assert_eq!(read("transfers"), Command::Transfers);
    assert_eq!(read("transfers clear"), Command::ClearTransfers(Chosen::All));
    let these = Chosen::These(vec![Which::Numbers(numbers("1-3"))]);
    assert_eq!(read("transfers clear 1-3"), Command::ClearTransfers(these));
    assert!(refused("transfers now").contains("unexpected argument: now"));
}

#[test]
fn a_peer_is_browsed_folder_by_folder() {
    let browse = |line: &str| match read(line) {
        Command::Browse(Browse { peer, folder, all }) => (peer, folder, all),
        other => panic!("{other:?}"),
    };
    assert_eq!(browse("browse 1"), ("1".into(), None, false));
    assert_eq!(browse("browse 1 music/live/"), ("1".into(), Some("music/live".into()), false));
    assert_eq!(browse("browse --all 1 /"), ("1".into(), Some(String::new()), true));
    assert!(refused("browse").contains("a peer is missing"));
    assert!(refused("browse 1 a b").contains("unexpected argument: b"));
}

#[test]
fn options_that_do_not_exist_are_refused() {
    for (line, option) in [
        ("search --json debian", "--json"),
        ("search debian --json", "--json"),
        ("files --json", "--json"),
        ("download 1 --fast", "--fast"),
        ("browse 1 --long", "--long"),
        ("register --what ~", "--what"),
    ] {
        let refused = refused(line);
        assert!(refused.contains(&format!("unknown option {option}")), "{line}: {refused}");
    }
    assert_eq!(read("get \"--json\""), Command::Download(plain(vec![Item::Name("--json".into())])));
    assert_eq!(read("search \"--json\""), Command::Search("\"--json\"".into()));
    assert!(refused("search artist:foo").contains("unknown filter artist:"));
}

#[test]
fn the_beginning_of_a_digest_names_a_content() {
    for (word, item) in [
        ("9e2260efdf3e", Item::Prefix("9e2260efdf3e".into())),
        ("123456789012", Item::Prefix("123456789012".into())),
        ("cafebabe", Item::Prefix("cafebabe".into())),
        ("face", Item::Name("face".into())),
        ("12345678", Item::Hits(numbers("12345678"))),
    ] {
        assert_eq!(read(&format!("sources {word}")), Command::Sources(item), "{word}");
    }
    assert_eq!(read("sources \"cafebabe\""), Command::Sources(Item::Name("cafebabe".into())));
}

#[test]
fn blank_lines_and_comments_are_nothing() {
    for line in ["", "  \t", "# search iso", "  #", "\r"] {
        assert_eq!(parse(line), Ok(None), "{line:?}");
    }
}

#[test]
fn searches_keep_their_quotes() {
    assert_eq!(read("search \"two words\" ext:iso -x"), Command::Search("\"two words\" ext:iso -x".into()));
    assert_eq!(read("query  it's "), Command::Search("it's".into()));
    assert_eq!(read("search --more"), Command::More);
    assert!(refused("search").contains("does not say what to find"));
    assert!(refused("search \"a").contains("not closed"));
}

#[test]
fn downloads_are_read_with_all_that_belongs_to_them() {
    assert_eq!(
        read("get 1 3-5"),
        Command::Download(plain(vec![Item::Hits(numbers("1")), Item::Hits(numbers("3-5"))]))
    );
    let digest = Digest::OF_NOTHING;
    assert_eq!(read(&format!("download {digest}")), Command::Download(plain(vec![Item::Digest(digest)])));
    assert_eq!(
        read(r#"download "my file.iso" as ~/x.iso"#),
        Command::Download(Order {
            destination: Some("~/x.iso".into()),
            ..plain(vec![Item::Name("my file.iso".into())])
        })
    );
    assert_eq!(
        read("download music/live// from 127.0.0.1:9 &"),
        Command::Download(Order {
            from: Some("127.0.0.1:9".into()),
            background: true,
            ..plain(vec![Item::Folder("music/live".into())])
        })
    );
    assert_eq!(
        read("get --link 1 as x --executable"),
        Command::Download(Order {
            destination: Some("x".into()),
            saving: Saving { link: true, executable: true },
            ..plain(vec![Item::Hits(numbers("1"))])
        })
    );
    let background = Order { background: true, ..plain(vec![Item::Hits(numbers("1"))]) };
    assert_eq!(read("get 1&"), Command::Download(background.clone()));
    assert_eq!(read("get 1 &"), Command::Download(background));
}

#[test]
fn quoted_words_are_names() {
    for line in [r#"get "1""#, r"get \1", "get '1'"] {
        assert_eq!(read(line), Command::Download(plain(vec![Item::Name("1".into())])), "{line}");
    }
    assert_eq!(read("get 'as'"), Command::Download(plain(vec![Item::Name("as".into())])));
    assert_eq!(read(r"get \&"), Command::Download(plain(vec![Item::Name("&".into())])));
    assert_eq!(read("get a&"), Command::Download(plain(vec![Item::Name("a&".into())])));
    assert_eq!(read("get /"), Command::Download(plain(vec![Item::Name("/".into())])));
}

#[test]
fn a_digest_of_digits_alone_is_one() {
    let digest = Digest::from_bytes([0x11; 32]);
    assert_eq!(read(&format!("sources {digest}")), Command::Sources(Item::Digest(digest)));
}

#[test]
fn what_is_missing_or_too_much_is_told_with_the_usage() {
    for (line, part) in [
        ("download", "what to fetch is missing; usage: download HIT…"),
        ("get as x", "what to fetch is missing; usage: get HIT…"),
        ("get 1 as", "a path is missing behind as"),
        ("get 1 2 as x", "only a single file"),
        ("get a/ as x", "only a single file"),
        ("get 1 from 2", "only a folder"),
        ("get a/ from", "a peer is missing behind from"),
        ("cancel", "a number is missing; usage: cancel N…"),
        ("cancel x", "x is not a number"),
        ("sources", "is missing"),
        ("sources 1 2", "unexpected argument: 2; usage: sources HIT"),
        ("sources a/", "a folder has no sources"),
        ("unregister", "a path is missing"),
        ("files now", "unexpected argument: now; usage: files"),
        ("get 0", "begins at 1"),
        ("get \"a", "not closed"),
        ("serach iso", "there is no command serach; did you mean search?"),
        ("xyzzy", "there is no command xyzzy; see help"),
    ] {
        assert!(refused(line).contains(part), "{line}: {}", refused(line));
    }
}

#[test]
fn a_message_shows_no_control_characters() {
    assert!(!refused("\u{1b}[2J").contains('\u{1b}'));
    assert!(!refused("cancel \u{1b}[2J").contains('\u{1b}'));
}

proptest! {
    #[test]
    fn no_line_panics_the_parser(
        line in any::<String>(),
        near in "(get|download|search|cancel|help|sources|register) [-0-9a-z\"'\\\\/& ]{0,40}",
    ) {
        let _ = parse(&line);
        let _ = parse(&near);
    }

    #[test]
    fn an_escaped_name_is_fetched_by_that_name(name in "[^/]{1,20}") {
        prop_assume!(!name.trim().is_empty() && Numbers::parse(&name).is_none());
        prop_assume!(!name.ends_with('&') && digits(&name).is_none() && !name.starts_with("--"));
        let line = format!("get {}", crate::repl::words::escape(&name));
        prop_assert_eq!(parse(&line), Ok(Some(Command::Download(plain(vec![Item::Name(name)])))));
    }
}
