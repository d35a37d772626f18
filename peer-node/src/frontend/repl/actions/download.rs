//! Downloads files, and shows their progress until they are complete.

mod follow;
mod group_text;
mod items;
mod messages;
mod wait_notes;

use std::collections::HashMap;
use std::time::Duration;

use protocol::digest::Digest;

use crate::frontend::repl::command::DownloadArgs;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, display_path, pluralize};
use crate::operations::{AwaitedDownload, ResolvedFile, ResolvedFiles, StartOutcome, StartedDownload};
use crate::view::DownloadId;

pub(crate) use follow::stop_foreground;
pub(crate) use messages::done_lines;
pub(crate) use messages::failure_text;
pub(super) use messages::{finished_text, stopped_text};
pub(crate) use wait_notes::unfinished_text;

use super::lookup::report_problem;
use group_text::ShownGroup;
use items::request_of;

/// Starts the requested downloads, and waits for them unless they go to the background.
pub(super) async fn download(session: &mut ReplSession, order: DownloadArgs) -> Result<(), CommandError> {
    let request = request_of(session, &order).await?;
    let resolved = match session.operations.resolve(&request).await {
        Ok(resolved) => resolved,
        Err(problem) => return Err(report_problem(session, problem)?),
    };
    let unusable = resolved.unusable;
    if unusable > 0 {
        let files = pluralize(unusable as u64, "file");
        session.output.error(format!("{files} not downloaded: invalid name"));
    }
    let timeout = order.timeout.or(session.timeout);
    let group = ShownGroup::of(&session.operations, &resolved);
    let mut started = StartedDownloads { group, ..StartedDownloads::default() };
    started.start(session, &resolved.files, order.background).await?;
    report_names(session, &resolved, &started.awaited)?;
    let StartedDownloads { awaited, group, has_failed } = started;
    let result = wait_for_downloads(session, awaited, group, order.background, timeout).await;
    // A failure outranks downloads that only resume later.
    match result {
        Ok(()) | Err(CommandError::Unfinished) if has_failed || unusable > 0 => {
            Err(CommandError::AlreadyReported)
        }
        waited => waited,
    }
}

/// Waits for a started torrent, at most for `timeout`, unless it goes to the background.
pub(super) async fn wait_for_torrent(
    session: &mut ReplSession,
    (download, is_new): (StartedDownload, bool),
    background: bool,
    timeout: Option<Duration>,
) -> Result<(), CommandError> {
    if is_new || !session.output.is_for_person() {
        session.foreground.push(download.id);
    }
    let awaited = download.awaited.into_iter().collect();
    wait_for_downloads(session, awaited, None, background, timeout).await
}

async fn wait_for_downloads(
    session: &mut ReplSession,
    awaited: Vec<AwaitedDownload>,
    group: Option<ShownGroup>,
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
    /// The group under which they are shown together, if any.
    group: Option<ShownGroup>,
    /// Whether a download could not be started.
    has_failed: bool,
}

impl StartedDownloads {
    /// Starts downloads and reports those that need no start. A download that is in progress is awaited like the others.
    async fn start(
        &mut self,
        session: &mut ReplSession,
        files: &[ResolvedFile],
        background: bool,
    ) -> Result<(), CommandError> {
        let is_person = session.output.is_for_person();
        for file in files {
            let (download, is_new) = match session.operations.start(file).await {
                Ok(StartOutcome::New(download)) => {
                    if let Some(group) = &mut self.group {
                        group.counted.set_file_count(download.id, file.file_count());
                    }
                    (download, true)
                }
                Ok(StartOutcome::AlreadyHere { location }) => {
                    if let Some(group) = &mut self.group {
                        group.counted.add_existing(file.file_count());
                    }
                    // A person sees one line for a group.
                    if self.group.is_none() || !is_person {
                        let place = session.display_own_path(&location);
                        session.output.line(format!("already here: {place}"))?;
                    }
                    continue;
                }
                Ok(StartOutcome::InProgress { download, .. })
                    if self.awaited.iter().any(|awaited| awaited.id() == download.id) =>
                {
                    continue;
                }
                Ok(StartOutcome::InProgress { download, also_saved_to }) => {
                    if is_person {
                        let also = also_saved_to.iter().map(|path| display_path(path));
                        let also: Vec<String> =
                            also.map(|place| format!("; also saved to {place}")).collect();
                        let number = download.id.0;
                        session
                            .output
                            .line(format!("already under way as download {number}{}", also.concat()))?;
                    }
                    (download, false)
                }
                Err(problem) => {
                    session.report_error(&problem.into());
                    self.has_failed = true;
                    continue;
                }
            };
            // Registered at once, so that Ctrl-C before the last start stops these. Earlier downloads continue then.
            if background {
                session.background.add(download.id);
            } else if is_new || !is_person {
                session.foreground.push(download.id);
            }
            self.awaited.extend(download.awaited);
        }
        Ok(())
    }
}

/// Reports which hit becomes which file, for hits with the same name.
fn report_names(
    session: &mut ReplSession,
    resolved: &ResolvedFiles,
    awaited: &[AwaitedDownload],
) -> Result<(), CommandError> {
    let downloads: HashMap<Option<Digest>, &AwaitedDownload> =
        awaited.iter().rev().map(|awaited| (awaited.file(), awaited)).collect();
    for (number, digest) in resolved.equally_named() {
        if let Some(download) = downloads.get(&Some(digest)) {
            let name = download.view().name.to_string();
            session.output.line(format!("{number} → {name}"))?;
        }
    }
    Ok(())
}

fn send_to_background(
    session: &mut ReplSession,
    awaited: &[AwaitedDownload],
    group: Option<ShownGroup>,
) -> Result<(), CommandError> {
    let ids: Vec<DownloadId> = awaited.iter().map(AwaitedDownload::id).collect();
    if let (Some(group), true, [first, .., last]) = (group, session.output.is_for_person(), &*ids) {
        let downloads = pluralize(ids.len() as u64, "download");
        let (name, first, last) = (&group.name, first.0, last.0);
        session
            .output
            .line(format!("{name}: {downloads} in the background, {first} to {last}; see transfers"))?;
        let location = group.counted.location().to_owned();
        session.background.add_group(group.name, Some(location), ids);
        return Ok(());
    }
    for download in awaited {
        session.output.line(messages::background_text(&download.view(), session.output.audience()))?;
        session.background.add(download.id());
    }
    Ok(())
}
