//! The execution of commands.

mod browse;
mod cancel;
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
mod selection;
mod share;
mod shares;
mod sources;
mod status;
mod torrent;
mod transfers;

pub(crate) use doctor::show_findings;
pub(crate) use download::{done_lines, failure_text, stop_foreground, unfinished_text};
pub(crate) use shares::left_out_text;
pub(crate) use status::hashing_text;

use super::command::ReplCommand;
use super::command_error::CommandError;
use super::session::ReplSession;

/// Executes a command. If the future is dropped, its downloads continue until [`stop_foreground`] stops them; its output stays
/// on the screen.
pub(crate) async fn execute(session: &mut ReplSession, command: ReplCommand) -> Result<(), CommandError> {
    match command {
        ReplCommand::Register(order) => share::register(session, order).await,
        ReplCommand::Unregister(paths) => share::unregister(session, &paths).await,
        ReplCommand::Files => files::list_files(session),
        ReplCommand::Shares(of) => shares::list_shares(session, of.as_deref()),
        ReplCommand::Search(query) => search::search(session, query).await,
        ReplCommand::More => pages::show_more(session).await,
        ReplCommand::Sources(item) => sources::list_sources(session, &item).await,
        ReplCommand::Browse(order) => browse::browse_peer(session, &order).await,
        ReplCommand::Download(order) => download::download(session, order).await,
        ReplCommand::Transfers => transfers::list_transfers(session),
        ReplCommand::ClearTransfers(chosen) => transfers::clear_transfers(session, &chosen),
        ReplCommand::Pause(chosen) => pausing::pause(session, &chosen).await,
        ReplCommand::Resume(chosen) => pausing::resume(session, &chosen).await,
        ReplCommand::Retry(chosen) => pausing::retry(session, &chosen).await,
        ReplCommand::Priority(which, priority) => priority::set_priority(session, &which, priority).await,
        ReplCommand::Limit(change) => limit::limit(session, change),
        ReplCommand::Cancel(which) => cancel::cancel(session, &which).await,
        ReplCommand::Torrent(order) => torrent::torrent(session, order).await,
        ReplCommand::Doctor => doctor::run_doctor(session).await,
        ReplCommand::Status => status::show_status(session).await,
        ReplCommand::Help(command) => help::show_help(session, command.as_deref()),
        // Handled by the loop.
        ReplCommand::Quit => Ok(()),
    }
}
