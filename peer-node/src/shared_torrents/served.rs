use std::collections::{BTreeMap, VecDeque};

use protocol::infohash::Infohash;

use crate::view::DownloadId;

/// The most torrents that are served because somebody called for them; each takes a task and an open file.
const MAX_REQUESTED: usize = 200;

/// The torrents of shared files that are served. Pure.
#[derive(Debug, Default)]
pub(super) struct ServedTorrents {
    created: BTreeMap<Infohash, DownloadId>,
    /// The one that was called for first comes first.
    requested: VecDeque<(Infohash, DownloadId)>,
}

impl ServedTorrents {
    /// Notes that one that a person made is served.
    pub(super) fn add_created(&mut self, infohash: Infohash, id: DownloadId) {
        self.requested.retain(|(called, _)| *called != infohash);
        self.created.insert(infohash, id);
    }

    /// Notes that one is served because somebody called for it.
    pub(super) fn add_requested(&mut self, infohash: Infohash, id: DownloadId) {
        self.requested.retain(|(called, _)| *called != infohash);
        self.requested.push_back((infohash, id));
    }

    /// Makes room for one more that is called for: takes out the first that nobody is connected to, which is then to be
    /// stopped. Returns an error if there is no room.
    pub(super) fn make_room(
        &mut self,
        is_idle: impl Fn(&Infohash) -> bool,
    ) -> Result<Option<DownloadId>, ServedLimitReached> {
        if self.requested.len() < MAX_REQUESTED {
            return Ok(None);
        }
        let idle =
            self.requested.iter().position(|(infohash, _)| is_idle(infohash)).ok_or(ServedLimitReached)?;
        Ok(self.requested.remove(idle).map(|(_, id)| id))
    }

    /// Takes out the torrent that is served under a number, if it is one of a shared file, and returns it.
    pub(super) fn remove(&mut self, id: DownloadId) -> Option<Infohash> {
        let made = self.created.iter().find(|(_, made)| **made == id).map(|(infohash, _)| *infohash);
        let called =
            || self.requested.iter().find(|(_, called)| *called == id).map(|(infohash, _)| *infohash);
        let infohash = made.or_else(called)?;
        self.created.remove(&infohash);
        self.requested.retain(|(_, called)| *called != id);
        Some(infohash)
    }
}

/// As many torrents are served at callers' request as may be, and all of them are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServedLimitReached;

#[cfg(test)]
mod tests {
    use super::*;

    fn infohash(number: u32) -> Infohash {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Infohash::from_bytes(bytes)
    }

    #[test]
    fn oldest_idle_requested_torrent_is_evicted_first() {
        let mut given = ServedTorrents::default();
        given.add_created(infohash(1000), DownloadId(1000));
        for number in 0..200 {
            assert_eq!(given.make_room(|_| true), Ok(None));
            given.add_requested(infohash(number), DownloadId(number));
        }
        assert_eq!(given.make_room(|_| false), Err(ServedLimitReached));
        assert_eq!(given.make_room(|other| *other != infohash(0)), Ok(Some(DownloadId(1))));
        assert_eq!(given.make_room(|_| false), Ok(None));
    }

    #[test]
    fn a_torrent_is_removed_by_its_id_once() {
        let mut given = ServedTorrents::default();
        given.add_requested(infohash(1), DownloadId(1));
        given.add_created(infohash(1), DownloadId(1));
        given.add_requested(infohash(2), DownloadId(2));
        assert_eq!(given.requested.len(), 1);
        assert_eq!(given.remove(DownloadId(3)), None);
        for number in [1, 2] {
            assert_eq!(given.remove(DownloadId(number)), Some(infohash(number)));
            assert_eq!(given.remove(DownloadId(number)), None);
        }
    }
}
