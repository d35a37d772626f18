use super::Finding;
use crate::library::ShareOverview;

/// Judges what is left out of the shared folders.
pub(super) fn shared_files(overview: &ShareOverview) -> Finding {
    let seen = overview.summary().unwrap_or_else(|| "everything in the shared folders".to_owned());
    if overview.has_unexpected() {
        let remedy =
            "shares at the prompt lists the files with the reasons: rename them, or change their permissions";
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
        let verdict = |reason: Option<SkipReason>| {
            let left_out = reason.map(|reason| LeftOutFile { location: "/s/x".into(), reason });
            shared_files(&ShareOverview {
                left_out: left_out.into_iter().collect(),
                ..ShareOverview::default()
            })
            .severity
        };
        assert_eq!(verdict(None), Severity::Ok);
        assert_eq!(verdict(Some(SkipReason::Hidden)), Severity::Ok);
        assert_eq!(verdict(Some(SkipReason::NotUtf8)), Severity::Warning);
    }
}
