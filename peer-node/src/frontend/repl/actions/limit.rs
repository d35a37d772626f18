use std::num::NonZeroU64;

use protocol::units::DisplaySize;

use crate::frontend::repl::command::LimitChange;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::node::Node;

/// Changes a limit if requested, and shows all limits.
pub(super) fn limit(session: &mut ReplSession, change: Option<LimitChange>) -> Result<(), CommandError> {
    let node = &session.node;
    match change {
        Some(LimitChange::Up(rate)) => node.upload_limit().set_total(rate),
        Some(LimitChange::Down(rate)) => node.download_limit().set_total(rate),
        Some(LimitChange::Peer(rate)) => node.upload_limit().set_per_peer(rate),
        Some(LimitChange::Slots(slots)) => node.set_upload_slots(slots),
        None => {}
    }
    let is_person = session.output.is_for_person();
    let line = |direction: &str, rate: Option<NonZeroU64>| match rate {
        None => format!("{direction}\toff"),
        Some(rate) if is_person => format!("{direction}\t{}/s", DisplaySize(rate.get())),
        Some(rate) => format!("{direction}\t{rate} bytes/s"),
    };
    let lines = [
        line("up", node.upload_limit().total()),
        line("down", node.download_limit().total()),
        line("peer", node.upload_limit().per_peer()),
        format!("slots\t{}", node.upload_slots()),
    ];
    Ok(session.output.lines(lines)?)
}

/// Returns the limits that are set; `None` if there are none.
pub(super) fn limits_text(node: &Node) -> Option<String> {
    let text = |direction: &str, rate: Option<NonZeroU64>| {
        rate.map(|rate| format!("{direction} at most {}/s", DisplaySize(rate.get())))
    };
    let up = text("up", node.upload_limit().total());
    let down = text("down", node.download_limit().total());
    let set: Vec<String> = up.into_iter().chain(down).collect();
    (!set.is_empty()).then(|| set.join(", "))
}
