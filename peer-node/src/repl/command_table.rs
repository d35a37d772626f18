//! What commands there are, for the parser, the help and the completion.

mod nearest;

pub(crate) use nearest::nearest_command;

/// A command, without what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Register,
    Unregister,
    Files,
    Shares,
    Search,
    More,
    Sources,
    Browse,
    Download,
    Transfers,
    Pause,
    Resume,
    Retry,
    Priority,
    Cancel,
    Limit,
    Torrent,
    Status,
    Doctor,
    Help,
    Quit,
}

/// What there is to say about a command.
#[derive(Debug)]
pub(crate) struct CommandInfo {
    /// Which one it is.
    pub(crate) verb: Verb,
    /// Its names, the first the usual one.
    pub(crate) names: &'static [&'static str],
    /// What follows its name.
    pub(crate) usage: &'static str,
    /// What it does, in a few words.
    pub(crate) summary: &'static str,
    /// What else is worth knowing, line by line.
    pub(crate) details: &'static [&'static str],
}

/// All commands, in the order of the help.
pub(crate) const COMMANDS: [CommandInfo; 21] = [
    CommandInfo {
        verb: Verb::Search,
        names: &["search", "query"],
        usage: "WORDS…",
        summary: "finds what others share, as numbered hits",
        details: &[
            "Words and parts of words, all required; capitals and accents do not matter.",
            "In big_buck, big-buck, big.buck and bigBuck the parts are words of their own.",
            "\"some words\"    exactly this, signs and spaces included",
            "-word           not this one",
            "ext:iso, *.iso  by extension; ext:mp3,flac for any of several",
            "size:>100M      by size; also size:<=2G and size:100M..2G",
            "sha256:9f86d0   by the beginning of a digest",
            "*               everything",
            "Use the numbers of the hits in `download` and `sources` until the next list.",
        ],
    },
    CommandInfo {
        verb: Verb::More,
        names: &["more"],
        usage: "",
        summary: "shows the next page of the last list",
        details: &["After a `search` or a `browse`; the numbers go on counting."],
    },
    CommandInfo {
        verb: Verb::Download,
        names: &["download", "get"],
        usage: "HIT… | DIGEST | NAME [as PATH] [--timeout TIME] [&]",
        summary: "fetches from all sources, every piece verified",
        details: &[
            "download 1 3-5            hits of the last list",
            "download 9f86d081884c     by digest, or the first digits of it",
            "download \"my file.iso\"    by name, if one content has that name",
            "download 1 as ~/disk.iso  to another place, or under another name",
            "download music/           a folder of the peer browsed last, as a tree; also",
            "                          by its number in `browse`",
            "download music/ from 2    the same of another peer, here the last `sources` 2",
            "download 1 &              in the background, see `transfers`",
            "download 1 --timeout 30   waits at most 30 s for it; also 5m, 2h",
            "--link                    hard links to content on this machine, not copies",
            "--executable              keep the executable bit of the source",
            "Content that is on this machine is copied to the place that is asked for.",
            "It waits for sources, in their queues and for free space as long as it takes;",
            "it fails only if it cannot be written to its destination.",
            "Ctrl-C stops it and keeps the part; fetched again, it resumes from there.",
            "What is under way when the node ends resumes when it is started again.",
        ],
    },
    CommandInfo {
        verb: Verb::Transfers,
        names: &["transfers"],
        usage: "[clear]",
        summary: "shows what comes in and what goes out",
        details: &[
            "Size, rate, time and place of each download, and what others fetch.",
            "Use the numbers in `pause`, `resume`, `retry`, `priority` and `cancel`.",
            "One that cannot continue says why: `waiting for sources`, `never seen` (the",
            "index has never named a source), `queued at HOST, position 7 of 12`,",
            "`waiting for room`.",
            "transfers clear      removes finished downloads from the list; files stay",
            "transfers clear 1-3  removes these",
        ],
    },
    CommandInfo {
        verb: Verb::Pause,
        names: &["pause"],
        usage: "N… | all",
        summary: "lets downloads rest, by their number in `transfers`",
        details: &[
            "What is verified stays, and the next in the queue has its turn.",
            "It stays paused until `resume`, also when the node is started again.",
        ],
    },
    CommandInfo {
        verb: Verb::Resume,
        names: &["resume"],
        usage: "N… | all",
        summary: "lets paused downloads go on from where they were",
        details: &[
            "One that waits for sources or for room tries again at once. One that failed",
            "begins again with what it has.",
        ],
    },
    CommandInfo {
        verb: Verb::Retry,
        names: &["retry"],
        usage: "N… | all",
        summary: "begins failed downloads again, with what they have",
        details: &[
            "`all` are those that failed. They stay listed until `retry` or `cancel`.",
            "One that waits tries again at once.",
        ],
    },
    CommandInfo {
        verb: Verb::Priority,
        names: &["priority"],
        usage: "N… high | N… normal | N… low",
        summary: "says which of the waiting downloads come first",
        details: &["Those that fetch already go on; `--max-active-downloads` says how many do."],
    },
    CommandInfo {
        verb: Verb::Cancel,
        names: &["cancel"],
        usage: "N… | all",
        summary: "stops downloads by their number in `transfers`",
        details: &[
            "The first digits of the digest or infohash serve as well as the number.",
            "What has come is kept; downloading the same again resumes from there.",
            "cancel 2-276  stops these; cancel all stops every download under way",
            "One that failed is removed from the list.",
            "See `pause` for those that you still want.",
        ],
    },
    CommandInfo {
        verb: Verb::Limit,
        names: &["limit"],
        usage: "up RATE | down RATE | up off | down off",
        summary: "limits how fast all peers together send or fetch",
        details: &[
            "limit up 10M     sends at most 10 MiB a second; K, M and G are powers of 1024",
            "limit down off   fetches as fast as it can",
            "Alone it shows the limits. They hold at once, and until the node ends.",
        ],
    },
    CommandInfo {
        verb: Verb::Torrent,
        names: &["torrent"],
        usage: "add FILE | create HIT",
        summary: "fetches and gives a torrent, or makes one",
        details: &[
            "torrent add x.torrent           fetches it, then gives it until `cancel`",
            "torrent add x.torrent only 1,3  some files, as `torrent show` lists them",
            "torrent add x.torrent as ~/iso  into another folder than the node's",
            "torrent add x.torrent &         in the background, see `transfers`",
            "torrent create 1                for a file shared here, as NAME.torrent:",
            "                                any client gets it from all who share it",
            "torrent create 1 as a.torrent   the same under another name",
            "cancel N                        withdraws a torrent made with `create`",
            "What is under way when the node ends goes on when it is started again.",
        ],
    },
    CommandInfo {
        verb: Verb::Sources,
        names: &["sources"],
        usage: "HIT | DIGEST | NAME",
        summary: "shows who has a file, whole or in part",
        details: &["The numbers of the list serve `browse` and `download … from`."],
    },
    CommandInfo {
        verb: Verb::Browse,
        names: &["browse"],
        usage: "PEER [FOLDER] | PEER [FOLDER] --all",
        summary: "lists what one peer shares, folder by folder",
        details: &[
            "PEER is HOST:PORT, a node id or its beginning, or a number from `sources`.",
            "browse 1 music  what lies in this folder of the first source",
            "browse 1 --all  all files, with those in folders",
            "Use the numbers in `download`: that of a folder fetches all of it.",
            "A script that names no folder gets all files.",
        ],
    },
    CommandInfo {
        verb: Verb::Files,
        names: &["files"],
        usage: "",
        summary: "lists what this node shares",
        details: &[],
    },
    CommandInfo {
        verb: Verb::Register,
        names: &["register"],
        usage: "[PATH…] | [--yes] [--exclude PATTERN]… PATH…",
        summary: "shares files or folders; alone, looks at everything again",
        details: &[
            "What lies outside the node's folder is shared where it lies, and remembered.",
            "What lies inside is shared by itself; links, special and hidden files never.",
            "--exclude *.wav   leaves out what matches, in the syntax of .gitignore; these",
            "                  patterns replace earlier ones of that folder, \"\" none",
            "--yes             a home folder, or more than 10,000 files, without asking",
            "Patterns also stand in files named .peerdexignore, in any shared folder.",
        ],
    },
    CommandInfo {
        verb: Verb::Shares,
        names: &["shares"],
        usage: "[PATH] | all",
        summary: "lists the shared folders, and what is left out and why",
        details: &[
            "shares          every shared folder with counts, and examples",
            "shares ~/music  everything that is left out of a folder",
            "shares all      everything that is left out",
        ],
    },
    CommandInfo {
        verb: Verb::Unregister,
        names: &["unregister"],
        usage: "PATH…",
        summary: "stops sharing files or folders; deletes nothing",
        details: &[],
    },
    CommandInfo {
        verb: Verb::Status,
        names: &["status"],
        usage: "",
        summary: "shows how the index and others see this node, and totals",
        details: &[],
    },
    CommandInfo {
        verb: Verb::Doctor,
        names: &["doctor"],
        usage: "",
        summary: "says what keeps this node from working well",
        details: &[
            "Index, port from outside, networks, broadcasts, clock, free space, open files;",
            "with what to do about each.",
        ],
    },
    CommandInfo {
        verb: Verb::Help,
        names: &["help"],
        usage: "[COMMAND]",
        summary: "shows this, or more about one command",
        details: &[],
    },
    CommandInfo {
        verb: Verb::Quit,
        names: &["quit", "exit"],
        usage: "",
        summary: "ends the node; so does Ctrl-D",
        details: &[],
    },
];

/// Finds a command by any of its names.
pub(crate) fn find_command(name: &str) -> Option<&'static CommandInfo> {
    COMMANDS.iter().find(|entry| entry.names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_all_their_names() {
        assert_eq!(find_command("get").unwrap().verb, Verb::Download);
        assert_eq!(find_command("query").unwrap().verb, Verb::Search);
        assert!(find_command("Get").is_none() && find_command("").is_none());
    }

    #[test]
    fn command_names_are_unique() {
        let mut names: Vec<_> = COMMANDS.iter().flat_map(|entry| entry.names).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
