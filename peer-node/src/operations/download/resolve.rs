use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use protocol::digest::Digest;

use super::{DownloadItem, DownloadRequest};
use crate::download::{DownloadTarget, SaveOptions, WantedFile};
use crate::operations::Operations;
use crate::operations::content::ListedContent;
use crate::operations::problem::{DestinationProblem, Problem};
use crate::operations::safe_name::SafeName;

/// The files that a request stands for.
#[derive(Debug, Default)]
pub(crate) struct ResolvedFiles {
    /// The files, each content of a folder once.
    pub(crate) files: Vec<ResolvedFile>,
    /// The remote folder, if exactly one folder was requested.
    pub(crate) folder: Option<SafeName>,
    /// How many requested files have invalid names.
    pub(crate) unusable: usize,
}

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedFile {
    number: Option<u32>,
    wanted: WantedFile,
}

impl ResolvedFile {
    /// Returns the number of files that the content becomes.
    pub(crate) fn file_count(&self) -> usize {
        1 + self.wanted.copies.len()
    }

    /// Returns what to download.
    pub(super) const fn wanted(&self) -> &WantedFile {
        &self.wanted
    }
}

impl ResolvedFiles {
    /// Returns the number and content of each file that was selected by number and has the same name as another such file, so
    /// that one of them gets another name.
    pub(crate) fn equally_named(&self) -> Vec<(u32, Digest)> {
        let numbered = || self.files.iter().filter_map(|file| Some((file.number?, &file.wanted)));
        let mut counts: HashMap<&DownloadTarget, u32> = HashMap::new();
        for (_, wanted) in numbered() {
            *counts.entry(&wanted.target).or_default() += 1;
        }
        let is_shared = |target: &DownloadTarget| counts.get(target).is_some_and(|count| *count > 1);
        numbered()
            .filter(|(_, wanted)| is_shared(&wanted.target))
            .map(|(number, wanted)| (number, wanted.digest))
            .collect()
    }
}

impl Operations {
    /// Resolves a request into files. Fails if any item cannot be resolved, so that nothing is started then.
    pub(crate) async fn resolve(&self, request: &DownloadRequest) -> Result<ResolvedFiles, Problem> {
        let mut resolution = Resolution::new(request.saving);
        for item in &request.items {
            match item {
                DownloadItem::Listed(content, number) => resolution.add_content(content, *number),
                DownloadItem::Content(what) => resolution.add_content(&self.find_content(what).await?, None),
                DownloadItem::Folder { peer, folder } => {
                    let listing = self.list_below(*peer, folder).await?;
                    resolution.add_folder(folder.clone(), &listing.files, listing.unusable);
                }
            }
        }
        resolution.finish(request.destination.as_deref())
    }
}

/// The files of the items that have been resolved.
#[derive(Debug)]
struct Resolution {
    saving: SaveOptions,
    files: Vec<ResolvedFile>,
    folders: Vec<SafeName>,
    has_contents: bool,
    unusable: usize,
}

impl Resolution {
    const fn new(saving: SaveOptions) -> Self {
        Self { saving, files: Vec::new(), folders: Vec::new(), has_contents: false, unusable: 0 }
    }

    /// Adds a content, which may already exist anywhere on this machine.
    fn add_content(&mut self, content: &ListedContent, number: Option<u32>) {
        let name = content.path.file_name();
        let wanted = WantedFile { anywhere: true, ..wanted(content, name.original(), self.saving) };
        self.files.push(ResolvedFile { number, wanted });
        self.has_contents = true;
    }

    /// Adds the files of a folder.
    fn add_folder(&mut self, folder: SafeName, files: &[ListedContent], unusable: usize) {
        let files = deduplicated(files, self.saving).into_iter();
        self.files.extend(files.map(|wanted| ResolvedFile { number: None, wanted }));
        self.folders.push(folder);
        self.unusable += unusable;
    }

    /// Returns the files, with the destination set if there is one.
    fn finish(mut self, destination: Option<&Path>) -> Result<ResolvedFiles, Problem> {
        if let Some(destination) = destination {
            if let Some(folder) = self.folders.first() {
                return Err(DestinationProblem::Folder { folder: folder.clone() }.into());
            }
            set_destination(&mut self.files, destination)?;
        }
        let folder = self.folders.pop().filter(|_| self.folders.is_empty() && !self.has_contents);
        Ok(ResolvedFiles { files: self.files, folder, unusable: self.unusable })
    }
}

fn wanted(content: &ListedContent, name: &str, saving: SaveOptions) -> WantedFile {
    WantedFile {
        digest: content.digest,
        size: content.size,
        path: Some(content.path.original().to_owned()),
        target: DownloadTarget::InFolder(name.to_owned()),
        copies: Vec::new(),
        anywhere: false,
        save_options: saving,
    }
}

/// Returns the wanted files of a folder with their relative paths; a content that occurs several times is fetched once.
fn deduplicated(files: &[ListedContent], saving: SaveOptions) -> Vec<WantedFile> {
    let mut chosen: Vec<WantedFile> = Vec::with_capacity(files.len());
    let mut positions = HashMap::new();
    for content in files {
        match positions.entry(content.digest) {
            Entry::Vacant(position) => {
                position.insert(chosen.len());
                chosen.push(wanted(content, content.path.original(), saving));
            }
            Entry::Occupied(position) => {
                if let Some(first) = chosen.get_mut(*position.get()) {
                    first.copies.push(DownloadTarget::InFolder(content.path.original().to_owned()));
                }
            }
        }
    }
    chosen
}

/// Sets the destination of the only file; fails if there are several.
fn set_destination(chosen: &mut [ResolvedFile], destination: &Path) -> Result<(), DestinationProblem> {
    let [only] = chosen else { return Err(DestinationProblem::SeveralFiles { count: chosen.len() }) };
    if let DownloadTarget::InFolder(name) = &only.wanted.target {
        only.wanted.target = DownloadTarget::AtPath(destination.to_owned(), name.clone());
        only.wanted.anywhere = false;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(first: u8, path: &str) -> ListedContent {
        ListedContent { digest: Digest::from_bytes([first; 32]), size: Some(1), path: path.into() }
    }

    fn resolution() -> Resolution {
        Resolution::new(SaveOptions::default())
    }

    fn in_folder(path: &str) -> DownloadTarget {
        DownloadTarget::InFolder(path.into())
    }

    #[test]
    fn content_that_a_folder_has_twice_is_fetched_once() {
        let mut resolution = resolution();
        let files = [content(1, "music/a"), content(2, "music/b"), content(1, "music/copy/a")];
        resolution.add_folder("music".into(), &files, 3);
        let resolved = resolution.finish(None).unwrap();
        assert_eq!((resolved.folder, resolved.unusable), (Some("music".into()), 3));
        let counts: Vec<usize> = resolved.files.iter().map(ResolvedFile::file_count).collect();
        assert_eq!(counts, [2, 1]);
        let first = &resolved.files[0].wanted;
        assert_eq!(
            (&first.target, first.copies.as_slice()),
            (&in_folder("music/a"), &[in_folder("music/copy/a")][..])
        );
        assert!(!first.anywhere);
    }

    #[test]
    fn content_goes_into_the_folder_under_its_own_name() {
        let mut resolution = resolution();
        resolution.add_content(&content(1, "far/away/a.iso"), None);
        resolution.add_folder("music".into(), &[content(2, "music/b")], 0);
        let resolved = resolution.finish(None).unwrap();
        // A folder among other things is no group of its own.
        assert_eq!(resolved.folder, None);
        let first = &resolved.files[0].wanted;
        assert_eq!((&first.target, first.anywhere), (&in_folder("a.iso"), true));
        assert_eq!(first.path.as_deref(), Some("far/away/a.iso"));
    }

    #[test]
    fn only_a_single_file_can_have_a_destination() {
        let to = Some(Path::new("x/y.iso"));
        let mut one = resolution();
        one.add_content(&content(1, "a/b.iso"), None);
        let resolved = one.finish(to).unwrap();
        let wanted = &resolved.files[0].wanted;
        assert_eq!(
            (&wanted.target, wanted.anywhere),
            (&DownloadTarget::AtPath("x/y.iso".into(), "b.iso".into()), false)
        );
        let mut two = resolution();
        two.add_content(&content(1, "a"), None);
        two.add_content(&content(2, "b"), None);
        let problem = two.finish(to).unwrap_err();
        assert!(matches!(problem, Problem::Destination(DestinationProblem::SeveralFiles { count: 2 })));
        let mut folder = resolution();
        folder.add_folder("music".into(), &[content(1, "music/a")], 0);
        let problem = folder.finish(to).unwrap_err();
        assert!(matches!(problem, Problem::Destination(DestinationProblem::Folder { .. })));
    }

    #[test]
    fn equally_named_files_are_told_apart_by_their_numbers() {
        let mut resolution = resolution();
        for (number, path) in [(4, "a/x.iso"), (5, "b/x.iso"), (6, "c/y.iso")] {
            resolution.add_content(&content(number, path), Some(number.into()));
        }
        resolution.add_content(&content(9, "d/y.iso"), None);
        let resolved = resolution.finish(None).unwrap();
        let named: Vec<u32> = resolved.equally_named().into_iter().map(|(number, _)| number).collect();
        assert_eq!(named, [4, 5]);
    }
}
