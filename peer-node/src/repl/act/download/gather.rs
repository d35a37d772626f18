use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::download::{Target, Wanted};
use crate::repl::act::lookup::contents;
use crate::repl::command::{Item, Order};
use crate::repl::failure::Failure;
use crate::repl::session::{Session, home, user_path};
use crate::repl::shown::Listed;

use super::tree::tree;

/// Finds out what an order means. Nothing is started unless all of it can be made out.
pub(super) async fn gather(session: &mut Session, order: &Order) -> Result<Vec<Wanted>, Failure> {
    let mut chosen = Vec::new();
    for item in &order.items {
        match item {
            Item::Folder(folder) => {
                let files = tree(session, folder, order.from.as_deref()).await?;
                chosen.extend(once_each(&files));
            }
            item => {
                let files = contents(session, item).await?;
                chosen.extend(files.iter().map(|listed| wanted(listed, listed.file_name())));
            }
        }
    }
    if let Some(destination) = &order.destination {
        put_at(&mut chosen, destination)?;
    }
    Ok(chosen)
}

fn wanted(listed: &Listed, name: &str) -> Wanted {
    let target = Target::InFolder(name.to_owned());
    Wanted { digest: listed.digest, size: listed.size, target, copies: Vec::new() }
}

/// Wants the files of a tree, the folders around them included; what occurs several times in it is fetched once.
fn once_each(files: &[Listed]) -> Vec<Wanted> {
    let mut chosen: Vec<Wanted> = Vec::with_capacity(files.len());
    let mut places = HashMap::new();
    for listed in files {
        match places.entry(listed.digest) {
            Entry::Vacant(place) => {
                place.insert(chosen.len());
                chosen.push(wanted(listed, &listed.path));
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
fn put_at(chosen: &mut [Wanted], destination: &str) -> Result<(), Failure> {
    let [only] = chosen else { return Err(Failure::SeveralAsOne { count: chosen.len() }) };
    if let Target::InFolder(name) = &only.target {
        let path = user_path(destination, home().as_deref());
        only.target = Target::At(path, name.clone());
    }
    Ok(())
}
