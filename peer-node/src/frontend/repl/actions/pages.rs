use super::{browse, search};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::row_list::NextPage;
use crate::frontend::repl::session::ReplSession;

/// The number of rows per page for a person.
pub(super) const ROWS_PER_PAGE: u16 = 20;

/// Shows the next page of the last list.
pub(super) async fn show_more(session: &mut ReplSession) -> Result<(), CommandError> {
    match session.last_list.next_page().cloned() {
        Some(NextPage::Hits { query, rest, after }) => search::show_more(session, query, rest, after).await,
        Some(NextPage::Files { peer, folder, after }) => {
            browse::show_files(session, peer, folder, Some(after)).await
        }
        Some(NextPage::Entries { peer, rest }) => browse::show_entries(session, peer, rest),
        None => Err(CommandError::NoMorePages),
    }
}
