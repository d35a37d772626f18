//! Tables that are as wide as the terminal allows.

use super::columns::{columns, fit, fit_path, least_of_path, pad, pad_left};
use super::look::{Look, Style};

/// What stands between two columns.
const GAP: &str = "  ";

/// Columns of this rank and above are left out before the column of paths is cut at all, the others only where a name of at
/// most so many columns of the terminal would be cut.
const FIRST_TO_GO: u8 = 3;
const NAME: usize = 40;

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// What stands above it; nothing stands above any if all are empty.
    pub(crate) head: &'static str,
    /// How its cells are coloured.
    pub(crate) style: Style,
    /// Where its cells stand.
    pub(crate) side: Side,
    /// Those with higher figures are left out first when the terminal is narrow; 0 always stays.
    pub(crate) rank: u8,
}

/// How the cells of a column are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Words.
    Left,
    /// Figures.
    Right,
    /// Names or paths that may be cut to make room, folders first; one column of a table at most.
    Path,
}

impl Column {
    /// Makes a column of words.
    pub(crate) const fn left(head: &'static str, style: Style, rank: u8) -> Self {
        Self { head, style, side: Side::Left, rank }
    }

    /// Makes a column of figures.
    pub(crate) const fn right(head: &'static str, style: Style, rank: u8) -> Self {
        Self { head, style, side: Side::Right, rank }
    }

    /// Makes the column of names or paths, which gives way.
    pub(crate) const fn path(head: &'static str) -> Self {
        Self { head, style: Style::Plain, side: Side::Path, rank: 0 }
    }

    fn gives_way(&self) -> bool {
        self.side == Side::Path
    }
}

/// Lays out rows of cells, which are fit to be shown, as lines of at most `width` columns where that is possible.
pub(crate) fn lay_out<const N: usize>(
    table: &[Column; N],
    rows: &[[String; N]],
    width: usize,
    look: Look,
) -> Vec<String> {
    let kept = choose(&natural_widths(table, rows), least_of_names(table, rows), table, width);
    let has_heads = table.iter().any(|column| !column.head.is_empty());
    let head = has_heads.then(|| table.map(|column| column.head.to_owned()));
    let heading = head.iter().map(|cells| line(table, cells, &kept, look, true));
    heading.chain(rows.iter().map(|cells| line(table, cells, &kept, look, false))).collect()
}

fn natural_widths<const N: usize>(table: &[Column; N], rows: &[[String; N]]) -> [usize; N] {
    let mut widths = table.map(|column| columns(column.head));
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = columns(cell).max(*width);
        }
    }
    widths
}

/// Returns how many columns of the terminal the column that gives way needs to keep all names.
fn least_of_names<const N: usize>(table: &[Column; N], rows: &[[String; N]]) -> usize {
    let cells = |row: &[String; N]| {
        let cells = table.iter().zip(row).filter(|(column, _)| column.gives_way());
        cells.map(|(_, cell)| least_of_path(cell).min(NAME)).max().unwrap_or(0)
    };
    let heads = table.iter().filter(|column| column.gives_way()).map(|column| columns(column.head));
    rows.iter().map(cells).chain(heads).max().unwrap_or(0)
}

/// Chooses the columns that stay, and their widths.
fn choose<const N: usize>(
    natural: &[usize; N],
    least: usize,
    table: &[Column; N],
    width: usize,
) -> Vec<(usize, usize)> {
    // A column with nothing in it is none.
    let mut kept: Vec<(usize, usize)> =
        natural.iter().copied().enumerate().filter(|(_, width)| *width > 0).collect();
    let rank = |at: usize| table.get(at).map_or(0, |column| column.rank);
    let gives_way = |at: usize| table.get(at).is_some_and(Column::gives_way);
    let needed = |at: usize, wanted: usize| if rank(at) >= FIRST_TO_GO { wanted } else { wanted.min(least) };
    loop {
        let others: usize = kept.iter().filter(|(at, _)| !gives_way(*at)).map(|(_, width)| width).sum();
        let gaps = kept.len().saturating_sub(1) * GAP.len();
        let room = width.saturating_sub(others + gaps);
        let wanted = kept.iter().find(|(at, _)| gives_way(*at)).map_or(0, |(_, width)| *width);
        let dearest = kept.iter().map(|(at, _)| *at).filter(|at| rank(*at) > 0).max_by_key(|at| rank(*at));
        match dearest {
            Some(at) if room < needed(at, wanted) || others + gaps > width => {
                kept.retain(|(kept, _)| *kept != at);
            }
            _ => {
                for (at, width) in &mut kept {
                    if gives_way(*at) {
                        *width = (*width).min(room.max(1));
                    }
                }
                return kept;
            }
        }
    }
}

fn line<const N: usize>(
    table: &[Column; N],
    cells: &[String; N],
    kept: &[(usize, usize)],
    look: Look,
    is_head: bool,
) -> String {
    let last = kept.last().map(|(at, _)| *at);
    let cell = |&(at, width): &(usize, usize)| {
        let column = table.get(at)?;
        let cell = cells.get(at)?;
        let text = match column.side {
            Side::Right => pad_left(cell, width),
            // No blanks at the end of a line.
            Side::Left if last == Some(at) => fit(cell, width),
            Side::Left => pad(cell, width),
            Side::Path if last == Some(at) => fit_path(cell, width),
            Side::Path => pad(&fit_path(cell, width), width),
        };
        Some(look.paint(if is_head { Style::Faint } else { column.style }, &text))
    };
    kept.iter().filter_map(cell).collect::<Vec<_>>().join(GAP)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: [Column; 4] = [
        Column::right("#", Style::Accent, 0),
        Column::path("name"),
        Column::right("size", Style::Plain, 1),
        Column::left("digest", Style::Faint, 3),
    ];

    const PATHS: [Column; 5] = [
        Column::right("#", Style::Accent, 0),
        Column::path("name"),
        Column::right("size", Style::Plain, 1),
        Column::right("sources", Style::Good, 2),
        Column::left("digest", Style::Faint, 3),
    ];

    fn hits() -> Vec<[String; 5]> {
        let row = |cells: [&str; 5]| cells.map(ToOwned::to_owned);
        vec![
            row(["1", "distributions/debian/13/debian-13.1.0-amd64.iso", "783.0 MiB", "12", "9e2260efdf3e"]),
            row(["12345", "Café.flac", "2.9 MiB", "1", "55cf3b455484"]),
        ]
    }

    #[test]
    fn a_wide_terminal_has_room_for_everything() {
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
    fn columns_stand_below_each_other() {
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
    fn digests_go_first_then_other_columns_and_names_are_cut_last() {
        assert_eq!(lay_out(&TABLE, &rows(), 40, Look::PLAIN)[1], " 1  a rather long name.iso      5 B");
        assert_eq!(lay_out(&TABLE, &rows(), 30, Look::PLAIN)[1], " 1  a rather long name.iso");
        assert_eq!(lay_out(&TABLE, &rows(), 20, Look::PLAIN)[1], " 1  a rather l…e.iso");
    }

    #[test]
    fn an_empty_column_is_left_out() {
        let table = [Column::path(""), Column::left("", Style::Plain, 0), Column::left("", Style::Plain, 0)];
        let rows = [["a", "", "b"].map(ToOwned::to_owned)];
        assert_eq!(lay_out(&table, &rows, 80, Look::PLAIN), ["a  b"]);
    }

    #[test]
    fn colours_take_no_room() {
        let colourful = Look { colour: true, redraw: true };
        let line = lay_out(&TABLE, &rows(), 80, colourful).remove(1);
        assert!(line.starts_with("\u{1b}[36m 1\u{1b}[0m  a rather"), "{line:?}");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            names in prop::collection::vec("[a-z日é ]{0,40}", 0..5),
            width in 8_usize..100,
        ) {
            let rows: Vec<_> =
                names.into_iter().map(|name| ["1".into(), name, "1.5 GiB".into(), "e3b0c44298fc".into()]).collect();
            for line in lay_out(&TABLE, &rows, width, Look::PLAIN) {
                prop_assert!(columns(&line) <= width, "{:?}", line);
            }
        }
    }
}
