//! The notices that a person gets without a command.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::escape::display_safe;
use tokio::sync::watch;

use crate::discovery::index_client::{IndexStatus, Reachability, SyncProblem};
use crate::download::Downloads;
use crate::frontend::console::look::Style;
use crate::frontend::repl::actions::left_out_text;
use crate::frontend::repl::background::Background;
use crate::frontend::repl::reachability_text::unreachable_reason;
use crate::frontend::repl::session::pluralize;
use crate::frontend::repl::space_notices::SpaceNotices;
use crate::frontend::repl::state_dir_notices::StateDirNotices;
use crate::library::{HashingProgress, Library};
use crate::node::Node;

/// How often downloads in the background are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// An event to report above the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplNotice {
    pub(crate) style: Style,
    pub(crate) text: String,
}

/// The state of the index that was reported last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReportedIndexState {
    /// Nothing was reported yet.
    NotReported,
    /// No connection.
    Offline,
    /// Connected; with whether other nodes can reach this one, once known.
    Online(Option<bool>),
}

/// Watches a node for events to report.
pub(crate) struct Notices {
    own_address: SocketAddr,
    index: watch::Receiver<IndexStatus>,
    reported: ReportedIndexState,
    /// The exhausted budget of the index that was reported last.
    reported_budget: Option<String>,
    hashing: watch::Receiver<HashingProgress>,
    /// Whether the end of hashing is still to be reported.
    awaits_hashing: bool,
    library: Library,
    downloads: Downloads,
    space: SpaceNotices,
    state_dir: StateDirNotices,
}

impl Notices {
    /// Starts with the state that the banner reported.
    pub(crate) fn new(node: &Arc<Node>, reported: ReportedIndexState, awaits_hashing: bool) -> Self {
        Self {
            own_address: node.address(),
            index: node.index().status(),
            reported,
            reported_budget: None,
            hashing: node.library().hashing(),
            awaits_hashing,
            library: node.library().clone(),
            downloads: node.downloads().clone(),
            space: SpaceNotices::default(),
            state_dir: StateDirNotices::new(node.state()),
        }
    }

    /// Waits for the next notice. Cancel safe.
    pub(crate) async fn next(&mut self, background: &mut Background) -> ReplNotice {
        loop {
            if let Some(text) = self
                .index_notice()
                .or_else(|| self.index_budget_notice())
                .or_else(|| self.hashing_notice())
                .or_else(|| self.state_dir.next())
            {
                return ReplNotice { style: Style::Warning, text };
            }
            if let Some(notice) = background.next_notice(&self.downloads, &mut self.space) {
                return notice;
            }
            tokio::select! {
                Ok(()) = self.index.changed() => {}
                Ok(()) = self.hashing.changed(), if self.awaits_hashing => {}
                Ok(()) = self.state_dir.changed() => {}
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
    }

    fn index_notice(&mut self) -> Option<String> {
        let status = self.index.borrow_and_update().clone();
        let (reported, text) = index_change(self.own_address, &self.reported, &status)?;
        self.reported = reported;
        Some(text)
    }

    fn index_budget_notice(&mut self) -> Option<String> {
        let status = self.index.borrow().clone();
        let (exhausted, text) = index_budget_change(self.reported_budget.as_deref(), &status)?;
        self.reported_budget = exhausted;
        text
    }

    fn hashing_notice(&mut self) -> Option<String> {
        if !self.awaits_hashing || !self.hashing.borrow_and_update().is_settled {
            return None;
        }
        self.awaits_hashing = false;
        let shared = pluralize(self.library.files().len() as u64, "file");
        let left_out = left_out_text(&self.library.overview()).map(|text| format!(", {text}"));
        Some(format!("hashing finished: {shared} shared{}", left_out.unwrap_or_default()))
    }
}

/// Returns the notice for a change of the index, with the state that it reports; `None` if nothing has changed.
pub(crate) fn index_change(
    own: SocketAddr,
    reported: &ReportedIndexState,
    status: &IndexStatus,
) -> Option<(ReportedIndexState, String)> {
    match (reported, status) {
        (ReportedIndexState::Online(_), IndexStatus::Offline { error, .. }) => {
            let error = display_safe(error);
            let text = format!("lost connection to the index: {error}; reconnecting");
            Some((ReportedIndexState::Offline, text))
        }
        (ReportedIndexState::NotReported, IndexStatus::Offline { error, .. }) => {
            let text = format!("no connection to the index: {}; reconnecting", display_safe(error));
            Some((ReportedIndexState::Offline, text))
        }
        (_, IndexStatus::Online { seen_address: seen, reachable, .. }) => {
            let is_reachable = match reachable {
                Reachability::Unknown => None,
                Reachability::Yes => Some(true),
                Reachability::No { .. } => Some(false),
            };
            // The index probes the port after a connection; one notice then reports both.
            let now = ReportedIndexState::Online(is_reachable);
            (is_reachable.is_some() && *reported != now)
                .then(|| (now, online_text(own, reported, *seen, reachable)))
        }
        _ => None,
    }
}

/// Returns the exhausted budget of the index and the notice about it, if that has changed. The size in the message changes with
/// every attempt and is not compared.
fn index_budget_change(
    before: Option<&str>,
    status: &IndexStatus,
) -> Option<(Option<String>, Option<String>)> {
    let IndexStatus::Online { trouble, synced, .. } = status else { return None };
    match trouble {
        Some(exhausted @ (SyncProblem::OverBudget { what, .. } | SyncProblem::TooMany { what, .. })) => {
            (before != Some(what)).then(|| (Some(what.clone()), Some(exhausted.to_string())))
        }
        _ => (*synced && before.is_some()).then_some((None, None)),
    }
}

fn online_text(
    own: SocketAddr,
    reported: &ReportedIndexState,
    seen: SocketAddr,
    reachable: &Reachability,
) -> String {
    if let Some(reason) = unreachable_reason(own, seen, reachable) {
        return format!(
            "others cannot reach this node at {seen}: {reason}; its files are not listed, but downloads work"
        );
    }
    match (reported, reachable) {
        (ReportedIndexState::Online(Some(false)), Reachability::Yes) => {
            format!("others can now reach this node at {seen}")
        }
        _ => format!("connected to the index; others can reach this node at {seen}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::discovery::index_client::IndexInfo;

    fn online_as(reachable: Reachability) -> IndexStatus {
        let you = "127.0.0.1:7".parse().unwrap();
        IndexStatus::Online {
            seen_address: you,
            reachable,
            registered: 0,
            synced: true,
            trouble: None,
            index_info: IndexInfo::default(),
        }
    }

    fn offline() -> IndexStatus {
        IndexStatus::Offline { error: "refused\u{7}".into(), retry_at: Instant::now() }
    }

    fn text(reported: &ReportedIndexState, status: &IndexStatus) -> Option<String> {
        index_change("127.0.0.1:7".parse().unwrap(), reported, status).map(|(_, text)| text)
    }

    #[tokio::test]
    async fn index_loss_and_return_are_reported_once() {
        let lost = text(&ReportedIndexState::Online(Some(true)), &offline()).unwrap();
        assert!(lost.starts_with("lost connection to the index: refused\\u{7}"), "{lost}");
        assert_eq!(text(&ReportedIndexState::Offline, &offline()), None);
        let back = text(&ReportedIndexState::Offline, &online_as(Reachability::Yes)).unwrap();
        assert_eq!(back, "connected to the index; others can reach this node at 127.0.0.1:7");
        assert_eq!(text(&ReportedIndexState::Online(Some(true)), &online_as(Reachability::Yes)), None);
    }

    #[tokio::test]
    async fn unreachable_port_is_explained() {
        assert_eq!(text(&ReportedIndexState::NotReported, &online_as(Reachability::Unknown)), None);
        let no = online_as(Reachability::No { reason: "refused".into() });
        let notice = text(&ReportedIndexState::Online(None), &no).unwrap();
        assert!(notice.starts_with("others cannot reach this node at 127.0.0.1:7: refused"), "{notice}");
        let now = text(&ReportedIndexState::Online(Some(false)), &online_as(Reachability::Yes)).unwrap();
        assert_eq!(now, "others can now reach this node at 127.0.0.1:7");
    }

    #[test]
    fn exhausted_budget_is_reported_once() {
        let over = |wanted| {
            let what = "the list of this node".to_owned();
            let trouble = Some(SyncProblem::OverBudget { what, wanted, limit: 5 << 20 });
            let you = "127.0.0.1:7".parse().unwrap();
            let (reachable, about) = (Reachability::Yes, IndexInfo::default());
            IndexStatus::Online {
                seen_address: you,
                reachable,
                registered: 0,
                synced: false,
                trouble,
                index_info: about,
            }
        };
        let (full, text) = index_budget_change(None, &over(6 << 20)).unwrap();
        assert_eq!(
            text.as_deref(),
            Some(
                "the index accepts no more files: the list of this node would take 6.0 MiB of at most 5.0 MiB"
            )
        );
        assert_eq!(index_budget_change(full.as_deref(), &over(7 << 20)), None);
        assert_eq!(index_budget_change(full.as_deref(), &offline()), None);
        let settled = online_as(Reachability::Yes);
        assert_eq!(index_budget_change(full.as_deref(), &settled), Some((None, None)));
        assert_eq!(index_budget_change(None, &settled), None);
    }

    #[tokio::test]
    async fn connecting_is_not_reported() {
        assert_eq!(
            text(&ReportedIndexState::Online(Some(true)), &IndexStatus::Connecting { attempt: 1 }),
            None
        );
        assert_eq!(text(&ReportedIndexState::NotReported, &IndexStatus::Stopped), None);
    }
}
