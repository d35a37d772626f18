use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use protocol::units::DisplaySize;

use super::status::hashing_text;
use crate::frontend::console::look::Style;
use crate::frontend::console::text_width::truncate;
use crate::frontend::repl::command::RegisterArgs;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, expand_tilde, home_dir, pluralize};
use crate::operations::display_text::DisplayText;
use crate::operations::shares::{Acknowledgement, ShareOutcome, ShareProblem, ShareRequest};

/// How often the progress of hashing is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(250);

/// The maximum number of files shown to a person.
const MAX_LINES: usize = 50;

/// Shares files and folders; without paths, rescans everything.
pub(super) async fn register(session: &mut ReplSession, order: RegisterArgs) -> Result<(), CommandError> {
    let is_rescan = order.paths.is_empty();
    let RegisterArgs { paths, exclude, is_confirmed } = order;
    let request = ShareRequest { paths: user_paths(&paths), exclude, is_confirmed };
    let operations = session.operations.clone();
    let outcome = wait_with_progress(session, operations.share(request)).await?;
    let lines = if session.output.is_for_person() {
        person_lines(session, &outcome, is_rescan)
    } else {
        script_lines(&outcome)
    };
    session.output.lines(lines)?;
    wait_for_index(session).await
}

/// Returns the shared and skipped files for a person, and the folders that are shared from now on.
fn person_lines(session: &ReplSession, outcome: &ShareOutcome, is_rescan: bool) -> Vec<String> {
    let look = session.output.look();
    let shared = outcome.files.iter().take(MAX_LINES).map(|file| {
        let (size, digest) = (DisplaySize(file.size), look.paint(Style::Faint, &file.digest.short()));
        format!("{}  {}  {size}  {digest}", look.paint(Style::Good, "shared"), file.path)
    });
    let skipped = outcome.skipped.iter().take(MAX_LINES).map(|skipped| {
        format!("{}  {}: {}", look.paint(Style::Warning, "skipped"), skipped.path, skipped.reason)
    });
    let more = |number: usize| number.checked_sub(MAX_LINES).filter(|more| *more > 0);
    let more_shared = more(outcome.files.len()).map(|more| format!("… and {more} more, see files"));
    let more_skipped = more(outcome.skipped.len());
    let more_skipped = more_skipped.map(|more| format!("… and {more} more left out, see shares"));
    let mut lines: Vec<String> = shared.chain(more_shared).chain(skipped).chain(more_skipped).collect();
    if !is_rescan {
        // A folder that was skipped is listed above with the reason.
        lines.extend(outcome.folders.iter().map(shared_folder_text));
    } else if outcome.files.is_empty() {
        lines.push("no files are shared yet".to_owned());
    }
    lines
}

fn script_lines(outcome: &ShareOutcome) -> Vec<String> {
    let shared = outcome.files.iter();
    let shared = shared.map(|file| format!("shared\t{}\t{}\t{}", file.path, file.size, file.digest));
    let skipped = outcome.skipped.iter();
    let skipped = skipped.map(|skipped| format!("skipped\t{}\t{}", skipped.path, skipped.reason));
    shared.chain(skipped).collect()
}

/// Returns the message for a folder that is shared from now on.
fn shared_folder_text(folder: &DisplayText) -> String {
    format!("{folder} is now shared, including files added later; see shares")
}

/// Stops sharing files and folders.
pub(super) async fn unregister(session: &mut ReplSession, paths: &[String]) -> Result<(), CommandError> {
    let outcome = session.operations.unshare(user_paths(paths)).await?;
    let is_person = session.output.is_for_person();
    if is_person {
        let number = pluralize(outcome.files.len() as u64, "file");
        session.output.line(format!("{number} no longer shared; nothing was deleted"))?;
    } else {
        session.output.lines(outcome.files.iter().map(|file| format!("unshared\t{}", file.path)))?;
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
    work: impl Future<Output = Result<ShareOutcome, ShareProblem>>,
) -> Result<ShareOutcome, CommandError> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => {
                session.output.clear_live();
                return Ok(outcome?);
            }
            () = tokio::time::sleep(DRAW_INTERVAL) => {}
        }
        let text = hashing_text(&session.operations.hashing());
        if let Some(text) = text.filter(|_| session.output.wants_live()) {
            let (look, width, _) = session.output.live_frame();
            session.output.draw(vec![look.paint(Style::Faint, &truncate(&text, width))]);
        }
    }
}

/// Waits until the index has acknowledged the change, or reports why it has not; the command succeeds either way.
async fn wait_for_index(session: &mut ReplSession) -> Result<(), CommandError> {
    let text = match session.operations.acknowledgement().await {
        Acknowledgement::Acknowledged => return Ok(()),
        Acknowledgement::Offline => {
            "no connection to the index; files are registered when it is back".to_owned()
        }
        Acknowledgement::Missing { reason } => reason.to_string(),
    };
    if !session.output.is_for_person() {
        session.output.warning(text);
        return Ok(());
    }
    let look = session.output.look();
    Ok(session.output.line(look.paint(Style::Warning, &text))?)
}
