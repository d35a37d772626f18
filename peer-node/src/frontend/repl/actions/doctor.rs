use protocol::escape::display_safe;

use crate::frontend::console::look::{Look, Style};
use crate::frontend::console::output::ConsoleOutput;
use crate::frontend::console::output::OutputError;
use crate::frontend::console::text_width::pad;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::operations::{Finding, Severity};

/// The width of the column of checks.
const SUBJECT_WIDTH: usize = 13;

/// Runs all checks and shows their findings.
pub(super) async fn run_doctor(session: &mut ReplSession) -> Result<(), CommandError> {
    let findings = session.operations.diagnose(&session.index_address).await;
    Ok(show_findings(&mut session.output, &findings)?)
}

/// Shows findings, each with its remedy.
pub(crate) fn show_findings(output: &mut ConsoleOutput, findings: &[Finding]) -> Result<(), OutputError> {
    let (look, is_person) = (output.look(), output.is_for_person());
    output.lines(
        findings
            .iter()
            .map(|finding| if is_person { table_row(finding, look) } else { script_line(finding) }),
    )
}

fn table_row(finding: &Finding, look: Look) -> String {
    let style = match finding.severity {
        Severity::Ok => Style::Good,
        Severity::Warning => Style::Warning,
        Severity::Problem => Style::Bad,
    };
    let verdict = look.paint(style, &pad(&finding.severity.to_string(), 9));
    let text = format!("{verdict}{}{}", pad(finding.check, SUBJECT_WIDTH), display_safe(&finding.detail));
    match &finding.remedy {
        Some(remedy) => format!("{text}\n{}{}", " ".repeat(9 + SUBJECT_WIDTH), display_safe(remedy)),
        None => text,
    }
}

fn script_line(finding: &Finding) -> String {
    let remedy = finding.remedy.as_deref().unwrap_or_default();
    format!(
        "{}\t{}\t{}\t{}",
        finding.severity,
        finding.check,
        display_safe(&finding.detail),
        display_safe(remedy)
    )
}
