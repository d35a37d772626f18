//! The lines of a pipe, collected while a story does other things.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// The lines received from a pipe so far; clones share them.
#[derive(Debug, Clone)]
pub struct OutputLines(Arc<(Mutex<Collected>, Condvar)>);

#[derive(Debug, Default)]
struct Collected {
    lines: Vec<String>,
    ended: bool,
}

impl OutputLines {
    /// Starts collecting. The thread ends with the pipe.
    pub fn collect(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self(Arc::default());
        let kept = lines.clone();
        thread::spawn(move || {
            let (mut reader, mut line) = (BufReader::new(pipe), Vec::new());
            while matches!(reader.read_until(b'\n', &mut line), Ok(read) if read > 0) {
                let text = String::from_utf8_lossy(&line);
                kept.lock().lines.push(text.trim_end_matches(['\n', '\r']).to_owned());
                kept.0.1.notify_all();
                line.clear();
            }
            kept.lock().ended = true;
            kept.0.1.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.0.lock().expect("no thread panics while it holds the lines")
    }

    /// Returns the number of lines so far.
    pub fn line_count(&self) -> usize {
        self.lock().lines.len()
    }

    /// Returns all lines from index `from` on.
    pub fn lines_from(&self, from: usize) -> Vec<String> {
        self.lock().lines.get(from..).unwrap_or_default().to_vec()
    }

    /// Returns all lines as one text.
    pub fn text(&self) -> String {
        self.lines_from(0).join("\n")
    }

    /// Waits for a line from index `from` on that matches, and returns its index. Returns `None` after `limit`, or if
    /// the pipe ends without such a line.
    pub fn find(&self, from: usize, limit: Duration, is_match: impl Fn(&str) -> bool) -> Option<usize> {
        let (end, mut next) = (Instant::now() + limit, from);
        let mut collected = self.lock();
        loop {
            while let Some(line) = collected.lines.get(next) {
                if is_match(line) {
                    return Some(next);
                }
                next += 1;
            }
            let remaining = end.saturating_duration_since(Instant::now());
            if collected.ended || remaining.is_zero() {
                return None;
            }
            collected = self.0.1.wait_timeout(collected, remaining).expect("as above").0;
        }
    }

    /// Waits until the pipe has ended. Returns false if it has not ended within `limit`.
    pub fn wait_for_end(&self, limit: Duration) -> bool {
        let collected = self.lock();
        let waited = self.0.1.wait_timeout_while(collected, limit, |collected| !collected.ended);
        waited.expect("as above").0.ended
    }
}
