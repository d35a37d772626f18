use std::time::Duration;

use protocol::units::{DisplayRate, DisplaySize};

use super::messages::{average_rate, duration_text};
use crate::frontend::console::look::{Look, Style};
use crate::frontend::console::output::Audience;
use crate::frontend::repl::session::{display_path, pluralize};
use crate::operations::{Download, DownloadGroup, GroupTotals, Operations, ResolvedFiles};

/// The maximum number of downloads in one command that are shown one by one.
const MAX_UNGROUPED: usize = 5;

/// Downloads that are shown as one: a folder, or many files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShownGroup {
    /// The name of the folder, or the number of files; display-safe.
    pub(super) name: String,
    /// What is counted.
    pub(super) counted: DownloadGroup,
}

impl ShownGroup {
    /// Returns the group of a folder or of many files; `None` if they are few enough to be shown one by one.
    pub(super) fn of(operations: &Operations, resolved: &ResolvedFiles) -> Option<Self> {
        let name = match &resolved.folder {
            Some(folder) => folder.as_folder().to_string(),
            None if resolved.files.len() > MAX_UNGROUPED => pluralize(resolved.files.len() as u64, "file"),
            None => return None,
        };
        Some(Self { name, counted: operations.download_group(resolved.folder.as_ref()) })
    }

    /// Returns the summary of the group: counts, size, rate, sources and destination.
    pub(super) fn summary(
        &self,
        views: &[Download],
        elapsed: Duration,
        audience: Audience,
        look: Look,
    ) -> Vec<String> {
        let name = &self.name;
        let GroupTotals {
            location,
            files: all,
            files_here: present,
            already_here,
            incomplete_downloads,
            bytes,
            bytes_fetched,
            sources,
        } = self.counted.totals(views);
        let place = display_path(&location);
        if audience == Audience::Script {
            return vec![format!("group\t{name}\t{present}/{all} files\t{bytes}\t{place}")];
        }
        let (style, verb, files) = match incomplete_downloads {
            0 => (Style::Good, "done", pluralize(all as u64, "file")),
            _ => (Style::Warning, "incomplete", format!("{present} of {}", pluralize(all as u64, "file"))),
        };
        let already =
            if already_here > 0 { format!(" ({already_here} already here)") } else { String::new() };
        let (rate, sources) =
            (DisplayRate(average_rate(bytes_fetched, elapsed)), pluralize(sources as u64, "source"));
        vec![
            format!(
                "{}  {}  {files}{already}, {} in {}, {rate}, from {sources}",
                look.paint(style, verb),
                look.paint(Style::Strong, name),
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
    use crate::operations::test_download as test_view;
    use crate::view::DownloadState;

    #[test]
    fn folder_summary_names_its_location() {
        let group =
            ShownGroup { name: "music/".into(), counted: DownloadGroup::new("/srv/share/music".into()) };
        let done = DownloadState::Done { location: "/x".into(), renamed: None };
        let done = Download { size: Some(1024), bytes_fetched: 1024, state: done, ..test_view() };
        let failed = Download { state: DownloadState::Cancelled, ..test_view() };
        let summary = |group: &ShownGroup, views: &[Download], audience| {
            group.summary(views, Duration::from_secs(2), audience, Look::PLAIN)
        };
        let both = [done.clone(), done.clone()];
        assert_eq!(
            summary(&group, &both, Audience::Person),
            ["done  music/  2 files, 2.0 KiB in 2.00 s, 1.0 KiB/s, from 0 sources", "  /srv/share/music"]
        );
        let mut three_here = group.clone();
        three_here.counted.add_existing(3);
        assert_eq!(
            summary(&three_here, &[done.clone(), failed], Audience::Person)[0],
            "incomplete  music/  4 of 5 files (3 already here), 1.0 KiB in 2.00 s, 512 B/s, from 0 sources"
        );
        // One content under three names.
        let mut copied = group.clone();
        copied.counted.set_file_count(done.id, 3);
        assert_eq!(
            summary(&copied, &[done], Audience::Script),
            ["group\tmusic/\t3/3 files\t3072\t/srv/share/music"]
        );
        assert_eq!(
            summary(&group, &both, Audience::Script),
            ["group\tmusic/\t2/2 files\t2048\t/srv/share/music"]
        );
    }
}
