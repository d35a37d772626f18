use std::collections::{BTreeMap, VecDeque};

use protocol::infohash::Infohash;

use crate::view::DownloadId;

/// Maximum number of torrents served on demand; each takes a task and an open file.
const MAX_REQUESTED: usize = 200;

/// The torrents of shared files being served. Pure.
#[derive(Debug, Default)]
pub(super) struct ServedTorrents {
    created: BTreeMap<Infohash, DownloadId>,
    /// In order of request, the oldest first.
    requested: VecDeque<(Infohash, DownloadId)>,
}

impl ServedTorrents {
    /// Records that a torrent created by the user is served.
    pub(super) fn add_created(&mut self, infohash: Infohash, id: DownloadId) {
        self.requested.retain(|(requested, _)| *requested != infohash);
        self.created.insert(infohash, id);
    }

    /// Records that a torrent is served on demand.
    pub(super) fn add_requested(&mut self, infohash: Infohash, id: DownloadId) {
        self.requested.retain(|(requested, _)| *requested != infohash);
        self.requested.push_back((infohash, id));
    }

    /// Makes room for one more torrent on demand: removes the oldest without connections and returns it, to be stopped.
    /// Returns an error if all are in use.
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

    /// Removes the torrent served under a download number; returns it if it is one of a shared file.
    pub(super) fn remove(&mut self, id: DownloadId) -> Option<Infohash> {
        let created = self.created.iter().find(|(_, created)| **created == id).map(|(infohash, _)| *infohash);
        let requested =
            || self.requested.iter().find(|(_, requested)| *requested == id).map(|(infohash, _)| *infohash);
        let infohash = created.or_else(requested)?;
        self.created.remove(&infohash);
        self.requested.retain(|(_, requested)| *requested != id);
        Some(infohash)
    }
}

/// The limit of torrents served on demand is reached, and all are in use.
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
        let mut served = ServedTorrents::default();
        served.add_created(infohash(1000), DownloadId(1000));
        for number in 0..200 {
            assert_eq!(served.make_room(|_| true), Ok(None));
            served.add_requested(infohash(number), DownloadId(number));
        }
        assert_eq!(served.make_room(|_| false), Err(ServedLimitReached));
        assert_eq!(served.make_room(|other| *other != infohash(0)), Ok(Some(DownloadId(1))));
        assert_eq!(served.make_room(|_| false), Ok(None));
    }

    #[test]
    fn a_torrent_is_removed_by_its_id_once() {
        let mut served = ServedTorrents::default();
        served.add_requested(infohash(1), DownloadId(1));
        served.add_created(infohash(1), DownloadId(1));
        served.add_requested(infohash(2), DownloadId(2));
        assert_eq!(served.requested.len(), 1);
        assert_eq!(served.remove(DownloadId(3)), None);
        for number in [1, 2] {
            assert_eq!(served.remove(DownloadId(number)), Some(infohash(number)));
            assert_eq!(served.remove(DownloadId(number)), None);
        }
    }
}
