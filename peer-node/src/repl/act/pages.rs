use super::{browse, search};
use crate::repl::failure::Failure;
use crate::repl::session::Session;
use crate::repl::shown::Next;

/// How many lines a person is shown at once.
pub(super) const PERSONS_PAGE: u16 = 20;

/// What is said below a page that is not the last.
pub(super) const MORE: &str = "there is more: narrow it down, or say more";

/// Shows the next page of the last list.
pub(super) async fn more(session: &mut Session) -> Result<(), Failure> {
    match session.shown.next().cloned() {
        Some(Next::Search { query, after }) => search::page(session, query, Some(after)).await,
        Some(Next::Browse { peer, after }) => browse::page(session, peer, after).await,
        None => Err(Failure::NoMore),
    }
}
