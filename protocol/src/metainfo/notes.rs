use super::error::MetainfoError;
use super::{fields, text};
use crate::bencode::Value;
use crate::digest::Digest;

/// What a torrent says beside its content and its trackers. Nothing depends on it, so what is odd is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notes {
    pub(super) comment: Option<String>,
    pub(super) created_by: Option<String>,
    pub(super) creation_date: Option<u64>,
    pub(super) encoding: Option<String>,
    pub(super) digest: Option<Digest>,
}

impl Notes {
    pub(super) fn read(root: Value<'_>, is_single_file: bool) -> Result<Self, MetainfoError> {
        let keys = ["comment", "comment.utf-8", "created by", "creation date", "encoding", "sha256"];
        let [comment, comment_utf8, created_by, creation_date, encoding, sha256] =
            fields::known(root, "the torrent", keys)?;
        let digest = sha256.and_then(|sha256| sha256.as_text()?.parse().ok());
        Ok(Self {
            comment: note(comment_utf8).or_else(|| note(comment)),
            created_by: note(created_by),
            creation_date: creation_date.and_then(|date| date.as_unsigned()),
            encoding: note(encoding),
            digest: digest.filter(|_| is_single_file),
        })
    }
}

fn note(value: Option<Value<'_>>) -> Option<String> {
    let bytes = value?.as_bytes().filter(|bytes| !bytes.is_empty())?;
    Some(text::text(bytes).into_owned())
}
