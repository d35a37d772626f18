//! Colours, and whether the terminal supports them.

use std::env;

/// The role of a text, which determines its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Ordinary text.
    Plain,
    /// A heading or an important name.
    Strong,
    /// Secondary text: digests, hints.
    Faint,
    /// A success, and the filled part of a bar.
    Good,
    /// A warning.
    Warning,
    /// A failure.
    Bad,
    /// Numbers to type, and the prompt.
    Accent,
}

/// The capabilities of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether text is coloured.
    pub(crate) colour: bool,
    /// Whether lines can be redrawn.
    pub(crate) redraw: bool,
}

impl Look {
    /// Neither colours nor redrawing, for scripts.
    pub(crate) const PLAIN: Self = Self { colour: false, redraw: false };

    /// Returns what the environment allows on a terminal: `NO_COLOR` disables colours, `TERM=dumb` also redrawing.
    pub(crate) fn detect() -> Self {
        let no_colour = env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self { colour: !no_colour && !dumb, redraw: !dumb }
    }

    /// Colours a text, if colours are enabled.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        match ansi_code(style) {
            Some(code) if self.colour && !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }
}

const fn ansi_code(style: Style) -> Option<&'static str> {
    match style {
        Style::Plain => None,
        Style::Strong => Some("1"),
        Style::Faint => Some("2"),
        Style::Good => Some("32"),
        Style::Warning => Some("33"),
        Style::Bad => Some("31"),
        Style::Accent => Some("36"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_used_only_when_enabled() {
        assert_eq!(Look::PLAIN.paint(Style::Bad, "no"), "no");
        let colourful = Look { colour: true, redraw: true };
        assert_eq!(colourful.paint(Style::Bad, "no"), "\u{1b}[31mno\u{1b}[0m");
        assert_eq!(colourful.paint(Style::Plain, "so"), "so");
        assert_eq!(colourful.paint(Style::Bad, ""), "");
    }
}
