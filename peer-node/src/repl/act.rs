//! Does what commands say.

mod browse;
mod cancel;
mod chosen;
mod doctor;
mod download;
mod files;
mod help;
mod limit;
mod lookup;
mod pages;
mod pausing;
mod priority;
mod search;
mod share;
mod shares;
mod sources;
mod status;
mod torrent;
mod transfers;

pub(crate) use doctor::show_findings;
pub(crate) use download::{done_lines, problem, stop_foreground, unfinished};
pub(crate) use shares::left_out_text;
pub(crate) use status::hashing_text;

use super::command::Command;
use super::failure::Failure;
use super::session::Session;

/// Carries a command out. When the future is dropped, what it waits for goes on or is stopped by
/// [`stop_foreground`]; what it has shown stays.
pub(crate) async fn act(session: &mut Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Register(order) => share::register(session, order).await,
        Command::Unregister(paths) => share::unregister(session, &paths).await,
        Command::Files => files::files(session),
        Command::Shares(of) => shares::shares(session, of.as_deref()),
        Command::Search(query) => search::search(session, query).await,
        Command::More => pages::more(session).await,
        Command::Sources(item) => sources::sources(session, &item).await,
        Command::Browse(order) => browse::browse(session, &order).await,
        Command::Download(order) => download::download(session, order).await,
        Command::Transfers => transfers::transfers(session),
        Command::ClearTransfers(chosen) => transfers::clear(session, &chosen),
        Command::Pause(chosen) => pausing::pause(session, &chosen).await,
        Command::Resume(chosen) => pausing::resume(session, &chosen).await,
        Command::Retry(chosen) => pausing::retry(session, &chosen).await,
        Command::Priority(which, priority) => priority::priority(session, &which, priority),
        Command::Limit(change) => limit::limit(session, change),
        Command::Cancel(which) => cancel::cancel(session, &which).await,
        Command::Torrent(order) => torrent::torrent(session, order).await,
        Command::Doctor => doctor::doctor(session).await,
        Command::Status => status::status(session).await,
        Command::Help(command) => help::help(session, command.as_deref()),
        // The conversation ends by itself.
        Command::Quit => Ok(()),
    }
}
