//! Resolves the peers and contents that a command names: what is on the screen here, everything else by the node.

use protocol::index::PeerRef;
use protocol::query::DigestPrefix;

use super::search;
use crate::frontend::repl::command::ContentSelector;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::row_list::{ListRow, RowList};
use crate::frontend::repl::session::ReplSession;
use crate::operations::{ContentRef, ListedContent, PeerName, Problem, only_candidate};

/// Resolves a peer named by an address, a host, a node id or a number.
pub(super) async fn find_peer(session: &mut ReplSession, text: &str) -> Result<PeerRef, CommandError> {
    match session.peers.find(text)? {
        PeerName::NodeIdPrefix(digits) => {
            let found = session.operations.find_node(digits).await.map_err(Problem::from)?;
            session.peers.remember(found.node, found.address);
            Ok(PeerRef::Node(found.node))
        }
        name => Ok(session.operations.find_peer(name).await.map_err(Problem::from)?),
    }
}

/// Resolves the contents that a selector other than a folder names.
pub(super) async fn find_files(
    session: &mut ReplSession,
    item: &ContentSelector,
) -> Result<Vec<ListedContent>, CommandError> {
    let what = match item {
        ContentSelector::Hits(numbers) => {
            return session.last_list.select(numbers)?.into_iter().map(row_file).collect();
        }
        ContentSelector::Prefix(digits) => ContentRef::Prefix(digits.clone()),
        ContentSelector::Digest(digest) => ContentRef::Digest(*digest),
        ContentSelector::Name(name) | ContentSelector::Folder(name) => ContentRef::Name(name.clone()),
    };
    if let Some(listed) = find_listed(&session.last_list, &what)? {
        return Ok(vec![listed]);
    }
    match session.operations.find_content(&what).await {
        Ok(found) => Ok(vec![found]),
        Err(problem) => Err(report_problem(session, problem)?),
    }
}

/// Returns the content of the last list that a digest or its first digits name; `None` if there is none.
pub(super) fn find_listed(list: &RowList, what: &ContentRef) -> Result<Option<ListedContent>, Problem> {
    match what {
        ContentRef::Digest(digest) => Ok(list.files().find(|listed| listed.digest == *digest).cloned()),
        ContentRef::Prefix(digits) => {
            let Ok(prefix) = DigestPrefix::parse(digits) else { return Ok(None) };
            let listed = list.files().filter(|listed| prefix.matches(&listed.digest));
            only_candidate(digits, listed.cloned().collect())
        }
        ContentRef::Name(_) => Ok(None),
    }
}

/// Returns the error for a problem. If a name stands for several contents, reports it and shows them as hits to choose from.
pub(super) fn report_problem(
    session: &mut ReplSession,
    problem: Problem,
) -> Result<CommandError, CommandError> {
    let Problem::AmbiguousName { name, hits } = problem else { return Ok(problem.into()) };
    let error = CommandError::from(Problem::AmbiguousName { name, hits: hits.clone() });
    let reported = session.report_error(&error);
    search::show_hits(session, &hits)?;
    Ok(reported)
}

/// Returns the file of a row.
fn row_file(row: &ListRow) -> Result<ListedContent, CommandError> {
    match row {
        ListRow::File(listed) => Ok(listed.clone()),
        ListRow::Folder { .. } => Err(CommandError::IsFolder { path: row.path() }),
    }
}
