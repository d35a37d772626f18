use protocol::escape::display_safe;
use protocol::limits::MAX_HITS;
use protocol::query::DigestPrefix;

use super::find_by_name;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::row_list::ListedContent;
use crate::frontend::repl::session::ReplSession;

/// Finds the only content whose digest begins with the given digits: first in the last list, then among shared files, transfers
/// and the files of other peers. If there is none, the digits are looked up as a name.
pub(super) async fn find_by_prefix(
    session: &mut ReplSession,
    digits: &str,
) -> Result<Vec<ListedContent>, CommandError> {
    let Ok(prefix) = DigestPrefix::parse(digits) else { return Err(CommandError::not_found(digits)) };
    let shown: Vec<ListedContent> =
        session.last_list.files().filter(|listed| prefix.matches(&listed.digest)).cloned().collect();
    let mut found = if shown.is_empty() { search_everywhere(session, &prefix, digits).await? } else { shown };
    found.sort_by_key(|listed| listed.digest);
    found.dedup_by_key(|listed| listed.digest);
    match found.as_slice() {
        [] => find_by_name(session, digits).await.map(|listed| vec![listed]),
        [_] => Ok(found),
        several => {
            let candidate =
                |listed: &ListedContent| format!("{}  {}", listed.digest, display_safe(&listed.path));
            let candidates = several.iter().map(candidate).collect();
            Err(CommandError::AmbiguousDigest { digits: digits.to_owned(), candidates })
        }
    }
}

async fn search_everywhere(
    session: &ReplSession,
    prefix: &DigestPrefix,
    digits: &str,
) -> Result<Vec<ListedContent>, CommandError> {
    let shared = session.node.library().files();
    let own = shared
        .iter()
        .filter(|file| prefix.matches(&file.digest))
        .map(|file| ListedContent::from(&file.record()));
    let views = session.node.downloads().views();
    let transferred = views.iter().filter_map(|view| {
        let digest = view.digest.filter(|digest| prefix.matches(digest))?;
        let path = view.name.rsplit('/').next().unwrap_or(&view.name).to_owned();
        Some(ListedContent { digest, size: view.size, path })
    });
    let found: Vec<ListedContent> = transferred.chain(own).collect();
    match session.node.finder().search(format!("sha256:{digits}"), None, MAX_HITS).await {
        Ok(page) => {
            // Names from the network take precedence over own ones.
            let hits: Vec<ListedContent> = page.hits.iter().map(ListedContent::from).collect();
            Ok([hits, found].concat())
        }
        // Local knowledge is enough if the index cannot be reached.
        Err(_) if !found.is_empty() => Ok(found),
        Err(error) => Err(error.into()),
    }
}
