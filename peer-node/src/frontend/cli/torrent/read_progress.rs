//! Shows on a terminal how much of a torrent's content has been read.

use protocol::units::DisplaySize;

use crate::frontend::console::output::ConsoleOutput;
use crate::frontend::console::progress_bar::{percent, progress_bar};
use crate::frontend::console::text_width::truncate;

/// The maximum width of the bar.
const MAX_BAR_WIDTH: usize = 40;

/// Draws the number of bytes read if the output is a terminal and due to be redrawn; clears the line at the end.
pub(super) fn draw_progress(output: &mut ConsoleOutput, done: u64, all: u64) {
    if done >= all {
        output.draw(Vec::new());
    } else if output.wants_live() {
        let (look, width, _) = output.live_frame();
        let text = format!("{:>3} %  {} of {}", percent(done, all), DisplaySize(done), DisplaySize(all));
        let bar_width = width.saturating_sub(text.len() + 2).min(MAX_BAR_WIDTH);
        let line = if bar_width < 4 {
            truncate(&text, width)
        } else {
            format!("{}  {text}", progress_bar(done, all, bar_width, look))
        };
        output.draw(vec![line]);
    }
}
