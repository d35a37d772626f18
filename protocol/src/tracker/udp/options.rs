//! The options after an announce over UDP (BEP 41).

use crate::limits::MAX_TRACKER_URL;

/// The end of the options.
const END_OF_OPTIONS: u8 = 0;

/// An option without effect and without a length.
const NOP: u8 = 1;

/// A part of the path and query of the tracker's URL.
const URL_DATA: u8 = 2;

/// Encodes path and query in as many parts as needed; writes nothing if they are empty.
pub(super) fn write_url_data(url_data: &[u8], out: &mut Vec<u8>) {
    let url_data = url_data.get(..MAX_TRACKER_URL).unwrap_or(url_data);
    for part in url_data.chunks(usize::from(u8::MAX)) {
        let length = u8::try_from(part.len()).unwrap_or(u8::MAX);
        out.extend_from_slice(&[URL_DATA, length]);
        out.extend_from_slice(part);
    }
}

/// Extracts path and query from the options.
pub(super) fn read_url_data(mut options: &[u8]) -> Vec<u8> {
    let mut url_data = Vec::new();
    while let Some((kind, rest)) = options.split_first().filter(|(kind, _)| **kind != END_OF_OPTIONS) {
        options = rest;
        if *kind == NOP {
            continue;
        }
        let Some((length, rest)) = rest.split_first() else { break };
        let Some((data, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
        options = rest;
        if *kind == URL_DATA {
            url_data.extend_from_slice(data);
        }
    }
    url_data.truncate(MAX_TRACKER_URL);
    url_data
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn options_match_the_specification() {
        let mut out = Vec::new();
        write_url_data(b"/dir?a=b&c=d", &mut out);
        assert_eq!(out, b"\x02\x0c/dir?a=b&c=d");
        assert_eq!(read_url_data(&[&out, b"\x00\x02\x01x".as_slice()].concat()), b"/dir?a=b&c=d");
        assert_eq!(read_url_data(&[b"\x01\x01\x07\x02zz".as_slice(), &out].concat()), b"/dir?a=b&c=d");
        assert_eq!(read_url_data(b"\x02\x01a\x02\x05bc"), b"a", "the second option is truncated");
        let mut out = Vec::new();
        write_url_data(&[], &mut out);
        assert!(out.is_empty());
        write_url_data(&[b'x'; 300], &mut out);
        assert_eq!((out.len(), &out[..3], &out[257..260]), (304, &b"\x02\xffx"[..], &b"\x02\x2dx"[..]));
    }

    proptest! {
        #[test]
        fn reading_returns_what_was_written(data in prop::collection::vec(any::<u8>(), 0..=MAX_TRACKER_URL)) {
            let mut out = Vec::new();
            write_url_data(&data, &mut out);
            prop_assert_eq!(read_url_data(&out), data);
        }

        #[test]
        fn no_options_panic_the_reader(options: Vec<u8>) {
            let _ = read_url_data(&options);
        }
    }
}
