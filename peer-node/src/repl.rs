//! What a person or a script says to a node, and what they are shown.
//!
//! [`run`] is a whole sitting. A line is read on a thread of its own (`input`), becomes a command (`command`), is carried out
//! (`actions`) and shown (`output`, the only place that writes to stdout and stderr). What can be decided without a node, a
//! terminal or a clock is decided in plain functions: how lines are cut, how tables and progress are laid out, what Tab
//! offers, what is worth telling unasked.

mod actions;
mod background;
mod banner;
mod command;
mod command_error;
mod command_table;
mod input;
pub(crate) mod look;
mod natural_order;
mod notices;
mod number_ranges;
pub(crate) mod output;
mod peers;
mod progress;
pub(crate) mod progress_bar;
mod reachability_text;
mod readiness;
mod repl_loop;
mod row_list;
mod session;
mod space_notices;
mod state_dir_notices;
pub(crate) mod table;
pub(crate) mod text_width;
pub(crate) mod time_limit;
mod words;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use actions::{done_lines, show_findings};
pub use output::OutputError;
pub(crate) use progress::{progress_line, progress_lines};
pub use repl_loop::{ReplEnd, ScriptOutcome};

use crate::cli::Signals;
use crate::node::Node;
use banner::show_banner;
use input::{CommandInput, PromptConfig, SharedCompletions};
use notices::Notices;
use output::{Audience, ConsoleOutput};
use repl_loop::ReplLoop;
use session::ReplSession;

/// Works with a node until there is nothing more to do: with a person if stdin and stdout are a terminal, and otherwise
/// with a script. `index` is where the index is, to show it; `timeout` is how long a command waits for its downloads, if not
/// without limit. The node is left running.
pub async fn run(
    node: &Arc<Node>,
    index: &str,
    timeout: Option<Duration>,
    signals: &mut Signals,
) -> io::Result<ReplEnd> {
    let is_person = io::stdin().is_terminal() && io::stdout().is_terminal();
    let known = SharedCompletions::default();
    let audience = if is_person { Audience::Person } else { Audience::Script };
    let output = ConsoleOutput::standard(audience);
    let mut session = ReplSession::new(Arc::clone(node), index.to_owned(), output, known.clone());
    session.timeout = timeout;
    if !is_person {
        if let Some(trouble) = node.downloads().list_error() {
            session.output.warning(trouble);
        }
        return Ok(ReplLoop::new(session, CommandInput::script()?, signals, None).run().await);
    }
    let (told, hashes) = match show_banner(&mut session).await {
        Ok(told) => told,
        Err(error) => return Ok(ReplEnd::OutputFailed(error)),
    };
    let notices = Notices::new(node, told, hashes);
    let share_dir = node.share_dir().to_owned();
    let (input, printer) = CommandInput::prompt(PromptConfig {
        history: node.state().history(),
        completions: known,
        share_dir,
    })?;
    Ok(ReplLoop::new(session, input, signals, Some((printer, notices))).run().await)
}
