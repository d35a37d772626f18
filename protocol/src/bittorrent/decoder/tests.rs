use proptest::prelude::*;

use super::*;
use crate::bittorrent::block_head;

/// Returns a decoder for a torrent with this number of pieces.
fn decoder(pieces: u32) -> BitTorrentDecoder {
    BitTorrentDecoder::new(&Geometry::new(u64::from(pieces) << 14, 1 << 14).unwrap())
}

/// An item of a test stream: an encoded message, or a block with all its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum BitTorrentStreamItem {
    Message(Vec<u8>),
    Block(BlockSpec, Vec<u8>),
}

/// Decodes a stream that arrives in fragments of the given lengths, repeated cyclically.
fn decode_in_fragments(
    decoder: &mut BitTorrentDecoder,
    stream: &[u8],
    cuts: &[usize],
) -> Result<Vec<BitTorrentStreamItem>, BitTorrentMessageError> {
    let (mut found, mut kept, mut rest) = (Vec::new(), Vec::new(), stream);
    for cut in cuts.iter().cycle() {
        let (head, tail) = rest.split_at((*cut).min(rest.len()));
        kept.extend_from_slice(head);
        let mut input = kept.as_slice();
        while let Some(item) = decoder.next(&mut input)? {
            match item {
                BitTorrentItem::Message(message) => {
                    let mut bytes = Vec::new();
                    message.encode(&mut bytes);
                    found.push(BitTorrentStreamItem::Message(bytes));
                }
                BitTorrentItem::Block(block) => found.push(BitTorrentStreamItem::Block(block, Vec::new())),
                BitTorrentItem::Bytes(bytes) => match found.last_mut() {
                    Some(BitTorrentStreamItem::Block(_, data)) => data.extend_from_slice(bytes),
                    _ => panic!("bytes without a block"),
                },
            }
        }
        kept = input.to_vec();
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    let longest = MAX_EXTENDED.max(12).max(decoder.bitfield);
    assert!(kept.len() < 5 + longest as usize);
    Ok(found)
}

fn message() -> impl Strategy<Value = BitTorrentStreamItem> {
    let block =
        any::<(u32, u32, u32)>().prop_map(|(piece, begin, length)| BlockSpec { piece, begin, length });
    let small = prop_oneof![
        Just(BitTorrentMessage::KeepAlive),
        Just(BitTorrentMessage::Choke),
        Just(BitTorrentMessage::Unchoke),
        Just(BitTorrentMessage::Interested),
        Just(BitTorrentMessage::NotInterested),
        Just(BitTorrentMessage::HaveAll),
        Just(BitTorrentMessage::HaveNone),
        Just(BitTorrentMessage::Bitfield(&[1, 2, 3])),
        any::<u32>().prop_map(|piece| BitTorrentMessage::Have { piece }),
        any::<u32>().prop_map(|piece| BitTorrentMessage::Suggest { piece }),
        any::<u32>().prop_map(|piece| BitTorrentMessage::AllowedFast { piece }),
        any::<u16>().prop_map(BitTorrentMessage::Port),
        block.clone().prop_map(BitTorrentMessage::Request),
        block.clone().prop_map(BitTorrentMessage::Cancel),
        block.prop_map(BitTorrentMessage::Reject),
        any::<u8>().prop_map(|extension| BitTorrentMessage::Extended { extension, body: b"d1:mdee" }),
    ];
    let small = small.prop_map(|message| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        BitTorrentStreamItem::Message(bytes)
    });
    let block = (any::<u32>(), any::<u32>(), prop::collection::vec(any::<u8>(), 1..600)).prop_map(
        |(piece, begin, data)| {
            let length = u32::try_from(data.len()).unwrap();
            BitTorrentStreamItem::Block(BlockSpec { piece, begin, length }, data)
        },
    );
    prop_oneof![4 => small, 1 => block]
}

#[test]
fn lengths_are_checked_before_the_body_arrives() {
    for (head, error) in [
        (&[0xff, 0xff, 0xff, 0xff][..], BitTorrentMessageError::TooLong { length: u32::MAX }),
        (&[0x80, 0, 0, 0], BitTorrentMessageError::TooLong { length: 1 << 31 }),
        (&[0, 0, 0, 2, 0], BitTorrentMessageError::WrongLength { id: 0, length: 2 }),
        (&[0, 0, 0, 4, 4], BitTorrentMessageError::WrongLength { id: 4, length: 4 }),
        (&[0, 0, 0, 3, 5], BitTorrentMessageError::WrongLength { id: 5, length: 3 }),
        (&[0, 0, 0, 5, 5], BitTorrentMessageError::WrongLength { id: 5, length: 5 }),
        (&[0, 0, 0, 14, 6], BitTorrentMessageError::WrongLength { id: 6, length: 14 }),
        (&[0, 0, 0, 9, 7], BitTorrentMessageError::WrongLength { id: 7, length: 9 }),
        (&[0, 0, 0, 8, 7], BitTorrentMessageError::WrongLength { id: 7, length: 8 }),
        (&[0, 0, 0, 1, 20], BitTorrentMessageError::WrongLength { id: 20, length: 1 }),
        (&[0, 2, 0, 10, 7], BitTorrentMessageError::WrongLength { id: 7, length: (128 << 10) + 10 }),
    ] {
        assert_eq!(decoder(24).next(&mut &*head), Err(error), "{head:?}");
    }
}

#[test]
fn block_begins_once_its_header_is_complete() {
    let block = BlockSpec { piece: 1, begin: 2, length: 128 << 10 };
    let (mut decoder, head) = (decoder(24), block_head(block));
    assert_eq!(decoder.next(&mut &head[..12]), Ok(None));
    assert!(!decoder.is_in_block());
    assert_eq!(decoder.next(&mut &head[..]), Ok(Some(BitTorrentItem::Block(block))));
    assert!(decoder.is_in_block());
    assert_eq!(decoder.next(&mut &[][..]), Ok(None));
    assert_eq!(decoder.next(&mut &[7; 3][..]), Ok(Some(BitTorrentItem::Bytes(&[7; 3]))));
}

#[test]
fn unknown_and_long_extension_messages_are_skipped() {
    let mut stream = vec![0, 0x10, 0, 0, 20];
    stream.extend(vec![1; (1 << 20) - 1]);
    stream.extend([0, 0, 0, 1, 255]);
    BitTorrentMessage::Interested.encode(&mut stream);
    let found = decode_in_fragments(&mut decoder(24), &stream, &[1000]).unwrap();
    assert_eq!(found, [BitTorrentStreamItem::Message(vec![0, 0, 0, 1, 2])]);
}

proptest! {
    #[test]
    fn any_fragmentation_gives_the_same_messages(
        sent in prop::collection::vec(message(), 0..20),
        cuts in prop::collection::vec(1usize..200, 1..20),
    ) {
        let mut stream = Vec::new();
        for one in &sent {
            match one {
                BitTorrentStreamItem::Message(bytes) => stream.extend_from_slice(bytes),
                BitTorrentStreamItem::Block(block, data) => {
                    stream.extend(block_head(*block));
                    stream.extend_from_slice(data);
                }
            }
        }
        let mut decoder = decoder(24);
        prop_assert_eq!(decode_in_fragments(&mut decoder, &stream, &cuts), Ok(sent));
        prop_assert!(!decoder.is_in_block());
    }

    #[test]
    fn no_bytes_panic_the_decoder(pieces in 0u32..100, stream: Vec<u8>, id: u8, length in 0u32..40, cut in 1usize..20) {
        let _ = decode_in_fragments(&mut decoder(pieces), &stream, &[cut]);
        let mut framed = length.to_be_bytes().to_vec();
        framed.push(id);
        framed.extend(stream);
        let _ = decode_in_fragments(&mut decoder(pieces), &framed, &[cut]);
    }
}
