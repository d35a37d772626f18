//! Nodes that change their lists at the index continuously and know what the index must have stored.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use ed25519_dalek::SigningKey;
use protocol::digest::Digest;
use protocol::index::{FileRecord, ListSummary, Reply, Request, Share};

use crate::content::Noise;
use crate::eventually::{DEFAULT_TIMEOUT, eventually, wait_until};
use crate::index_session::{IndexSession, signing_key};

/// Maximum number of files that one node shares.
const MAX_FILES: u64 = 400;

/// Maximum number of files in one change.
const MAX_BATCH: u64 = 60;

type FilesByPath = BTreeMap<String, FileRecord>;

/// One node.
#[derive(Debug)]
pub struct Registrant {
    key: SigningKey,
    noise: Noise,
    /// The list that the index has acknowledged.
    acknowledged: FilesByPath,
    /// The list after the change that was unacknowledged when the connection ended.
    pending: Option<FilesByPath>,
}

impl Registrant {
    /// Creates a node that shares nothing yet.
    pub fn new(seed: u64) -> Self {
        let (key, noise) = (signing_key(seed), Noise::from_seed(seed));
        Self { key, noise, acknowledged: FilesByPath::new(), pending: None }
    }

    /// Logs in to the index. The index must have exactly the acknowledged list, or that list with the unacknowledged
    /// change, never a part of the change.
    pub fn join(&mut self, index: SocketAddr) -> IndexSession {
        let session = eventually("the index to welcome a node", DEFAULT_TIMEOUT, || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            IndexSession::open_as(index, &self.key, listener).ok()
        });
        let stored = session.welcome.list;
        let pending = self.pending.take();
        if let Some(pending) = pending.filter(|pending| summarize(pending) == stored) {
            self.acknowledged = pending;
        }
        let expected = summarize(&self.acknowledged);
        assert_eq!(stored, expected, "{} files were acknowledged, {} are kept", expected.files, stored.files);
        session
    }

    /// Changes the list until the connection ends, and counts the acknowledgements.
    fn change_list(&mut self, session: &mut IndexSession, count: &AtomicU64) {
        loop {
            for (request, files) in self.draw_changes() {
                let expected = summarize(&files);
                self.pending = Some(files);
                match session.call(request) {
                    Ok(Reply::List(summary)) => assert_eq!(summary, expected),
                    Ok(other) => panic!("a change got the reply {other:?}"),
                    Err(_) => return,
                }
                self.acknowledged = self.pending.take().expect("the pending change");
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Draws consecutive changes, with the resulting list after each.
    fn draw_changes(&mut self) -> Vec<(Request, FilesByPath)> {
        let mut files = self.acknowledged.clone();
        let count = 1 + self.noise.next_below(MAX_BATCH);
        match self.noise.next_below(4) {
            0 => {
                let paths: Vec<String> = (0..count).map(|_| self.draw_path()).collect();
                files.retain(|path, _| !paths.contains(path));
                vec![(Request::Unregister { paths }, files)]
            }
            1 => {
                let previous = files.clone();
                let after: FilesByPath = (0..count).map(|_| self.draw_file()).collect();
                files.extend(after.clone());
                let register = Request::Register { files: after.values().cloned().collect() };
                vec![(Request::BeginList, previous), (register, files), (Request::EndList, after)]
            }
            _ => {
                let more: FilesByPath = (0..count).map(|_| self.draw_file()).collect();
                files.extend(more.clone());
                vec![(Request::Register { files: more.into_values().collect() }, files)]
            }
        }
    }

    fn draw_path(&mut self) -> String {
        format!("some folder/with a name/{}.bin", self.noise.next_below(MAX_FILES))
    }

    fn draw_file(&mut self) -> (String, FileRecord) {
        let (path, mut digest) = (self.draw_path(), [0; 32]);
        self.noise.fill(&mut digest);
        let (digest, size) = (Digest::from_bytes(digest), 1 + self.noise.next_below(1 << 40));
        (path.clone(), FileRecord { path, size, digest, share: Share::Complete })
    }
}

/// Connects all nodes and lets them change their lists while `fault` runs, which must end the index. Returns the number
/// of acknowledged changes. `fault` gets a closure that waits until no acknowledgement is in transit.
pub fn under_load(nodes: &mut [Registrant], index: SocketAddr, fault: impl FnOnce(&dyn Fn())) -> u64 {
    let count = AtomicU64::new(0);
    let sessions: Vec<IndexSession> = nodes.iter_mut().map(|node| node.join(index)).collect();
    thread::scope(|scope| {
        for (node, mut session) in nodes.iter_mut().zip(sessions) {
            let count = &count;
            scope.spawn(move || node.change_list(&mut session, count));
        }
        fault(&|| {
            let mut last = count.load(Ordering::Relaxed);
            wait_until("the last acknowledgement", DEFAULT_TIMEOUT, || {
                let before = std::mem::replace(&mut last, count.load(Ordering::Relaxed));
                before == last
            });
        });
    });
    count.into_inner()
}

fn summarize(files: &FilesByPath) -> ListSummary {
    let mut summary = ListSummary::default();
    for file in files.values() {
        summary.add(file);
    }
    summary
}
