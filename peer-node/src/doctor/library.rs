use super::Finding;
use crate::library::ShareOverview;

/// Judges what is left out of the shared folders.
pub(super) fn left_out(overview: &ShareOverview) -> Finding {
    let seen = overview.summary().unwrap_or_else(|| "everything in the shared folders".to_owned());
    if overview.has_surprises() {
        let remedy =
            "shares at the prompt lists the files with the reasons: rename them, or change their permissions";
        return Finding::doubtful("shared", seen, remedy);
    }
    Finding::well("shared", seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::library::{LeftOutFile, SkipReason};

    #[test]
    fn only_what_a_user_may_not_expect_is_a_warning() {
        let verdict = |reason: Option<SkipReason>| {
            let left_out = reason.map(|reason| LeftOutFile { location: "/s/x".into(), reason });
            super::left_out(&ShareOverview {
                left_out: left_out.into_iter().collect(),
                ..ShareOverview::default()
            })
            .verdict
        };
        assert_eq!(verdict(None), Verdict::Well);
        assert_eq!(verdict(Some(SkipReason::Hidden)), Verdict::Well);
        assert_eq!(verdict(Some(SkipReason::NotText)), Verdict::Doubtful);
    }
}
