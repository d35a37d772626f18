use std::num::NonZeroU64;

use protocol::units::Size;

use crate::node::Node;
use crate::repl::command::Direction;
use crate::repl::failure::Failure;
use crate::repl::session::Session;

/// Changes a limit if one is to be changed, and shows both.
pub(super) fn limit(
    session: &mut Session,
    change: Option<(Direction, Option<NonZeroU64>)>,
) -> Result<(), Failure> {
    let node = &session.node;
    match change {
        Some((Direction::Up, rate)) => node.upload_limit().set_all(rate),
        Some((Direction::Down, rate)) => node.download_limit().set_all(rate),
        None => {}
    }
    let is_person = session.output.is_for_person();
    let line = |direction: &str, rate: Option<NonZeroU64>| match rate {
        None => format!("{direction}\toff"),
        Some(rate) if is_person => format!("{direction}\t{}/s", Size(rate.get())),
        Some(rate) => format!("{direction}\t{rate} bytes/s"),
    };
    let lines = [line("up", node.upload_limit().all()), line("down", node.download_limit().all())];
    Ok(session.output.lines(lines)?)
}

/// Says which limits are set, if any is.
pub(super) fn limits_text(node: &Node) -> Option<String> {
    let text = |direction: &str, rate: Option<NonZeroU64>| {
        rate.map(|rate| format!("{direction} at most {}/s", Size(rate.get())))
    };
    let up = text("up", node.upload_limit().all());
    let down = text("down", node.download_limit().all());
    let set: Vec<String> = up.into_iter().chain(down).collect();
    (!set.is_empty()).then(|| set.join(", "))
}
