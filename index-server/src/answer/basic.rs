use protocol::index::{Hit, Reply};
use protocol::share_path::SharePath;

/// Leaves out of an answer all names that release 0.1.0 does not accept, and hits that have no other.
pub(crate) fn with_basic_names(reply: Reply) -> Reply {
    match reply {
        Reply::Hits { mut hits, more, cut } => {
            hits.retain_mut(keep_basic_names);
            Reply::Hits { hits, more, cut }
        }
        Reply::HitsWithSources { mut hits, more, cut } => {
            hits.retain_mut(|found| keep_basic_names(&mut found.hit));
            Reply::HitsWithSources { hits, more, cut }
        }
        Reply::Listing { source, mut files, more } => {
            files.retain(|file| is_basic(&file.path));
            Reply::Listing { source, files, more }
        }
        Reply::Torrents { mut hints } => {
            hints.retain(|hint| is_basic(&hint.name));
            Reply::Torrents { hints }
        }
        other => other,
    }
}

/// Returns true if release 0.1.0 accepts the name.
fn is_basic(name: &str) -> bool {
    SharePath::parse(name).is_ok_and(|path| path.is_basic())
}

fn keep_basic_names(hit: &mut Hit) -> bool {
    hit.names.retain(|name| is_basic(name));
    !hit.names.is_empty()
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;
    use protocol::index::{FileRecord, Share};
    use protocol::node_id::NodeId;

    use super::*;

    fn hit(names: &[&str]) -> Hit {
        let names = names.iter().copied().map(str::to_owned).collect();
        Hit { digest: Digest::OF_NOTHING, size: 0, names, whole: 1, partial: 0 }
    }

    #[test]
    fn an_old_node_gets_the_names_that_it_accepts() {
        let hits = vec![hit(&["K: x", "x"]), hit(&["a\\b"]), hit(&["y"])];
        let reply = with_basic_names(Reply::Hits { hits, more: None, cut: false });
        let expected = vec![hit(&["x"]), hit(&["y"])];
        assert_eq!(reply, Reply::Hits { hits: expected, more: None, cut: false });
        let file = |path: &str| FileRecord {
            path: path.into(),
            size: 0,
            digest: Digest::OF_NOTHING,
            share: Share::Whole,
        };
        let source = NodeId::from_bytes([1; 32]);
        let files = vec![file("K: x"), file("y")];
        let reply = with_basic_names(Reply::Listing { source, files, more: true });
        assert_eq!(reply, Reply::Listing { source, files: vec![file("y")], more: true });
    }
}
