use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::escape::display_safe;
use protocol::units::{DisplayRate, DisplaySize};

use super::messages::{average_rate, contributing_sources, duration_text};
use crate::frontend::console::look::{Look, Style};
use crate::frontend::console::output::Audience;
use crate::frontend::repl::session::{display_path, pluralize};
use crate::node::Node;
use crate::view::{DownloadId, DownloadView};

/// The maximum number of downloads in one command that are shown one by one.
const MAX_UNGROUPED: usize = 5;

/// Downloads that are shown as one: a folder, or many files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DownloadGroup {
    /// The name of the folder, or the number of files.
    name: String,
    /// The destination folder.
    location: PathBuf,
    /// How many files already exist at their destinations.
    already_here: usize,
    /// The number of additional destinations per download.
    copies: HashMap<DownloadId, usize>,
}

impl DownloadGroup {
    /// Returns the group of the files of a remote folder.
    pub(super) fn for_folder(node: &Node, folder: &str) -> Self {
        let location = node.share_dir().join(folder);
        Self { name: format!("{folder}/"), location, already_here: 0, copies: HashMap::new() }
    }

    /// Returns the group of several files; `None` if they are few enough to be shown one by one.
    pub(super) fn for_files(node: &Node, files: usize) -> Option<Self> {
        let name = pluralize(files as u64, "file");
        (files > MAX_UNGROUPED).then(|| Self {
            name,
            location: node.share_dir().to_owned(),
            already_here: 0,
            copies: HashMap::new(),
        })
    }

    /// Returns the group with the number of files that already exist, and the additional destinations per download.
    pub(super) fn with_counts(self, already_here: usize, copies: HashMap<DownloadId, usize>) -> Self {
        Self { already_here, copies, ..self }
    }

    /// Returns the name of the group.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the destination folder.
    pub(super) fn location(&self) -> &Path {
        &self.location
    }

    /// Returns the summary of the group: counts, size, rate, sources and destination.
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
        let present = self.already_here + done().map(files).sum::<usize>();
        let all = self.already_here + views.iter().map(files).sum::<usize>();
        if audience == Audience::Script {
            return vec![format!("group\t{name}\t{present}/{all} files\t{bytes}\t{place}")];
        }
        let received: u64 = done().map(|view| view.bytes_fetched).fold(0, u64::saturating_add);
        let mut peers: Vec<_> = done().flat_map(contributing_sources).map(|source| source.address).collect();
        peers.sort_unstable();
        peers.dedup();
        let (style, verb) = if failed == 0 { (Style::Good, "done") } else { (Style::Warning, "incomplete") };
        let files = match failed {
            0 => pluralize(all as u64, "file"),
            _ => format!("{present} of {}", pluralize(all as u64, "file")),
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
    use crate::frontend::console::progress::test_view;
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
