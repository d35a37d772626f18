use std::time::Duration;

use protocol::escape::display_safe;
use protocol::units::{DisplayDuration, DisplayRate, DisplaySize};

use crate::frontend::console::look::{Look, Style};
use crate::frontend::console::output::Audience;
use crate::frontend::console::progress_bar::percent;
use crate::frontend::repl::session::{display_path, pluralize};
use crate::operations::Download;
use crate::view::{DownloadState, SourceView};

/// Returns the line for a download that continues in the background.
pub(super) fn background_text(view: &Download, audience: Audience) -> String {
    let (number, name) = (view.id.0, &view.name);
    match audience {
        Audience::Person => format!("download {number} in the background: {name}"),
        Audience::Script => format!("started\t{number}\t{name}"),
    }
}

/// Returns the lines for a finished download: its size and rate, its name if it was renamed, and how much each source sent.
pub(crate) fn done_lines(
    view: &Download,
    renamed: Option<(&str, &str)>,
    audience: Audience,
    look: Look,
) -> Vec<String> {
    let (name, size) = (view.name.shown(), view.size.unwrap_or(view.bytes_done));
    // Bytes of an earlier run do not count: they took none of this run's time.
    let rate = DisplayRate(average_rate(view.bytes_fetched, view.elapsed));
    let sources = pluralize(contributing_sources(view).count() as u64, "source");
    let mut lines = Vec::new();
    match audience {
        Audience::Script => {
            let (kind, content) = (view.content.kind(), view.content);
            lines.push(format!("done\t{name}\t{size}\t{kind} {content}\t{rate}\tfrom {sources}"));
        }
        Audience::Person => {
            let (done, name) = (look.paint(Style::Good, "done"), look.paint(Style::Strong, &name));
            let (size, span) = (DisplaySize(size), duration_text(view.elapsed));
            if let Some(original) = view.copied_from.as_deref() {
                let is_original =
                    matches!(&view.state, DownloadState::Done { location, .. } if location == original);
                let how = if is_original { "already at" } else { "copied from" };
                lines.push(format!("{done}  {name}  {size}, {how} {}", display_path(original)));
            } else {
                let now = if view.bytes_fetched < view.size.unwrap_or(0) {
                    format!(" ({} now)", DisplaySize(view.bytes_fetched))
                } else {
                    String::new()
                };
                lines.push(format!("{done}  {name}  {size}{now} in {span}, {rate}, from {sources}"));
                lines.push(look.paint(Style::Faint, &format!("  {} {}", view.content.kind(), view.content)));
            }
        }
    }
    let torrent = view.saved_as().map(display_path);
    let renamed = renamed.or_else(|| Some((torrent.as_deref()?, "its original name cannot be used")));
    if let Some((place, why)) = renamed {
        lines.push(format!("saved as {place}: {}", display_safe(why)));
    }
    for source in contributing_sources(view) {
        let reason = source.disconnect_reason.as_deref();
        lines.push(match audience {
            Audience::Script => {
                let reason = reason.map(|why| format!("\tleft: {}", display_safe(why)));
                format!("  {}\t{} bytes{}", source.address, source.bytes, reason.unwrap_or_default())
            }
            Audience::Person => {
                let reason = reason.map(|why| format!(", disconnected: {}", display_safe(why)));
                format!(
                    "  {:<21}  {:>10}{}",
                    source.address,
                    DisplaySize(source.bytes),
                    reason.unwrap_or_default()
                )
            }
        });
    }
    lines
}

/// Returns the size, time and rate of a finished download; `None` if it has not finished.
pub(in crate::frontend::repl::actions) fn finished_text(view: &Download) -> Option<String> {
    let DownloadState::Done { .. } = view.state else { return None };
    let (size, received) = (DisplaySize(view.size.unwrap_or(view.bytes_done)), view.bytes_fetched);
    let rate = if received == 0 {
        String::new()
    } else {
        format!(", {}", DisplayRate(average_rate(received, view.elapsed)))
    };
    Some(format!("done  {size} in {}{rate}", duration_text(view.elapsed)))
}

/// Formats a time, with hundredths of a second below a minute.
pub(super) fn duration_text(time: Duration) -> String {
    if time < Duration::from_mins(1) {
        format!("{:.2} s", time.as_secs_f64())
    } else {
        DisplayDuration(time).to_string()
    }
}

/// Returns why a download is not complete.
pub(crate) fn failure_text(view: &Download) -> String {
    match &view.state {
        DownloadState::Failed { reason } => format!("{}: {}", view.name, display_safe(reason)),
        _ => stopped_text(view),
    }
}

/// Returns the message for a complete torrent that does not contain the requested file.
pub(super) fn wrong_file_text(view: &Download) -> String {
    let what = match view.digest {
        Some(digest) => format!("but contains another file, sha256 {digest}"),
        None => "but could not be compared with the requested file".to_owned(),
    };
    format!("{}: the torrent is complete, {what}; download again to fetch the file", view.name)
}

/// Returns the message for a stopped download, or for how it ended before it could be stopped.
pub(in crate::frontend::repl::actions) fn stopped_text(view: &Download) -> String {
    let name = &view.name;
    match &view.state {
        DownloadState::Done { .. } => format!("{name}: complete"),
        _ if view.size == Some(view.bytes_done) => format!("{name}: stopped; all pieces are complete"),
        DownloadState::Failed { .. } => failure_text(view),
        _ => match view.size {
            Some(size) if view.bytes_done > 0 => {
                let percent = percent(view.bytes_done, size);
                format!("{name}: stopped at {percent}%; download it again to resume")
            }
            _ => format!("{name}: stopped"),
        },
    }
}

/// Returns the message for a download that was stopped with the node.
pub(super) fn suspended_text(view: &Download) -> String {
    let (name, size) = (&view.name, view.size.unwrap_or(0));
    let percent = percent(view.bytes_done, size);
    format!("{name}: stopped at {percent}%; resumes when the node is started again")
}

pub(super) fn contributing_sources(view: &Download) -> impl Iterator<Item = &SourceView> {
    view.sources.iter().filter(|source| source.bytes > 0)
}

/// Returns the average rate in bytes per second; the time counts as at least a millisecond.
pub(super) fn average_rate(bytes: u64, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a rate that is shown with one decimal")]
    let bytes = bytes as f64;
    bytes / elapsed.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use protocol::digest::Digest;
    use protocol::infohash::Infohash;

    use super::*;
    use crate::view::{ContentId, DownloadId};

    fn view() -> Download {
        let source = |port: u16, bytes| SourceView {
            address: ([127, 0, 0, 1], port).into(),
            bytes,
            rate: 0.0,
            disconnect_reason: (port == 2).then(|| "it lied".to_owned()),
        };
        Download {
            id: DownloadId(3),
            content: ContentId::File(Digest::EMPTY),
            digest: Some(Digest::EMPTY),
            name: "a\tb".into(),
            size: Some(4096),
            state: DownloadState::Done { location: PathBuf::from("/x"), renamed: None },
            priority: crate::view::Priority::Normal,
            queue_position: None,
            pieces_done: 1,
            pieces: 1,
            bytes_done: 4096,
            bytes_fetched: 4096,
            rate_down: 0.0,
            rate_up: 0.0,
            bytes_uploaded: 0,
            copied_from: None,
            warning: None,
            sources_active: 0,
            sources_known: 3,
            queued_at: None,
            time_left: None,
            elapsed: Duration::from_secs(2),
            trackers: [].into(),
            sources: vec![source(1, 4000), source(2, 96), source(3, 0)],
        }
    }

    #[test]
    fn scripts_get_tab_separated_lines() {
        let digest = Digest::EMPTY;
        assert_eq!(
            done_lines(&view(), Some(("c", "a is taken")), Audience::Script, Look::PLAIN),
            [
                format!("done\ta\\tb\t4096\tsha256 {digest}\t2.0 KiB/s\tfrom 2 sources"),
                "saved as c: a is taken".to_owned(),
                "  127.0.0.1:1\t4000 bytes".to_owned(),
                "  127.0.0.1:2\t96 bytes\tleft: it lied".to_owned(),
            ]
        );
    }

    #[test]
    fn the_rate_counts_only_what_came_in_this_run() {
        let resumed = Download { bytes_fetched: 1024, ..view() };
        let lines = done_lines(&resumed, None, Audience::Person, Look::PLAIN);
        assert_eq!(lines[0], "done  a\\tb  4.0 KiB (1.0 KiB now) in 2.00 s, 512 B/s, from 2 sources");
        let lines = done_lines(&resumed, None, Audience::Script, Look::PLAIN);
        assert!(lines[0].contains("\t512 B/s\t"), "{lines:?}");
    }

    #[test]
    fn disconnected_sources_are_shown_with_the_reason() {
        let lines = done_lines(&view(), None, Audience::Person, Look::PLAIN);
        assert_eq!(lines[0], "done  a\\tb  4.0 KiB in 2.00 s, 2.0 KiB/s, from 2 sources");
        assert_eq!(lines[3], "  127.0.0.1:2                  96 B, disconnected: it lied");
    }

    #[test]
    fn renamed_torrent_shows_its_location() {
        let location = PathBuf::from("/srv/report 2024_ final.txt");
        let content = ContentId::Torrent(Infohash::from_bytes([7; 20]));
        let state = DownloadState::Done { location, renamed: None };
        let torrent = Download { content, name: "report 2024: final.txt".into(), state, ..view() };
        let lines = done_lines(&torrent, None, Audience::Person, Look::PLAIN);
        assert_eq!(lines[2], "saved as /srv/report 2024_ final.txt: its original name cannot be used");
        let kept = Download { name: "report 2024_ final.txt".into(), ..torrent };
        assert!(!done_lines(&kept, None, Audience::Person, Look::PLAIN).concat().contains("saved as"));
    }

    #[test]
    fn copied_file_names_its_original() {
        let copied = |from: &str| Download { copied_from: Some(from.into()), ..view() };
        let first = |view: &Download| done_lines(view, None, Audience::Person, Look::PLAIN).swap_remove(0);
        assert_eq!(first(&copied("/y")), "done  a\\tb  4.0 KiB, copied from /y");
        assert_eq!(first(&copied("/x")), "done  a\\tb  4.0 KiB, already at /x");
    }

    #[test]
    fn stopped_download_shows_its_progress() {
        let view = Download { state: DownloadState::Cancelled, bytes_done: 1024, ..view() };
        assert!(stopped_text(&view).starts_with("a\\tb: stopped at 25%; download it again"));
        let failed = DownloadState::Failed { reason: "no\u{7}body has it".into() };
        assert_eq!(failure_text(&Download { state: failed, ..view }), "a\\tb: no\\u{7}body has it");
    }

    #[test]
    fn zero_elapsed_time_gives_a_finite_rate() {
        assert!(average_rate(1, Duration::ZERO).is_finite());
    }
}
