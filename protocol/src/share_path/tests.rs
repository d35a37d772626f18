use super::*;
use proptest::prelude::*;
use std::path::Path;

fn fault(text: &str) -> ComponentFault {
    match SharePath::parse(text) {
        Err(SharePathError::Component { fault, .. }) => fault,
        other => panic!("{text:?} gave {other:?}"),
    }
}

fn path(text: &str) -> SharePath {
    SharePath::parse(text).unwrap()
}

#[test]
fn plain_names_are_accepted() {
    let deep = ["a"; MAX_PATH_DEPTH].join("/");
    let long = "x".repeat(MAX_COMPONENT);
    for text in [
        "a",
        "a/b.iso",
        "...",
        "..foo",
        ".foo",
        "foo... bar",
        "a..b",
        "a/~b",
        "ab:c",
        "1:x",
        "日本語/ü",
        " a ",
        "x\u{202e}y",
        "K: Missing Kings.mkv",
        "C:\\x",
        "a\\..\\b",
        "what?/*.flac",
        "Season 1. ",
        "nul",
        "COM1.txt",
        " ",
        "~root/x",
        "a\u{2028}b",
        &deep,
        &long,
    ] {
        assert_eq!(path(text).as_str(), text);
    }
}

#[test]
fn escaping_paths_are_refused() {
    assert_eq!(SharePath::parse(""), Err(SharePathError::Empty));
    for absolute in ["/", "/etc/passwd", "//host/share"] {
        assert!(matches!(SharePath::parse(absolute), Err(SharePathError::Absolute { .. })), "{absolute}");
    }
    for climbing in [".", "..", "../x", "a/../b", "a/.", "./a"] {
        assert_eq!(fault(climbing), ComponentFault::Traversal, "{climbing}");
    }
}

#[test]
fn basic_paths_are_those_release_0_1_0_accepts() {
    for basic in
        ["a", "a/b.iso", "...", "a/~b", "ab:c", "1:x", " a ", "nul", "what?", "Season 1. ", "x\u{202e}y"]
    {
        assert!(path(basic).is_basic(), "{basic}");
    }
    for other in
        ["C:", "K: x", "a/Z:b", "a\\b", "~", "~root/x", " ", "a/\u{3000}/b", "a\u{2028}b", "a/b\u{2029}"]
    {
        assert!(!path(other).is_basic(), "{other}");
    }
}

#[test]
fn invalid_names_are_refused() {
    for empty in ["a//b", "a/"] {
        assert_eq!(fault(empty), ComponentFault::Empty, "{empty}");
    }
    for character in "\0\n\t\u{1b}\u{7f}\u{85}\u{9b}".chars() {
        assert_eq!(fault(&format!("a{character}b")), ComponentFault::Control { character });
    }
}

#[test]
fn oversized_paths_are_refused() {
    let long = "x".repeat(MAX_COMPONENT + 1);
    assert_eq!(fault(&long), ComponentFault::TooLong { bytes: MAX_COMPONENT + 1, limit: MAX_COMPONENT });
    let deep = ["a"; MAX_PATH_DEPTH + 1].join("/");
    assert!(matches!(SharePath::parse(&deep), Err(SharePathError::TooDeep { depth: 65, .. })));
    let longest = "x/".repeat(MAX_PATH);
    assert!(matches!(SharePath::parse(&longest), Err(SharePathError::TooLong { bytes: 8192, .. })));
}

#[test]
fn errors_name_the_position_and_are_display_safe() {
    let message = SharePath::parse("a/b\u{1b}[2J/c").unwrap_err().to_string();
    assert_eq!(message, "component 2 of the path, `b\\u{1b}[2J`, contains the control character U+001B");
}

#[test]
fn paths_are_split_and_joined() {
    let song = path("music/live/song.mp3");
    assert_eq!(song.components().collect::<Vec<_>>(), ["music", "live", "song.mp3"]);
    assert_eq!(song.file_name(), "song.mp3");
    assert_eq!(song.parent(), Some(path("music/live")));
    assert_eq!(path("song.mp3").file_name(), "song.mp3");
    assert_eq!(path("song.mp3").parent(), None);
    assert_eq!(path("music").join(&path("live/song.mp3")), Ok(song.clone()));
    let deep = path(&["a"; MAX_PATH_DEPTH].join("/"));
    assert!(matches!(deep.join(&song), Err(SharePathError::TooDeep { .. })));
    assert_eq!(String::from(song.clone()), "music/live/song.mp3");
    assert_eq!(SharePath::try_from("music/live/song.mp3".to_owned()), Ok(song));
}

#[test]
fn folder_prefixes_match_whole_components() {
    let song = path("music/live/song.mp3");
    assert!(song.starts_with_folder(&path("music")));
    assert!(song.starts_with_folder(&path("music/live")));
    assert!(song.starts_with_folder(&song));
    assert!(!song.starts_with_folder(&path("mus")));
    assert!(!song.starts_with_folder(&path("music/li")));
    assert!(!path("music").starts_with_folder(&song));
}

#[test]
fn paths_are_displayed_escaped() {
    assert_eq!(path("a/\u{202e}gpj.exe").to_string(), "a/\\u{202e}gpj.exe");
}

#[test]
fn safe_names_are_portable() {
    for (name, safe) in [
        ("song.mp3", "song.mp3"),
        ("a<b>c:d\"e|f?g*h/i\\j", "a_b_c_d_e_f_g_h_i_j"),
        ("a\nb\u{202e}c", "a_b_c"),
        ("  name. . ", "name"),
        ("", "unnamed"),
        (" .. ", "unnamed"),
        (".bashrc", "_bashrc"),
        ("..hidden", "_.hidden"),
        ("\u{200d}.git", "_.git"),
        ("~root", "_root"),
        ("C:", "C_"),
        ("film.mkv.part", "film.mkv.part_"),
        ("film.PART.json", "film.PART.json_"),
        ("part", "part"),
    ] {
        assert_eq!(safe_file_name(name), safe, "{name:?}");
    }
}

#[test]
fn device_names_get_an_underscore() {
    for name in ["CON", "nul.txt", "aux .tar.gz", "LPT9", "COM¹", "com1.part_", "CONIN$", "conout$.x"] {
        assert_eq!(safe_file_name(name), format!("_{name}"));
    }
    assert_eq!(safe_file_name("COM1."), "_COM1");
    assert_eq!(safe_file_name("aux "), "_aux");
    for name in ["CONSOLE", "COM10", "COM", "null.txt", "LPTx"] {
        assert_eq!(safe_file_name(name), name);
    }
}

#[test]
fn long_names_keep_their_extension() {
    assert_eq!(safe_file_name(&"x".repeat(200)), "x".repeat(200));
    assert_eq!(safe_file_name(&"x".repeat(201)), "x".repeat(198));
    assert_eq!(safe_file_name(&format!("{}.iso", "é".repeat(200))), format!("{}.iso", "é".repeat(97)));
    assert_eq!(safe_file_name(&format!("a.{}", "y".repeat(300))), format!("a.{}", "y".repeat(196)));
    // Cutting must not expose a special name that was harmless before.
    assert_eq!(safe_file_name(&format!("con{}x.txt", " ".repeat(200))), "_con.txt");
    assert_eq!(safe_file_name(&format!("film.part{}x.json", " ".repeat(200))), "film.part.json_");
}

#[test]
fn names_valid_on_linux_are_kept() {
    let long = format!("{}.mkv", "x".repeat(251));
    for name in [
        "K: Missing Kings.mkv",
        "a<b>c\"d|e?f*g\\h",
        "Season 1. ",
        " a",
        "nul",
        "COM1.txt",
        "~root",
        "日本語",
        "👩\u{200d}🚀",
        &long,
    ] {
        assert_eq!(local_file_name(name), name);
    }
}

#[test]
fn names_invalid_on_linux_are_mapped() {
    for (name, local) in [
        ("a/b\0c\nd", "a_b_c_d"),
        ("exe.\u{202e}gpj", "exe._gpj"),
        ("", "unnamed"),
        (".", "_"),
        ("..", "_."),
        (".peerdex", "_peerdex"),
        ("\u{200d}.git", "_.git"),
        ("film.mkv.part", "film.mkv.part_"),
        ("film.PART.json", "film.PART.json_"),
    ] {
        assert_eq!(local_file_name(name), local, "{name:?}");
    }
    let long = format!("{}.part", "x".repeat(251));
    assert_eq!(local_file_name(&long), format!("{}.part_", "x".repeat(249)));
}

#[test]
fn names_are_shortened_before_the_extension() {
    assert_eq!(shorten_file_name("short.txt", 9), "short.txt");
    assert_eq!(shorten_file_name("longer name.txt", 11), "longer.txt");
    assert_eq!(shorten_file_name("éééé.txt", 7), "é.txt");
    assert_eq!(shorten_file_name(".hidden-and-long", 7), ".hidden");
    assert_eq!(shorten_file_name(&format!("a.{}", "y".repeat(300)), 255).len(), 255);
}

/// Generates names from special characters, including long ones.
fn odd_name() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ .~:/\\\\a-cC\u{200d}\u{202e}é]{0,12}",
        "(con|NUL|com1|lpt²|aux)?[ .]{0,3}[xé ]{0,260}[ .]{0,2}(\\.part)?(\\.json|\\.mp3|\\.part)?",
    ]
}

proptest! {
    #[test]
    fn parser_never_panics_and_keeps_accepted_text(text in odd_name()) {
        if let Ok(path) = SharePath::parse(&text) {
            prop_assert_eq!(SharePath::parse(path.as_str()), Ok(path));
        }
    }

    #[test]
    fn accepted_paths_never_escape(text in "[a./\\\\~: ]{1,12}") {
        if let Ok(path) = SharePath::parse(&text) {
            let local = Path::new(path.as_str());
            prop_assert!(local.components().all(|part| matches!(part, std::path::Component::Normal(_))));
            prop_assert_eq!(local.components().count(), path.components().count());
        }
    }

    #[test]
    fn safe_names_are_one_component_and_stable(name in odd_name()) {
        let safe = safe_file_name(&name);
        let path = SharePath::parse(&safe);
        prop_assert!(path.is_ok_and(|path| path.components().count() == 1), "{:?}", safe);
        prop_assert!(safe.len() <= 200);
        let lower = safe.to_lowercase();
        prop_assert!(!lower.starts_with('.') && ![".part", ".part.json"].iter().any(|s| lower.ends_with(s)));
        prop_assert_eq!(safe_file_name(&safe), safe);
    }

    #[test]
    fn local_names_are_one_component_and_stable(name in odd_name()) {
        let local = local_file_name(&name);
        let path = SharePath::parse(&local);
        prop_assert!(path.is_ok_and(|path| path.components().count() == 1), "{:?}", local);
        prop_assert!(!local.starts_with('.') && local.len() <= MAX_COMPONENT);
        prop_assert!(!local.chars().any(char::is_control));
        prop_assert_eq!(local_file_name(&local), local);
    }

    #[test]
    fn shortened_names_fit(name in odd_name(), limit in 4usize..300) {
        let short = shorten_file_name(&name, limit);
        prop_assert!(short.len() <= limit && short.is_empty() == name.is_empty());
        prop_assert!(!short.starts_with('.') || name.starts_with('.'));
    }

    #[test]
    fn parent_contains_its_child(text in "[ab]{1,3}(/[ab.]{1,3}){0,4}") {
        let Ok(path) = SharePath::parse(&text) else { return Ok(()) };
        if let Some(folder) = path.parent() {
            prop_assert!(path.starts_with_folder(&folder));
            if let Ok(name) = SharePath::parse(path.file_name()) {
                prop_assert_eq!(folder.join(&name), Ok(path));
            }
        }
    }
}
