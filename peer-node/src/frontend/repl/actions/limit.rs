use std::num::NonZeroU64;

use protocol::units::DisplaySize;

use crate::frontend::repl::command::LimitChange;
use crate::frontend::repl::command_error::CommandError;
use crate::frontend::repl::session::ReplSession;
use crate::operations::limits::{LimitUpdate, Limits};

/// Changes a limit if requested, and shows all limits.
pub(super) fn limit(session: &mut ReplSession, change: Option<LimitChange>) -> Result<(), CommandError> {
    let operations = &session.operations;
    let limits = change.map_or_else(|| operations.limits(), |change| operations.change_limit(update(change)));
    let is_person = session.output.is_for_person();
    let line = |direction: &str, rate: Option<NonZeroU64>| match rate {
        None => format!("{direction}\toff"),
        Some(rate) if is_person => format!("{direction}\t{}/s", DisplaySize(rate.get())),
        Some(rate) => format!("{direction}\t{rate} bytes/s"),
    };
    let lines = [
        line("up", limits.upload),
        line("down", limits.download),
        line("peer", limits.upload_per_peer),
        format!("slots\t{}", limits.upload_slots),
    ];
    Ok(session.output.lines(lines)?)
}

const fn update(change: LimitChange) -> LimitUpdate {
    match change {
        LimitChange::Up(rate) => LimitUpdate::Upload(rate),
        LimitChange::Down(rate) => LimitUpdate::Download(rate),
        LimitChange::Peer(rate) => LimitUpdate::UploadPerPeer(rate),
        LimitChange::Slots(slots) => LimitUpdate::UploadSlots(slots),
    }
}

/// Returns the rate limits that are set; `None` if there are none.
pub(super) fn limits_text(limits: &Limits) -> Option<String> {
    let text = |direction: &str, rate: Option<NonZeroU64>| {
        rate.map(|rate| format!("{direction} at most {}/s", DisplaySize(rate.get())))
    };
    let up = text("up", limits.upload);
    let down = text("down", limits.download);
    let set: Vec<String> = up.into_iter().chain(down).collect();
    (!set.is_empty()).then(|| set.join(", "))
}
