use protocol::digest::Digest;
use protocol::index::{FileRecord, Hit};
use serde::Serialize;

use super::as_text::{as_presence, as_text};
use super::safe_name::SafeName;

/// A content as somebody names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContentRef {
    /// A digest.
    Digest(Digest),
    /// The first digits of a digest; a file name if no digest begins with them.
    Prefix(String),
    /// A file name, which may include folders.
    Name(String),
}

/// A content with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ListedContent {
    /// The SHA-256.
    #[serde(rename = "sha256", serialize_with = "as_text")]
    pub(crate) digest: Digest,
    /// The size in bytes, if known.
    pub(crate) size: Option<u64>,
    /// The path under which a peer shares it.
    pub(crate) path: SafeName,
}

/// A content that matches a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SearchHit {
    /// The content, under the name that fits the query best.
    #[serde(flatten)]
    pub(crate) content: ListedContent,
    /// All names under which it is shared, as far as known.
    pub(crate) names: Vec<SafeName>,
    /// The number of sources that have the complete content.
    pub(crate) complete: u32,
    /// The number of sources that have a part of it.
    pub(crate) partial: u32,
}

/// A part of a list, and where the next part begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Page<T, C> {
    /// The items, in order.
    pub(crate) items: Vec<T>,
    /// The cursor of the next page, if there is one.
    #[serde(rename = "has_more", serialize_with = "as_presence")]
    pub(crate) next: Option<C>,
    /// Whether the list is incomplete although this is its last page.
    pub(crate) is_truncated: bool,
}

impl From<&Hit> for ListedContent {
    fn from(hit: &Hit) -> Self {
        let path = hit.names.first().map_or_else(|| hit.digest.to_string().into(), SafeName::new);
        Self { digest: hit.digest, size: Some(hit.size), path }
    }
}

impl From<&FileRecord> for ListedContent {
    fn from(record: &FileRecord) -> Self {
        Self { digest: record.digest, size: Some(record.size), path: record.path.as_str().into() }
    }
}

impl From<&Hit> for SearchHit {
    fn from(hit: &Hit) -> Self {
        let names = hit.names.iter().map(SafeName::new).collect();
        Self { content: ListedContent::from(hit), names, complete: hit.complete, partial: hit.partial }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_serialize_with_raw_numbers_and_hexadecimal_digests() {
        let hit = Hit { digest: Digest::EMPTY, size: 5, names: vec!["a\tb".into()], complete: 2, partial: 1 };
        let page = Page { items: vec![SearchHit::from(&hit)], next: Some(()), is_truncated: false };
        let expected = serde_json::json!({
            "items": [{
                "sha256": Digest::EMPTY.to_string(),
                "size": 5,
                "path": "a\\tb",
                "names": ["a\\tb"],
                "complete": 2,
                "partial": 1,
            }],
            "has_more": true,
            "is_truncated": false,
        });
        assert_eq!(serde_json::to_value(page).unwrap(), expected);
    }
}
