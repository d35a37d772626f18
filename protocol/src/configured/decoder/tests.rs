use proptest::prelude::*;

use super::*;
use crate::configured::piece_head;

const FRAMINGS: [Framing; 2] = [Framing::Inclusive, Framing::Exclusive];

/// Returns the geometry of a content with pieces of 100 bytes and a last piece of 7.
fn geometry(pieces: u32) -> Geometry {
    Geometry::new(u64::from(pieces.saturating_sub(1)) * 100 + 7, 100).unwrap()
}

/// An item of a test stream: an encoded message, or a piece with all its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ConfiguredStreamItem {
    Message(Vec<u8>),
    Piece(u32, Vec<u8>),
}

/// Decodes a stream that arrives in fragments of the given lengths, repeated cyclically.
fn decode_in_fragments(
    decoder: &mut ConfiguredDecoder,
    stream: &[u8],
    cuts: &[usize],
) -> Result<Vec<ConfiguredStreamItem>, ConfiguredMessageError> {
    let (mut found, mut kept, mut rest) = (Vec::new(), Vec::new(), stream);
    for cut in cuts.iter().cycle() {
        let (head, tail) = rest.split_at((*cut).min(rest.len()));
        kept.extend_from_slice(head);
        let mut input = kept.as_slice();
        while let Some(item) = decoder.next(&mut input)? {
            match item {
                ConfiguredItem::Message(message) => {
                    let mut bytes = Vec::new();
                    message.encode(decoder.framing, &mut bytes);
                    found.push(ConfiguredStreamItem::Message(bytes));
                }
                ConfiguredItem::Piece(piece) => {
                    found.push(ConfiguredStreamItem::Piece(piece.get(), Vec::new()));
                }
                ConfiguredItem::Bytes(bytes) => match found.last_mut() {
                    Some(ConfiguredStreamItem::Piece(_, data)) => data.extend_from_slice(bytes),
                    _ => panic!("bytes without a piece"),
                },
            }
        }
        kept = input.to_vec();
        assert!(kept.len() < decoder.max_header_len());
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    Ok(found)
}

fn message(framing: Framing) -> impl Strategy<Value = ConfiguredStreamItem> {
    let pieces = || (0u32..24).prop_map(|piece| geometry(24).piece(piece).unwrap());
    let small = prop_oneof![
        Just(ConfiguredMessage::Choke),
        Just(ConfiguredMessage::Unchoke),
        Just(ConfiguredMessage::Interested),
        Just(ConfiguredMessage::NotInterested),
        Just(ConfiguredMessage::Done),
        Just(ConfiguredMessage::Bitfield(&[1, 2, 3])),
        pieces().prop_map(|piece| ConfiguredMessage::Have { piece }),
        pieces().prop_map(|piece| ConfiguredMessage::Request { piece }),
    ];
    let small = small.prop_map(move |message| {
        let mut bytes = Vec::new();
        message.encode(framing, &mut bytes);
        ConfiguredStreamItem::Message(bytes)
    });
    let piece = (pieces(), any::<u8>()).prop_map(|(piece, byte)| {
        ConfiguredStreamItem::Piece(piece.get(), vec![byte; geometry(24).length_of(piece) as usize])
    });
    prop_oneof![4 => small, 1 => piece]
}

#[test]
fn lengths_and_pieces_are_checked_before_the_body() {
    let wrong = |id, length| ConfiguredMessageError::WrongLength { id, length };
    for (head, inclusive, exclusive) in [
        (
            &[0xff; 4][..],
            ConfiguredMessageError::TooLong { length: u32::MAX },
            ConfiguredMessageError::TooLong { length: u32::MAX },
        ),
        (
            &[0, 0, 0, 106],
            ConfiguredMessageError::TooLong { length: 106 },
            ConfiguredMessageError::TooLong { length: 106 },
        ),
        (&[0, 0, 0, 2, 0], wrong(0, 2), wrong(0, 2)),
        (&[0, 0, 0, 6, 4], wrong(4, 6), wrong(4, 6)),
        (&[0, 0, 0, 6, 6], wrong(6, 6), wrong(6, 6)),
        (&[0, 0, 0, 2, 5], wrong(5, 2), wrong(5, 2)),
        (&[0, 0, 0, 2, 8], wrong(8, 2), wrong(8, 2)),
        (&[0, 0, 0, 4, 7], wrong(7, 4), wrong(7, 4)),
        (
            &[0, 0, 0, 1, 9],
            ConfiguredMessageError::Unknown { id: 9 },
            ConfiguredMessageError::Unknown { id: 9 },
        ),
    ] {
        for (framing, error) in [(Framing::Inclusive, inclusive), (Framing::Exclusive, exclusive)] {
            let mut decoder = ConfiguredDecoder::new(geometry(24), framing);
            assert_eq!(decoder.next(&mut &*head), Err(error), "{framing} {head:?}");
        }
    }
    assert_eq!(
        ConfiguredDecoder::new(geometry(24), Framing::Inclusive).next(&mut &[0; 5][..]),
        Err(wrong(0, 0))
    );
}

#[test]
fn invalid_piece_indices_and_lengths_are_refused() {
    for framing in FRAMINGS {
        let mut decoder = ConfiguredDecoder::new(geometry(24), framing);
        let larger = geometry(25);
        let (mut stream, piece) = (Vec::new(), larger.piece(24).unwrap());
        ConfiguredMessage::Request { piece }.encode(framing, &mut stream);
        let none = ConfiguredMessageError::NoSuchPiece { piece: 24, pieces: 24 };
        assert_eq!(decoder.next(&mut &stream[..]), Err(none));
        assert_eq!(decoder.next(&mut &piece_head(framing, piece, 7)[..]), Err(none));
        for (piece, expected, got) in [(0, 100, 99), (0, 100, 1), (23, 7, 8), (23, 7, 100)] {
            let head = piece_head(framing, larger.piece(piece).unwrap(), got);
            let wrong = ConfiguredMessageError::WrongPieceLength { piece, expected, got };
            assert_eq!(decoder.next(&mut &head[..]), Err(wrong));
        }
    }
}

#[test]
fn piece_begins_once_its_header_is_complete() {
    for framing in FRAMINGS {
        let mut decoder = ConfiguredDecoder::new(geometry(24), framing);
        let piece = geometry(24).piece(23).unwrap();
        let head = piece_head(framing, piece, 7);
        assert_eq!(decoder.next(&mut &head[..8]), Ok(None));
        assert!(!decoder.is_in_piece());
        assert_eq!(decoder.next(&mut &head[..]), Ok(Some(ConfiguredItem::Piece(piece))));
        assert!(decoder.is_in_piece());
        assert_eq!(decoder.next(&mut &[][..]), Ok(None));
        assert_eq!(decoder.next(&mut &[7; 9][..]), Ok(Some(ConfiguredItem::Bytes(&[7; 7]))));
        assert!(!decoder.is_in_piece());
    }
}

#[test]
fn first_message_reveals_the_framing() {
    for pieces in [1, 8, 9, 32, 33, 40, 1280] {
        let geometry = geometry(pieces);
        let bits = vec![0; pieces.div_ceil(8) as usize];
        let piece = geometry.piece(0).unwrap();
        for framing in FRAMINGS {
            for message in [
                ConfiguredMessage::Choke,
                ConfiguredMessage::Unchoke,
                ConfiguredMessage::Interested,
                ConfiguredMessage::NotInterested,
                ConfiguredMessage::Done,
                ConfiguredMessage::Have { piece },
                ConfiguredMessage::Request { piece },
                ConfiguredMessage::Bitfield(&bits),
            ] {
                let mut bytes = Vec::new();
                message.encode(framing, &mut bytes);
                let head = *bytes.first_chunk().unwrap();
                assert_eq!(Framing::of_first_message(head, &geometry), Some(framing), "{message:?}");
            }
        }
        assert_eq!(Framing::of_first_message([0xff; 5], &geometry), None);
        assert_eq!(Framing::of_first_message([0, 0, 0, 7, 1], &geometry), None);
    }
}

proptest! {
    #[test]
    fn any_fragmentation_gives_the_same_messages(
        (framing, sent) in prop::sample::select(&FRAMINGS[..])
            .prop_flat_map(|framing| (Just(framing), prop::collection::vec(message(framing), 0..20))),
        cuts in prop::collection::vec(1usize..200, 1..20),
    ) {
        let mut stream = Vec::new();
        for one in &sent {
            match one {
                ConfiguredStreamItem::Message(bytes) => stream.extend_from_slice(bytes),
                ConfiguredStreamItem::Piece(piece, data) => {
                    let piece = geometry(24).piece(*piece).unwrap();
                    stream.extend(piece_head(framing, piece, u32::try_from(data.len()).unwrap()));
                    stream.extend_from_slice(data);
                }
            }
        }
        let mut decoder = ConfiguredDecoder::new(geometry(24), framing);
        prop_assert_eq!(decode_in_fragments(&mut decoder, &stream, &cuts), Ok(sent));
        prop_assert!(!decoder.is_in_piece());
    }

    #[test]
    fn no_bytes_panic_the_decoder(pieces in 1u32..100, stream: Vec<u8>, id in 0u8..10, length in 0u32..120, cut in 1usize..20) {
        for framing in FRAMINGS {
            let _ = decode_in_fragments(&mut ConfiguredDecoder::new(geometry(pieces), framing), &stream, &[cut]);
            let mut framed = length.to_be_bytes().to_vec();
            framed.push(id);
            framed.extend(&stream);
            let _ = decode_in_fragments(&mut ConfiguredDecoder::new(geometry(pieces), framing), &framed, &[cut]);
        }
    }
}
