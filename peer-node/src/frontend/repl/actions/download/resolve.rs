use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::download::{DownloadTarget, SaveOptions, WantedFile};
use crate::frontend::repl::actions::lookup::find_files;
use crate::frontend::repl::command::{ContentSelector, DownloadArgs};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::row_list::{ListRow, ListedContent};
use crate::frontend::repl::session::{ReplSession, expand_tilde, home_dir};
use protocol::escape::excerpt;
use protocol::index::PeerRef;

use super::folder_listing::{list_folder, list_folder_of};

/// The files that a `download` command selects.
pub(super) struct ResolvedFiles {
    pub(super) files: Vec<ResolvedFile>,
    /// The remote folder, if exactly one folder was requested.
    pub(super) folder: Option<String>,
    /// How many requested files have invalid names.
    pub(super) unusable: usize,
}

/// A content to fetch, with the row number if it was selected by one.
#[derive(Debug)]
pub(super) struct ResolvedFile {
    pub(super) number: Option<u32>,
    pub(super) wanted: WantedFile,
}

/// Resolves the arguments of a `download` command. Fails if any of them cannot be resolved, so that nothing is started then.
pub(super) async fn resolve_files(
    session: &mut ReplSession,
    order: &DownloadArgs,
) -> Result<ResolvedFiles, CommandError> {
    let (mut chosen, mut folders, mut has_files, mut unusable) = (Vec::new(), Vec::new(), false, 0);
    for item in &order.items {
        match item {
            ContentSelector::Folder(folder) => {
                let tree = list_folder(session, folder, order.from.as_deref()).await?;
                chosen.extend(unnumbered(&tree.files, order.saving));
                unusable += tree.unusable;
                folders.push(folder.clone());
            }
            ContentSelector::Hits(numbers) => {
                let rows: Vec<ListRow> = session.last_list.select(numbers)?.into_iter().cloned().collect();
                for (row, number) in rows.into_iter().zip(numbers.up_to(u32::MAX).into_iter().flatten()) {
                    match row {
                        ListRow::File(listed) => {
                            chosen.push(ResolvedFile {
                                number: Some(number),
                                ..wanted_anywhere(&listed, order.saving)
                            });
                            has_files = true;
                        }
                        ListRow::Folder { peer, path } => {
                            let tree = list_folder_of(session, PeerRef::Node(peer), &path).await?;
                            chosen.extend(unnumbered(&tree.files, order.saving));
                            unusable += tree.unusable;
                            folders.push(path);
                        }
                    }
                }
            }
            item => {
                let files = find_files(session, item).await?;
                chosen.extend(files.iter().map(|listed| wanted_anywhere(listed, order.saving)));
                has_files = true;
            }
        }
    }
    if let Some(destination) = &order.destination {
        if let Some(folder) = folders.first() {
            return Err(CommandError::DestinationForFolder { name: excerpt(folder) });
        }
        set_destination(&mut chosen, destination)?;
    }
    let folder = folders.pop().filter(|_| folders.is_empty() && !has_files);
    Ok(ResolvedFiles { files: chosen, folder, unusable })
}

/// Returns the files of a folder, which have no row numbers.
fn unnumbered(files: &[ListedContent], saving: SaveOptions) -> impl Iterator<Item = ResolvedFile> {
    deduplicated(files, saving).into_iter().map(|wanted| ResolvedFile { number: None, wanted })
}

/// Returns a wanted file that may already exist anywhere on this machine.
fn wanted_anywhere(listed: &ListedContent, saving: SaveOptions) -> ResolvedFile {
    let wanted = WantedFile { anywhere: true, ..wanted(listed, listed.file_name(), saving) };
    ResolvedFile { number: None, wanted }
}

fn wanted(listed: &ListedContent, name: &str, saving: SaveOptions) -> WantedFile {
    WantedFile {
        digest: listed.digest,
        size: listed.size,
        path: Some(listed.path.clone()),
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
    for listed in files {
        match positions.entry(listed.digest) {
            Entry::Vacant(position) => {
                position.insert(chosen.len());
                chosen.push(wanted(listed, &listed.path, saving));
            }
            Entry::Occupied(position) => {
                if let Some(first) = chosen.get_mut(*position.get()) {
                    first.copies.push(DownloadTarget::InFolder(listed.path.clone()));
                }
            }
        }
    }
    chosen
}

/// Sets the destination of the only file; fails if there are several.
fn set_destination(chosen: &mut [ResolvedFile], destination: &str) -> Result<(), CommandError> {
    let [only] = chosen else { return Err(CommandError::DestinationForSeveral { count: chosen.len() }) };
    if let DownloadTarget::InFolder(name) = &only.wanted.target {
        let path = expand_tilde(destination, home_dir().as_deref());
        only.wanted.target = DownloadTarget::AtPath(path, name.clone());
        only.wanted.anywhere = false;
    }
    Ok(())
}
