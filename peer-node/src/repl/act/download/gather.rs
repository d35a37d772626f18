use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::download::{Saving, Target, Wanted};
use crate::repl::act::lookup::contents;
use crate::repl::command::{Item, Order};
use crate::repl::failure::Failure;
use crate::repl::session::{Session, home, user_path};
use crate::repl::shown::Listed;

use super::tree::tree;

/// A content to fetch, with the number by which it was chosen, if it was.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) number: Option<u32>,
    pub(super) wanted: Wanted,
}

/// Finds out what an order means. Nothing is started unless all of it can be made out.
pub(super) async fn gather(session: &mut Session, order: &Order) -> Result<Vec<Chosen>, Failure> {
    let mut chosen = Vec::new();
    for item in &order.items {
        match item {
            Item::Folder(folder) => {
                let files = tree(session, folder, order.from.as_deref()).await?;
                let files = once_each(&files, order.saving).into_iter();
                chosen.extend(files.map(|wanted| Chosen { number: None, wanted }));
            }
            item => {
                let files = contents(session, item).await?;
                for (listed, number) in files.iter().zip(numbers(item)) {
                    // Nothing is asked of where it lies.
                    let wanted =
                        Wanted { anywhere: true, ..wanted(listed, listed.file_name(), order.saving) };
                    chosen.push(Chosen { number, wanted });
                }
            }
        }
    }
    if let Some(destination) = &order.destination {
        put_at(&mut chosen, destination)?;
    }
    Ok(chosen)
}

/// Returns the numbers by which an item names its contents, one after the other.
fn numbers(item: &Item) -> impl Iterator<Item = Option<u32>> {
    let numbers = match item {
        Item::Hits(numbers) => numbers.up_to(u32::MAX).into_iter().flatten().map(Some).collect(),
        _ => Vec::new(),
    };
    numbers.into_iter().chain(std::iter::repeat(None))
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
