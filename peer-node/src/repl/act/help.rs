use crate::repl::catalogue::{CATALOGUE, Entry, find};
use crate::repl::columns::pad;
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
    let call = |entry: &Entry| format!("{} {}", entry.names.join(", "), entry.usage).trim_end().to_owned();
    let widest = CATALOGUE.iter().map(|entry| crate::repl::columns::columns(&call(entry))).max().unwrap_or(0);
    // Where it would break the lines, the explanation stands below.
    let longest = CATALOGUE.iter().map(|entry| crate::repl::columns::columns(entry.gist)).max().unwrap_or(0);
    let is_wide = widest + 2 + longest <= width;
    let line = |entry: &Entry| {
        let call = call(entry);
        let gist = look.paint(Style::Faint, entry.gist);
        if is_wide {
            vec![format!("{}  {gist}", look.paint(Style::Strong, &pad(&call, widest)))]
        } else {
            vec![look.paint(Style::Strong, &call), format!("  {gist}")]
        }
    };
    CATALOGUE.iter().flat_map(line).collect()
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
    use crate::repl::columns::columns;

    #[test]
    fn the_overview_names_every_command_at_any_width() {
        for width in [20, 80, 200, usize::MAX] {
            let text = overview(width, Look::PLAIN).join("\n");
            assert!(CATALOGUE.iter().all(|entry| text.contains(entry.names[0]) && text.contains(entry.gist)));
        }
        assert!(overview(120, Look::PLAIN).iter().all(|line| columns(line) <= 120));
    }

    #[test]
    fn a_command_is_explained_with_all_its_names() {
        let text = about(find("get").unwrap(), Look::PLAIN).join("\n");
        assert!(text.starts_with("download HIT") && text.contains("\nget HIT") && text.contains("3-5"));
        assert!(about(find("quit").unwrap(), Look::PLAIN)[0].starts_with("quit"));
    }
}
