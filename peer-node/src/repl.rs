//! What a person or a script says to a node, and what they are shown.
//!
//! [`run`] is a whole sitting. A line is read on a thread of its own (`input`), becomes a command (`command`), is carried out
//! (`act`) and shown (`output`, the only place that writes to stdout and stderr). What can be decided without a node, a
//! terminal or a clock is decided in plain functions: how lines are cut, how tables and progress are laid out, what Tab
//! offers, what is worth telling unasked.

mod act;
mod background;
pub(crate) mod bar;
mod catalogue;
pub(crate) mod columns;
mod command;
mod conversation;
mod failure;
mod greeting;
mod input;
pub(crate) mod look;
mod natural;
mod notices;
mod numbers;
pub(crate) mod output;
mod peers;
mod progress;
mod reach_text;
mod readiness;
mod room_news;
mod session;
mod shown;
mod state_news;
pub(crate) mod table;
pub(crate) mod time_limit;
mod words;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use act::{done_lines, show_findings};
pub use conversation::{Ended, Verdict};
pub use output::OutputError;
pub(crate) use progress::{progress_line, progress_lines};

use crate::cli::Signals;
use crate::node::Node;
use conversation::Conversation;
use greeting::greet;
use input::{Input, Known, PromptConfig};
use notices::Notices;
use output::{Audience, Output};
use session::Session;

/// Works with a node until there is nothing more to do: with a person if stdin and stdout are a terminal, and otherwise
/// with a script. `index` is where the index is, to show it; `timeout` is how long a command waits for its downloads, if not
/// without limit. The node is left running.
pub async fn run(
    node: &Arc<Node>,
    index: &str,
    timeout: Option<Duration>,
    signals: &mut Signals,
) -> io::Result<Ended> {
    let is_person = io::stdin().is_terminal() && io::stdout().is_terminal();
    let known = Known::default();
    let audience = if is_person { Audience::Person } else { Audience::Script };
    let output = Output::standard(audience);
    let mut session = Session::new(Arc::clone(node), index.to_owned(), output, known.clone());
    session.timeout = timeout;
    if !is_person {
        if let Some(trouble) = node.downloads().trouble() {
            session.output.warning(trouble);
        }
        return Ok(Conversation::new(session, Input::script()?, signals, None).run().await);
    }
    let (told, hashes) = match greet(&mut session).await {
        Ok(told) => told,
        Err(error) => return Ok(Ended::Unwritten(error)),
    };
    let notices = Notices::new(node, told, hashes);
    let share_dir = node.share_dir().to_owned();
    let (input, printer) = Input::prompt(PromptConfig { history: node.state().history(), known, share_dir })?;
    Ok(Conversation::new(session, input, signals, Some((printer, notices))).run().await)
}
