use crate::frontend::console::look::{Look, Style};
use crate::frontend::console::text_width::{display_width, pad};
use crate::frontend::repl::command::ParseError;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::command_table::{COMMANDS, CommandInfo, find_command};
use crate::frontend::repl::session::ReplSession;

/// Shows all commands, or the help of one.
pub(super) fn show_help(session: &mut ReplSession, name: Option<&str>) -> Result<(), CommandError> {
    let look = session.output.look();
    let lines = match name {
        None => command_overview(session.output.width(), look),
        Some(name) => command_details(find_command(name).ok_or_else(|| ParseError::unknown(name))?, look),
    };
    Ok(session.output.lines(lines)?)
}

fn command_overview(width: usize, look: Look) -> Vec<String> {
    let widest = COMMANDS.iter().map(|entry| display_width(&usage_line(entry))).max().unwrap_or(0);
    let longest = COMMANDS.iter().map(|entry| display_width(&summary_with_aliases(entry))).max().unwrap_or(0);
    // On a narrow terminal the summary goes below the usage.
    let is_wide = widest + 2 + longest <= width;
    let line = |entry: &CommandInfo| {
        let (usage, summary) = (usage_line(entry), look.paint(Style::Faint, &summary_with_aliases(entry)));
        if is_wide {
            vec![format!("{}  {summary}", look.paint(Style::Strong, &pad(&usage, widest)))]
        } else {
            vec![look.paint(Style::Strong, &usage), format!("  {summary}")]
        }
    };
    COMMANDS.iter().flat_map(line).collect()
}

/// Returns the usual name with the first alternative of its arguments.
fn usage_line(entry: &CommandInfo) -> String {
    let name = entry.names.first().copied().unwrap_or_default();
    let usage = entry.usage.split(" | ").next().unwrap_or_default();
    format!("{name} {usage}").trim_end().to_owned()
}

/// Returns the summary with the other names.
fn summary_with_aliases(entry: &CommandInfo) -> String {
    let others = entry.names.iter().skip(1).map(|name| format!(" (also {name})"));
    others.fold(entry.summary.to_owned(), |summary, other| summary + &other)
}

fn command_details(entry: &CommandInfo, look: Look) -> Vec<String> {
    let call = |name: &&str| look.paint(Style::Strong, format!("{name} {}", entry.usage).trim_end());
    let calls = entry.names.iter().map(call);
    let details = entry.details.iter().map(|line| format!("  {line}"));
    calls.chain([format!("  {}", entry.summary)]).chain(details).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overview_names_every_command_at_any_width() {
        for width in [20, 80, 200, usize::MAX] {
            let text = command_overview(width, Look::PLAIN).join("\n");
            assert!(
                COMMANDS.iter().all(|entry| text.contains(entry.names[0]) && text.contains(entry.summary))
            );
        }
        let usual = command_overview(80, Look::PLAIN);
        assert_eq!(usual.len(), COMMANDS.len(), "one line each");
        assert!(usual.iter().all(|line| display_width(line) <= 80));
    }

    #[test]
    fn a_command_is_explained_with_all_its_names() {
        let text = command_details(find_command("get").unwrap(), Look::PLAIN).join("\n");
        assert!(text.starts_with("download HIT") && text.contains("\nget HIT") && text.contains("3-5"));
        for entry in &COMMANDS {
            assert!(
                command_details(entry, Look::PLAIN).iter().all(|line| display_width(line) <= 80),
                "{}",
                entry.summary
            );
        }
        assert!(command_details(find_command("quit").unwrap(), Look::PLAIN)[0].starts_with("quit"));
    }
}
