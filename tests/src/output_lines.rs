//! The lines that come out of a pipe, collected while a story does other things.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// Everything that a pipe has given so far; a clone is another view of the same.
#[derive(Debug, Clone)]
pub struct OutputLines(Arc<(Mutex<Collected>, Condvar)>);

#[derive(Debug, Default)]
struct Collected {
    lines: Vec<String>,
    ended: bool,
}

impl OutputLines {
    /// Starts collecting; the thread ends with the pipe.
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

    /// Says how many lines there are.
    pub fn line_count(&self) -> usize {
        self.lock().lines.len()
    }

    /// Returns all lines from number `from` on.
    pub fn lines_from(&self, from: usize) -> Vec<String> {
        self.lock().lines.get(from..).unwrap_or_default().to_vec()
    }

    /// Returns all lines as one text.
    pub fn text(&self) -> String {
        self.lines_from(0).join("\n")
    }

    /// Waits for a line from number `from` on that `is_it` accepts and returns its number; none after `limit`, or when
    /// the pipe has ended without one.
    pub fn find(&self, from: usize, limit: Duration, is_it: impl Fn(&str) -> bool) -> Option<usize> {
        let (end, mut next) = (Instant::now() + limit, from);
        let mut collected = self.lock();
        loop {
            while let Some(line) = collected.lines.get(next) {
                if is_it(line) {
                    return Some(next);
                }
                next += 1;
            }
            let left = end.saturating_duration_since(Instant::now());
            if collected.ended || left.is_zero() {
                return None;
            }
            collected = self.0.1.wait_timeout(collected, left).expect("as above").0;
        }
    }

    /// Waits until the pipe has ended; says whether it did.
    pub fn wait_for_end(&self, limit: Duration) -> bool {
        let collected = self.lock();
        let waited = self.0.1.wait_timeout_while(collected, limit, |collected| !collected.ended);
        waited.expect("as above").0.ended
    }
}
