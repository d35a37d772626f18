//! Downloads files, and shows their progress until they are complete.

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
use crate::frontend::repl::command::DownloadArgs;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, display_path, pluralize};
use crate::view::{DownloadId, DownloadView};

pub(crate) use follow::stop_foreground;
pub(crate) use messages::done_lines;
pub(crate) use messages::failure_text;
pub(super) use messages::{finished_text, stopped_text};
pub(crate) use wait_notes::unfinished_text;

use group::DownloadGroup;
use resolve::{ResolvedFile, ResolvedFiles, resolve_files};

/// A download that a command waits for.
#[derive(Debug)]
pub(super) struct AwaitedDownload {
    pub(super) id: DownloadId,
    /// The state of the download. Held from the start, because the list drops the oldest finished downloads.
    pub(super) view: watch::Receiver<DownloadView>,
    /// The requested file; `None` if the content of a torrent was requested.
    pub(super) file: Option<Digest>,
}

/// Starts the requested downloads, and waits for them unless they go to the background.
pub(super) async fn download(session: &mut ReplSession, order: DownloadArgs) -> Result<(), CommandError> {
    let ResolvedFiles { files: requested, folder, unusable } = resolve_files(session, &order).await?;
    if unusable > 0 {
        let files = pluralize(unusable as u64, "file");
        session.output.error(format!("{files} not downloaded: invalid name"));
    }
    let timeout = order.timeout.or(session.timeout);
    let group = match folder {
        Some(folder) => Some(DownloadGroup::for_folder(&session.node, &folder)),
        None => DownloadGroup::for_files(&session.node, requested.len()),
    };
    let started = start_downloads(session, &requested, group.is_some(), order.background).await?;
    let group = group.map(|group| group.with_counts(started.already_here, started.copies));
    let result = wait_for_downloads(session, started.awaited, group, order.background, timeout).await;
    // A failure outranks downloads that only resume later.
    match result {
        Ok(()) | Err(CommandError::Unfinished) if started.has_failed || unusable > 0 => {
            Err(CommandError::AlreadyReported)
        }
        waited => waited,
    }
}

impl AwaitedDownload {
    /// Returns the download to wait for; `None` if it is no longer in the list.
    fn new(session: &ReplSession, id: DownloadId, file: Option<Digest>) -> Option<Self> {
        Some(Self { id, view: session.node.downloads().watch(id)?, file })
    }
}

/// Waits for a started torrent, at most for `timeout`, unless it goes to the background.
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

/// The result of starting several downloads.
#[derive(Debug, Default)]
struct StartedDownloads {
    awaited: Vec<AwaitedDownload>,
    /// How many files already exist at their destinations.
    already_here: usize,
    /// The number of additional destinations per download.
    copies: HashMap<DownloadId, usize>,
    /// Whether a download could not be started.
    has_failed: bool,
}

/// Starts downloads and reports those that need no start. A download that is already under way is awaited like the others.
async fn start_downloads(
    session: &mut ReplSession,
    requested: &[ResolvedFile],
    is_group: bool,
    background: bool,
) -> Result<StartedDownloads, CommandError> {
    let is_person = session.output.is_for_person();
    let (mut started, is_brief) = (StartedDownloads::default(), is_person && is_group);
    for ResolvedFile { wanted, .. } in requested {
        let result = session.node.downloads().start(wanted).await;
        let (id, is_new) = match result {
            Ok(id) => {
                started.copies.insert(id, wanted.copies.len());
                (id, true)
            }
            Err(NotStarted::AlreadyHere { location }) => {
                started.already_here += 1 + wanted.copies.len();
                if !is_brief {
                    let place = session.display_own_path(&location);
                    session.output.line(format!("already here: {place}"))?;
                }
                continue;
            }
            Err(NotStarted::Running { id }) if started.awaited.iter().any(|awaited| awaited.id == id) => {
                continue;
            }
            Err(NotStarted::Running { id }) => {
                if is_person {
                    let also = wanted.targets().filter_map(DownloadTarget::user_path).map(display_path);
                    let also: Vec<String> = also.map(|place| format!("; also saved to {place}")).collect();
                    session.output.line(format!(
                        "already under way as download {}{}",
                        id.0,
                        also.concat()
                    ))?;
                }
                (id, false)
            }
            Err(error @ NotStarted::Elsewhere { .. }) => {
                session.output.error(error);
                started.has_failed = true;
                continue;
            }
        };
        // Registered at once, so that Ctrl-C before the last start stops these. Earlier downloads continue then.
        if background {
            session.background.add(id);
        } else if is_new || !is_person {
            session.foreground.push(id);
        }
        started.awaited.extend(AwaitedDownload::new(session, id, Some(wanted.digest)));
    }
    report_names(session, requested, &started.awaited)?;
    Ok(started)
}

/// Reports which hit becomes which file, for hits with the same name.
fn report_names(
    session: &mut ReplSession,
    requested: &[ResolvedFile],
    awaited: &[AwaitedDownload],
) -> Result<(), CommandError> {
    let mut named: HashMap<&DownloadTarget, u32> = HashMap::new();
    for ResolvedFile { wanted, .. } in requested.iter().filter(|file| file.number.is_some()) {
        *named.entry(&wanted.target).or_default() += 1;
    }
    let is_shared = |target: &DownloadTarget| named.get(target).is_some_and(|count| *count > 1);
    for ResolvedFile { number, wanted } in requested.iter().filter(|file| is_shared(&file.wanted.target)) {
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
