use crate::repl::catalogue::{CATALOGUE, Entry, find};
use crate::repl::columns::{columns, pad};
use crate::repl::command::ParseError;
use crate::repl::failure::Failure;
use crate::repl::look::{Look, Style};
use crate::repl::session::Session;

/// Shows all commands, or what there is to say about one.
pub(super) fn help(session: &mut Session, name: Option<&str>) -> Result<(), Failure> {
    let look = session.output.look();
    let lines = match name {
        None => overview(session.output.width(), look),
        Some(name) => about(find(name).ok_or_else(|| ParseError::unknown(name))?, look),
    };
    Ok(session.output.lines(lines)?)
}

fn overview(width: usize, look: Look) -> Vec<String> {
    let widest = CATALOGUE.iter().map(|entry| columns(&call(entry))).max().unwrap_or(0);
    let longest = CATALOGUE.iter().map(|entry| columns(&gist(entry))).max().unwrap_or(0);
    // Where it would break the lines, the explanation stands below.
    let is_wide = widest + 2 + longest <= width;
    let line = |entry: &Entry| {
        let (call, gist) = (call(entry), look.paint(Style::Faint, &gist(entry)));
        if is_wide {
            vec![format!("{}  {gist}", look.paint(Style::Strong, &pad(&call, widest)))]
        } else {
            vec![look.paint(Style::Strong, &call), format!("  {gist}")]
        }
    };
    CATALOGUE.iter().flat_map(line).collect()
}

/// Returns the usual name, and the first of the things that can stand behind it.
fn call(entry: &Entry) -> String {
    let name = entry.names.first().copied().unwrap_or_default();
    let usage = entry.usage.split(" | ").next().unwrap_or_default();
    format!("{name} {usage}").trim_end().to_owned()
}

/// Returns what the command does, and its other names.
fn gist(entry: &Entry) -> String {
    let others = entry.names.iter().skip(1).map(|name| format!(" (also {name})"));
    others.fold(entry.gist.to_owned(), |gist, other| gist + &other)
}

fn about(entry: &Entry, look: Look) -> Vec<String> {
    let call = |name: &&str| look.paint(Style::Strong, format!("{name} {}", entry.usage).trim_end());
    let calls = entry.names.iter().map(call);
    let details = entry.details.iter().map(|line| format!("  {line}"));
    calls.chain([format!("  {}", entry.gist)]).chain(details).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overview_names_every_command_at_any_width() {
        for width in [20, 80, 200, usize::MAX] {
            let text = overview(width, Look::PLAIN).join("\n");
            assert!(CATALOGUE.iter().all(|entry| text.contains(entry.names[0]) && text.contains(entry.gist)));
        }
        let usual = overview(80, Look::PLAIN);
        assert_eq!(usual.len(), CATALOGUE.len(), "one line each");
        assert!(usual.iter().all(|line| columns(line) <= 80));
    }

    #[test]
    fn a_command_is_explained_with_all_its_names() {
        let text = about(find("get").unwrap(), Look::PLAIN).join("\n");
        assert!(text.starts_with("download HIT") && text.contains("\nget HIT") && text.contains("3-5"));
        for entry in &CATALOGUE {
            assert!(about(entry, Look::PLAIN).iter().all(|line| columns(line) <= 80), "{}", entry.gist);
        }
        assert!(about(find("quit").unwrap(), Look::PLAIN)[0].starts_with("quit"));
    }
}
