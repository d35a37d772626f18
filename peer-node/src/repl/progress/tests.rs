use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use protocol::digest::Digest;

use super::*;
use crate::transfers::{ContentId, DownloadId};

pub(crate) fn view() -> DownloadView {
    DownloadView {
        id: DownloadId(1),
        content: ContentId::File(Digest::OF_NOTHING),
        digest: Some(Digest::OF_NOTHING),
        name: "debian-12.5.0-amd64-netinst.iso".into(),
        size: Some(2_576_980_377),
        state: DownloadState::Fetching,
        priority: crate::transfers::Priority::Normal,
        turn: None,
        pieces_done: 812,
        pieces: 2458,
        bytes_done: 851_443_712,
        bytes_fetched: 851_443_712,
        rate_down: 34_707_866.0,
        rate_up: 1_258_291.0,
        bytes_given: 0,
        copied_from: None,
        trouble: None,
        sources_active: 4,
        sources_known: 5,
        queued_at: None,
        left: Some(Duration::from_secs(50)),
        elapsed: Duration::from_secs(25),
        givers: Vec::new(),
    }
}

fn line(view: &DownloadView, width: usize) -> String {
    progress_line(view, width, Look::PLAIN)
}

#[test]
fn a_wide_terminal_has_room_for_words() {
    assert_eq!(
        line(&view(), 150),
        "debian-12.5.0-amd64-netinst.iso  ━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   33%  2.4 GiB  ↓33.1 MiB/s  ↑1.2 MiB/s  \
         812/2458 pieces  4/5 sources  50 s left"
    );
}

#[test]
fn eighty_columns_hold_everything_shortly() {
    assert_eq!(
        line(&view(), 80),
        "debian-12.5.0…st.iso ━━━╌╌╌╌╌╌╌╌╌  33% 2.4G ↓33.1M/s ↑1.2M/s 812/2458p 4/5s 0:50"
    );
}

#[test]
fn twenty_columns_hold_what_matters() {
    assert_eq!(line(&view(), 20), "debian…iso  33% 0:50");
}

#[test]
fn what_happens_before_and_after_is_said() {
    let with = |state| line(&DownloadView { state, ..view() }, 100);
    assert!(with(DownloadState::Looking).contains("looking"));
    assert!(with(DownloadState::Checking).contains("checking"));
    assert!(with(DownloadState::Done { location: PathBuf::new(), renamed: None }).ends_with("  done"));
    let failed = with(DownloadState::Failed { reason: "no \u{1b}[2Jsource".into() });
    assert!(failed.ends_with("  failed: no \\u{1b}[2Jsource"), "{failed}");
}

#[test]
fn an_unknown_size_shows_no_bar() {
    let line = line(&DownloadView { size: None, pieces: 0, state: DownloadState::Looking, ..view() }, 80);
    assert!(line.starts_with("debian-12.5.0-amd64-netinst.iso") && line.contains("looking"), "{line}");
    assert!(!line.contains('%') && !line.contains('╌'), "{line}");
}

#[test]
fn lines_of_a_group_share_one_layout() {
    let queued = DownloadView {
        name: "a.txt".into(),
        size: Some(5),
        state: DownloadState::Queued,
        bytes_done: 0,
        pieces: 0,
        left: None,
        ..view()
    };
    let done = DownloadState::Done { location: PathBuf::new(), renamed: None };
    let done = DownloadView { name: "b".into(), state: done, ..view() };
    assert_eq!(
        progress_lines(&[view(), queued, done], 100, Look::PLAIN),
        [
            "debian-12.5.0-amd6…tinst.iso ━━━━━╌╌╌╌╌╌╌╌╌╌╌╌  33% 2.4G        ↓33.1M/s ↑1.2M/s 812/2458p 4/5s 0:50",
            "a.txt                        ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   0%   5B queued",
            "b                             done",
        ]
    );
}

#[test]
fn a_folder_is_one_line() {
    let done = DownloadState::Done { location: PathBuf::new(), renamed: None };
    let done = DownloadView { size: Some(1 << 30), bytes_done: 1 << 30, state: done, ..view() };
    let views = [view(), done];
    assert_eq!(
        group_line(("isos/", view().rate_down), views.iter(), 100, Look::PLAIN),
        "isos/  ━━━━━━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   52%  3.4 GiB  ↓33.1 MiB/s  1/2 files  50 s left"
    );
    assert_eq!(
        group_line(("isos/", view().rate_down), views.iter(), 40, Look::PLAIN),
        "isos/ ━━━━━╌╌╌╌╌╌  52% ↓33.1M/s 1/2 0:50"
    );
}

fn states() -> impl Strategy<Value = DownloadState> {
    prop_oneof![
        Just(DownloadState::Queued),
        Just(DownloadState::Looking),
        Just(DownloadState::Checking),
        Just(DownloadState::Fetching),
        Just(DownloadState::Finishing),
        Just(DownloadState::Cancelled),
        any::<String>().prop_map(|reason| DownloadState::Failed { reason }),
    ]
}

proptest! {
    #[test]
    fn a_line_is_never_wider_than_the_terminal(
        name in any::<String>(),
        (size, bytes_done) in any::<(Option<u64>, u64)>(),
        (pieces_done, pieces) in any::<(u32, u32)>(),
        (rate_down, rate_up) in any::<(f64, f64)>(),
        (sources_active, sources_known) in (0_usize..1000, 0_usize..1000),
        left in prop::option::of(any::<u64>().prop_map(Duration::from_millis)),
        state in states(),
        width in 1_usize..220,
    ) {
        let shown = DownloadView {
            name, size, state, pieces_done, pieces, bytes_done, rate_down, rate_up, sources_active, sources_known, queued_at: None,
            left, ..view()
        };
        let line = line(&shown, width);
        // Below a few columns only the percent is left, and that is not cut.
        prop_assert!(columns(&line) <= width.max(6), "{} columns: {line:?}", columns(&line));
        for line in progress_lines(&[shown.clone(), view()], width, Look::PLAIN) {
            prop_assert!(columns(&line) <= width.max(6), "{} columns: {line:?}", columns(&line));
        }
        let line = group_line(("folder/", rate_down), [shown, view()].iter(), width, Look::PLAIN);
        prop_assert!(columns(&line) <= width.max(6), "{} columns: {line:?}", columns(&line));
    }
}
