use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::download::{Saving, Target, Wanted};
use crate::repl::act::lookup::contents;
use crate::repl::command::{Item, Order};
use crate::repl::failure::Failure;
use crate::repl::session::{Session, home, user_path};
use crate::repl::shown::{Listed, Row};
use protocol::escape::excerpt;
use protocol::index::PeerRef;

use super::tree::{tree, tree_of};

/// What an order means.
pub(super) struct Gathered {
    /// The files.
    pub(super) chosen: Vec<Chosen>,
    /// The remote folder in which all of them lie, if it was one that was ordered.
    pub(super) folder: Option<String>,
    /// How many files were ordered whose names cannot be used.
    pub(super) unusable: usize,
}

/// A content to fetch, with the number by which it was chosen, if it was.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) number: Option<u32>,
    pub(super) wanted: Wanted,
}

/// Finds out what an order means. Nothing is started unless all of it can be made out.
pub(super) async fn gather(session: &mut Session, order: &Order) -> Result<Gathered, Failure> {
    let (mut chosen, mut folders, mut has_files, mut unusable) = (Vec::new(), Vec::new(), false, 0);
    for item in &order.items {
        match item {
            Item::Folder(folder) => {
                let tree = tree(session, folder, order.from.as_deref()).await?;
                chosen.extend(unnumbered(&tree.files, order.saving));
                unusable += tree.unusable;
                folders.push(folder.clone());
            }
            Item::Hits(numbers) => {
                let rows: Vec<Row> = session.shown.pick(numbers)?.into_iter().cloned().collect();
                for (row, number) in rows.into_iter().zip(numbers.up_to(u32::MAX).into_iter().flatten()) {
                    match row {
                        Row::File(listed) => {
                            chosen.push(Chosen { number: Some(number), ..anywhere(&listed, order.saving) });
                            has_files = true;
                        }
                        Row::Folder { peer, path } => {
                            let tree = tree_of(session, PeerRef::Node(peer), &path).await?;
                            chosen.extend(unnumbered(&tree.files, order.saving));
                            unusable += tree.unusable;
                            folders.push(path);
                        }
                    }
                }
            }
            item => {
                let files = contents(session, item).await?;
                chosen.extend(files.iter().map(|listed| anywhere(listed, order.saving)));
                has_files = true;
            }
        }
    }
    if let Some(destination) = &order.destination {
        if let Some(folder) = folders.first() {
            return Err(Failure::FolderAsOne { name: excerpt(folder) });
        }
        put_at(&mut chosen, destination)?;
    }
    let folder = folders.pop().filter(|_| folders.is_empty() && !has_files);
    Ok(Gathered { chosen, folder, unusable })
}

/// Wants the files of a tree.
fn unnumbered(files: &[Listed], saving: Saving) -> impl Iterator<Item = Chosen> {
    once_each(files, saving).into_iter().map(|wanted| Chosen { number: None, wanted })
}

/// Wants a content of which nothing is asked about where it lies.
fn anywhere(listed: &Listed, saving: Saving) -> Chosen {
    let wanted = Wanted { anywhere: true, ..wanted(listed, listed.file_name(), saving) };
    Chosen { number: None, wanted }
}

fn wanted(listed: &Listed, name: &str, saving: Saving) -> Wanted {
    Wanted {
        digest: listed.digest,
        size: listed.size,
        path: Some(listed.path.clone()),
        target: Target::InFolder(name.to_owned()),
        copies: Vec::new(),
        anywhere: false,
        saving,
    }
}

/// Wants the files of a tree, the folders around them included; what occurs several times in it is fetched once.
fn once_each(files: &[Listed], saving: Saving) -> Vec<Wanted> {
    let mut chosen: Vec<Wanted> = Vec::with_capacity(files.len());
    let mut places = HashMap::new();
    for listed in files {
        match places.entry(listed.digest) {
            Entry::Vacant(place) => {
                place.insert(chosen.len());
                chosen.push(wanted(listed, &listed.path, saving));
            }
            Entry::Occupied(place) => {
                if let Some(first) = chosen.get_mut(*place.get()) {
                    first.copies.push(Target::InFolder(listed.path.clone()));
                }
            }
        }
    }
    chosen
}

/// Gives the only file another place.
fn put_at(chosen: &mut [Chosen], destination: &str) -> Result<(), Failure> {
    let [only] = chosen else { return Err(Failure::SeveralAsOne { count: chosen.len() }) };
    if let Target::InFolder(name) = &only.wanted.target {
        let path = user_path(destination, home().as_deref());
        only.wanted.target = Target::At(path, name.clone());
        only.wanted.anywhere = false;
    }
    Ok(())
}
