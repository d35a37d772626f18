use super::{LoopControl, ReplLoop, ScriptOutcome};
use crate::frontend::console::output::OutputError;
use crate::frontend::repl::actions::{failure_text, unfinished_text};
use crate::frontend::repl::input::InputEvent;
use crate::frontend::repl::session::pluralize;
use crate::operations::Transfers;

impl ReplLoop<'_> {
    /// Ends the session, unless a person with transfers under way answers no.
    pub(super) async fn confirm_exit(&mut self) -> Result<LoopControl, OutputError> {
        let Transfers { downloads, uploads } = self.session.operations.transfers();
        // Paused and stuck downloads lose nothing by an exit.
        let downloads = downloads
            .iter()
            .filter(|view| !view.state.is_settled() && !view.state.is_paused_or_stuck())
            .count();
        let uploads = uploads.len();
        if self.is_for_person() {
            if let Some(question) = exit_question(downloads, uploads) {
                self.input.request_answer(&question);
                match self.next_input().await? {
                    Some(InputEvent::Line(answer)) if !is_yes(&answer) => return Ok(LoopControl::Continue),
                    Some(InputEvent::Interrupted | InputEvent::Invalid(_)) => {
                        return Ok(LoopControl::Continue);
                    }
                    _ => {}
                }
            }
        } else {
            self.report_background();
        }
        Ok(LoopControl::Exit)
    }

    /// Asks a person a question; anything but yes counts as no. Returns `None` if a signal ends the session.
    pub(super) async fn confirm(&mut self, question: &str) -> Result<Option<bool>, OutputError> {
        self.input.request_answer(question);
        let event = self.next_input().await?;
        Ok(event.map(|event| matches!(event, InputEvent::Line(answer) if is_yes(&answer))))
    }

    /// Reports to a script which of its background downloads failed or are unfinished.
    fn report_background(&mut self) {
        for view in self.session.operations.downloads() {
            if !self.session.background.contains(view.id) {
                continue;
            }
            if view.state.is_failed() {
                self.session.output.error(failure_text(&view));
                self.outcome = self.outcome.max(ScriptOutcome::Failed);
            } else if !view.state.is_settled() {
                let text = unfinished_text(&view);
                self.session.output.warning(text);
                self.outcome = self.outcome.max(ScriptOutcome::Unfinished);
            }
        }
    }
}

/// Returns the question whether to quit in spite of transfers; `None` if there are none.
fn exit_question(downloads: usize, uploads: usize) -> Option<String> {
    let what = match (downloads, uploads) {
        (0, 0) => return None,
        (0, uploads) => pluralize(uploads as u64, "upload"),
        (downloads, 0) => pluralize(downloads as u64, "download"),
        (downloads, uploads) => {
            format!("{} and {}", pluralize(downloads as u64, "download"), pluralize(uploads as u64, "upload"))
        }
    };
    let later = if downloads > 0 { " (downloads resume when the node is started again)" } else { "" };
    Some(format!("{what} under way; quit anyway{later}? [y/N] "))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_is_confirmed_only_with_transfers_under_way() {
        assert_eq!(exit_question(0, 0), None);
        assert_eq!(exit_question(0, 2).unwrap(), "2 uploads under way; quit anyway? [y/N] ");
        assert_eq!(
            exit_question(1, 1).unwrap(),
            "1 download and 1 upload under way; quit anyway (downloads resume when the node is started again)? [y/N] "
        );
        assert!(is_yes(" Y\n") && is_yes("yes") && !is_yes("") && !is_yes("no"));
    }
}
