use protocol::index::{Hit, Reply, SearchCursor};
use protocol::share_path::SharePath;

/// Leaves out of an answer all names that release 0.1.0 does not accept, and hits that have no other. A listing is made without
/// them. A page without hits is the last one; then the search counts as cut off.
pub(crate) fn with_basic_names(reply: Reply) -> Reply {
    match reply {
        Reply::Hits { mut hits, more, truncated: cut } => {
            hits.retain_mut(retain_basic_names);
            let (more, cut) = next_cursor(hits.is_empty(), more, cut);
            Reply::Hits { hits, more, truncated: cut }
        }
        Reply::HitsWithSources { mut hits, more, truncated: cut } => {
            hits.retain_mut(|found| retain_basic_names(&mut found.hit));
            let (more, cut) = next_cursor(hits.is_empty(), more, cut);
            Reply::HitsWithSources { hits, more, truncated: cut }
        }
        Reply::Torrents { mut hints } => {
            hints.retain(|hint| is_basic(&hint.name));
            Reply::Torrents { hints }
        }
        other => other,
    }
}

/// Returns where a search goes on behind a page, and whether it was cut off.
fn next_cursor(is_empty: bool, more: Option<SearchCursor>, cut: bool) -> (Option<SearchCursor>, bool) {
    if is_empty { (None, cut || more.is_some()) } else { (more, cut) }
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
