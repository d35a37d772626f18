use proptest::prelude::*;

use super::*;

fn read(line: &str) -> ReplCommand {
    parse(line).unwrap().unwrap()
}

fn parse_error(line: &str) -> String {
    parse(line).unwrap_err().to_string()
}

fn numbers(word: &str) -> NumberRanges {
    NumberRanges::parse(word).unwrap().unwrap()
}

fn plain(items: Vec<ContentSelector>) -> DownloadArgs {
    DownloadArgs {
        items,
        destination: None,
        from: None,
        saving: SaveOptions::default(),
        background: false,
        timeout: None,
    }
}

#[test]
fn limits_are_parsed() {
    let rate = |rate| Some(NonZeroU64::new(rate).unwrap());
    assert_eq!(parse("limit"), Ok(Some(ReplCommand::Limit(None))));
    assert_eq!(parse("limit up 10M/s"), Ok(Some(ReplCommand::Limit(Some(LimitChange::Up(rate(10 << 20)))))));
    assert_eq!(parse("limit down off"), Ok(Some(ReplCommand::Limit(Some(LimitChange::Down(None))))));
    assert_eq!(parse("limit peer 1M"), Ok(Some(ReplCommand::Limit(Some(LimitChange::Peer(rate(1 << 20)))))));
    assert_eq!(parse("limit slots 0"), Ok(Some(ReplCommand::Limit(Some(LimitChange::Slots(0))))));
    for wrong in [
        "limit slots",
        "limit slots off",
        "limit slots 99999999",
        "limit up",
        "limit up 0",
        "limit sideways 1M",
        "limit up 1M 2M",
        "limit up fast",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn downloads_are_selected_by_number_or_all() {
    let one = || vec![DownloadRef::Numbers(numbers("1"))];
    assert_eq!(parse("pause all"), Ok(Some(ReplCommand::Pause(DownloadSelector::All))));
    assert_eq!(parse("resume 1"), Ok(Some(ReplCommand::Resume(DownloadSelector::These(one())))));
    assert_eq!(parse("priority 1 high"), Ok(Some(ReplCommand::Priority(one(), Priority::High))));
    for wrong in ["pause", "pause all 1", "resume x", "priority 1", "priority high", "priority 1 highest"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn downloads_are_selected_by_digest_prefix() {
    let digits = |text: &str| vec![DownloadRef::Digits(text.into())];
    assert_eq!(
        read("cancel 9E2260efdf3e"),
        ReplCommand::Cancel(DownloadSelector::These(digits("9e2260efdf3e")))
    );
    assert_eq!(
        read("cancel 123456789012"),
        ReplCommand::Cancel(DownloadSelector::These(digits("123456789012")))
    );
    assert_eq!(
        read("cancel 1234"),
        ReplCommand::Cancel(DownloadSelector::These(vec![DownloadRef::Numbers(numbers("1234"))]))
    );
    assert_eq!(read("pause cafebabe"), ReplCommand::Pause(DownloadSelector::These(digits("cafebabe"))));
}

#[test]
fn finished_transfers_can_be_cleared() {
    assert_eq!(read("transfers"), ReplCommand::Transfers);
    assert_eq!(read("transfers clear"), ReplCommand::ClearTransfers(DownloadSelector::All));
    let these = DownloadSelector::These(vec![DownloadRef::Numbers(numbers("1-3"))]);
    assert_eq!(read("transfers clear 1-3"), ReplCommand::ClearTransfers(these));
    assert!(parse_error("transfers now").contains("unexpected argument: now"));
}

#[test]
fn browse_is_parsed_with_folder_and_all() {
    let browse = |line: &str| match read(line) {
        ReplCommand::Browse(BrowseArgs { peer, folder, all }) => (peer, folder, all),
        other => panic!("{other:?}"),
    };
    assert_eq!(browse("browse 1"), ("1".into(), None, false));
    assert_eq!(browse("browse 1 music/live/"), ("1".into(), Some("music/live".into()), false));
    assert_eq!(browse("browse --all 1 /"), ("1".into(), Some(String::new()), true));
    assert!(parse_error("browse").contains("a peer is missing"));
    assert!(parse_error("browse 1 a b").contains("unexpected argument: b"));
}

#[test]
fn unknown_options_are_rejected() {
    for (line, option) in [
        ("search --json debian", "--json"),
        ("search debian --json", "--json"),
        ("files --json", "--json"),
        ("download 1 --fast", "--fast"),
        ("browse 1 --long", "--long"),
        ("register --what ~", "--what"),
    ] {
        let refused = parse_error(line);
        assert!(refused.contains(&format!("unknown option {option}")), "{line}: {refused}");
    }
    assert_eq!(
        read("get \"--json\""),
        ReplCommand::Download(plain(vec![ContentSelector::Name("--json".into())]))
    );
    assert_eq!(read("search \"--json\""), ReplCommand::Search("\"--json\"".into()));
    assert!(parse_error("search artist:foo").contains("unknown filter artist:"));
}

#[test]
fn digest_prefix_selects_a_file() {
    for (word, item) in [
        ("9e2260efdf3e", ContentSelector::Prefix("9e2260efdf3e".into())),
        ("123456789012", ContentSelector::Prefix("123456789012".into())),
        ("cafebabe", ContentSelector::Prefix("cafebabe".into())),
        ("face", ContentSelector::Name("face".into())),
        ("12345678", ContentSelector::Hits(numbers("12345678"))),
    ] {
        assert_eq!(read(&format!("sources {word}")), ReplCommand::Sources(item), "{word}");
    }
    assert_eq!(read("sources \"cafebabe\""), ReplCommand::Sources(ContentSelector::Name("cafebabe".into())));
}

#[test]
fn blank_lines_and_comments_are_ignored() {
    for line in ["", "  \t", "# search iso", "  #", "\r"] {
        assert_eq!(parse(line), Ok(None), "{line:?}");
    }
}

#[test]
fn searches_keep_their_quotes() {
    assert_eq!(
        read("search \"two words\" ext:iso -x"),
        ReplCommand::Search("\"two words\" ext:iso -x".into())
    );
    assert_eq!(read("query  it's "), ReplCommand::Search("it's".into()));
    assert_eq!(read("search --more"), ReplCommand::More);
    assert!(parse_error("search").contains("does not say what to find"));
    assert!(parse_error("search \"a").contains("not closed"));
}

#[test]
fn downloads_are_parsed_with_all_options() {
    assert_eq!(
        read("get 1 3-5"),
        ReplCommand::Download(plain(vec![
            ContentSelector::Hits(numbers("1")),
            ContentSelector::Hits(numbers("3-5"))
        ]))
    );
    let digest = Digest::EMPTY;
    assert_eq!(
        read(&format!("download {digest}")),
        ReplCommand::Download(plain(vec![ContentSelector::Digest(digest)]))
    );
    assert_eq!(
        read(r#"download "my file.iso" as ~/x.iso"#),
        ReplCommand::Download(DownloadArgs {
            destination: Some("~/x.iso".into()),
            ..plain(vec![ContentSelector::Name("my file.iso".into())])
        })
    );
    assert_eq!(
        read("download music/live// from 127.0.0.1:9 &"),
        ReplCommand::Download(DownloadArgs {
            from: Some("127.0.0.1:9".into()),
            background: true,
            ..plain(vec![ContentSelector::Folder("music/live".into())])
        })
    );
    assert_eq!(
        read("get --link 1 as x --executable"),
        ReplCommand::Download(DownloadArgs {
            destination: Some("x".into()),
            saving: SaveOptions { link: true, executable: true },
            ..plain(vec![ContentSelector::Hits(numbers("1"))])
        })
    );
    let background = DownloadArgs { background: true, ..plain(vec![ContentSelector::Hits(numbers("1"))]) };
    assert_eq!(read("get 1&"), ReplCommand::Download(background.clone()));
    assert_eq!(read("get 1 &"), ReplCommand::Download(background));
}

#[test]
fn quoted_words_are_names() {
    for line in [r#"get "1""#, r"get \1", "get '1'"] {
        assert_eq!(
            read(line),
            ReplCommand::Download(plain(vec![ContentSelector::Name("1".into())])),
            "{line}"
        );
    }
    assert_eq!(read("get 'as'"), ReplCommand::Download(plain(vec![ContentSelector::Name("as".into())])));
    assert_eq!(read(r"get \&"), ReplCommand::Download(plain(vec![ContentSelector::Name("&".into())])));
    assert_eq!(read("get a&"), ReplCommand::Download(plain(vec![ContentSelector::Name("a&".into())])));
    assert_eq!(read("get /"), ReplCommand::Download(plain(vec![ContentSelector::Name("/".into())])));
}

#[test]
fn all_numeric_digest_is_a_digest() {
    let digest = Digest::from_bytes([0x11; 32]);
    assert_eq!(read(&format!("sources {digest}")), ReplCommand::Sources(ContentSelector::Digest(digest)));
}

#[test]
fn usage_errors_show_the_usage() {
    for (line, part) in [
        ("download", "a hit, a digest or a name is missing; usage: download HIT…"),
        ("get as x", "a hit, a digest or a name is missing; usage: get HIT…"),
        ("get 1 as", "a path is missing after as"),
        ("get 1 2 as x", "only a single file"),
        ("get a/ as x", "only a single file"),
        ("get 1 from 2", "only a folder"),
        ("get a/ from", "a peer is missing after from"),
        ("cancel", "a number is missing; usage: cancel N…"),
        ("cancel x", "x is not a number"),
        ("sources", "is missing"),
        ("sources 1 2", "unexpected argument: 2; usage: sources HIT"),
        ("sources a/", "a folder has no sources"),
        ("unregister", "a path is missing"),
        ("files now", "unexpected argument: now; usage: files"),
        ("get 0", "begins at 1"),
        ("get \"a", "not closed"),
        ("serach iso", "unknown command serach; did you mean search?"),
        ("xyzzy", "unknown command xyzzy; see help"),
    ] {
        assert!(parse_error(line).contains(part), "{line}: {}", parse_error(line));
    }
}

#[test]
fn messages_escape_control_characters() {
    assert!(!parse_error("\u{1b}[2J").contains('\u{1b}'));
    assert!(!parse_error("cancel \u{1b}[2J").contains('\u{1b}'));
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
        prop_assume!(!name.trim().is_empty() && NumberRanges::parse(&name).is_none());
        prop_assume!(!name.ends_with('&') && digest_prefix(&name).is_none() && !name.starts_with("--"));
        let line = format!("get {}", crate::frontend::repl::words::escape(&name));
        prop_assert_eq!(parse(&line), Ok(Some(ReplCommand::Download(plain(vec![ContentSelector::Name(name)])))));
    }
}
