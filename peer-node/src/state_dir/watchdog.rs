use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::StateDir;
use crate::identity::Identity;

/// Interval between checks of the folder. A check takes a few system calls.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Watches the state folder until the node stops. If the folder was removed or replaced, creates it again with the lock and the
/// node's key, and reports that through the folder's health.
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
            tracing::warn!(folder = %state.path().display(), "state folder was removed or replaced; created it again");
            state.update_health(|health| {
                health.folder_error = None;
                health.restored += 1;
            });
        }
        Err(error) => {
            if state.health().borrow().folder_error.as_ref() != Some(&error) {
                tracing::warn!(folder = %state.path().display(), error, "cannot create the state folder again");
            }
            state.update_health(|health| health.folder_error = Some(error));
        }
    }
}
