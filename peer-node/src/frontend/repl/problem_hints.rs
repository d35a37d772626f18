//! What a person at the prompt, or a script, can do about the problem of an operation.

use super::command::MIN_DIGITS;
use crate::operations::{
    ContentCandidate, DownloadProblem, KnownNode, PeerProblem, Problem, SafeName, TorrentProblem,
};

/// The maximum number of candidates that an error lists.
const MAX_CANDIDATES: usize = 10;

/// Returns the hint to append to the message of a problem; empty if there is none.
pub(super) fn hint(problem: &Problem) -> String {
    match problem {
        Problem::NotFound { what } => short_digest_hint(what),
        Problem::AmbiguousName { .. } => "; choose one by its number".to_owned(),
        Problem::AmbiguousDigest { candidates, .. } => {
            let line = |candidate: &ContentCandidate| format!("{}  {}", candidate.id, candidate.name);
            more_digits_hint(&candidates.iter().map(line).collect::<Vec<_>>())
        }
        Problem::TooManyFiles { .. } => "; download its subfolders separately".to_owned(),
        Problem::Destination(_) => " (as PATH)".to_owned(),
        Problem::Peer(PeerProblem::Invalid { .. }) => {
            "; expected HOST:PORT, a node id, or a number from the last `sources`".to_owned()
        }
        Problem::Peer(PeerProblem::AmbiguousNodeId { candidates, .. }) => {
            more_digits_hint(&candidates.iter().map(node_line).collect::<Vec<_>>())
        }
        Problem::Download(
            DownloadProblem::NotRunning { .. }
            | DownloadProblem::Unknown { .. }
            | DownloadProblem::UnknownDigest { .. },
        ) => "; see transfers".to_owned(),
        Problem::Download(DownloadProblem::NotFinished { .. }) => "; cancel it first".to_owned(),
        Problem::Torrent(TorrentProblem::Exists { .. }) => "; choose another name with `as FILE`".to_owned(),
        Problem::Peer(_)
        | Problem::Download(_)
        | Problem::Torrent(_)
        | Problem::Index(_)
        | Problem::PeerListing(_) => String::new(),
    }
}

/// Returns the hint for a name that looks like a digest that is too short.
fn short_digest_hint(name: &SafeName) -> String {
    let is_hex = |name: &str| name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if name.typeable().is_some_and(|name| is_hex(name) && name.len() < MIN_DIGITS) {
        format!(" (a digest needs at least {MIN_DIGITS} digits)")
    } else {
        String::new()
    }
}

fn node_line(known: &KnownNode) -> String {
    match known.address {
        Some(address) => format!("{}  {address}", known.node),
        None => known.node.to_string(),
    }
}

/// Returns the hint to type more digits, with the candidates, one per line.
fn more_digits_hint(candidates: &[String]) -> String {
    let shown = candidates.iter().take(MAX_CANDIDATES).flat_map(|line| ["\n  ", line]);
    let more = candidates.len().saturating_sub(MAX_CANDIDATES);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let lines: String = shown.chain([more.as_str()]).collect();
    format!("; type more digits:{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::repl::command_error::CommandError;
    use crate::operations::DestinationProblem;
    use crate::view::DownloadId;

    fn text(problem: impl Into<Problem>) -> String {
        CommandError::from(problem.into()).to_string()
    }

    #[test]
    fn hints_name_what_can_be_typed() {
        assert_eq!(
            text(Problem::not_found("abcd")),
            "nothing found: abcd (a digest needs at least 8 digits)"
        );
        assert_eq!(text(Problem::not_found("a.iso")), "nothing found: a.iso");
        assert_eq!(
            text(DestinationProblem::SeveralFiles { count: 2 }),
            "2 files selected; only a single file can have a destination (as PATH)"
        );
        assert_eq!(
            text(DestinationProblem::Folder { folder: "music".into() }),
            "music/ is a folder; only a single file can have a destination (as PATH)"
        );
        assert_eq!(
            text(DownloadProblem::NotRunning { id: DownloadId(7) }),
            "download 7 is neither under way nor failed; see transfers"
        );
        assert_eq!(
            text(DownloadProblem::NotFinished { id: DownloadId(7) }),
            "download 7 is not finished; cancel it first"
        );
        assert_eq!(
            text(TorrentProblem::Exists { path: "/x".into() }),
            "/x already exists; choose another name with `as FILE`"
        );
        assert_eq!(
            text(PeerProblem::Invalid { text: "nobody".into() }),
            "nobody is not a peer; expected HOST:PORT, a node id, or a number from the last `sources`"
        );
    }

    #[test]
    fn candidates_are_listed_up_to_a_limit() {
        let candidates: Vec<ContentCandidate> =
            (0..12).map(|at| ContentCandidate { id: format!("ab{at}"), name: "x\ty".into() }).collect();
        let text = text(Problem::AmbiguousDigest { digits: "ab".into(), candidates });
        assert!(
            text.starts_with(
                "12 contents have a digest that begins with ab; type more digits:\n  ab0  x\\ty\n  ab1"
            ),
            "{text}"
        );
        assert!(text.ends_with("\n  ab9  x\\ty\n  and 2 more"), "{text}");
    }
}
