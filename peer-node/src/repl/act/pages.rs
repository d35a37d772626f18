use super::{browse, search};
use crate::repl::failure::Failure;
use crate::repl::session::Session;
use crate::repl::shown::Next;

/// How many rows a person is shown at once.
pub(super) const PERSONS_PAGE: u16 = 20;

/// Shows the next page of the last list.
pub(super) async fn more(session: &mut Session) -> Result<(), Failure> {
    match session.shown.next().cloned() {
        Some(Next::Hits { query, rest, after }) => search::more(session, query, rest, after).await,
        Some(Next::Files { peer, folder, after }) => browse::files(session, peer, folder, Some(after)).await,
        Some(Next::Entries { peer, rest }) => browse::entries(session, peer, rest),
        None => Err(Failure::NoMore),
    }
}
