use protocol::units::DisplaySize;

use crate::operations::Download;
use crate::operations::events::{SpaceChange, SpaceNews};

/// The downloads that were reported as waiting for disk space: each is reported once, and once more when it resumes.
#[derive(Debug, Default)]
pub(crate) struct SpaceNotices {
    news: SpaceNews,
}

impl SpaceNotices {
    /// Returns the notice for a download that started or stopped waiting for space since the last call.
    pub(crate) fn notice_for(&mut self, view: &Download) -> Option<String> {
        let change = self.news.change(view.id, &view.state)?;
        Some(space_notice(view.id.0, &view.name.to_string(), &change))
    }
}

/// Returns the notice for a download that started or stopped waiting for space. The name is display-safe.
pub(crate) fn space_notice(number: u32, name: &str, change: &SpaceChange) -> String {
    match change {
        SpaceChange::Short { folder, needed, free } => {
            let (needed, free) = (DisplaySize(*needed), DisplaySize(*free));
            format!(
                "download {number} paused: not enough space in {folder} for {name} \
                 (needs {needed} more, {free} free); resumes automatically"
            )
        }
        SpaceChange::Available => format!("download {number} resumed: {name}"),
    }
}
