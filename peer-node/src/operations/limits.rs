//! The rate limits and upload slots, which can be changed while the node runs.

use std::num::NonZeroU64;

use serde::Serialize;

use super::Operations;
use super::events::Event;

/// The limits of a node. Rates are in bytes per second; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Limits {
    /// Total upload rate.
    pub(crate) upload: Option<NonZeroU64>,
    /// Total download rate.
    pub(crate) download: Option<NonZeroU64>,
    /// Upload rate per peer.
    pub(crate) upload_per_peer: Option<NonZeroU64>,
    /// Number of peers that are served at once.
    pub(crate) upload_slots: usize,
}

/// A change of one limit. Rates are in bytes per second; `None` removes the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitUpdate {
    /// Total upload rate.
    Upload(Option<NonZeroU64>),
    /// Total download rate.
    Download(Option<NonZeroU64>),
    /// Upload rate per peer.
    UploadPerPeer(Option<NonZeroU64>),
    /// Number of peers that are served at once.
    UploadSlots(usize),
}

impl Operations {
    /// Returns the current limits.
    pub(crate) fn limits(&self) -> Limits {
        let upload = self.node.upload_limit();
        Limits {
            upload: upload.total(),
            download: self.node.download_limit().total(),
            upload_per_peer: upload.per_peer(),
            upload_slots: self.node.upload_slots(),
        }
    }

    /// Changes a limit until the node stops, and returns all limits.
    pub(crate) fn change_limit(&self, update: LimitUpdate) -> Limits {
        let before = self.limits();
        match update {
            LimitUpdate::Upload(rate) => self.node.upload_limit().set_total(rate),
            LimitUpdate::Download(rate) => self.node.download_limit().set_total(rate),
            LimitUpdate::UploadPerPeer(rate) => self.node.upload_limit().set_per_peer(rate),
            LimitUpdate::UploadSlots(slots) => self.node.set_upload_slots(slots),
        }
        let limits = self.limits();
        if limits != before {
            self.events.publish(Event::LimitsChanged(limits));
        }
        limits
    }
}
