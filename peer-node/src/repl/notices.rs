//! What a person is told although they did not ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::escape::display_safe;
use tokio::sync::watch;

use crate::download::Downloads;
use crate::index_client::{IndexStatus, Reachability, SyncTrouble};
use crate::library::{Hashing, Library};
use crate::node::Node;
use crate::repl::act::left_out_text;
use crate::repl::background::Background;
use crate::repl::look::Style;
use crate::repl::reach_text::unreachable_because;
use crate::repl::room_news::RoomNews;
use crate::repl::session::count;
use crate::repl::state_news::StateNews;

/// How often downloads in the background are looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// Something that happened by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// How it is coloured.
    pub(crate) style: Style,
    /// What is said.
    pub(crate) text: String,
}

/// What was told of the index last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing.
    Nothing,
    /// That there is no connection.
    Offline,
    /// That it knows this node, and whether others can reach it, once that is known.
    Online(Option<bool>),
}

/// Watches a node for what is worth telling.
pub(crate) struct Notices {
    own: SocketAddr,
    index: watch::Receiver<IndexStatus>,
    told: Told,
    /// What the index has no more room for, as far as that was reported.
    full: Option<String>,
    hashing: watch::Receiver<Hashing>,
    /// Whether the end of hashing is still to be told.
    hashes: bool,
    library: Library,
    downloads: Downloads,
    room: RoomNews,
    state: StateNews,
}

impl Notices {
    /// Begins with what was told in the greeting.
    pub(crate) fn new(node: &Arc<Node>, told: Told, hashes: bool) -> Self {
        Self {
            own: node.address(),
            index: node.index().status(),
            told,
            full: None,
            hashing: node.library().hashing(),
            hashes,
            library: node.library().clone(),
            downloads: node.downloads().clone(),
            room: RoomNews::default(),
            state: StateNews::new(node.state()),
        }
    }

    /// Waits for the next thing to tell. Cancel safe.
    pub(crate) async fn next(&mut self, background: &mut Background) -> Notice {
        loop {
            if let Some(text) = self
                .of_index()
                .or_else(|| self.of_room_at_the_index())
                .or_else(|| self.of_hashing())
                .or_else(|| self.state.next())
            {
                return Notice { style: Style::Warning, text };
            }
            if let Some(notice) = background.next(&self.downloads, &mut self.room) {
                return notice;
            }
            tokio::select! {
                Ok(()) = self.index.changed() => {}
                Ok(()) = self.hashing.changed(), if self.hashes => {}
                Ok(()) = self.state.changed() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    fn of_index(&mut self) -> Option<String> {
        let status = self.index.borrow_and_update().clone();
        let (told, text) = news(self.own, &self.told, &status)?;
        self.told = told;
        Some(text)
    }

    fn of_room_at_the_index(&mut self) -> Option<String> {
        let status = self.index.borrow().clone();
        let (full, text) = room_news(self.full.as_deref(), &status)?;
        self.full = full;
        text
    }

    fn of_hashing(&mut self) -> Option<String> {
        if !self.hashes || !self.hashing.borrow_and_update().settled {
            return None;
        }
        self.hashes = false;
        let shared = count(self.library.files().len() as u64, "file");
        let left_out = left_out_text(&self.library.overview()).map(|text| format!(", {text}"));
        Some(format!("hashing is done: {shared} shared{}", left_out.unwrap_or_default()))
    }
}

/// Says what is new about the index, and what is told with that.
pub(crate) fn news(own: SocketAddr, told: &Told, status: &IndexStatus) -> Option<(Told, String)> {
    match (told, status) {
        (Told::Online(_), IndexStatus::Offline { error, .. }) => {
            let error = display_safe(error);
            let text = format!("the index is gone ({error}); it is tried again by itself");
            Some((Told::Offline, text))
        }
        (Told::Nothing, IndexStatus::Offline { error, .. }) => {
            let text = format!("no index ({}); it is tried again by itself", display_safe(error));
            Some((Told::Offline, text))
        }
        (_, IndexStatus::Online { you, reachable, .. }) => {
            let reached = match reachable {
                Reachability::Unknown => None,
                Reachability::Yes => Some(true),
                Reachability::No { .. } => Some(false),
            };
            // It is about to say; then it is told at once.
            (reached.is_some() && *told != Told::Online(reached))
                .then(|| (Told::Online(reached), online(own, told, *you, reachable)))
        }
        _ => None,
    }
}

/// Returns what the index has no more room for and what to report about it, if that has changed. What would be used changes
/// with every attempt and is no news.
fn room_news(before: Option<&str>, status: &IndexStatus) -> Option<(Option<String>, Option<String>)> {
    let IndexStatus::Online { trouble, synced, .. } = status else { return None };
    match trouble {
        Some(full @ (SyncTrouble::OverBudget { what, .. } | SyncTrouble::TooMany { what, .. })) => {
            (before != Some(what)).then(|| (Some(what.clone()), Some(full.to_string())))
        }
        _ => (*synced && before.is_some()).then_some((None, None)),
    }
}

fn online(own: SocketAddr, told: &Told, you: SocketAddr, reachable: &Reachability) -> String {
    if let Some(reason) = unreachable_because(own, you, reachable) {
        return format!(
            "others cannot reach this node at {you}: {reason}; its files are not listed, downloads work all the same"
        );
    }
    match (told, reachable) {
        (Told::Online(Some(false)), Reachability::Yes) => format!("others can reach this node at {you} now"),
        _ => format!("the index is there, and others can reach this node at {you}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::index_client::AboutIndex;

    fn online_as(reachable: Reachability) -> IndexStatus {
        let you = "127.0.0.1:7".parse().unwrap();
        IndexStatus::Online {
            you,
            reachable,
            registered: 0,
            synced: true,
            trouble: None,
            about: AboutIndex::default(),
        }
    }

    fn offline() -> IndexStatus {
        IndexStatus::Offline { error: "it \u{7}is gone".into(), retry_at: Instant::now() }
    }

    fn text(told: &Told, status: &IndexStatus) -> Option<String> {
        news("127.0.0.1:7".parse().unwrap(), told, status).map(|(_, text)| text)
    }

    #[tokio::test]
    async fn the_index_is_told_to_come_and_go_once() {
        let gone = text(&Told::Online(Some(true)), &offline()).unwrap();
        assert!(gone.starts_with("the index is gone (it \\u{7}is gone)"), "{gone}");
        assert_eq!(text(&Told::Offline, &offline()), None);
        let back = text(&Told::Offline, &online_as(Reachability::Yes)).unwrap();
        assert_eq!(back, "the index is there, and others can reach this node at 127.0.0.1:7");
        assert_eq!(text(&Told::Online(Some(true)), &online_as(Reachability::Yes)), None);
    }

    #[tokio::test]
    async fn a_port_that_nobody_reaches_is_told_in_plain_words() {
        assert_eq!(text(&Told::Nothing, &online_as(Reachability::Unknown)), None);
        let no = online_as(Reachability::No { reason: "refused".into() });
        let told = text(&Told::Online(None), &no).unwrap();
        assert!(told.starts_with("others cannot reach this node at 127.0.0.1:7: refused"), "{told}");
        let now = text(&Told::Online(Some(false)), &online_as(Reachability::Yes)).unwrap();
        assert_eq!(now, "others can reach this node at 127.0.0.1:7 now");
    }

    #[test]
    fn a_budget_that_is_used_up_is_reported_once() {
        let over = |wanted| {
            let what = "the list of this node".to_owned();
            let trouble = Some(SyncTrouble::OverBudget { what, wanted, limit: 5 << 20 });
            let you = "127.0.0.1:7".parse().unwrap();
            let (reachable, about) = (Reachability::Yes, AboutIndex::default());
            IndexStatus::Online { you, reachable, registered: 0, synced: false, trouble, about }
        };
        let (full, text) = room_news(None, &over(6 << 20)).unwrap();
        assert_eq!(
            text.as_deref(),
            Some(
                "the index takes no more files: the list of this node would take 6.0 MiB of at most 5.0 MiB"
            )
        );
        assert_eq!(room_news(full.as_deref(), &over(7 << 20)), None);
        assert_eq!(room_news(full.as_deref(), &offline()), None);
        let settled = online_as(Reachability::Yes);
        assert_eq!(room_news(full.as_deref(), &settled), Some((None, None)));
        assert_eq!(room_news(None, &settled), None);
    }

    #[tokio::test]
    async fn connecting_is_no_news() {
        assert_eq!(text(&Told::Online(Some(true)), &IndexStatus::Connecting { attempt: 1 }), None);
        assert_eq!(text(&Told::Nothing, &IndexStatus::Stopped), None);
    }
}
