use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::view::{ContentId, DownloadId, DownloadState, DownloadView, Priority};
use swarm::RateMeter;

/// What a download shows of itself.
#[derive(Debug)]
pub(crate) struct ViewPublisher {
    sender: watch::Sender<DownloadView>,
    meter: RateMeter,
    bytes_fetched: u64,
    /// How long it was at work before its turn came this time.
    active_before: Duration,
    /// Since when it is at work, while it is.
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

    /// Counts bytes that came in.
    pub(crate) fn received(&mut self, bytes: u64, now: Instant) {
        self.meter.add(bytes, now);
        self.bytes_fetched = self.bytes_fetched.saturating_add(bytes);
    }

    /// The download's turn has come: from now on time counts.
    pub(crate) fn activate(&mut self, state: DownloadState) {
        let now = Instant::now();
        self.active_since = Some(now);
        self.meter = RateMeter::new(now);
        self.set_state(state);
    }

    /// The turn is over: time does not count until it comes again.
    pub(crate) fn deactivate(&mut self) {
        let now = Instant::now();
        self.active_before = self.elapsed(now);
        self.active_since = None;
        self.meter = RateMeter::new(now);
        self.update(|view| (view.sources_active, view.queued_at) = (0, None));
    }

    /// Lets time count as long as the download receives something or prepares it, and not while it waits.
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

    /// Changes what is shown; rates and times follow by themselves.
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

    /// Returns what is shown at the moment.
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
        let (mut board, _view) = ViewPublisher::new(DownloadId(1), content, "a".into(), None);
        board.activate(DownloadState::Fetching);
        let begun = board.active_since.unwrap();
        let at = |seconds| begun + Duration::from_secs(seconds);
        board.set_waiting(false, at(2));
        board.set_waiting(true, at(5));
        board.set_waiting(true, at(50));
        assert_eq!(board.elapsed(at(100)), Duration::from_secs(5));
        board.set_waiting(false, at(100));
        assert_eq!(board.elapsed(at(103)), Duration::from_secs(8));
    }
}
