use protocol::escape::display_safe;

use crate::doctor::{Finding, Verdict, examine};
use crate::repl::columns::pad;
use crate::repl::failure::Failure;
use crate::repl::look::{Look, Style};
use crate::repl::output::Output;
use crate::repl::output::OutputError;
use crate::repl::session::Session;

/// The width of the column of things.
const THINGS: usize = 13;

/// Shows what keeps the node from working well.
pub(super) async fn doctor(session: &mut Session) -> Result<(), Failure> {
    let findings = examine(&session.node, &session.index).await;
    Ok(show_findings(&mut session.output, &findings)?)
}

/// Shows findings, each with what to do about it.
pub(crate) fn show_findings(output: &mut Output, findings: &[Finding]) -> Result<(), OutputError> {
    let (look, is_person) = (output.look(), output.is_for_person());
    output.lines(findings.iter().map(|finding| if is_person { row(finding, look) } else { line(finding) }))
}

fn row(finding: &Finding, look: Look) -> String {
    let style = match finding.verdict {
        Verdict::Well => Style::Good,
        Verdict::Doubtful => Style::Warning,
        Verdict::Ill => Style::Bad,
    };
    let verdict = look.paint(style, &pad(&finding.verdict.to_string(), 9));
    let text = format!("{verdict}{}{}", pad(finding.what, THINGS), display_safe(&finding.seen));
    match &finding.remedy {
        Some(remedy) => format!("{text}\n{}{}", " ".repeat(9 + THINGS), display_safe(remedy)),
        None => text,
    }
}

fn line(finding: &Finding) -> String {
    let remedy = finding.remedy.as_deref().unwrap_or_default();
    format!(
        "{}\t{}\t{}\t{}",
        finding.verdict,
        finding.what,
        display_safe(&finding.seen),
        display_safe(remedy)
    )
}
