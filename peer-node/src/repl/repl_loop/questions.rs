use super::{LoopControl, ReplLoop, ScriptOutcome};
use crate::repl::actions::{failure_text, unfinished_text};
use crate::repl::input::InputEvent;
use crate::repl::output::OutputError;
use crate::repl::session::pluralize;

impl ReplLoop<'_> {
    /// Ends the sitting, unless a person who has transfers under way thinks better of it.
    pub(super) async fn confirm_exit(&mut self) -> Result<LoopControl, OutputError> {
        let downloads = self.session.node.downloads().views();
        // Those that rest would not get any further here either.
        let downloads = downloads
            .iter()
            .filter(|view| !view.state.is_settled() && !view.state.is_paused_or_stuck())
            .count();
        let uploads = self.session.node.uploads().len();
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

    /// Asks a person a question; anything but yes is no. Returns nothing if a signal ends the sitting.
    pub(super) async fn confirm(&mut self, question: &str) -> Result<Option<bool>, OutputError> {
        self.input.request_answer(question);
        let heard = self.next_input().await?;
        Ok(heard.map(|heard| matches!(heard, InputEvent::Line(answer) if is_yes(&answer))))
    }

    /// Tells a script which of its downloads do not come to their end.
    fn report_background(&mut self) {
        for view in self.session.node.downloads().views() {
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

/// Asks whether to leave transfers that are under way.
fn exit_question(downloads: usize, uploads: usize) -> Option<String> {
    let what = match (downloads, uploads) {
        (0, 0) => return None,
        (0, uploads) => pluralize(uploads as u64, "upload"),
        (downloads, 0) => pluralize(downloads as u64, "download"),
        (downloads, uploads) => {
            format!("{} and {}", pluralize(downloads as u64, "download"), pluralize(uploads as u64, "upload"))
        }
    };
    let later = if downloads > 0 { ", to go on when the node is started again" } else { "" };
    Some(format!("{what} under way; leave all the same{later}? [y/N] "))
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
        assert_eq!(exit_question(0, 2).unwrap(), "2 uploads under way; leave all the same? [y/N] ");
        assert_eq!(
            exit_question(1, 1).unwrap(),
            "1 download and 1 upload under way; leave all the same, to go on when the node is started again? [y/N] "
        );
        assert!(is_yes(" Y\n") && is_yes("yes") && !is_yes("") && !is_yes("no"));
    }
}
