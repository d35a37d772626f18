use super::Finding;
use crate::library::ShareOverview;

/// Checks for files that are unexpectedly left out of the shared folders.
pub(super) fn shared_files(overview: &ShareOverview) -> Finding {
    let seen = overview.summary().unwrap_or_else(|| "everything in the shared folders".to_owned());
    if overview.has_unexpected() {
        let remedy = "run shares at the prompt to list the files and the reasons; rename them, or change their permissions";
        return Finding::warning("shared", seen, remedy);
    }
    Finding::ok("shared", seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;
    use crate::library::{LeftOutFile, SkipReason};

    #[test]
    fn only_surprising_omissions_are_a_warning() {
        let severity = |reason: Option<SkipReason>| {
            let left_out = reason.map(|reason| LeftOutFile { location: "/s/x".into(), reason });
            shared_files(&ShareOverview {
                left_out: left_out.into_iter().collect(),
                ..ShareOverview::default()
            })
            .severity
        };
        assert_eq!(severity(None), Severity::Ok);
        assert_eq!(severity(Some(SkipReason::Hidden)), Severity::Ok);
        assert_eq!(severity(Some(SkipReason::NotUtf8)), Severity::Warning);
    }
}
