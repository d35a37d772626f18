use jiff::Timestamp;
use jiff::tz::TimeZone;
use protocol::units::DisplaySize;

use super::shares::left_out_text;
use crate::frontend::console::look::Style;
use crate::frontend::console::table::{TableColumn, lay_out};
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::{ReplSession, pluralize};
use crate::operations::files::SharedFileInfo;

const TABLE: [TableColumn; 4] = [
    TableColumn::right("size", Style::Plain, 0),
    TableColumn::left("digest", Style::Faint, 3),
    TableColumn::left("since", Style::Faint, 2),
    TableColumn::path("path"),
];

/// Lists the files that this node shares.
pub(super) fn list_files(session: &mut ReplSession) -> Result<(), CommandError> {
    let shared = session.operations.files();
    let total = format!("{}, {}", pluralize(shared.len(), "file"), DisplaySize(shared.total_bytes()));
    if !session.output.is_for_person() {
        let line = |file: SharedFileInfo| {
            format!("{}\t{}\t{}\t{}", file.size, file.digest, utc_text(file.since), file.path)
        };
        session.output.lines(shared.iter().map(line))?;
        session.output.remark(total)?;
        session.warn_of_left_out();
        return Ok(());
    }
    let row = |file: SharedFileInfo| {
        let size = DisplaySize(file.size).to_string();
        [size, file.digest.short(), local_text(file.since), file.path.to_string()]
    };
    let rows: Vec<_> = shared.iter().map(row).collect();
    let (width, look) = (session.output.width(), session.output.look());
    if !rows.is_empty() {
        session.output.lines(lay_out(&TABLE, &rows, width, look))?;
    }
    session.output.remark(total)?;
    if let Some(left_out) = session.operations.left_out() {
        session.output.remark(left_out_text(&left_out))?;
    }
    Ok(())
}

/// Formats a time in UTC, to the second.
fn utc_text(since: i64) -> String {
    timestamp(since).to_string()
}

/// Formats a time in the local time zone, to the minute.
fn local_text(since: i64) -> String {
    timestamp(since).to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Converts seconds since 1970; a time out of range becomes the Unix epoch.
fn timestamp(since: i64) -> Timestamp {
    Timestamp::from_second(since).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_to_the_second() {
        let moment = 1_763_692_800;
        assert_eq!(utc_text(moment), "2025-11-21T02:40:00Z");
        assert_eq!(local_text(moment).len(), "2025-11-21 02:40".len());
    }

    #[test]
    fn out_of_range_time_is_shown_as_the_epoch() {
        assert_eq!(utc_text(1 << 60), "1970-01-01T00:00:00Z");
    }
}
