use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::escape::display_safe;
use protocol::units::{DisplayRate, DisplaySize};

use super::messages::{average_rate, contributing_sources, duration_text};
use crate::node::Node;
use crate::repl::look::{Look, Style};
use crate::repl::output::Audience;
use crate::repl::session::{display_path, pluralize};
use crate::view::{DownloadId, DownloadView};

/// Beyond so many downloads in one command, they are shown together.
const MAX_UNGROUPED: usize = 5;

/// Downloads that are shown as one: a folder, or many files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DownloadGroup {
    /// What they are together.
    name: String,
    /// The folder in which they lie.
    location: PathBuf,
    /// How many files need not be fetched.
    already_here: usize,
    /// How many more files than one a download brings, if any.
    copies: HashMap<DownloadId, usize>,
}

impl DownloadGroup {
    /// Returns the group of the files of a remote folder.
    pub(super) fn for_folder(node: &Node, folder: &str) -> Self {
        let place = node.share_dir().join(folder);
        Self { name: format!("{folder}/"), location: place, already_here: 0, copies: HashMap::new() }
    }

    /// Returns the group of many files, if they are that many.
    pub(super) fn for_files(node: &Node, files: usize) -> Option<Self> {
        let name = pluralize(files as u64, "file");
        (files > MAX_UNGROUPED).then(|| Self {
            name,
            location: node.share_dir().to_owned(),
            already_here: 0,
            copies: HashMap::new(),
        })
    }

    /// Returns the group with so many files that need not be fetched, and downloads that bring more than one file.
    pub(super) fn with_counts(self, here: usize, copies: HashMap<DownloadId, usize>) -> Self {
        Self { already_here: here, copies, ..self }
    }

    /// Returns what they are together.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the folder in which they lie.
    pub(super) fn location(&self) -> &Path {
        &self.location
    }

    /// Returns what came of them, and where it lies.
    pub(super) fn summary(
        &self,
        views: &[DownloadView],
        elapsed: Duration,
        audience: Audience,
        look: Look,
    ) -> Vec<String> {
        let done = || views.iter().filter(|view| view.state.is_complete());
        let files = |view: &DownloadView| 1 + self.copies.get(&view.id).copied().unwrap_or(0);
        let size = |view: &DownloadView| view.size.unwrap_or(0).saturating_mul(files(view) as u64);
        let bytes = done().map(size).fold(0, u64::saturating_add);
        let (name, place) = (display_safe(&self.name), display_path(&self.location));
        let failed = views.len() - done().count();
        let here = self.already_here + done().map(files).sum::<usize>();
        let all = self.already_here + views.iter().map(files).sum::<usize>();
        if audience == Audience::Script {
            return vec![format!("group\t{name}\t{here}/{all} files\t{bytes}\t{place}")];
        }
        let received: u64 = done().map(|view| view.bytes_fetched).fold(0, u64::saturating_add);
        let mut peers: Vec<_> = done().flat_map(contributing_sources).map(|giver| giver.address).collect();
        peers.sort_unstable();
        peers.dedup();
        let (style, verb) = if failed == 0 { (Style::Good, "done") } else { (Style::Warning, "incomplete") };
        let files = match failed {
            0 => pluralize(all as u64, "file"),
            _ => format!("{here} of {}", pluralize(all as u64, "file")),
        };
        let already = if self.already_here > 0 {
            format!(" ({} already here)", self.already_here)
        } else {
            String::new()
        };
        let (rate, sources) =
            (DisplayRate(average_rate(received, elapsed)), pluralize(peers.len() as u64, "source"));
        vec![
            format!(
                "{}  {}  {files}{already}, {} in {}, {rate}, from {sources}",
                look.paint(style, verb),
                look.paint(Style::Strong, &name),
                DisplaySize(bytes),
                duration_text(elapsed),
            ),
            format!("  {place}"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repl::progress::test_view;
    use crate::view::DownloadState;

    #[test]
    fn folder_summary_names_its_location() {
        let group = DownloadGroup {
            name: "music/".into(),
            location: "/srv/share/music".into(),
            already_here: 0,
            copies: HashMap::new(),
        };
        let done = DownloadState::Done { location: "/x".into(), renamed: None };
        let done = DownloadView { size: Some(1024), bytes_fetched: 1024, state: done, ..test_view() };
        let failed = DownloadView { state: DownloadState::Cancelled, ..test_view() };
        let summary = |group: DownloadGroup, views: &[DownloadView], audience| {
            group.summary(views, Duration::from_secs(2), audience, Look::PLAIN)
        };
        let both = [done.clone(), done.clone()];
        assert_eq!(
            summary(group.clone(), &both, Audience::Person),
            ["done  music/  2 files, 2.0 KiB in 2.00 s, 1.0 KiB/s, from 0 sources", "  /srv/share/music"]
        );
        assert_eq!(
            summary(group.clone().with_counts(3, HashMap::new()), &[done.clone(), failed], Audience::Person)
                [0],
            "incomplete  music/  4 of 5 files (3 already here), 1.0 KiB in 2.00 s, 512 B/s, from 0 sources"
        );
        // One content under three names.
        let copies = HashMap::from([(done.id, 2)]);
        assert_eq!(
            summary(group.clone().with_counts(0, copies), &[done], Audience::Script),
            ["group\tmusic/\t3/3 files\t3072\t/srv/share/music"]
        );
        assert_eq!(
            summary(group, &both, Audience::Script),
            ["group\tmusic/\t2/2 files\t2048\t/srv/share/music"]
        );
    }
}
