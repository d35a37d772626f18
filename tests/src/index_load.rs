//! Nodes that change their lists at the index without a pause, and know what it must have of them whatever happens.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use ed25519_dalek::SigningKey;
use protocol::digest::Digest;
use protocol::index::{FileRecord, ListSummary, Reply, Request, Share};

use crate::content::Noise;
use crate::eventually::{SOON, eventually, until};
use crate::index_session::{IndexSession, key};

/// The most files that one of the nodes shares.
const MOST: u64 = 400;

/// The most files in one change.
const BATCH: u64 = 60;

type Files = BTreeMap<String, FileRecord>;

/// One of the nodes.
#[derive(Debug)]
pub struct Registrant {
    key: SigningKey,
    noise: Noise,
    /// What the index has acknowledged.
    acknowledged: Files,
    /// What it has if the change was made that it had not answered when it went.
    pending: Option<Files>,
}

impl Registrant {
    /// Makes a node that shares nothing yet.
    pub fn new(seed: u64) -> Self {
        let (key, noise) = (key(seed), Noise::from_seed(seed));
        Self { key, noise, acknowledged: Files::new(), pending: None }
    }

    /// Greets the index, which must have what it has acknowledged, or that and the change that was under way: no less, no
    /// more, and no half of it.
    pub fn join(&mut self, index: SocketAddr) -> IndexSession {
        let session = eventually("the index to welcome a node", SOON, || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            IndexSession::open_as(index, &self.key, listener).ok()
        });
        let kept = session.welcome.list;
        let pending = self.pending.take();
        if let Some(pending) = pending.filter(|pending| sum(pending) == kept) {
            self.acknowledged = pending;
        }
        let expected = sum(&self.acknowledged);
        assert_eq!(kept, expected, "{} files were acknowledged, {} are kept", expected.files, kept.files);
        session
    }

    /// Changes its list until the connection ends, and counts what is acknowledged.
    fn work(&mut self, session: &mut IndexSession, count: &AtomicU64) {
        loop {
            for (request, files) in self.draw() {
                let expected = sum(&files);
                self.pending = Some(files);
                match session.call(request) {
                    Ok(Reply::List(summary)) => assert_eq!(summary, expected),
                    Ok(other) => panic!("a change was answered with {other:?}"),
                    Err(_) => return,
                }
                self.acknowledged = self.pending.take().expect("what was asked for");
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Draws some changes that belong together, and what the list is after each.
    fn draw(&mut self) -> Vec<(Request, Files)> {
        let mut files = self.acknowledged.clone();
        let count = 1 + self.noise.below(BATCH);
        match self.noise.below(4) {
            0 => {
                let paths: Vec<String> = (0..count).map(|_| self.path()).collect();
                files.retain(|path, _| !paths.contains(path));
                vec![(Request::Unregister { paths }, files)]
            }
            1 => {
                let begun = files.clone();
                let anew: Files = (0..count).map(|_| self.file()).collect();
                files.extend(anew.clone());
                let register = Request::Register { files: anew.values().cloned().collect() };
                vec![(Request::BeginList, begun), (register, files), (Request::EndList, anew)]
            }
            _ => {
                let more: Files = (0..count).map(|_| self.file()).collect();
                files.extend(more.clone());
                vec![(Request::Register { files: more.into_values().collect() }, files)]
            }
        }
    }

    fn path(&mut self) -> String {
        format!("some folder/with a name/{}.bin", self.noise.below(MOST))
    }

    fn file(&mut self) -> (String, FileRecord) {
        let (path, mut digest) = (self.path(), [0; 32]);
        self.noise.fill(&mut digest);
        let (digest, size) = (Digest::from_bytes(digest), 1 + self.noise.below(1 << 40));
        (path.clone(), FileRecord { path, size, digest, share: Share::Whole })
    }
}

/// Lets all nodes join and change their lists while `fault` comes, which must end the index; returns how many changes
/// were acknowledged. `fault` gets a way to wait until no acknowledgement is on its way any more.
pub fn under_load(nodes: &mut [Registrant], index: SocketAddr, fault: impl FnOnce(&dyn Fn())) -> u64 {
    let count = AtomicU64::new(0);
    let sessions: Vec<IndexSession> = nodes.iter_mut().map(|node| node.join(index)).collect();
    thread::scope(|scope| {
        for (node, mut session) in nodes.iter_mut().zip(sessions) {
            let count = &count;
            scope.spawn(move || node.work(&mut session, count));
        }
        fault(&|| {
            let mut last = count.load(Ordering::Relaxed);
            until("the last acknowledgement", SOON, || {
                let before = std::mem::replace(&mut last, count.load(Ordering::Relaxed));
                before == last
            });
        });
    });
    count.into_inner()
}

fn sum(files: &Files) -> ListSummary {
    let mut summary = ListSummary::default();
    for file in files.values() {
        summary.add(file);
    }
    summary
}
