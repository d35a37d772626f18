use jiff::Timestamp;
use protocol::escape::display_safe;
use protocol::metainfo::{FileSpan, Metainfo};
use protocol::units::DisplaySize;

use super::other_keys::other_keys;
use crate::frontend::console::look::{Look, Style};
use crate::torrent::NoUsableSource;

/// Returns the contents of a torrent as lines for people.
pub(super) fn lines(metainfo: &Metainfo, look: Look) -> Vec<String> {
    let mut lines = vec![look.paint(Style::Strong, &display_safe(metainfo.name()))];
    lines.extend(facts(metainfo).into_iter().map(|(name, text)| fact_line(name, &text, look)));
    lines.extend(trackers(metainfo, look));
    lines.extend(files(metainfo, look));
    lines
}

fn fact_line(name: &str, text: &str, look: Look) -> String {
    format!("  {}{text}", look.paint(Style::Faint, &format!("{name:<14}")))
}

fn facts(metainfo: &Metainfo) -> Vec<(&'static str, String)> {
    let geometry = metainfo.geometry();
    let size = geometry.size();
    let piece_length = u64::from(geometry.piece_length());
    let yes_or_no = |yes| if yes { "yes" } else { "no" }.to_owned();
    let mut facts = vec![
        ("infohash", metainfo.infohash().to_string()),
        ("size", exact_size(size)),
        ("pieces", format!("{} of {}", geometry.piece_count(), exact_size(piece_length))),
        ("private", yes_or_no(metainfo.is_private())),
    ];
    let text = |text: &str| display_safe(text).into_owned();
    facts.extend(metainfo.creation_date().map(|date| ("created", time(date))));
    facts.extend(metainfo.created_by().map(|program| ("created by", text(program))));
    facts.extend(metainfo.comment().map(|comment| ("comment", text(comment))));
    facts.extend(metainfo.encoding().map(|encoding| ("encoding", text(encoding))));
    facts.extend(metainfo.digest().map(|digest| ("sha256", format!("{digest} (claimed)"))));
    if metainfo.is_hybrid() {
        facts.push(("version", "1 and 2, used as 1".to_owned()));
    }
    let other_keys = other_keys(metainfo.bytes());
    if !other_keys.is_empty() {
        facts.push(("not used", other_keys.join(", ")));
    }
    facts.extend(metainfo.irregularity().map(|error| ("irregular", format!("{error}; tolerated"))));
    facts
}

/// Formats a size with a unit and in bytes.
fn exact_size(bytes: u64) -> String {
    if bytes < 1024 { format!("{bytes} B") } else { format!("{} ({bytes} bytes)", DisplaySize(bytes)) }
}

fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("{seconds} s after 1970"), |time| time.strftime("%F %T UTC").to_string())
}

fn trackers(metainfo: &Metainfo, look: Look) -> Vec<String> {
    let warning = NoUsableSource::from_metainfo(metainfo)
        .map(|none| fact_line("sources", &look.paint(Style::Warning, &none.to_string()), look));
    let tiers = metainfo.tiers();
    let mut lines: Vec<String> = warning.into_iter().collect();
    if tiers.is_empty() {
        lines.push(fact_line("trackers", "none", look));
        return lines;
    }
    lines.push(look.paint(Style::Strong, "trackers"));
    for (number, tier) in (1..).zip(tiers) {
        for (index, address) in tier.iter().enumerate() {
            let name = if index == 0 { format!("tier {number}") } else { String::new() };
            lines.push(fact_line(&name, &display_safe(address), look));
        }
    }
    lines
}

/// Returns the path under which a file is stored, if it differs from the path in the torrent.
fn stored_as(file: &FileSpan, look: Look) -> String {
    let stored = file.path.stored_components().collect::<Vec<_>>().join("/");
    if stored == file.path.as_str() {
        return String::new();
    }
    look.paint(Style::Faint, &format!("  stored as {stored}"))
}

fn files(metainfo: &Metainfo, look: Look) -> Vec<String> {
    let files = metainfo.files();
    let padding = files.iter().filter(|file| file.is_padding).count();
    let mut heading = "files".to_owned();
    if padding > 0 {
        heading =
            format!("files ({padding} padding {} not written)", if padding == 1 { "file" } else { "files" });
    }
    let digits = files.len().to_string().len();
    let line = |(number, file): (usize, &FileSpan)| {
        let number = look.paint(Style::Accent, &format!("{number:>digits$}"));
        format!(
            "  {number}  {:>10}  {}{}",
            DisplaySize(file.length).to_string(),
            file.path,
            stored_as(file, look)
        )
    };
    let shown = (1..).zip(files).filter(|(_, file)| !file.is_padding).map(line);
    [look.paint(Style::Strong, &heading)].into_iter().chain(shown).collect()
}
