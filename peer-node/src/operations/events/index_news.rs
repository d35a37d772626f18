//! What is news about the connection to the index. Pure.

use std::net::SocketAddr;

use serde::Serialize;

use super::event::Condition;
use crate::discovery::index_client::{IndexStatus, Reachability, SyncProblem};
use crate::operations::display_text::DisplayText;
use crate::operations::index_state::{NodeReachability, RegistrationProblem, UnreachableCause};

/// A change of the connection to the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(crate) enum IndexNews {
    /// The first attempt to connect failed; the next starts automatically.
    Unavailable {
        /// The reason.
        error: DisplayText,
    },
    /// The connection was lost; the next attempt starts automatically.
    Lost {
        /// The reason.
        error: DisplayText,
    },
    /// Connected, and other nodes can reach this one.
    Connected {
        /// The address at which the index sees this node.
        seen_address: SocketAddr,
    },
    /// Other nodes can reach this one now; before they could not.
    Reachable {
        /// The address at which the index sees this node.
        seen_address: SocketAddr,
    },
    /// Connected, but other nodes cannot reach this one.
    Unreachable {
        /// The address at which the index sees this node.
        seen_address: SocketAddr,
        /// Why.
        cause: UnreachableCause,
    },
    /// A limit of the index is exhausted: it accepts no more files.
    OverLimit(RegistrationProblem),
    /// The index has accepted all files again.
    WithinLimits,
}

/// The state of the index that was reported last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum ReportedIndex {
    /// Nothing was reported yet.
    #[default]
    Nothing,
    /// No connection.
    Offline,
    /// Connected; with whether other nodes can reach this one, once known.
    Online(Option<bool>),
}

/// What was reported about the index, to decide what is news.
#[derive(Debug)]
pub(super) struct IndexReporter {
    own_address: SocketAddr,
    reported: ReportedIndex,
    /// The exhausted limit that was reported last. Its size changes with every attempt and is not compared.
    exhausted: Option<String>,
}

impl IndexNews {
    /// Returns the condition that begins or ends with this event, and true if it begins.
    pub(super) const fn condition(&self) -> (Condition, bool) {
        match self {
            Self::OverLimit(_) => (Condition::IndexLimit, true),
            Self::WithinLimits => (Condition::IndexLimit, false),
            _ => (Condition::IndexConnection, true),
        }
    }
}

impl IndexReporter {
    /// Creates a reporter for a node that listens at `own_address`.
    pub(super) const fn new(own_address: SocketAddr) -> Self {
        Self { own_address, reported: ReportedIndex::Nothing, exhausted: None }
    }

    /// Returns what is new in a status.
    pub(super) fn news(&mut self, status: &IndexStatus) -> Vec<IndexNews> {
        self.connection_news(status).into_iter().chain(self.limit_news(status)).collect()
    }

    fn connection_news(&mut self, status: &IndexStatus) -> Option<IndexNews> {
        match (self.reported, status) {
            (ReportedIndex::Online(_), IndexStatus::Offline { error, .. }) => {
                self.reported = ReportedIndex::Offline;
                Some(IndexNews::Lost { error: DisplayText::new(error) })
            }
            (ReportedIndex::Nothing, IndexStatus::Offline { error, .. }) => {
                self.reported = ReportedIndex::Offline;
                Some(IndexNews::Unavailable { error: DisplayText::new(error) })
            }
            (_, IndexStatus::Online { seen_address, reachable, .. }) => {
                self.reachability_news(*seen_address, reachable)
            }
            _ => None,
        }
    }

    /// The index probes the port after a connection; one event then reports both.
    fn reachability_news(&mut self, seen_address: SocketAddr, reachable: &Reachability) -> Option<IndexNews> {
        let reachability = NodeReachability::new(self.own_address, seen_address, reachable);
        let is_reachable = match reachability {
            NodeReachability::Unknown => {
                if self.reported == ReportedIndex::Nothing {
                    self.reported = ReportedIndex::Online(None);
                }
                return None;
            }
            NodeReachability::Reachable => true,
            NodeReachability::Unreachable(_) => false,
        };
        let before = std::mem::replace(&mut self.reported, ReportedIndex::Online(Some(is_reachable)));
        if before == self.reported {
            return None;
        }
        Some(match reachability {
            NodeReachability::Unreachable(cause) => IndexNews::Unreachable { seen_address, cause },
            _ if before == ReportedIndex::Online(Some(false)) => IndexNews::Reachable { seen_address },
            _ => IndexNews::Connected { seen_address },
        })
    }

    fn limit_news(&mut self, status: &IndexStatus) -> Option<IndexNews> {
        let IndexStatus::Online { trouble, synced, .. } = status else { return None };
        match trouble {
            Some(exhausted @ (SyncProblem::OverBudget { what, .. } | SyncProblem::TooMany { what, .. })) => {
                let before = self.exhausted.replace(what.clone());
                (before.as_ref() != Some(what)).then(|| IndexNews::OverLimit(exhausted.into()))
            }
            _ if *synced => self.exhausted.take().map(|_| IndexNews::WithinLimits),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::discovery::index_client::IndexInfo;

    fn own() -> SocketAddr {
        "127.0.0.1:7".parse().unwrap()
    }

    fn status(reachable: Reachability, synced: bool, trouble: Option<SyncProblem>) -> IndexStatus {
        let index_info = IndexInfo::default();
        IndexStatus::Online { seen_address: own(), reachable, registered: 0, synced, trouble, index_info }
    }

    fn online_as(reachable: Reachability) -> IndexStatus {
        status(reachable, true, None)
    }

    fn offline() -> IndexStatus {
        IndexStatus::Offline { error: "refused\u{7}".into(), retry_at: Instant::now() }
    }

    fn reporter(reported: ReportedIndex) -> IndexReporter {
        IndexReporter { reported, ..IndexReporter::new(own()) }
    }

    #[tokio::test]
    async fn index_loss_and_return_are_reported_once() {
        let mut index = reporter(ReportedIndex::Online(Some(true)));
        let error = DisplayText::new("refused\u{7}");
        assert_eq!(index.news(&offline()), [IndexNews::Lost { error }]);
        assert_eq!(index.news(&offline()), []);
        let back = IndexNews::Connected { seen_address: own() };
        assert_eq!(index.news(&online_as(Reachability::Yes)), [back]);
        assert_eq!(index.news(&online_as(Reachability::Yes)), []);
    }

    #[tokio::test]
    async fn unreachable_port_is_explained() {
        let mut index = reporter(ReportedIndex::Nothing);
        assert_eq!(index.news(&online_as(Reachability::Unknown)), []);
        let no = online_as(Reachability::No { reason: "refused".into() });
        let cause = UnreachableCause::ProbeFailed { reason: DisplayText::new("refused") };
        assert_eq!(index.news(&no), [IndexNews::Unreachable { seen_address: own(), cause }]);
        assert_eq!(index.news(&no), []);
        let now = index.news(&online_as(Reachability::Yes));
        assert_eq!(now, [IndexNews::Reachable { seen_address: own() }]);
    }

    #[tokio::test]
    async fn first_failure_is_no_loss() {
        let mut index = reporter(ReportedIndex::Nothing);
        let error = DisplayText::new("refused\u{7}");
        assert_eq!(index.news(&offline()), [IndexNews::Unavailable { error: error.clone() }]);
        let mut index = reporter(ReportedIndex::Nothing);
        assert_eq!(index.news(&online_as(Reachability::Unknown)), []);
        assert_eq!(index.news(&offline()), [IndexNews::Lost { error }]);
    }

    #[tokio::test]
    async fn connecting_is_not_reported() {
        let connecting = IndexStatus::Connecting { attempt: 1 };
        assert_eq!(reporter(ReportedIndex::Online(Some(true))).news(&connecting), []);
        assert_eq!(reporter(ReportedIndex::Nothing).news(&IndexStatus::Stopped), []);
    }

    #[tokio::test]
    async fn exhausted_limit_is_reported_once() {
        let over = |wanted| {
            let what = "the list of this node".to_owned();
            status(Reachability::Yes, false, Some(SyncProblem::OverBudget { what, wanted, limit: 5 << 20 }))
        };
        let mut index = reporter(ReportedIndex::Online(Some(true)));
        let news = index.news(&over(6 << 20));
        let [IndexNews::OverLimit(problem)] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!(
            problem.message.as_str(),
            "the index accepts no more files: the list of this node would take 6.0 MiB of at most 5.0 MiB"
        );
        assert_eq!(index.news(&over(7 << 20)), []);
        index.reported = ReportedIndex::Offline;
        assert_eq!(index.news(&offline()), []);
        index.reported = ReportedIndex::Online(Some(true));
        assert_eq!(index.news(&online_as(Reachability::Yes)), [IndexNews::WithinLimits]);
        assert_eq!(index.news(&online_as(Reachability::Yes)), []);
    }
}
