use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::operations::test_download as view;

fn line(view: &Download, width: usize) -> String {
    progress_line(view, width, Look::PLAIN)
}

#[test]
fn wide_terminal_uses_full_words() {
    assert_eq!(
        line(&view(), 150),
        "debian-12.5.0-amd64-netinst.iso  ━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   33%  2.4 GiB  ↓33.1 MiB/s  ↑1.2 MiB/s  \
         812/2458 pieces  4/5 sources  50 s left"
    );
}

#[test]
fn eighty_columns_show_everything_shortened() {
    assert_eq!(
        line(&view(), 80),
        "debian-12.5.0…st.iso ━━━╌╌╌╌╌╌╌╌╌  33% 2.4G ↓33.1M/s ↑1.2M/s 812/2458p 4/5s 0:50"
    );
}

#[test]
fn twenty_columns_show_the_essentials() {
    assert_eq!(line(&view(), 20), "debian…iso  33% 0:50");
}

#[test]
fn states_before_and_after_fetching_are_shown() {
    let with = |state| line(&Download { state, ..view() }, 100);
    assert!(with(DownloadState::Searching).contains("looking"));
    assert!(with(DownloadState::Verifying).contains("checking"));
    assert!(with(DownloadState::Done { location: PathBuf::new(), renamed: None }).ends_with("  done"));
    let failed = with(DownloadState::Failed { reason: "no \u{1b}[2Jsource".into() });
    assert!(failed.ends_with("  failed: no \\u{1b}[2Jsource"), "{failed}");
}

#[test]
fn an_unknown_size_shows_no_bar() {
    let line = line(&Download { size: None, pieces: 0, state: DownloadState::Searching, ..view() }, 80);
    assert!(line.starts_with("debian-12.5.0-amd64-netinst.iso") && line.contains("looking"), "{line}");
    assert!(!line.contains('%') && !line.contains('╌'), "{line}");
}

#[test]
fn lines_of_a_group_share_one_layout() {
    let queued = Download {
        name: "a.txt".into(),
        size: Some(5),
        state: DownloadState::Queued,
        bytes_done: 0,
        pieces: 0,
        time_left: None,
        ..view()
    };
    let done = DownloadState::Done { location: PathBuf::new(), renamed: None };
    let done = Download { name: "b".into(), state: done, ..view() };
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
fn folder_is_one_line() {
    let done = DownloadState::Done { location: PathBuf::new(), renamed: None };
    let done = Download { size: Some(1 << 30), bytes_done: 1 << 30, state: done, ..view() };
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
        Just(DownloadState::Searching),
        Just(DownloadState::Verifying),
        Just(DownloadState::Fetching),
        Just(DownloadState::Finishing),
        Just(DownloadState::Cancelled),
        any::<String>().prop_map(|reason| DownloadState::Failed { reason }),
    ]
}

proptest! {
    #[test]
    fn line_never_exceeds_the_terminal_width(
        name in any::<String>(),
        (size, bytes_done) in any::<(Option<u64>, u64)>(),
        (pieces_done, pieces) in any::<(u32, u32)>(),
        (rate_down, rate_up) in any::<(f64, f64)>(),
        (sources_active, sources_known) in (0_usize..1000, 0_usize..1000),
        left in prop::option::of(any::<u64>().prop_map(Duration::from_millis)),
        state in states(),
        width in 1_usize..220,
    ) {
        let shown = Download {
            name: name.into(), size, state, pieces_done, pieces, bytes_done, rate_down, rate_up, sources_active, sources_known, queued_at: None,
            time_left: left, ..view()
        };
        let line = line(&shown, width);
        // Below a few columns only the percentage is left, which is never truncated.
        prop_assert!(display_width(&line) <= width.max(6), "{} columns: {line:?}", display_width(&line));
        for line in progress_lines(&[shown.clone(), view()], width, Look::PLAIN) {
            prop_assert!(display_width(&line) <= width.max(6), "{} columns: {line:?}", display_width(&line));
        }
        let line = group_line(("folder/", rate_down), [shown, view()].iter(), width, Look::PLAIN);
        prop_assert!(display_width(&line) <= width.max(6), "{} columns: {line:?}", display_width(&line));
    }
}
