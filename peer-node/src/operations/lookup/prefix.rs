use protocol::limits::MAX_HITS;
use protocol::query::DigestPrefix;

use crate::operations::Operations;
use crate::operations::content::ListedContent;
use crate::operations::problem::{ContentCandidate, Problem};

impl Operations {
    /// Returns the only content whose digest begins with the given digits, among shared files, transfers and the files of other
    /// peers; `None` if there is none.
    pub(super) async fn find_by_prefix(&self, digits: &str) -> Result<Option<ListedContent>, Problem> {
        let Ok(prefix) = DigestPrefix::parse(digits) else { return Err(Problem::not_found(digits)) };
        only_candidate(digits, self.search_everywhere(&prefix, digits).await?)
    }

    /// Returns the contents whose digest begins with a prefix.
    async fn search_everywhere(
        &self,
        prefix: &DigestPrefix,
        digits: &str,
    ) -> Result<Vec<ListedContent>, Problem> {
        let shared = self.node.library().files();
        let own = shared
            .iter()
            .filter(|file| prefix.matches(&file.digest))
            .map(|file| ListedContent::from(&file.record()));
        let views = self.node.downloads().views();
        let transferred = views.iter().filter_map(|view| {
            let digest = view.digest.filter(|digest| prefix.matches(digest))?;
            let path = view.name.rsplit('/').next().unwrap_or(&view.name).into();
            Some(ListedContent { digest, size: view.size, path })
        });
        let found: Vec<ListedContent> = transferred.chain(own).collect();
        match self.node.finder().search(format!("sha256:{digits}"), None, MAX_HITS).await {
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
}

/// Returns the content if all that were found for the digits are the same; `None` if none was found. The first name counts.
pub(crate) fn only_candidate(
    digits: &str,
    mut found: Vec<ListedContent>,
) -> Result<Option<ListedContent>, Problem> {
    found.sort_by_key(|listed| listed.digest);
    found.dedup_by_key(|listed| listed.digest);
    if found.len() > 1 {
        let candidate =
            |listed: ListedContent| ContentCandidate { id: listed.digest.to_string(), name: listed.path };
        let candidates = found.into_iter().map(candidate).collect();
        return Err(Problem::AmbiguousDigest { digits: digits.to_owned(), candidates });
    }
    Ok(found.pop())
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;

    fn listed(first: u8, path: &str) -> ListedContent {
        ListedContent { digest: Digest::from_bytes([first; 32]), size: None, path: path.into() }
    }

    #[test]
    fn one_content_under_two_names_is_not_ambiguous() {
        let found = only_candidate("abababab", vec![listed(0xab, "a"), listed(0xab, "b")]).unwrap();
        assert_eq!(found, Some(listed(0xab, "a")));
        assert_eq!(only_candidate("abababab", Vec::new()).unwrap(), None);
    }

    #[test]
    fn several_contents_are_candidates_in_order_of_their_digests() {
        let problem = only_candidate("a", vec![listed(0xac, "b"), listed(0xab, "a")]).unwrap_err();
        let Problem::AmbiguousDigest { candidates, .. } = problem else { panic!("{problem}") };
        let names: Vec<String> = candidates.iter().map(|candidate| candidate.name.to_string()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(candidates[0].id, "ab".repeat(32));
    }
}
