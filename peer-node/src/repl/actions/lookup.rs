//! Finds out what the words of a command mean on the network.

mod prefix;

use std::time::Duration;

use protocol::digest::Digest;
use protocol::fold::fold;
use protocol::index::{Hit, PeerRef};
use protocol::limits::MAX_HITS;

use super::search;
use crate::index_client::{IndexError, SearchPage};
use crate::repl::command::ContentSelector;
use crate::repl::command_error::CommandError;
use crate::repl::peers::{PeerLookupError, PeerName};
use crate::repl::row_list::{ListRow, ListedContent};
use crate::repl::session::ReplSession;
use prefix::find_by_prefix;
use protocol::escape::{display_safe, excerpt};

/// How long the system may take to find a host.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The most pages of hits in which a name is looked for.
const MAX_PAGES: usize = 10;

/// Finds the peer that a text names.
pub(super) async fn find_peer(session: &mut ReplSession, text: &str) -> Result<PeerRef, CommandError> {
    let host = match session.peers.find(text) {
        Ok(PeerName::Peer(peer)) => return Ok(peer),
        Ok(PeerName::Host(host)) => host,
        Err(PeerLookupError::UnknownNodeId { text }) => return find_unseen_node(session, text).await,
        Err(error) => return Err(error.into()),
    };
    let no_host = |reason: String| PeerLookupError::HostNotFound { host: excerpt(&host), reason };
    let found = tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host(&host)).await;
    let mut addresses = found
        .map_err(|_| no_host(format!("no answer within {} s", RESOLVE_TIMEOUT.as_secs())))?
        .map_err(|error| no_host(error.to_string()))?;
    let address = addresses.next().ok_or_else(|| no_host("it has no address".to_owned()))?;
    Ok(PeerRef::Address(address))
}

/// Finds the node whose id begins with some digits and that has not been on the screen.
async fn find_unseen_node(session: &mut ReplSession, text: String) -> Result<PeerRef, CommandError> {
    let found = session.node.index().find_nodes(text.to_lowercase()).await;
    match found.unwrap_or_default().as_slice() {
        [] => Err(PeerLookupError::UnknownNodeId { text }.into()),
        [only] => {
            session.peers.remember(only.node, Some(only.address));
            Ok(PeerRef::Node(only.node))
        }
        several => {
            let mut candidates: Vec<String> =
                several.iter().map(|place| format!("{}  {}", place.node, place.address)).collect();
            candidates.sort_unstable();
            Err(PeerLookupError::Ambiguous { text, candidates }.into())
        }
    }
}

/// Finds the contents that an item other than a folder stands for.
pub(super) async fn find_files(
    session: &mut ReplSession,
    item: &ContentSelector,
) -> Result<Vec<ListedContent>, CommandError> {
    match item {
        ContentSelector::Hits(numbers) => {
            session.last_list.select(numbers)?.into_iter().map(row_file).collect()
        }
        ContentSelector::Prefix(digits) => find_by_prefix(session, digits).await,
        ContentSelector::Digest(digest) => Ok(vec![find_by_digest(session, *digest).await]),
        ContentSelector::Name(name) | ContentSelector::Folder(name) => {
            Ok(vec![find_by_name(session, name).await?])
        }
    }
}

/// Returns the file of a row.
fn row_file(row: &ListRow) -> Result<ListedContent, CommandError> {
    match row {
        ListRow::File(listed) => Ok(listed.clone()),
        ListRow::Folder { .. } => {
            Err(CommandError::IsFolder { path: display_safe(&row.path()).into_owned() })
        }
    }
}

/// Returns what is known of a content: its own digest serves as its name if nobody tells another.
async fn find_by_digest(session: &ReplSession, digest: Digest) -> ListedContent {
    let is_it = |hit: &&Hit| hit.digest == digest;
    if let Some(listed) = session.last_list.files().find(|hit| hit.digest == digest) {
        return listed.clone();
    }
    // Without an index there may be sources all the same, or the part of an earlier attempt.
    let found = session.node.finder().search(digest.to_string(), None, 1).await;
    let hits = found.unwrap_or_default().hits;
    let unknown = || ListedContent { digest, size: None, path: digest.to_string() };
    hits.iter().find(is_it).map_or_else(unknown, ListedContent::from)
}

/// Finds the only content of that file name; if there are several, shows them as hits.
async fn find_by_name(session: &mut ReplSession, name: &str) -> Result<ListedContent, CommandError> {
    let hits = hits_named(session, name).await?;
    match hits.as_slice() {
        [] => Err(CommandError::not_found(name)),
        [hit] => Ok(with_matching_name(hit, name)),
        several => {
            let failure = CommandError::Ambiguous { name: excerpt(name), count: several.len() };
            let failure = session.report_error(&failure);
            search::show_hits(session, several)?;
            Err(failure)
        }
    }
}

/// Collects the contents that have the name: exactly this one, or else this one but for case and accents.
async fn hits_named(session: &ReplSession, name: &str) -> Result<Vec<Hit>, IndexError> {
    let query = query_for(name);
    let (mut exact, mut folded, mut after) = (Vec::new(), Vec::new(), None);
    for _ in 0..MAX_PAGES {
        let SearchPage { hits, more, .. } =
            session.node.finder().search(query.clone(), after, MAX_HITS).await?;
        for hit in hits {
            if hit.names.iter().any(|path| is_named(path, name)) {
                exact.push(hit);
            } else if hit.names.iter().any(|path| is_named(&fold(path), &fold(name))) {
                folded.push(hit);
            }
        }
        after = more;
        if after.is_none() {
            break;
        }
    }
    Ok(if exact.is_empty() { folded } else { exact })
}

/// Tells whether a path ends in a name, which may have folders in it, by whole components.
fn is_named(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// Asks for the words of a name literally. The search language has no way to write a quote in quotes: a name with one is
/// asked for in parts.
fn query_for(name: &str) -> String {
    let parts = name.split('"').map(str::trim).filter(|part| !part.is_empty());
    let query: Vec<String> = parts.map(|part| format!("\"{part}\"")).collect();
    if query.is_empty() { "*".to_owned() } else { query.join(" ") }
}

/// Takes the path of the hit that was asked for, not the first one.
fn with_matching_name(hit: &Hit, name: &str) -> ListedContent {
    let path = hit.names.iter().find(|path| is_named(path, name)).cloned();
    let listed = ListedContent::from(hit);
    ListedContent { path: path.unwrap_or_else(|| listed.path.clone()), ..listed }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::query::Query;

    use super::*;

    #[test]
    fn names_match_whole_components() {
        for (path, name, is_one) in [
            ("a/b.iso", "b.iso", true),
            ("b.iso", "b.iso", true),
            ("a/bb.iso", "b.iso", false),
            ("a/b.iso", "a/b.iso", true),
            ("b.iso.part", "b.iso", false),
        ] {
            assert_eq!(is_named(path, name), is_one, "{path} {name}");
        }
    }

    proptest! {
        #[test]
        fn search_for_a_name_finds_it(name in "[a-zA-Zé日'\" .:*-]{1,30}") {
            let query = Query::parse(&query_for(&name));
            let query = query.or_else(|_| Query::parse("*")).unwrap();
            let path = fold(&format!("folder/{name}"));
            prop_assert!(query.matches(&path, 1, &Digest::EMPTY));
        }
    }
}
