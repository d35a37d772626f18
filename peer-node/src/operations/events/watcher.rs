//! The task that turns the states of a node into events.

use std::time::Instant;

use tokio::sync::watch;

use super::bus::EventBus;
use super::download_watcher::DownloadWatcher;
use super::event::Event;
use super::hashing_news::{HashingNews, HashingReporter};
use super::index_news::IndexReporter;
use super::state_folder_news::{first_reported, state_folder_news};
use crate::discovery::index_client::IndexStatus;
use crate::essential_task::EssentialTask;
use crate::library::{HashingProgress, Library};
use crate::node::Node;
use crate::operations::left_out::LeftOutSummary;
use crate::operations::status::HashingStatus;
use crate::state_dir::StateHealth;

/// Watches a node and publishes what is new. Sleeps as long as nothing changes.
pub(super) struct NodeWatcher {
    bus: EventBus,
    index: (watch::Receiver<IndexStatus>, IndexReporter),
    library: Library,
    hashing: (watch::Receiver<HashingProgress>, HashingReporter),
    generation: watch::Receiver<u64>,
    /// The health of the state folder, and the one that was reported.
    state_folder: (watch::Receiver<StateHealth>, StateHealth),
    downloads: DownloadWatcher,
}

impl NodeWatcher {
    /// Begins with the current state. Of that, only the connection to the index and existing problems are news.
    pub(super) fn new(node: &Node, bus: EventBus) -> Self {
        let library = node.library().clone();
        let (mut index, mut hashing) = (node.index().status(), library.hashing());
        let mut health = node.state().health();
        let reported = first_reported(&health.borrow());
        index.mark_changed();
        health.mark_changed();
        if !hashing.borrow_and_update().is_settled {
            hashing.mark_changed();
        }
        Self {
            bus,
            index: (index, IndexReporter::new(node.address())),
            hashing: (hashing, HashingReporter::default()),
            generation: library.generation(),
            library,
            state_folder: (health, reported),
            downloads: DownloadWatcher::new(node.downloads().clone()),
        }
    }

    /// Publishes changes until the node stops.
    pub(super) async fn run(mut self) {
        let _essential = EssentialTask::begin("event watcher");
        loop {
            tokio::select! {
                Ok(()) = self.index.0.changed() => self.index_changed(),
                Ok(()) = self.hashing.0.changed() => self.hashing_changed(),
                Ok(()) = self.generation.changed() => self.shares_changed(),
                Ok(()) = self.state_folder.0.changed() => self.state_folder_changed(),
                events = self.downloads.next() => {
                    for event in events {
                        self.bus.publish(Event::Download(event));
                    }
                }
            }
        }
    }

    fn index_changed(&mut self) {
        let (status, reporter) = &mut self.index;
        let news = reporter.news(&status.borrow_and_update());
        for news in news {
            self.bus.publish(Event::Index(news));
        }
    }

    fn hashing_changed(&mut self) {
        let (progress, reporter) = &mut self.hashing;
        let progress = progress.borrow_and_update().clone();
        let Some(news) = reporter.news(&progress, Instant::now()) else { return };
        self.bus.publish(match news {
            HashingNews::Started => Event::HashingStarted(HashingStatus::from(&progress)),
            HashingNews::Progress => Event::HashingProgress(HashingStatus::from(&progress)),
            HashingNews::Finished => Event::HashingFinished {
                files: self.library.files().len() as u64,
                left_out: LeftOutSummary::new(&self.library.overview()),
            },
        });
    }

    fn shares_changed(&mut self) {
        let generation = *self.generation.borrow_and_update();
        let files = self.library.files();
        let (files, bytes) = (files.len() as u64, files.total_bytes());
        self.bus.publish(Event::SharesChanged { generation, files, bytes });
    }

    fn state_folder_changed(&mut self) {
        let (health, reported) = &mut self.state_folder;
        let health = health.borrow_and_update().clone();
        let news = state_folder_news(reported, &health);
        *reported = health;
        for news in news {
            self.bus.publish(Event::StateFolder(news));
        }
    }
}

impl Drop for NodeWatcher {
    fn drop(&mut self) {
        self.bus.close();
    }
}
