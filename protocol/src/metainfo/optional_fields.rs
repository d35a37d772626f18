use super::error::MetainfoError;
use super::fields;
use super::text_decoder::TextDecoder;
use crate::bencode::Value;
use crate::digest::Digest;

/// The informational fields of a torrent. Nothing depends on them, so invalid ones are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OptionalFields {
    pub(super) comment: Option<String>,
    pub(super) created_by: Option<String>,
    pub(super) creation_date: Option<u64>,
    pub(super) encoding: Option<String>,
    pub(super) digest: Option<Digest>,
    pub(super) has_web_seeds: bool,
    pub(super) has_nodes: bool,
}

const KEYS: [&str; 9] = [
    "comment",
    "comment.utf-8",
    "created by",
    "creation date",
    "encoding",
    "sha256",
    "url-list",
    "httpseeds",
    "nodes",
];

impl OptionalFields {
    pub(super) fn read(
        root: Value<'_>,
        is_single_file: bool,
        texts: TextDecoder,
    ) -> Result<Self, MetainfoError> {
        let [comment, comment_utf8, created_by, creation_date, encoding, sha256, url_list, httpseeds, nodes] =
            fields::known_values(root, "the torrent", KEYS)?;
        let digest = sha256.and_then(|sha256| sha256.as_text()?.parse().ok());
        Ok(Self {
            comment: optional_text(comment_utf8, texts).or_else(|| optional_text(comment, texts)),
            created_by: optional_text(created_by, texts),
            creation_date: creation_date.and_then(|date| date.as_unsigned()),
            encoding: optional_text(encoding, texts),
            digest: digest.filter(|_| is_single_file),
            has_web_seeds: [url_list, httpseeds].into_iter().any(is_non_empty),
            has_nodes: is_non_empty(nodes),
        })
    }
}

fn optional_text(value: Option<Value<'_>>, texts: TextDecoder) -> Option<String> {
    let bytes = value?.as_bytes().filter(|bytes| !bytes.is_empty())?;
    Some(texts.decode(bytes).into_owned())
}

/// Returns true for a string or list that is not empty.
fn is_non_empty(value: Option<Value<'_>>) -> bool {
    value.is_some_and(|value| {
        value.as_bytes().is_some_and(|bytes| !bytes.is_empty())
            || value.as_list().is_some_and(|mut items| items.next().is_some())
    })
}
