//! The interactive prompt and its script mode.
//!
//! [`run`] is a whole session. A line is read on a thread of its own (`input`), parsed into a command (`command`), executed
//! (`actions`) and answered (`console::output`, the only module that writes to stdout and stderr). Decisions that need no node, terminal
//! or clock are pure functions: word splitting, table and progress layout, completion, notices.

mod actions;
mod background;
mod banner;
mod command;
mod command_error;
mod command_table;
mod input;
mod notices;
mod number_ranges;
mod peers;
mod problem_hints;
mod reachability_text;
mod readiness;
mod repl_loop;
mod row_list;
mod session;
mod space_notices;
mod state_dir_notices;
mod words;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use actions::{done_lines, show_findings};
pub(super) use repl_loop::{ReplEnd, ScriptOutcome};

use crate::frontend::console::output::{Audience, ConsoleOutput};
use crate::node::Node;
use crate::operations::Operations;
use crate::platform::Signals;
use banner::show_banner;
use input::{CommandInput, PromptConfig, SharedCompletions};
use notices::Notices;
use repl_loop::ReplLoop;
use session::{ReplSession, display_path};

/// Runs a session until its end: for a person if stdin and stdout are a terminal, otherwise for a script. `index` is the address
/// of the index, for display; `timeout` limits how long a command waits for its downloads. The node is left running.
pub(super) async fn run(
    node: &Arc<Node>,
    index: &str,
    timeout: Option<Duration>,
    signals: &mut Signals,
) -> io::Result<ReplEnd> {
    let is_person = io::stdin().is_terminal() && io::stdout().is_terminal();
    let known = SharedCompletions::default();
    let audience = if is_person { Audience::Person } else { Audience::Script };
    let output = ConsoleOutput::standard(audience);
    let mut session =
        ReplSession::new(Operations::new(Arc::clone(node)), index.to_owned(), output, known.clone());
    session.timeout = timeout;
    if !is_person {
        if let Some(error) = session.operations.list_error() {
            session.output.warning(error);
        }
        return Ok(ReplLoop::new(session, CommandInput::script()?, signals, None).run().await);
    }
    let shown = match show_banner(&mut session).await {
        Ok(shown) => shown,
        Err(error) => return Ok(ReplEnd::OutputFailed(error)),
    };
    let state_folder = display_path(node.state().path());
    let notices = Notices::new(session.operations.clone(), shown, state_folder, known.clone());
    let share_dir = node.share_dir().to_owned();
    let (input, printer) = CommandInput::prompt(PromptConfig {
        history: node.state().history(),
        completions: known,
        share_dir,
    })?;
    Ok(ReplLoop::new(session, input, signals, Some((printer, notices))).run().await)
}
