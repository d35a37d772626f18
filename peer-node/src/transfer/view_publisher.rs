use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::view::{ContentId, DownloadId, DownloadState, DownloadView, Priority};
use swarm::RateMeter;

/// Publishes the view of a download.
#[derive(Debug)]
pub(crate) struct ViewPublisher {
    sender: watch::Sender<DownloadView>,
    meter: RateMeter,
    bytes_fetched: u64,
    /// Time spent active before the current turn.
    active_before: Duration,
    /// Start of the current active time, if active.
    active_since: Option<Instant>,
}

impl ViewPublisher {
    pub(crate) fn new(
        id: DownloadId,
        content: ContentId,
        name: String,
        size: Option<u64>,
    ) -> (Self, watch::Receiver<DownloadView>) {
        let digest = match content {
            ContentId::File(digest) => Some(digest),
            ContentId::Torrent(_) | ContentId::GroupFile => None,
        };
        let view = DownloadView {
            id,
            content,
            digest,
            name,
            size,
            state: DownloadState::Queued,
            priority: Priority::Normal,
            queue_position: None,
            pieces_done: 0,
            pieces: 0,
            bytes_done: 0,
            bytes_fetched: 0,
            rate_down: 0.0,
            rate_up: 0.0,
            bytes_uploaded: 0,
            sources_active: 0,
            sources_known: 0,
            queued_at: None,
            time_left: None,
            elapsed: Duration::ZERO,
            sources: Vec::new(),
            trackers: [].into(),
            copied_from: None,
            warning: None,
        };
        let (sender, receiver) = watch::channel(view);
        let meter = RateMeter::new(Instant::now());
        (
            Self { sender, meter, bytes_fetched: 0, active_before: Duration::ZERO, active_since: None },
            receiver,
        )
    }

    /// Counts received bytes.
    pub(crate) fn received(&mut self, bytes: u64, now: Instant) {
        self.meter.add(bytes, now);
        self.bytes_fetched = self.bytes_fetched.saturating_add(bytes);
    }

    /// Starts counting active time because the download got a slot.
    pub(crate) fn activate(&mut self, state: DownloadState) {
        let now = Instant::now();
        self.active_since = Some(now);
        self.meter = RateMeter::new(now);
        self.set_state(state);
    }

    /// Stops counting active time until the download gets a slot again.
    pub(crate) fn deactivate(&mut self) {
        let now = Instant::now();
        self.active_before = self.elapsed(now);
        self.active_since = None;
        self.meter = RateMeter::new(now);
        self.update(|view| (view.sources_active, view.queued_at) = (0, None));
    }

    /// Counts time only while the download receives data or prepares its file, not while it waits.
    pub(crate) fn set_waiting(&mut self, is_waiting: bool, now: Instant) {
        if is_waiting {
            self.active_before = self.elapsed(now);
            self.active_since = None;
        } else {
            self.active_since.get_or_insert(now);
        }
    }

    fn elapsed(&self, now: Instant) -> Duration {
        self.active_before
            + self.active_since.map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun))
    }

    pub(crate) fn set_state(&self, state: DownloadState) {
        self.sender.send_if_modified(|view| {
            let changed = view.state != state;
            view.state = state;
            changed
        });
    }

    /// Changes the view and updates its rates and times.
    pub(crate) fn update(&self, change: impl FnOnce(&mut DownloadView)) {
        let now = Instant::now();
        self.sender.send_modify(|view| {
            change(view);
            view.elapsed = self.elapsed(now);
            view.bytes_fetched = self.bytes_fetched;
            view.rate_down = self.meter.rate(now);
            let missing = view.size.unwrap_or(0).saturating_sub(view.bytes_done);
            view.time_left = time_left(missing, view.rate_down);
        });
    }

    /// Returns the current view.
    pub(crate) fn view(&self) -> DownloadView {
        self.sender.borrow().clone()
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn time_left(missing: u64, rate: f64) -> Option<Duration> {
    if missing == 0 || rate < 1.0 {
        return None;
    }
    Duration::try_from_secs_f64(missing as f64 / rate).ok()
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;

    use super::*;

    #[test]
    fn waiting_time_is_not_counted() {
        let content = ContentId::File(Digest::EMPTY);
        let (mut publisher, _view) = ViewPublisher::new(DownloadId(1), content, "a".into(), None);
        publisher.activate(DownloadState::Fetching);
        let begun = publisher.active_since.unwrap();
        let at = |seconds| begun + Duration::from_secs(seconds);
        publisher.set_waiting(false, at(2));
        publisher.set_waiting(true, at(5));
        publisher.set_waiting(true, at(50));
        assert_eq!(publisher.elapsed(at(100)), Duration::from_secs(5));
        publisher.set_waiting(false, at(100));
        assert_eq!(publisher.elapsed(at(103)), Duration::from_secs(8));
    }
}
