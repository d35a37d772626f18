use protocol::index::{Hit, Reply, SearchCursor};
use protocol::share_path::SharePath;

/// Removes names that release 0.1.0 does not accept, and hits without other names. Listings are built without such names. A
/// page without hits ends the search, which then counts as truncated.
pub(crate) fn with_basic_names(reply: Reply) -> Reply {
    match reply {
        Reply::Hits { mut hits, more, truncated } => {
            hits.retain_mut(retain_basic_names);
            let (more, truncated) = next_cursor(hits.is_empty(), more, truncated);
            Reply::Hits { hits, more, truncated }
        }
        Reply::HitsWithSources { mut hits, more, truncated } => {
            hits.retain_mut(|found| retain_basic_names(&mut found.hit));
            let (more, truncated) = next_cursor(hits.is_empty(), more, truncated);
            Reply::HitsWithSources { hits, more, truncated }
        }
        Reply::Torrents { mut hints } => {
            hints.retain(|hint| is_basic(&hint.name));
            Reply::Torrents { hints }
        }
        other => other,
    }
}

/// Returns the cursor behind a page, and whether the search was truncated.
fn next_cursor(is_empty: bool, more: Option<SearchCursor>, truncated: bool) -> (Option<SearchCursor>, bool) {
    if is_empty { (None, truncated || more.is_some()) } else { (more, truncated) }
}

/// Returns true if release 0.1.0 accepts the name.
pub(super) fn is_basic(name: &str) -> bool {
    SharePath::parse(name).is_ok_and(|path| path.is_basic())
}

fn retain_basic_names(hit: &mut Hit) -> bool {
    hit.names.retain(|name| is_basic(name));
    !hit.names.is_empty()
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;

    fn hit(names: &[&str]) -> Hit {
        let names = names.iter().copied().map(str::to_owned).collect();
        Hit { digest: Digest::EMPTY, size: 0, names, complete: 1, partial: 0 }
    }

    #[test]
    fn old_node_gets_only_basic_names() {
        let hits = vec![hit(&["K: x", "x"]), hit(&["a\\b"]), hit(&["y"])];
        let reply = with_basic_names(Reply::Hits { hits, more: None, truncated: false });
        let expected = vec![hit(&["x"]), hit(&["y"])];
        assert_eq!(reply, Reply::Hits { hits: expected, more: None, truncated: false });
    }

    #[test]
    fn page_without_hits_is_the_last() {
        let more = Some(SearchCursor { sent: vec![1] });
        let page =
            |names: &[&str]| Reply::Hits { hits: vec![hit(names)], more: more.clone(), truncated: false };
        assert_eq!(
            with_basic_names(page(&["a\\b"])),
            Reply::Hits { hits: vec![], more: None, truncated: true }
        );
        assert_eq!(with_basic_names(page(&["y"])), page(&["y"]));
    }
}
