use std::time::SystemTime;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use protocol::units::DisplaySize;

use super::shares::left_out_text;
use crate::frontend::console::look::Style;
use crate::frontend::console::table::{TableColumn, lay_out};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, pluralize};
use crate::library::SharedFile;

const TABLE: [TableColumn; 4] = [
    TableColumn::right("size", Style::Plain, 0),
    TableColumn::left("digest", Style::Faint, 3),
    TableColumn::left("since", Style::Faint, 2),
    TableColumn::path("path"),
];

/// Lists the files that this node shares.
pub(super) fn list_files(session: &mut ReplSession) -> Result<(), CommandError> {
    let listing = session.node.library().files();
    let total =
        format!("{}, {}", pluralize(listing.len() as u64, "file"), DisplaySize(listing.total_bytes()));
    if !session.output.is_for_person() {
        let line = |file: &SharedFile| {
            format!("{}\t{}\t{}\t{}", file.size, file.digest, utc_text(file.since), file.path)
        };
        session.output.lines(listing.iter().map(line))?;
        session.output.remark(total)?;
        session.warn_of_left_out();
        return Ok(());
    }
    let row = |file: &SharedFile| {
        let size = DisplaySize(file.size).to_string();
        [size, file.digest.short(), local_text(file.since), file.path.to_string()]
    };
    let rows: Vec<_> = listing.iter().map(row).collect();
    let (width, look) = (session.output.width(), session.output.look());
    if !rows.is_empty() {
        session.output.lines(lay_out(&TABLE, &rows, width, look))?;
    }
    session.output.remark(total)?;
    if let Some(text) = left_out_text(&session.node.library().overview()) {
        session.output.remark(text)?;
    }
    Ok(())
}

/// Formats a time in UTC, to the second.
fn utc_text(moment: SystemTime) -> String {
    timestamp(moment).to_string()
}

/// Formats a time in the local time zone, to the minute.
fn local_text(moment: SystemTime) -> String {
    timestamp(moment).to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Rounds a time to seconds; a time out of range becomes the Unix epoch.
fn timestamp(moment: SystemTime) -> Timestamp {
    let timestamp = Timestamp::try_from(moment).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.round(Unit::Second).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_shown_to_the_second() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_763_692_800_400);
        assert_eq!(utc_text(moment), "2025-11-21T02:40:00Z");
        assert_eq!(local_text(moment).len(), "2025-11-21 02:40".len());
    }

    #[test]
    fn out_of_range_time_is_shown_as_the_epoch() {
        let far = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1 << 60)).unwrap();
        assert_eq!(utc_text(far), "1970-01-01T00:00:00Z");
    }
}
