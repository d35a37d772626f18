use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::StateDir;
use crate::identity::Identity;

/// How often the folder is looked at: a few system calls.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Looks after the state folder until the node stops: makes it again when it was removed or replaced, with the lock and the
/// node's key, and reports it to those who keep files in it.
pub(crate) async fn run_watchdog(state: Arc<StateDir>, identity: Arc<Identity>, cancel: CancellationToken) {
    while cancel.run_until_cancelled(tokio::time::sleep(CHECK_INTERVAL)).await.is_some() {
        let (state, identity) = (Arc::clone(&state), Arc::clone(&identity));
        if tokio::task::spawn_blocking(move || check(&state, &identity)).await.is_err() {
            return;
        }
    }
}

fn check(state: &StateDir, identity: &Identity) {
    if state.is_intact() {
        return state.update_health(|health| health.folder_error = None);
    }
    let restored = state
        .restore()
        .map_err(|error| error.to_string())
        .and_then(|()| identity.restore(&state.identity_key()).map_err(|error| error.to_string()));
    match restored {
        Ok(()) => {
            tracing::warn!(folder = %state.path().display(), "state folder was removed or replaced; made it again");
            state.update_health(|health| {
                health.folder_error = None;
                health.restored += 1;
            });
        }
        Err(error) => {
            if state.health().borrow().folder_error.as_ref() != Some(&error) {
                tracing::warn!(folder = %state.path().display(), error, "cannot make the state folder again");
            }
            state.update_health(|health| health.folder_error = Some(error));
        }
    }
}
