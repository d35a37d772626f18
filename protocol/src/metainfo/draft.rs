use super::{Metainfo, MetainfoError, path};
use crate::bencode::Tree;
use crate::digest::Digest;

/// A torrent that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetainfoDraft {
    /// The name of the file, or of the folder that holds the files.
    pub name: String,
    /// The length of every piece but the last, in bytes.
    pub piece_length: u32,
    /// What it holds.
    pub content: DraftContent,
    /// Whether peers may come from its trackers alone.
    pub private: bool,
    /// The trackers' addresses by tier.
    pub tiers: Vec<Vec<String>>,
    /// What is said beside that, which is no part of its infohash.
    pub optional: DraftOptionalFields,
}

/// What is written into a torrent for those who look at it; its infohash does not depend on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DraftOptionalFields {
    /// A remark.
    pub comment: Option<String>,
    /// The name of the program that makes it.
    pub created_by: Option<String>,
    /// When it is made, in seconds since 1970.
    pub creation_date: Option<u64>,
    /// The SHA-256 of its only file.
    pub digest: Option<Digest>,
}

/// The content of a torrent that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftContent {
    /// One file of that many bytes, under the torrent's name.
    Single(u64),
    /// Files in a folder of the torrent's name, in the order in which their bytes were hashed.
    Files(Vec<DraftFile>),
}

/// A file of a torrent that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftFile {
    /// The components of its path below the torrent's folder.
    pub path: Vec<String>,
    /// Its length in bytes.
    pub length: u64,
}

impl MetainfoDraft {
    /// Writes the `.torrent`, with one hash a piece; what would not be read back is refused.
    pub fn encode(&self, hashes: &[[u8; 20]]) -> Result<Vec<u8>, MetainfoError> {
        self.check_names()?;
        let mut root = vec![("info", self.info(hashes))];
        if let Some(first) = self.tiers.iter().flatten().next() {
            root.push(("announce", first.as_str().into()));
        }
        if self.tiers.iter().flatten().count() > 1 {
            let tier = |tier: &Vec<String>| Tree::list(tier.iter().map(|address| address.as_str().into()));
            root.push(("announce-list", Tree::list(self.tiers.iter().map(tier))));
        }
        let notes = &self.optional;
        root.extend(notes.comment.as_deref().map(|comment| ("comment", comment.into())));
        root.extend(notes.created_by.as_deref().map(|program| ("created by", program.into())));
        root.extend(notes.creation_date.map(|date| ("creation date", date.into())));
        root.extend(notes.digest.map(|digest| ("sha256", digest.to_string().as_str().into())));
        let bytes = Tree::dictionary(root).encode();
        Metainfo::parse(&bytes)?;
        Ok(bytes)
    }

    /// Refuses names that would be read back as others.
    fn check_names(&self) -> Result<(), MetainfoError> {
        path::check_outgoing_name(&self.name).map_err(MetainfoError::Name)?;
        let DraftContent::Files(files) = &self.content else { return Ok(()) };
        for (number, file) in (1..).zip(files) {
            let checked = file.path.iter().try_for_each(|name| path::check_outgoing_name(name));
            checked.map_err(|fault| MetainfoError::Path { file: number, fault })?;
        }
        Ok(())
    }

    fn info(&self, hashes: &[[u8; 20]]) -> Tree {
        let mut info = vec![
            ("name", self.name.as_str().into()),
            ("piece length", self.piece_length.into()),
            ("pieces", hashes.as_flattened().into()),
        ];
        match &self.content {
            DraftContent::Single(length) => info.push(("length", (*length).into())),
            DraftContent::Files(files) => info.push(("files", Tree::list(files.iter().map(file)))),
        }
        if self.private {
            info.push(("private", Tree::Integer(1)));
        }
        Tree::dictionary(info)
    }
}

fn file(file: &DraftFile) -> Tree {
    let path = Tree::list(file.path.iter().map(|name| name.as_str().into()));
    Tree::dictionary([("length", file.length.into()), ("path", path)])
}
