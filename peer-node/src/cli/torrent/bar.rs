//! Shows on a terminal how far a torrent's content was read.

use protocol::units::Size;

use crate::repl::bar::{bar, percent};
use crate::repl::columns::fit;
use crate::repl::output::Output;

/// The widest that the bar becomes.
const WIDEST: usize = 40;

/// Draws how many bytes of all were read, if somebody could see it and the last drawing has stood for a while; at the
/// end takes it away.
pub(super) fn draw(output: &mut Output, done: u64, all: u64) {
    if done >= all {
        output.draw(Vec::new());
    } else if output.wants_live() {
        let (look, width, _) = output.live_frame();
        let text = format!("{:>3} %  {} of {}", percent(done, all), Size(done), Size(all));
        let bar_width = width.saturating_sub(text.len() + 2).min(WIDEST);
        let line = if bar_width < 4 {
            fit(&text, width)
        } else {
            format!("{}  {text}", bar(done, all, bar_width, look))
        };
        output.draw(vec![line]);
    }
}
