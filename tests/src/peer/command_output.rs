use std::net::SocketAddr;

use protocol::digest::Digest;
use protocol::units::parse_size;

/// The lines that one command printed, errors among them.
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
    /// Its size in bytes, or as it is shown.
    pub size: String,
    /// How many have it.
    pub sources: String,
    /// Its digest.
    pub digest: Digest,
}

/// The line at the end of a download that went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedDownload {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// The rate, as it is shown.
    pub rate: String,
    /// Who gave how many bytes.
    pub sources: Vec<(SocketAddr, u64)>,
    /// Who of them was left, and why.
    pub disconnected: Vec<(SocketAddr, String)>,
}

impl CompletedDownload {
    /// Returns how many bytes all have given.
    pub fn bytes_received(&self) -> u64 {
        self.sources.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Returns how many bytes one has given.
    pub fn bytes_received_from(&self, address: SocketAddr) -> u64 {
        self.sources.iter().filter(|(giver, _)| *giver == address).map(|(_, bytes)| bytes).sum()
    }
}

impl CommandOutput {
    /// Returns the answer as one text.
    pub fn text(&self) -> String {
        self.0.join("\n")
    }

    /// Says whether a text occurs anywhere.
    pub fn contains(&self, text: &str) -> bool {
        self.0.iter().any(|line| line.contains(text))
    }

    /// Returns the lines that are errors, without their beginning.
    pub fn errors(&self) -> Vec<&str> {
        self.0.iter().filter_map(|line| line.strip_prefix("error: ")).collect()
    }

    /// Returns the address in a `status`.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.iter().find_map(|line| {
            let listens = line.to_lowercase().contains("listen");
            let words = line.split(|c: char| c.is_whitespace() || c == ',');
            words.filter(|_| listens).find_map(|word| word.parse().ok())
        })
    }

    /// Returns the files in a `files`.
    pub fn files(&self) -> Vec<SharedFileLine> {
        let lines = self.0.iter();
        lines
            .filter_map(|line| {
                let [_size, digest, _since, path] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
                Some(SharedFileLine { digest: digest.parse().ok()?, path: path.into() })
            })
            .collect()
    }

    /// Returns the hits in a `search` or the files in a `browse`.
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

    /// Returns what is going on with each download in a `transfers`, in the order of their numbers.
    pub fn download_states(&self) -> Vec<String> {
        let downloads = self.0.iter().filter(|line| line.starts_with("download\t"));
        downloads.filter_map(|line| line.split('\t').nth(3).map(str::to_owned)).collect()
    }

    /// Returns how many bytes of the first download in a `transfers` are here and verified.
    pub fn bytes_verified(&self) -> Option<u64> {
        let line = self.0.iter().find(|line| line.starts_with("download\t"))?;
        line.split('\t').nth(5)?.split('/').next()?.parse().ok()
    }

    /// Returns how much content has been sent, by the totals in a `status`.
    pub fn bytes_sent(&self) -> Option<u64> {
        let totals = self.0.iter().find_map(|line| line.strip_prefix("totals\t"))?;
        parse_size(totals.split(" sent").next()?).ok()
    }

    /// Returns the downloads that went well.
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
                let why = line.split_once("\tleft: ").map(|(_, why)| (address, why.to_owned()));
                done.disconnected.extend(why);
            }
        }
        all
    }
}

/// What the marking command prints.
pub(crate) const END_MARKER_LINES: [&str; 3] = ["quit", "exit", "  ends the node; so does Ctrl-D"];

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
