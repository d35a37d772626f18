//! The table of commands, for the parser, the help and the completion.

mod nearest;

pub(crate) use nearest::nearest_command;

/// A command without its arguments.
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

/// The name, usage and help of a command.
#[derive(Debug)]
pub(crate) struct CommandInfo {
    pub(crate) verb: Verb,
    /// The names, the usual one first.
    pub(crate) names: &'static [&'static str],
    /// The arguments.
    pub(crate) usage: &'static str,
    /// A one-line description, imperative.
    pub(crate) summary: &'static str,
    /// Further help, line by line.
    pub(crate) details: &'static [&'static str],
}

/// All commands, in the order of the help.
pub(crate) const COMMANDS: [CommandInfo; 21] = [
    CommandInfo {
        verb: Verb::Search,
        names: &["search", "query"],
        usage: "WORDS…",
        summary: "find files of all peers, as numbered hits",
        details: &[
            "Words and parts of words; all must match. Case and accents do not matter.",
            "big_buck, big-buck, big.buck and bigBuck all contain the words big and buck.",
            "\"some words\"    exactly this text, including punctuation and spaces",
            "-word           exclude a word",
            "ext:iso, *.iso  by extension; ext:mp3,flac for any of several",
            "size:>100M      by size; also size:<=2G and size:100M..2G",
            "sha256:9f86d0   by the first digits of a digest",
            "*               everything",
            "Use the numbers of the hits in `download` and `sources` until the next list.",
        ],
    },
    CommandInfo {
        verb: Verb::More,
        names: &["more"],
        usage: "",
        summary: "show the next page of the last list",
        details: &["Use it after `search` or `browse`; the numbering continues."],
    },
    CommandInfo {
        verb: Verb::Download,
        names: &["download", "get"],
        usage: "HIT… | DIGEST | NAME [as PATH] [--timeout TIME] [&]",
        summary: "fetch from all sources, verifying every piece",
        details: &[
            "download 1 3-5            hits of the last list",
            "download 9f86d081884c     by digest, or its first digits",
            "download \"my file.iso\"    by name, if only one content has that name",
            "download 1 as ~/disk.iso  to another folder, or under another name",
            "download music/           a folder of the peer browsed last, as a tree; also",
            "                          by its number in `browse`",
            "download music/ from 2    a folder of another peer, here number 2 of `sources`",
            "download 1 &              in the background, see `transfers`",
            "download 1 --timeout 30   wait at most 30 s; also 5m, 2h",
            "--link                    hard-link content on this machine, do not copy it",
            "--executable              keep the executable bit of the source",
            "Content that is already on this machine is copied to the requested path.",
            "A download waits for sources, their queues and free space as long as it takes;",
            "it fails only if its destination cannot be written.",
            "Ctrl-C stops it and keeps the finished pieces; download again to resume.",
            "Downloads under way when the node stops resume when it starts again.",
        ],
    },
    CommandInfo {
        verb: Verb::Transfers,
        names: &["transfers"],
        usage: "[clear]",
        summary: "show downloads and uploads",
        details: &[
            "Size, rate, time and path of each download, and what other peers fetch.",
            "Use the numbers in `pause`, `resume`, `retry`, `priority` and `cancel`.",
            "A waiting download shows the reason: `waiting for sources`, `never seen` (the",
            "index has never named a source), `queued at HOST, position 7 of 12`, or",
            "`waiting for room` (not enough free space).",
            "transfers clear      remove finished downloads from the list; files stay",
            "transfers clear 1-3  remove these downloads from the list",
        ],
    },
    CommandInfo {
        verb: Verb::Pause,
        names: &["pause"],
        usage: "N… | all",
        summary: "pause downloads, by their number in `transfers`",
        details: &[
            "Verified pieces are kept, and the next download in the queue starts.",
            "A download stays paused until `resume`, even when the node is restarted.",
        ],
    },
    CommandInfo {
        verb: Verb::Resume,
        names: &["resume"],
        usage: "N… | all",
        summary: "resume paused downloads",
        details: &[
            "A waiting download retries at once. A failed download starts again with the",
            "pieces that it has.",
        ],
    },
    CommandInfo {
        verb: Verb::Retry,
        names: &["retry"],
        usage: "N… | all",
        summary: "restart failed downloads with the pieces that they have",
        details: &[
            "`retry all` restarts all failed downloads; they stay listed until `retry` or",
            "`cancel`. A waiting download retries at once.",
        ],
    },
    CommandInfo {
        verb: Verb::Priority,
        names: &["priority"],
        usage: "N… high | N… normal | N… low",
        summary: "set which waiting downloads start first",
        details: &["Downloads that already fetch continue; `--max-active-downloads` limits them."],
    },
    CommandInfo {
        verb: Verb::Cancel,
        names: &["cancel"],
        usage: "N… | all",
        summary: "stop downloads, by their number in `transfers`",
        details: &[
            "The first digits of the digest or infohash work as well as the number.",
            "Finished pieces are kept; download the same content again to resume.",
            "cancel 2-276  stop these; cancel all stops every download under way",
            "A failed download is removed from the list.",
            "Use `pause` for downloads that you still want.",
        ],
    },
    CommandInfo {
        verb: Verb::Limit,
        names: &["limit"],
        usage: "up RATE | down RATE | peer RATE | slots N",
        summary: "limit transfer rates and upload slots",
        details: &[
            "limit up 10M     send at most 10 MiB/s; K, M and G are powers of 1024",
            "limit down off   remove the download limit; `off` works for up and peer too",
            "limit peer 1M    send at most 1 MiB/s to each peer",
            "limit slots 4    upload to at most 4 peers at the same time",
            "Without arguments it shows the limits. Changes last until the node stops.",
        ],
    },
    CommandInfo {
        verb: Verb::Torrent,
        names: &["torrent"],
        usage: "add FILE | create HIT",
        summary: "download and seed a torrent, or create one",
        details: &[
            "torrent add x.torrent           download it, then seed until `cancel`",
            "torrent add x.torrent only 1,3  only some files, numbered as in `torrent show`",
            "torrent add x.torrent as ~/iso  to another folder than the node's",
            "torrent add x.torrent &         in the background, see `transfers`",
            "torrent create 1                for a file shared here, as NAME.torrent; any",
            "                                client can download it from all who share it",
            "torrent create 1 as a.torrent   the same under another name",
            "cancel N                        withdraw a torrent made with `create`",
            "Torrents under way when the node stops resume when it starts again.",
        ],
    },
    CommandInfo {
        verb: Verb::Sources,
        names: &["sources"],
        usage: "HIT | DIGEST | NAME",
        summary: "show who has a file, whole or in part",
        details: &["Use the numbers of the list in `browse` and `download … from`."],
    },
    CommandInfo {
        verb: Verb::Browse,
        names: &["browse"],
        usage: "PEER [FOLDER] | PEER [FOLDER] --all",
        summary: "list what a peer shares, folder by folder",
        details: &[
            "PEER is HOST:PORT, a node id or its first digits, or a number from `sources`.",
            "browse 1 music  list this folder of the first source",
            "browse 1 --all  list all files, including those in folders",
            "Use the numbers in `download`; the number of a folder downloads all of it.",
            "In a script, `browse` without a folder lists all files.",
            "With --lan, nodes on the local network are listed without an index too.",
        ],
    },
    CommandInfo {
        verb: Verb::Files,
        names: &["files"],
        usage: "",
        summary: "list what this node shares",
        details: &[],
    },
    CommandInfo {
        verb: Verb::Register,
        names: &["register"],
        usage: "[PATH…] | [--yes] [--exclude PATTERN]… PATH…",
        summary: "share files or folders; without a path, rescan everything",
        details: &[
            "Paths outside the node's folder are shared in place and remembered. Files",
            "inside are shared automatically; links, special and hidden files never are.",
            "--exclude *.wav   leave out matching files, in .gitignore syntax; replaces",
            "                  earlier patterns of that folder, \"\" removes them",
            "--yes             share a home folder or more than 10,000 files without asking",
            "Files named .peerdexignore in any shared folder can contain patterns, too.",
        ],
    },
    CommandInfo {
        verb: Verb::Shares,
        names: &["shares"],
        usage: "[PATH] | all",
        summary: "list shared folders, and what is left out and why",
        details: &[
            "shares          every shared folder with counts, and examples",
            "shares ~/music  everything left out of a folder",
            "shares all      everything left out",
        ],
    },
    CommandInfo {
        verb: Verb::Unregister,
        names: &["unregister"],
        usage: "PATH…",
        summary: "stop sharing files or folders; deletes nothing",
        details: &[],
    },
    CommandInfo {
        verb: Verb::Status,
        names: &["status"],
        usage: "",
        summary: "show how the index and others see this node, and totals",
        details: &[],
    },
    CommandInfo {
        verb: Verb::Doctor,
        names: &["doctor"],
        usage: "",
        summary: "check what keeps this node from working well",
        details: &[
            "Checks the index, the port from outside, networks, broadcasts, clock, free",
            "space and open files, and suggests remedies.",
        ],
    },
    CommandInfo {
        verb: Verb::Help,
        names: &["help"],
        usage: "[COMMAND]",
        summary: "show this list, or more about one command",
        details: &[],
    },
    CommandInfo {
        verb: Verb::Quit,
        names: &["quit", "exit"],
        usage: "",
        summary: "stop the node; Ctrl-D does the same",
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
