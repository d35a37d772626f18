//! Resolves the contents and peers that a request names.

mod peer;
mod prefix;

use protocol::digest::Digest;
use protocol::fold::fold;
use protocol::index::Hit;
use protocol::limits::MAX_HITS;

pub(crate) use peer::PeerName;
pub(crate) use prefix::only_candidate;

use super::Operations;
use super::content::{ContentRef, ListedContent, SearchHit};
use super::problem::Problem;
use super::safe_name::SafeName;
use crate::discovery::index_client::{IndexError, SearchPage};

/// The maximum number of pages of hits that are searched for a name.
const MAX_PAGES: usize = 10;

impl Operations {
    /// Returns the content that is named. [`Problem::AmbiguousName`] carries the contents with that name.
    pub(crate) async fn find_content(&self, what: &ContentRef) -> Result<ListedContent, Problem> {
        match what {
            ContentRef::Digest(digest) => Ok(self.find_by_digest(*digest).await),
            ContentRef::Prefix(digits) => match self.find_by_prefix(digits).await? {
                Some(found) => Ok(found),
                None => self.find_by_name(digits).await,
            },
            ContentRef::Name(name) => self.find_by_name(name).await,
        }
    }

    /// Returns a content with the name and size that are known; its digest serves as the name if there is no other.
    async fn find_by_digest(&self, digest: Digest) -> ListedContent {
        // If the search fails, the download may still find sources on the local network, or an earlier part.
        let found = self.node.finder().search(digest.to_string(), None, 1).await;
        let hits = found.unwrap_or_default().hits;
        let unknown = || ListedContent { digest, size: None, path: digest.to_string().into() };
        hits.iter().find(|hit| hit.digest == digest).map_or_else(unknown, ListedContent::from)
    }

    /// Returns the only content with this file name.
    async fn find_by_name(&self, name: &str) -> Result<ListedContent, Problem> {
        let hits = self.hits_named(name).await?;
        match hits.as_slice() {
            [] => Err(Problem::not_found(name)),
            [hit] => Ok(with_matching_name(hit, name)),
            several => {
                let hits = several.iter().map(SearchHit::from).collect();
                Err(Problem::AmbiguousName { name: name.into(), hits })
            }
        }
    }

    /// Returns the contents with exactly this name, or if there are none, with this name up to case and accents.
    async fn hits_named(&self, name: &str) -> Result<Vec<Hit>, IndexError> {
        let query = query_for(name);
        let (mut exact, mut folded, mut after) = (Vec::new(), Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let SearchPage { hits, more, .. } =
                self.node.finder().search(query.clone(), after, MAX_HITS).await?;
            for hit in hits {
                match fit_of(&hit, name) {
                    Some(NameFit::Exact) => exact.push(hit),
                    Some(NameFit::Folded) => folded.push(hit),
                    None => {}
                }
            }
            after = more;
            if after.is_none() {
                break;
            }
        }
        Ok(if exact.is_empty() { folded } else { exact })
    }
}

/// How a hit has a requested name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameFit {
    /// Exactly.
    Exact,
    /// Up to case and accents.
    Folded,
}

/// Returns how a hit has a name; `None` if it has it under none of its paths.
fn fit_of(hit: &Hit, name: &str) -> Option<NameFit> {
    if hit.names.iter().any(|path| is_named(path, name)) {
        return Some(NameFit::Exact);
    }
    let folded = fold(name);
    hit.names.iter().any(|path| is_named(&fold(path), &folded)).then_some(NameFit::Folded)
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
    let path = hit.names.iter().find(|path| is_named(path, name)).map(SafeName::new);
    let listed = ListedContent::from(hit);
    ListedContent { path: path.unwrap_or_else(|| listed.path.clone()), ..listed }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::query::Query;

    use super::*;

    fn hit(names: &[&str]) -> Hit {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Hit { digest: Digest::EMPTY, size: 1, names, complete: 1, partial: 0 }
    }

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

    #[test]
    fn an_exact_name_is_preferred_to_a_folded_one() {
        assert_eq!(fit_of(&hit(&["x/Été.txt", "y/ete.txt"]), "ete.txt"), Some(NameFit::Exact));
        assert_eq!(fit_of(&hit(&["x/Été.txt"]), "ete.TXT"), Some(NameFit::Folded));
        assert_eq!(fit_of(&hit(&["x/tete.txt"]), "ete.txt"), None);
    }

    #[test]
    fn a_content_is_listed_under_the_requested_name() {
        let two = hit(&["a/one.iso", "b/two.iso"]);
        assert_eq!(with_matching_name(&two, "two.iso").path.to_string(), "b/two.iso");
        assert_eq!(with_matching_name(&two, "TWO.iso").path.to_string(), "a/one.iso");
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
