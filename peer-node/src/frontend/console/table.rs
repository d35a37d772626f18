//! Tables that fit the width of the terminal.

use super::look::{Look, Style};
use super::text_width::{display_width, min_path_width, pad, pad_left, truncate, truncate_path};

/// The gap between two columns.
const GAP: &str = "  ";

/// Columns of this rank and above are dropped before a path is truncated at all. Lower ranks are dropped only if a file name of
/// up to [`MAX_PROTECTED_NAME_WIDTH`] columns would be truncated.
const FIRST_DROPPED_RANK: u8 = 3;
const MAX_PROTECTED_NAME_WIDTH: usize = 40;

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableColumn {
    /// The heading; a table whose headings are all empty has no heading line.
    pub(crate) heading: &'static str,
    /// The colour of the cells.
    pub(crate) style: Style,
    /// The alignment of the cells.
    pub(crate) alignment: Alignment,
    /// The order in which columns are dropped on a narrow terminal: highest first; 0 is never dropped.
    pub(crate) rank: u8,
}

/// The alignment of the cells of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alignment {
    /// For words.
    Left,
    /// For numbers.
    Right,
    /// For names or paths, which may be truncated, folders first; at most one column of a table.
    Path,
}

impl TableColumn {
    /// Returns a column of words.
    pub(crate) const fn left(heading: &'static str, style: Style, rank: u8) -> Self {
        Self { heading, style, alignment: Alignment::Left, rank }
    }

    /// Returns a column of numbers.
    pub(crate) const fn right(heading: &'static str, style: Style, rank: u8) -> Self {
        Self { heading, style, alignment: Alignment::Right, rank }
    }

    /// Returns the column of names or paths, which may be truncated.
    pub(crate) const fn path(heading: &'static str) -> Self {
        Self { heading, style: Style::Plain, alignment: Alignment::Path, rank: 0 }
    }

    fn is_flexible(&self) -> bool {
        self.alignment == Alignment::Path
    }
}

/// Lays out rows of display-safe cells as lines of at most `width` columns, if possible.
pub(crate) fn lay_out<const N: usize>(
    table: &[TableColumn; N],
    rows: &[[String; N]],
    width: usize,
    look: Look,
) -> Vec<String> {
    let kept = choose_columns(&natural_widths(table, rows), min_name_width(table, rows), table, width);
    let has_headings = table.iter().any(|column| !column.heading.is_empty());
    let headings = has_headings.then(|| table.map(|column| column.heading.to_owned()));
    let heading = headings.iter().map(|cells| table_line(table, cells, &kept, look, true));
    heading.chain(rows.iter().map(|cells| table_line(table, cells, &kept, look, false))).collect()
}

fn natural_widths<const N: usize>(table: &[TableColumn; N], rows: &[[String; N]]) -> [usize; N] {
    let mut widths = table.map(|column| display_width(column.heading));
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = display_width(cell).max(*width);
        }
    }
    widths
}

/// Returns the width that the column of paths needs to keep all file names of up to [`MAX_PROTECTED_NAME_WIDTH`].
fn min_name_width<const N: usize>(table: &[TableColumn; N], rows: &[[String; N]]) -> usize {
    let cells = |row: &[String; N]| {
        let cells = table.iter().zip(row).filter(|(column, _)| column.is_flexible());
        cells.map(|(_, cell)| min_path_width(cell).min(MAX_PROTECTED_NAME_WIDTH)).max().unwrap_or(0)
    };
    let headings =
        table.iter().filter(|column| column.is_flexible()).map(|column| display_width(column.heading));
    rows.iter().map(cells).chain(headings).max().unwrap_or(0)
}

/// Chooses the columns to show, with their indices and widths: drops the column of the highest rank until the rest fits.
fn choose_columns<const N: usize>(
    natural: &[usize; N],
    min_name_width: usize,
    table: &[TableColumn; N],
    width: usize,
) -> Vec<(usize, usize)> {
    // Empty columns are not shown.
    let mut kept: Vec<(usize, usize)> =
        natural.iter().copied().enumerate().filter(|(_, width)| *width > 0).collect();
    let rank = |at: usize| table.get(at).map_or(0, |column| column.rank);
    let is_flexible = |at: usize| table.get(at).is_some_and(TableColumn::is_flexible);
    let needed = |at: usize, natural: usize| {
        if rank(at) >= FIRST_DROPPED_RANK { natural } else { natural.min(min_name_width) }
    };
    loop {
        let others: usize = kept.iter().filter(|(at, _)| !is_flexible(*at)).map(|(_, width)| width).sum();
        let gaps = kept.len().saturating_sub(1) * GAP.len();
        let available = width.saturating_sub(others + gaps);
        let path_width = kept.iter().find(|(at, _)| is_flexible(*at)).map_or(0, |(_, width)| *width);
        let next = kept.iter().map(|(at, _)| *at).filter(|at| rank(*at) > 0).max_by_key(|at| rank(*at));
        match next {
            Some(at) if available < needed(at, path_width) || others + gaps > width => {
                kept.retain(|(kept, _)| *kept != at);
            }
            _ => {
                for (at, width) in &mut kept {
                    if is_flexible(*at) {
                        *width = (*width).min(available.max(1));
                    }
                }
                return kept;
            }
        }
    }
}

fn table_line<const N: usize>(
    table: &[TableColumn; N],
    cells: &[String; N],
    kept: &[(usize, usize)],
    look: Look,
    is_heading: bool,
) -> String {
    let last = kept.last().map(|(at, _)| *at);
    let cell = |&(at, width): &(usize, usize)| {
        let column = table.get(at)?;
        let cell = cells.get(at)?;
        let text = match column.alignment {
            Alignment::Right => pad_left(cell, width),
            // No trailing spaces.
            Alignment::Left if last == Some(at) => truncate(cell, width),
            Alignment::Left => pad(cell, width),
            Alignment::Path if last == Some(at) => truncate_path(cell, width),
            Alignment::Path => pad(&truncate_path(cell, width), width),
        };
        Some(look.paint(if is_heading { Style::Faint } else { column.style }, &text))
    };
    kept.iter().filter_map(cell).collect::<Vec<_>>().join(GAP)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: [TableColumn; 4] = [
        TableColumn::right("#", Style::Accent, 0),
        TableColumn::path("name"),
        TableColumn::right("size", Style::Plain, 1),
        TableColumn::left("digest", Style::Faint, 3),
    ];

    const PATHS: [TableColumn; 5] = [
        TableColumn::right("#", Style::Accent, 0),
        TableColumn::path("name"),
        TableColumn::right("size", Style::Plain, 1),
        TableColumn::right("sources", Style::Good, 2),
        TableColumn::left("digest", Style::Faint, 3),
    ];

    fn hits() -> Vec<[String; 5]> {
        let row = |cells: [&str; 5]| cells.map(ToOwned::to_owned);
        vec![
            row(["1", "distributions/debian/13/debian-13.1.0-amd64.iso", "783.0 MiB", "12", "9e2260efdf3e"]),
            row(["12345", "Café.flac", "2.9 MiB", "1", "55cf3b455484"]),
        ]
    }

    #[test]
    fn wide_terminal_shows_everything() {
        assert_eq!(
            lay_out(&PATHS, &hits(), 100, Look::PLAIN),
            [
                "    #  name                                                  size  sources  digest",
                "    1  distributions/debian/13/debian-13.1.0-amd64.iso  783.0 MiB       12  9e2260efdf3e",
                "12345  Café.flac                                          2.9 MiB        1  55cf3b455484",
            ]
        );
    }

    #[test]
    fn eighty_columns_drop_the_digest_and_keep_the_folders() {
        assert_eq!(
            lay_out(&PATHS, &hits(), 80, Look::PLAIN),
            [
                "    #  name                                                  size  sources",
                "    1  distributions/debian/13/debian-13.1.0-amd64.iso  783.0 MiB       12",
                "12345  Café.flac                                          2.9 MiB        1",
            ]
        );
    }

    #[test]
    fn forty_columns_drop_the_folders_and_keep_the_file_name() {
        assert_eq!(
            lay_out(&PATHS, &hits(), 40, Look::PLAIN),
            ["    #  name", "    1  …/13/debian-13.1.0-amd64.iso", "12345  Café.flac",]
        );
        assert_eq!(
            lay_out(&PATHS, &hits(), 51, Look::PLAIN)[1],
            "    1  …/13/debian-13.1.0-amd64.iso       783.0 MiB"
        );
    }

    fn rows() -> Vec<[String; 4]> {
        let row = |a: &str, b: &str, c: &str, d: &str| [a, b, c, d].map(ToOwned::to_owned);
        vec![row("1", "a rather long name.iso", "5 B", "e3b0c44298fc"), row("10", "日本語", "1.5 GiB", "0")]
    }

    #[test]
    fn columns_are_aligned() {
        let lines = lay_out(&TABLE, &rows(), 80, Look::PLAIN);
        assert_eq!(
            lines,
            [
                " #  name                       size  digest",
                " 1  a rather long name.iso      5 B  e3b0c44298fc",
                "10  日本語                  1.5 GiB  0",
            ]
        );
    }

    #[test]
    fn digests_are_dropped_first_and_names_are_cut_last() {
        assert_eq!(lay_out(&TABLE, &rows(), 40, Look::PLAIN)[1], " 1  a rather long name.iso      5 B");
        assert_eq!(lay_out(&TABLE, &rows(), 30, Look::PLAIN)[1], " 1  a rather long name.iso");
        assert_eq!(lay_out(&TABLE, &rows(), 20, Look::PLAIN)[1], " 1  a rather l…e.iso");
    }

    #[test]
    fn an_empty_column_is_left_out() {
        let table = [
            TableColumn::path(""),
            TableColumn::left("", Style::Plain, 0),
            TableColumn::left("", Style::Plain, 0),
        ];
        let rows = [["a", "", "b"].map(ToOwned::to_owned)];
        assert_eq!(lay_out(&table, &rows, 80, Look::PLAIN), ["a  b"]);
    }

    #[test]
    fn colours_take_no_width() {
        let colourful = Look { colour: true, redraw: true };
        let line = lay_out(&TABLE, &rows(), 80, colourful).remove(1);
        assert!(line.starts_with("\u{1b}[36m 1\u{1b}[0m  a rather"), "{line:?}");
    }

    proptest! {
        #[test]
        fn line_never_exceeds_the_terminal_width(
            names in prop::collection::vec("[a-z日é ]{0,40}", 0..5),
            width in 8_usize..100,
        ) {
            let rows: Vec<_> =
                names.into_iter().map(|name| ["1".into(), name, "1.5 GiB".into(), "e3b0c44298fc".into()]).collect();
            for line in lay_out(&TABLE, &rows, width, Look::PLAIN) {
                prop_assert!(display_width(&line) <= width, "{:?}", line);
            }
        }
    }
}
