use super::{Conversation, Next, Verdict};
use crate::repl::act::{problem, unfinished};
use crate::repl::input::Heard;
use crate::repl::output::OutputError;
use crate::repl::session::count;

impl Conversation<'_> {
    /// Ends the sitting, unless a person who has transfers under way thinks better of it.
    pub(super) async fn leave(&mut self) -> Result<Next, OutputError> {
        let downloads = self.session.node.downloads().views();
        // Those that rest would not get any further here either.
        let downloads =
            downloads.iter().filter(|view| !view.state.is_settled() && !view.state.rests()).count();
        let uploads = self.session.node.uploads().len();
        if self.is_for_person() {
            if let Some(question) = question(downloads, uploads) {
                self.input.ask_aside(&question);
                match self.listen().await? {
                    Some(Heard::Line(answer)) if !is_yes(&answer) => return Ok(Next::GoOn),
                    Some(Heard::Interrupted | Heard::Refused(_)) => return Ok(Next::GoOn),
                    _ => {}
                }
            }
        } else {
            self.tell_of_background();
        }
        Ok(Next::End)
    }

    /// Asks a person a question; anything but yes is no. Returns nothing if a signal ends the sitting.
    pub(super) async fn confirms(&mut self, question: &str) -> Result<Option<bool>, OutputError> {
        self.input.ask_aside(question);
        let heard = self.listen().await?;
        Ok(heard.map(|heard| matches!(heard, Heard::Line(answer) if is_yes(&answer))))
    }

    /// Tells a script which of its downloads do not come to their end.
    fn tell_of_background(&mut self) {
        for view in self.session.node.downloads().views() {
            if !self.session.background.contains(view.id) {
                continue;
            }
            if view.state.is_failed() {
                self.session.output.error(problem(&view));
                self.verdict = self.verdict.max(Verdict::Failed);
            } else if !view.state.is_settled() {
                let text = unfinished(&view);
                self.session.output.warning(text);
                self.verdict = self.verdict.max(Verdict::Unfinished);
            }
        }
    }
}

/// Asks whether to leave transfers that are under way.
fn question(downloads: usize, uploads: usize) -> Option<String> {
    let what = match (downloads, uploads) {
        (0, 0) => return None,
        (0, uploads) => count(uploads as u64, "upload"),
        (downloads, 0) => count(downloads as u64, "download"),
        (downloads, uploads) => {
            format!("{} and {}", count(downloads as u64, "download"), count(uploads as u64, "upload"))
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
    fn only_transfers_are_asked_about_and_only_yes_is_yes() {
        assert_eq!(question(0, 0), None);
        assert_eq!(question(0, 2).unwrap(), "2 uploads under way; leave all the same? [y/N] ");
        assert_eq!(
            question(1, 1).unwrap(),
            "1 download and 1 upload under way; leave all the same, to go on when the node is started again? [y/N] "
        );
        assert!(is_yes(" Y\n") && is_yes("yes") && !is_yes("") && !is_yes("no"));
    }
}
