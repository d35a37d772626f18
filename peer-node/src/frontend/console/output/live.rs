use std::fmt::Write;

use crate::frontend::console::text_width::display_width;

/// Lines at the bottom of a terminal that are redrawn in place. Pure: returns the text to write.
#[derive(Debug, Default)]
pub(super) struct LiveLines {
    /// The widths of the lines on the screen, in columns.
    drawn_widths: Vec<usize>,
}

impl LiveLines {
    /// Returns the text that replaces the lines on the screen. `width` is the current width of the terminal, which may have
    /// wrapped lines that fitted when they were drawn.
    pub(super) fn replace(&mut self, lines: Vec<String>, width: usize) -> String {
        let rows: usize = self.drawn_widths.iter().map(|columns| columns.div_ceil(width.max(1)).max(1)).sum();
        let mut text = String::new();
        if rows > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, "\r\u{1b}[{rows}A\u{1b}[J");
        }
        self.drawn_widths.clear();
        for line in lines {
            self.drawn_widths.push(display_width(&without_colours(&line)));
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

/// Removes the colour codes from a line.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_redrawn_in_place() {
        let mut live = LiveLines::default();
        assert_eq!(live.replace(vec!["one".into(), "two".into()], 80), "one\ntwo\n");
        assert_eq!(live.replace(vec!["three".into()], 80), "\r\u{1b}[2A\u{1b}[Jthree\n");
        assert_eq!(live.replace(Vec::new(), 80), "\r\u{1b}[1A\u{1b}[J");
        assert_eq!(live.replace(Vec::new(), 80), "");
    }

    #[test]
    fn narrowed_terminal_wraps_drawn_lines() {
        let mut live = LiveLines::default();
        live.replace(vec!["\u{1b}[32m0123456789\u{1b}[0m".into(), String::new()], 80);
        assert_eq!(live.replace(Vec::new(), 4), "\r\u{1b}[4A\u{1b}[J");
    }
}
