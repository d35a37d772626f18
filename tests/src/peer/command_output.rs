use std::net::SocketAddr;

use protocol::digest::Digest;
use protocol::units::parse_size;

/// The output of one command, including errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput(pub Vec<String>);

/// A line of `files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFileLine {
    /// Its digest.
    pub digest: Digest,
    /// Its path.
    pub path: String,
}

/// A line of `search`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchHitLine {
    /// Its number.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// The size in bytes, or as displayed.
    pub size: String,
    /// The number of sources.
    pub sources: String,
    /// Its digest.
    pub digest: Digest,
}

/// The last line of a successful download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedDownload {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// The rate as displayed.
    pub rate: String,
    /// Bytes received from each source.
    pub sources: Vec<(SocketAddr, u64)>,
    /// Disconnected sources and the reasons.
    pub disconnected: Vec<(SocketAddr, String)>,
}

impl CompletedDownload {
    /// Returns the bytes received from all sources.
    pub fn bytes_received(&self) -> u64 {
        self.sources.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Returns the bytes received from one source.
    pub fn bytes_received_from(&self, address: SocketAddr) -> u64 {
        self.sources.iter().filter(|(source, _)| *source == address).map(|(_, bytes)| bytes).sum()
    }
}

impl CommandOutput {
    /// Returns the output as one text.
    pub fn text(&self) -> String {
        self.0.join("\n")
    }

    /// Returns true if the output contains `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.0.iter().any(|line| line.contains(text))
    }

    /// Returns the error lines without their prefix.
    pub fn errors(&self) -> Vec<&str> {
        self.0.iter().filter_map(|line| line.strip_prefix("error: ")).collect()
    }

    /// Returns the address in the output of `status`.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.iter().find_map(|line| {
            let listens = line.to_lowercase().contains("listen");
            let words = line.split(|c: char| c.is_whitespace() || c == ',');
            words.filter(|_| listens).find_map(|word| word.parse().ok())
        })
    }

    /// Returns the files in the output of `files`.
    pub fn files(&self) -> Vec<SharedFileLine> {
        let lines = self.0.iter();
        lines
            .filter_map(|line| {
                let [_size, digest, _since, path] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
                Some(SharedFileLine { digest: digest.parse().ok()?, path: path.into() })
            })
            .collect()
    }

    /// Returns the hits in the output of `search` or the files in that of `browse`.
    pub fn hits(&self) -> Vec<SearchHitLine> {
        let lines = self.0.iter();
        lines
            .filter_map(|line| {
                let columns: Vec<&str> = line.split('\t').collect();
                let [number, name, size, rest @ .., digest] = columns.as_slice() else { return None };
                Some(SearchHitLine {
                    number: number.trim().parse().ok()?,
                    name: (*name).into(),
                    size: (*size).into(),
                    sources: rest.first().copied().unwrap_or_default().into(),
                    digest: digest.parse().ok()?,
                })
            })
            .collect()
    }

    /// Returns the states of the downloads in the output of `transfers`, ordered by number.
    pub fn download_states(&self) -> Vec<String> {
        let downloads = self.0.iter().filter(|line| line.starts_with("download\t"));
        downloads.filter_map(|line| line.split('\t').nth(3).map(str::to_owned)).collect()
    }

    /// Returns the verified bytes of the first download in the output of `transfers`.
    pub fn bytes_verified(&self) -> Option<u64> {
        let line = self.0.iter().find(|line| line.starts_with("download\t"))?;
        line.split('\t').nth(5)?.split('/').next()?.parse().ok()
    }

    /// Returns the total content bytes sent, from the output of `status`.
    pub fn bytes_sent(&self) -> Option<u64> {
        let totals = self.0.iter().find_map(|line| line.strip_prefix("totals\t"))?;
        parse_size(totals.split(" sent").next()?).ok()
    }

    /// Returns the successful downloads.
    pub fn completed_downloads(&self) -> Vec<CompletedDownload> {
        let mut all: Vec<CompletedDownload> = Vec::new();
        for line in &self.0 {
            if let Some(done) = line.strip_prefix("done\t") {
                let Some((_, digest)) = find_digest(done) else { continue };
                let column = |at: usize| done.split('\t').nth(at).unwrap_or_default().to_owned();
                all.push(CompletedDownload {
                    name: column(0),
                    digest,
                    rate: column(3),
                    sources: Vec::new(),
                    disconnected: Vec::new(),
                });
            } else if let (Some((address, bytes)), Some(done)) = (parse_source_line(line), all.last_mut()) {
                done.sources.push((address, bytes));
                let reason = line.split_once("\tleft: ").map(|(_, reason)| (address, reason.to_owned()));
                done.disconnected.extend(reason);
            }
        }
        all
    }
}

/// The output of the marker command.
pub(crate) const END_MARKER_LINES: [&str; 3] = ["quit", "exit", "  stop the node; Ctrl-D does the same"];

fn find_digest(line: &str) -> Option<(usize, Digest)> {
    let word = line.split_whitespace().find(|word| word.len() == 64 && word.parse::<Digest>().is_ok())?;
    Some((line.find(word)?, word.parse().ok()?))
}

fn parse_source_line(line: &str) -> Option<(SocketAddr, u64)> {
    let mut columns = line.strip_prefix("  ")?.split('\t');
    let address = columns.next()?.parse().ok()?;
    let bytes = columns.next()?.strip_suffix(" bytes")?.parse().ok()?;
    Some((address, bytes))
}
