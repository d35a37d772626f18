//! Resolves the peers and contents that a command names.

mod prefix;

use std::time::Duration;

use protocol::digest::Digest;
use protocol::fold::fold;
use protocol::index::{Hit, PeerRef};
use protocol::limits::MAX_HITS;

use super::search;
use crate::discovery::index_client::{IndexError, SearchPage};
use crate::frontend::repl::command::ContentSelector;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::peers::{PeerLookupError, PeerName};
use crate::frontend::repl::row_list::{ListRow, ListedContent};
use crate::frontend::repl::session::ReplSession;
use prefix::find_by_prefix;
use protocol::escape::{display_safe, excerpt};

/// Maximum time for resolving a host name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of pages of hits that are searched for a name.
const MAX_PAGES: usize = 10;

/// Resolves a peer named by an address, a host, a node id or a number.
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
    let address = addresses.next().ok_or_else(|| no_host("the host has no address".to_owned()))?;
    Ok(PeerRef::Address(address))
}

/// Looks for the node at the index and on the local network whose id begins with the given digits.
async fn find_unseen_node(session: &mut ReplSession, text: String) -> Result<PeerRef, CommandError> {
    let found = session.node.finder().find_nodes(text.to_lowercase()).await;
    match found.as_slice() {
        [] => Err(PeerLookupError::UnknownNodeId { text }.into()),
        [only] => {
            session.peers.remember(only.node, Some(only.address));
            Ok(PeerRef::Node(only.node))
        }
        several => {
            let mut candidates: Vec<String> =
                several.iter().map(|node| format!("{}  {}", node.node, node.address)).collect();
            candidates.sort_unstable();
            Err(PeerLookupError::Ambiguous { text, candidates }.into())
        }
    }
}

/// Resolves the contents that a selector other than a folder names.
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

/// Returns a content with the name and size that are known; its digest serves as the name if there is no other.
async fn find_by_digest(session: &ReplSession, digest: Digest) -> ListedContent {
    let is_it = |hit: &&Hit| hit.digest == digest;
    if let Some(listed) = session.last_list.files().find(|hit| hit.digest == digest) {
        return listed.clone();
    }
    // If the search fails, the download may still find sources on the local network, or an earlier part.
    let found = session.node.finder().search(digest.to_string(), None, 1).await;
    let hits = found.unwrap_or_default().hits;
    let unknown = || ListedContent { digest, size: None, path: digest.to_string() };
    hits.iter().find(is_it).map_or_else(unknown, ListedContent::from)
}

/// Finds the content with this file name; if there are several, shows them as hits and fails.
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

/// Returns the contents with exactly this name, or if there are none, with this name up to case and accents.
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

/// Returns true if a path ends with a name, by whole components; the name may contain folders.
fn is_named(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// Returns the query for a literal name. The query language has no escape for a quote, so a name is split at its quotes.
fn query_for(name: &str) -> String {
    let parts = name.split('"').map(str::trim).filter(|part| !part.is_empty());
    let query: Vec<String> = parts.map(|part| format!("\"{part}\"")).collect();
    if query.is_empty() { "*".to_owned() } else { query.join(" ") }
}

/// Returns the hit under the requested name instead of its first one.
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
