use protocol::units::DisplaySize;

use crate::operations::SearchHit;

/// Returns the line of a hit for scripts.
pub(super) fn script_line(number: usize, hit: &SearchHit) -> String {
    let sources = u64::from(hit.complete) + u64::from(hit.partial);
    let content = &hit.content;
    format!("{number}\t{}\t{}\t{sources}\t{}", content.path, content.size.unwrap_or(0), content.digest)
}

/// Returns the cells of a hit for people.
pub(super) fn table_row(number: usize, hit: &SearchHit) -> [String; 5] {
    let sources = match (hit.complete, hit.partial) {
        (complete, 0) => complete.to_string(),
        (complete, partial) => format!("{complete} (+{partial} partial)"),
    };
    let size = DisplaySize(hit.content.size.unwrap_or(0)).to_string();
    [number.to_string(), hit.content.path.to_string(), size, sources, hit.content.digest.short()]
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;
    use crate::operations::ListedContent;

    fn hit(name: &str, complete: u32) -> SearchHit {
        let content = ListedContent { digest: Digest::EMPTY, size: Some(5), path: name.into() };
        SearchHit { content, names: vec![name.into()], complete, partial: 1 }
    }

    #[test]
    fn scripts_get_tabs_and_exact_sizes() {
        let digest = Digest::EMPTY;
        assert_eq!(script_line(7, &hit("a\tb", 2)), format!("7\ta\\tb\t5\t3\t{digest}"));
    }

    #[test]
    fn people_get_sizes_and_partial_sources() {
        assert_eq!(table_row(7, &hit("a\tb", 2)), ["7", "a\\tb", "5 B", "2 (+1 partial)", "e3b0c44298fc"]);
        assert_eq!(table_row(1, &SearchHit { partial: 0, ..hit("a", 2) })[3], "2");
    }
}
