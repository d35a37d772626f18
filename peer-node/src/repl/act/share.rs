use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::escape::display_safe;
use protocol::units::Size;

use super::status::hashing_text;
use crate::index_client::{IndexError, IndexStatus};
use crate::library::{LibraryError, Registration, ShareReport};
use crate::repl::columns::fit;
use crate::repl::command::RegisterOrder;
use crate::repl::failure::Failure;
use crate::repl::look::Style;
use crate::repl::session::{Session, count, home, show_path, user_path};

/// How long the index may take to acknowledge what was said.
const ACKNOWLEDGE: Duration = Duration::from_secs(20);

/// How often the progress of hashing is drawn.
const PAUSE: Duration = Duration::from_millis(250);

/// The most files that a person is shown one by one.
const MOST_LINES: usize = 50;

/// Shares files and folders, or looks through everything again.
pub(super) async fn register(session: &mut Session, order: RegisterOrder) -> Result<(), Failure> {
    let library = session.node.library().clone();
    let is_rescan = order.paths.is_empty();
    let RegisterOrder { paths, exclude: patterns, is_confirmed } = order;
    let wanted = Registration { paths: places(&paths), patterns, is_confirmed };
    let report = hashed(session, library.register_as(wanted)).await?;
    let is_person = session.output.is_for_person();
    let look = session.output.look();
    let mut lines = Vec::new();
    for file in &report.files {
        lines.push(if is_person {
            let digest = look.paint(Style::Faint, &file.digest.short());
            format!("{}  {}  {}  {digest}", look.paint(Style::Good, "shared"), file.path, Size(file.size))
        } else {
            format!("shared\t{}\t{}\t{}", file.path, file.size, file.digest)
        });
    }
    let shared = lines.len();
    if is_person && shared > MOST_LINES {
        lines.truncate(MOST_LINES);
        lines.push(format!("… and {} more, see files", shared - MOST_LINES));
    }
    for (number, skipped) in report.skipped.iter().enumerate() {
        if is_person && number == MOST_LINES {
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
        // One that is left out as a whole says why above.
        let is_shared = |place: &&PathBuf| {
            place.is_dir() && report.skipped.iter().all(|skipped| skipped.path != show_path(place))
        };
        lines.extend(report.places.iter().filter(is_shared).map(|place| followed(place)));
    } else if is_person && report.files.is_empty() {
        lines.push("no files are shared yet".to_owned());
    }
    session.output.lines(lines)?;
    acknowledged(session).await
}

/// Says that a folder stays shared, whatever is in it now.
fn followed(place: &Path) -> String {
    format!("{} is shared from now on, with every file that is put there; see shares", show_path(place))
}

/// Stops sharing files and folders.
pub(super) async fn unregister(session: &mut Session, paths: &[String]) -> Result<(), Failure> {
    let report = session.node.library().unregister(places(paths)).await?;
    let is_person = session.output.is_for_person();
    if is_person {
        let number = count(report.files.len() as u64, "file");
        session.output.line(format!("{number} no longer shared; nothing was deleted"))?;
    } else {
        session.output.lines(report.files.iter().map(|file| format!("unshared\t{}", file.path)))?;
    }
    acknowledged(session).await
}

fn places(paths: &[String]) -> Vec<PathBuf> {
    let home = home();
    paths.iter().map(|path| user_path(path, home.as_deref())).collect()
}

/// Waits for the library, and shows meanwhile how far hashing is.
async fn hashed(
    session: &mut Session,
    work: impl Future<Output = Result<ShareReport, LibraryError>>,
) -> Result<ShareReport, Failure> {
    let hashing = session.node.library().hashing();
    tokio::pin!(work);
    loop {
        tokio::select! {
            report = &mut work => {
                session.output.clear_live();
                return Ok(report?);
            }
            () = tokio::time::sleep(PAUSE) => {}
        }
        let text = hashing_text(&hashing.borrow());
        if let Some(text) = text.filter(|_| session.output.wants_live()) {
            let (look, width, _) = session.output.live_frame();
            session.output.draw(vec![look.paint(Style::Faint, &fit(&text, width))]);
        }
    }
}

/// Waits until the index knows, or says why it does not; either way the command has done its work.
async fn acknowledged(session: &mut Session) -> Result<(), Failure> {
    let index = session.node.index().clone();
    let is_offline = matches!(*index.status().borrow(), IndexStatus::Offline { .. });
    let problem = if is_offline { Some(None) } else { index.synced(ACKNOWLEDGE).await.err().map(Some) };
    let text = match problem {
        None => return Ok(()),
        Some(None | Some(IndexError::Offline { .. })) => {
            "no connection to the index; what is shared is registered there when it is back".to_owned()
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
