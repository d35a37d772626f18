use super::{Metainfo, MetainfoError, path};
use crate::bencode::Tree;
use crate::digest::Digest;

/// A torrent to be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetainfoDraft {
    /// The name of the file, or of the folder that contains the files.
    pub name: String,
    /// The length of every piece but the last, in bytes.
    pub piece_length: u32,
    /// The files.
    pub content: DraftContent,
    /// True if peers may only come from its trackers.
    pub private: bool,
    /// The tracker URLs by tier.
    pub tiers: Vec<Vec<String>>,
    /// The fields that do not affect the infohash.
    pub optional: DraftOptionalFields,
}

/// The informational fields of a torrent, which do not affect its infohash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DraftOptionalFields {
    /// A comment.
    pub comment: Option<String>,
    /// The name of the program that creates it.
    pub created_by: Option<String>,
    /// The creation time, in seconds since 1970.
    pub creation_date: Option<u64>,
    /// The SHA-256 of its only file.
    pub digest: Option<Digest>,
}

/// The content of a torrent to be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftContent {
    /// One file of this length in bytes, under the torrent's name.
    Single(u64),
    /// Files in a folder with the torrent's name, in the order in which they were hashed.
    Files(Vec<DraftFile>),
}

/// A file of a torrent to be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftFile {
    /// The path components below the torrent's folder.
    pub path: Vec<String>,
    /// Its length in bytes.
    pub length: u64,
}

impl MetainfoDraft {
    /// Encodes the `.torrent` with one hash per piece. Returns an error if [`Metainfo::parse`] would not read it back
    /// unchanged.
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
        let optional = &self.optional;
        root.extend(optional.comment.as_deref().map(|comment| ("comment", comment.into())));
        root.extend(optional.created_by.as_deref().map(|program| ("created by", program.into())));
        root.extend(optional.creation_date.map(|date| ("creation date", date.into())));
        root.extend(optional.digest.map(|digest| ("sha256", digest.to_string().as_str().into())));
        let bytes = Tree::dictionary(root).encode();
        Metainfo::parse(&bytes)?;
        Ok(bytes)
    }

    /// Refuses names that parsing would map to other names.
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
