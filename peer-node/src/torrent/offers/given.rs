use std::collections::{BTreeMap, VecDeque};

use protocol::infohash::Infohash;

use crate::transfers::DownloadId;

/// The most torrents that are served because somebody called for them; each takes a task and an open file.
const MOST_CALLED: usize = 200;

/// The torrents of shared files that are served. Pure.
#[derive(Debug, Default)]
pub(super) struct Given {
    made: BTreeMap<Infohash, DownloadId>,
    /// The one that was called for first comes first.
    called: VecDeque<(Infohash, DownloadId)>,
}

impl Given {
    /// Notes that one that a person made is served.
    pub(super) fn made(&mut self, infohash: Infohash, id: DownloadId) {
        self.called.retain(|(called, _)| *called != infohash);
        self.made.insert(infohash, id);
    }

    /// Notes that one is served because somebody called for it.
    pub(super) fn called(&mut self, infohash: Infohash, id: DownloadId) {
        self.called.retain(|(called, _)| *called != infohash);
        self.called.push_back((infohash, id));
    }

    /// Makes room for one more that is called for: takes out the first that nobody is connected to, which is then to be
    /// stopped. Returns an error if there is no room.
    pub(super) fn make_room(
        &mut self,
        is_idle: impl Fn(&Infohash) -> bool,
    ) -> Result<Option<DownloadId>, NoRoom> {
        if self.called.len() < MOST_CALLED {
            return Ok(None);
        }
        let idle = self.called.iter().position(|(infohash, _)| is_idle(infohash)).ok_or(NoRoom)?;
        Ok(self.called.remove(idle).map(|(_, id)| id))
    }

    /// Takes out the torrent that is served under a number, if it is one of a shared file, and returns it.
    pub(super) fn remove(&mut self, id: DownloadId) -> Option<Infohash> {
        let made = self.made.iter().find(|(_, made)| **made == id).map(|(infohash, _)| *infohash);
        let called = || self.called.iter().find(|(_, called)| *called == id).map(|(infohash, _)| *infohash);
        let infohash = made.or_else(called)?;
        self.made.remove(&infohash);
        self.called.retain(|(_, called)| *called != id);
        Some(infohash)
    }
}

/// As many torrents are served at callers' request as may be, and all of them are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom;

#[cfg(test)]
mod tests {
    use super::*;

    fn infohash(number: u32) -> Infohash {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Infohash::from_bytes(bytes)
    }

    #[test]
    fn the_first_that_nobody_uses_makes_room_and_what_was_made_never_does() {
        let mut given = Given::default();
        given.made(infohash(1000), DownloadId(1000));
        for number in 0..200 {
            assert_eq!(given.make_room(|_| true), Ok(None));
            given.called(infohash(number), DownloadId(number));
        }
        assert_eq!(given.make_room(|_| false), Err(NoRoom));
        assert_eq!(given.make_room(|other| *other != infohash(0)), Ok(Some(DownloadId(1))));
        assert_eq!(given.make_room(|_| false), Ok(None));
    }

    #[test]
    fn a_number_leads_to_its_torrent_once() {
        let mut given = Given::default();
        given.called(infohash(1), DownloadId(1));
        given.made(infohash(1), DownloadId(1));
        given.called(infohash(2), DownloadId(2));
        assert_eq!(given.called.len(), 1);
        assert_eq!(given.remove(DownloadId(3)), None);
        for number in [1, 2] {
            assert_eq!(given.remove(DownloadId(number)), Some(infohash(number)));
            assert_eq!(given.remove(DownloadId(number)), None);
        }
    }
}
