use super::Finding;
use crate::library::WatchStatus;
use crate::platform::watch_limit;

const CHECK: &str = "watching";

/// Checks whether the system reports changes in the shared folders.
pub(super) fn watching(watching: &WatchStatus) -> Finding {
    assess(watching, watch_limit)
}

fn assess(watching: &WatchStatus, limit: impl Fn(&str) -> Option<u64>) -> Finding {
    let raise = |name: &str| {
        let now = limit(name);
        let wanted = now.unwrap_or(8192).max(8192).saturating_mul(4);
        let now = now.map(|now| format!(" (now {now})")).unwrap_or_default();
        format!(
            "raise the limit: sysctl fs.inotify.{name}={wanted}{now}; until then changes are noticed every five minutes"
        )
    };
    match watching {
        WatchStatus::All => {
            Finding::ok(CHECK, "changes in all shared folders are noticed at once".to_owned())
        }
        WatchStatus::None { error, is_over_limit } => {
            let seen = format!("changes in shared folders are not reported: {error}");
            let remedy = if *is_over_limit {
                raise("max_user_instances")
            } else {
                "changes are noticed every five minutes, and at once with register".to_owned()
            };
            Finding::warning(CHECK, seen, remedy)
        }
        WatchStatus::Partly { folders, error, is_over_limit } => {
            let plural = if *folders == 1 { "folder is" } else { "folders are" };
            let seen = format!("{folders} {plural} not watched: {error}");
            let remedy = if *is_over_limit {
                raise("max_user_watches")
            } else {
                "check that the folders are readable; their changes are noticed every five minutes".to_owned()
            };
            Finding::warning(CHECK, seen, remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn exhausted_limit_is_named_with_the_sysctl_to_raise_it() {
        let found = |watching: WatchStatus| assess(&watching, |_| Some(8192));
        assert_eq!(found(WatchStatus::All).severity, Severity::Ok);
        let error = || "no space left on device".to_owned();
        let partly = found(WatchStatus::Partly { folders: 7, error: error(), is_over_limit: true });
        assert_eq!(partly.severity, Severity::Warning);
        assert!(partly.detail.starts_with("7 folders are not watched"), "{partly:?}");
        let remedy = partly.remedy.unwrap();
        assert!(remedy.contains("sysctl fs.inotify.max_user_watches=32768 (now 8192)"), "{remedy}");
        let none = found(WatchStatus::None { error: error(), is_over_limit: true });
        assert!(none.remedy.unwrap().contains("max_user_instances"));
        let other = found(WatchStatus::Partly { folders: 1, error: error(), is_over_limit: false });
        assert!(!other.remedy.unwrap().contains("sysctl"));
    }
}
