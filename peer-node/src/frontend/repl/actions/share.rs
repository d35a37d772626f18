use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::escape::display_safe;
use protocol::units::DisplaySize;

use super::status::hashing_text;
use crate::discovery::index_client::{IndexError, IndexStatus};
use crate::frontend::console::look::Style;
use crate::frontend::console::text_width::truncate;
use crate::frontend::repl::command::RegisterArgs;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, display_path, expand_tilde, home_dir, pluralize};
use crate::library::{LibraryError, Registration, ShareReport};

/// Maximum time for the index to acknowledge a change.
const ACK_TIMEOUT: Duration = Duration::from_secs(20);

/// How often the progress of hashing is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(250);

/// The maximum number of files shown to a person.
const MAX_LINES: usize = 50;

/// Shares files and folders; without paths, rescans everything.
pub(super) async fn register(session: &mut ReplSession, order: RegisterArgs) -> Result<(), CommandError> {
    let library = session.node.library().clone();
    let is_rescan = order.paths.is_empty();
    let RegisterArgs { paths, exclude: patterns, is_confirmed } = order;
    let registration = Registration { paths: user_paths(&paths), patterns, is_confirmed };
    let report = wait_with_progress(session, library.register_with(registration)).await?;
    let is_person = session.output.is_for_person();
    let look = session.output.look();
    let mut lines = Vec::new();
    for file in &report.files {
        lines.push(if is_person {
            let digest = look.paint(Style::Faint, &file.digest.short());
            format!(
                "{}  {}  {}  {digest}",
                look.paint(Style::Good, "shared"),
                file.path,
                DisplaySize(file.size)
            )
        } else {
            format!("shared\t{}\t{}\t{}", file.path, file.size, file.digest)
        });
    }
    let shared = lines.len();
    if is_person && shared > MAX_LINES {
        lines.truncate(MAX_LINES);
        lines.push(format!("… and {} more, see files", shared - MAX_LINES));
    }
    for (number, skipped) in report.skipped.iter().enumerate() {
        if is_person && number == MAX_LINES {
            lines.push(format!("… and {} more left out, see shares", report.skipped.len() - number));
            break;
        }
        let (path, reason) = (display_safe(&skipped.path), &skipped.reason);
        lines.push(if is_person {
            format!("{}  {path}: {reason}", look.paint(Style::Warning, "skipped"))
        } else {
            format!("skipped\t{path}\t{reason}")
        });
    }
    if is_person && !is_rescan {
        // A folder that was skipped is listed above with the reason.
        let is_shared = |place: &&PathBuf| {
            place.is_dir() && report.skipped.iter().all(|skipped| skipped.path != display_path(place))
        };
        lines.extend(report.places.iter().filter(is_shared).map(|place| shared_folder_text(place)));
    } else if is_person && report.files.is_empty() {
        lines.push("no files are shared yet".to_owned());
    }
    session.output.lines(lines)?;
    wait_for_index(session).await
}

/// Returns the message for a folder that is shared from now on.
fn shared_folder_text(place: &Path) -> String {
    format!("{} is now shared, including files added later; see shares", display_path(place))
}

/// Stops sharing files and folders.
pub(super) async fn unregister(session: &mut ReplSession, paths: &[String]) -> Result<(), CommandError> {
    let report = session.node.library().unregister(user_paths(paths)).await?;
    let is_person = session.output.is_for_person();
    if is_person {
        let number = pluralize(report.files.len() as u64, "file");
        session.output.line(format!("{number} no longer shared; nothing was deleted"))?;
    } else {
        session.output.lines(report.files.iter().map(|file| format!("unshared\t{}", file.path)))?;
    }
    wait_for_index(session).await
}

fn user_paths(paths: &[String]) -> Vec<PathBuf> {
    let home = home_dir();
    paths.iter().map(|path| expand_tilde(path, home.as_deref())).collect()
}

/// Waits for the library, and shows the progress of hashing.
async fn wait_with_progress(
    session: &mut ReplSession,
    work: impl Future<Output = Result<ShareReport, LibraryError>>,
) -> Result<ShareReport, CommandError> {
    let hashing = session.node.library().hashing();
    tokio::pin!(work);
    loop {
        tokio::select! {
            report = &mut work => {
                session.output.clear_live();
                return Ok(report?);
            }
            () = tokio::time::sleep(DRAW_INTERVAL) => {}
        }
        let text = hashing_text(&hashing.borrow());
        if let Some(text) = text.filter(|_| session.output.wants_live()) {
            let (look, width, _) = session.output.live_frame();
            session.output.draw(vec![look.paint(Style::Faint, &truncate(&text, width))]);
        }
    }
}

/// Waits until the index has acknowledged the change, or reports why it has not; the command succeeds either way.
async fn wait_for_index(session: &mut ReplSession) -> Result<(), CommandError> {
    let index = session.node.index().clone();
    let is_offline = matches!(*index.status().borrow(), IndexStatus::Offline { .. });
    let problem = if is_offline { Some(None) } else { index.synced(ACK_TIMEOUT).await.err().map(Some) };
    let text = match problem {
        None => return Ok(()),
        Some(None | Some(IndexError::Offline { .. })) => {
            "no connection to the index; files are registered when it is back".to_owned()
        }
        Some(Some(error)) => error.to_string(),
    };
    if !session.output.is_for_person() {
        session.output.warning(text);
        return Ok(());
    }
    let look = session.output.look();
    Ok(session.output.line(look.paint(Style::Warning, &text))?)
}
