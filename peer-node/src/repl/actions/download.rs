//! Fetches files, and shows how it goes until they are here.

mod folder_listing;
mod follow;
mod group;
mod messages;
mod resolve;
mod wait_notes;

use std::collections::HashMap;
use std::time::Duration;

use protocol::digest::Digest;
use protocol::escape::display_safe;
use tokio::sync::watch;

use crate::download::{DownloadTarget, NotStarted};
use crate::repl::command::DownloadArgs;
use crate::repl::command_error::CommandError;
use crate::repl::session::{ReplSession, display_path, pluralize};
use crate::view::{DownloadId, DownloadView};

pub(crate) use follow::stop_foreground;
pub(crate) use messages::done_lines;
pub(crate) use messages::failure_text;
pub(super) use messages::{finished_text, stopped_text};
pub(crate) use wait_notes::unfinished_text;

use group::DownloadGroup;
use resolve::{ResolvedFile, ResolvedFiles, resolve_files};

/// A download that is waited for.
#[derive(Debug)]
pub(super) struct AwaitedDownload {
    /// Which.
    pub(super) id: DownloadId,
    /// How it stands. It is held from the start: of many downloads, those that are over long ago are forgotten.
    pub(super) view: watch::Receiver<DownloadView>,
    /// The file that it shall bring; none if it is a torrent's content that is wanted.
    pub(super) file: Option<Digest>,
}

/// Starts what was ordered, and waits for it unless it goes to the background.
pub(super) async fn download(session: &mut ReplSession, order: DownloadArgs) -> Result<(), CommandError> {
    let ResolvedFiles { files: chosen, folder, unusable } = resolve_files(session, &order).await?;
    if unusable > 0 {
        let files = pluralize(unusable as u64, "file");
        session.output.error(format!("{files} not downloaded: the name cannot be used"));
    }
    let timeout = order.timeout.or(session.timeout);
    let group = match folder {
        Some(folder) => Some(DownloadGroup::for_folder(&session.node, &folder)),
        None => DownloadGroup::for_files(&session.node, chosen.len()),
    };
    let begun = start_downloads(session, &chosen, group.is_some(), order.background).await?;
    let group = group.map(|group| group.with_counts(begun.already_here, begun.copies));
    let result = wait_for_downloads(session, begun.awaited, group, order.background, timeout).await;
    // A failure outranks what only goes on later.
    match result {
        Ok(()) | Err(CommandError::Unfinished) if begun.has_failed || unusable > 0 => {
            Err(CommandError::AlreadyReported)
        }
        waited => waited,
    }
}

impl AwaitedDownload {
    /// Returns a download that is waited for, unless nobody remembers it.
    fn new(session: &ReplSession, id: DownloadId, file: Option<Digest>) -> Option<Self> {
        Some(Self { id, view: session.node.downloads().watch(id)?, file })
    }
}

/// Waits for a torrent that has begun, at most as long as `timeout`, unless it is to go to the background.
pub(super) async fn wait_for_torrent(
    session: &mut ReplSession,
    (id, is_new): (DownloadId, bool),
    background: bool,
    timeout: Option<Duration>,
) -> Result<(), CommandError> {
    if is_new || !session.output.is_for_person() {
        session.foreground.push(id);
    }
    let awaited = AwaitedDownload::new(session, id, None).into_iter().collect();
    wait_for_downloads(session, awaited, None, background, timeout).await
}

async fn wait_for_downloads(
    session: &mut ReplSession,
    awaited: Vec<AwaitedDownload>,
    group: Option<DownloadGroup>,
    background: bool,
    timeout: Option<Duration>,
) -> Result<(), CommandError> {
    if background {
        return send_to_background(session, &awaited, group);
    }
    let followed = follow::follow(session, awaited, group, timeout).await;
    session.foreground.clear();
    followed
}

/// What became of the wish for several files.
#[derive(Debug, Default)]
struct StartedDownloads {
    awaited: Vec<AwaitedDownload>,
    /// How many files are at their places already.
    already_here: usize,
    /// How many more files than one a download brings, if any.
    copies: HashMap<DownloadId, usize>,
    /// Whether one could not be begun.
    has_failed: bool,
}

/// Starts downloads and tells of those that need not be started. One that is under way already is waited for like the
/// others.
async fn start_downloads(
    session: &mut ReplSession,
    chosen: &[ResolvedFile],
    is_group: bool,
    background: bool,
) -> Result<StartedDownloads, CommandError> {
    let is_person = session.output.is_for_person();
    let (mut begun, is_brief) = (StartedDownloads::default(), is_person && is_group);
    for ResolvedFile { wanted, .. } in chosen {
        let started = session.node.downloads().start(wanted).await;
        let (id, is_new) = match started {
            Ok(id) => {
                begun.copies.insert(id, wanted.copies.len());
                (id, true)
            }
            Err(NotStarted::AlreadyHere { location }) => {
                begun.already_here += 1 + wanted.copies.len();
                if !is_brief {
                    let place = session.display_own_path(&location);
                    session.output.line(format!("already here: {place}"))?;
                }
                continue;
            }
            Err(NotStarted::Running { id }) if begun.awaited.iter().any(|awaited| awaited.id == id) => {
                continue;
            }
            Err(NotStarted::Running { id }) => {
                if is_person {
                    let also = wanted.targets().filter_map(DownloadTarget::user_path).map(display_path);
                    let also: Vec<String> = also.map(|place| format!("; comes to {place} too")).collect();
                    session.output.line(format!(
                        "under way already, as download {}{}",
                        id.0,
                        also.concat()
                    ))?;
                }
                (id, false)
            }
            Err(error @ NotStarted::Elsewhere { .. }) => {
                session.output.error(error);
                begun.has_failed = true;
                continue;
            }
        };
        // At once, for who interrupts the command before all have begun. What was under way before goes on then.
        if background {
            session.background.add(id);
        } else if is_new || !is_person {
            session.foreground.push(id);
        }
        begun.awaited.extend(AwaitedDownload::new(session, id, Some(wanted.digest)));
    }
    report_names(session, chosen, &begun.awaited)?;
    Ok(begun)
}

/// Says which hit becomes which file, for hits with one name.
fn report_names(
    session: &mut ReplSession,
    chosen: &[ResolvedFile],
    awaited: &[AwaitedDownload],
) -> Result<(), CommandError> {
    let mut named: HashMap<&DownloadTarget, u32> = HashMap::new();
    for ResolvedFile { wanted, .. } in chosen.iter().filter(|chosen| chosen.number.is_some()) {
        *named.entry(&wanted.target).or_default() += 1;
    }
    let is_shared = |target: &DownloadTarget| named.get(target).is_some_and(|count| *count > 1);
    for ResolvedFile { number, wanted } in chosen.iter().filter(|chosen| is_shared(&chosen.wanted.target)) {
        let download = awaited.iter().find(|awaited| awaited.file == Some(wanted.digest));
        if let (Some(number), Some(AwaitedDownload { view, .. })) = (number, download) {
            let name = display_safe(&view.borrow().name).into_owned();
            session.output.line(format!("{number} → {name}"))?;
        }
    }
    Ok(())
}

fn send_to_background(
    session: &mut ReplSession,
    awaited: &[AwaitedDownload],
    group: Option<DownloadGroup>,
) -> Result<(), CommandError> {
    let ids: Vec<DownloadId> = awaited.iter().map(|awaited| awaited.id).collect();
    if let (Some(group), true, [first, .., last]) = (group, session.output.is_for_person(), &*ids) {
        let downloads = pluralize(ids.len() as u64, "download");
        let (name, first, last) = (display_safe(group.name()), first.0, last.0);
        session
            .output
            .line(format!("{name}: {downloads} in the background, {first} to {last}; see transfers"))?;
        session.background.add_group(group.name().to_owned(), Some(group.location().to_owned()), ids);
        return Ok(());
    }
    for AwaitedDownload { id, view, .. } in awaited {
        session.output.line(messages::background_text(&view.borrow(), session.output.audience()))?;
        session.background.add(*id);
    }
    Ok(())
}
