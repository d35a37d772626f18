use proptest::prelude::*;

use super::*;
use crate::bittorrent::block_head;

/// A torrent of so many pieces.
fn decoder(pieces: u32) -> Decoder {
    Decoder::new(&Geometry::new(u64::from(pieces) << 14, 1 << 14).unwrap())
}

/// What a test sends or finds: a message, encoded, or a block with all its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sent {
    Message(Vec<u8>),
    Block(BlockSpec, Vec<u8>),
}

/// Reads a stream that arrives in parts of the given lengths, over and over.
fn read_in_parts(decoder: &mut Decoder, stream: &[u8], cuts: &[usize]) -> Result<Vec<Sent>, MessageError> {
    let (mut found, mut kept, mut rest) = (Vec::new(), Vec::new(), stream);
    for cut in cuts.iter().cycle() {
        let (head, tail) = rest.split_at((*cut).min(rest.len()));
        kept.extend_from_slice(head);
        let mut input = kept.as_slice();
        while let Some(item) = decoder.next(&mut input)? {
            match item {
                Item::Message(message) => {
                    let mut bytes = Vec::new();
                    message.encode(&mut bytes);
                    found.push(Sent::Message(bytes));
                }
                Item::Block(block) => found.push(Sent::Block(block, Vec::new())),
                Item::Bytes(bytes) => match found.last_mut() {
                    Some(Sent::Block(_, data)) => data.extend_from_slice(bytes),
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
    let most = MAX_EXTENDED.max(12).max(decoder.bitfield);
    assert!(kept.len() < 5 + most as usize);
    Ok(found)
}

fn message() -> impl Strategy<Value = Sent> {
    let block =
        any::<(u32, u32, u32)>().prop_map(|(piece, begin, length)| BlockSpec { piece, begin, length });
    let small = prop_oneof![
        Just(Message::KeepAlive),
        Just(Message::Choke),
        Just(Message::Unchoke),
        Just(Message::Interested),
        Just(Message::NotInterested),
        Just(Message::HaveAll),
        Just(Message::HaveNone),
        Just(Message::Bitfield(&[1, 2, 3])),
        any::<u32>().prop_map(|piece| Message::Have { piece }),
        any::<u32>().prop_map(|piece| Message::Suggest { piece }),
        any::<u32>().prop_map(|piece| Message::AllowedFast { piece }),
        any::<u16>().prop_map(Message::Port),
        block.clone().prop_map(Message::Request),
        block.clone().prop_map(Message::Cancel),
        block.prop_map(Message::Reject),
        any::<u8>().prop_map(|extension| Message::Extended { extension, body: b"d1:mdee" }),
    ];
    let small = small.prop_map(|message| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        Sent::Message(bytes)
    });
    let block = (any::<u32>(), any::<u32>(), prop::collection::vec(any::<u8>(), 1..600)).prop_map(
        |(piece, begin, data)| {
            let length = u32::try_from(data.len()).unwrap();
            Sent::Block(BlockSpec { piece, begin, length }, data)
        },
    );
    prop_oneof![4 => small, 1 => block]
}

#[test]
fn lengths_are_judged_by_what_a_message_is_before_it_is_there() {
    for (head, error) in [
        (&[0xff, 0xff, 0xff, 0xff][..], MessageError::TooLong { length: u32::MAX }),
        (&[0x80, 0, 0, 0], MessageError::TooLong { length: 1 << 31 }),
        (&[0, 0, 0, 2, 0], MessageError::WrongLength { id: 0, length: 2 }),
        (&[0, 0, 0, 4, 4], MessageError::WrongLength { id: 4, length: 4 }),
        (&[0, 0, 0, 3, 5], MessageError::WrongLength { id: 5, length: 3 }),
        (&[0, 0, 0, 5, 5], MessageError::WrongLength { id: 5, length: 5 }),
        (&[0, 0, 0, 14, 6], MessageError::WrongLength { id: 6, length: 14 }),
        (&[0, 0, 0, 9, 7], MessageError::WrongLength { id: 7, length: 9 }),
        (&[0, 0, 0, 8, 7], MessageError::WrongLength { id: 7, length: 8 }),
        (&[0, 0, 0, 1, 20], MessageError::WrongLength { id: 20, length: 1 }),
        (&[0, 2, 0, 10, 7], MessageError::WrongLength { id: 7, length: (128 << 10) + 10 }),
    ] {
        assert_eq!(decoder(24).next(&mut &*head), Err(error), "{head:?}");
    }
}

#[test]
fn a_block_begins_as_soon_as_its_head_is_there() {
    let block = BlockSpec { piece: 1, begin: 2, length: 128 << 10 };
    let (mut decoder, head) = (decoder(24), block_head(block));
    assert_eq!(decoder.next(&mut &head[..12]), Ok(None));
    assert!(!decoder.is_in_block());
    assert_eq!(decoder.next(&mut &head[..]), Ok(Some(Item::Block(block))));
    assert!(decoder.is_in_block());
    assert_eq!(decoder.next(&mut &[][..]), Ok(None));
    assert_eq!(decoder.next(&mut &[7; 3][..]), Ok(Some(Item::Bytes(&[7; 3]))));
}

#[test]
fn unknown_messages_and_long_ones_of_extensions_are_skipped_and_not_kept() {
    let mut stream = vec![0, 0x10, 0, 0, 20];
    stream.extend(vec![1; (1 << 20) - 1]);
    stream.extend([0, 0, 0, 1, 255]);
    Message::Interested.encode(&mut stream);
    let found = read_in_parts(&mut decoder(24), &stream, &[1000]).unwrap();
    assert_eq!(found, [Sent::Message(vec![0, 0, 0, 1, 2])]);
}

proptest! {
    #[test]
    fn any_cutting_of_a_stream_gives_the_same_messages(
        sent in prop::collection::vec(message(), 0..20),
        cuts in prop::collection::vec(1usize..200, 1..20),
    ) {
        let mut stream = Vec::new();
        for one in &sent {
            match one {
                Sent::Message(bytes) => stream.extend_from_slice(bytes),
                Sent::Block(block, data) => {
                    stream.extend(block_head(*block));
                    stream.extend_from_slice(data);
                }
            }
        }
        let mut decoder = decoder(24);
        prop_assert_eq!(read_in_parts(&mut decoder, &stream, &cuts), Ok(sent));
        prop_assert!(!decoder.is_in_block());
    }

    #[test]
    fn no_bytes_panic_the_decoder(pieces in 0u32..100, stream: Vec<u8>, id: u8, length in 0u32..40, cut in 1usize..20) {
        let _ = read_in_parts(&mut decoder(pieces), &stream, &[cut]);
        let mut framed = length.to_be_bytes().to_vec();
        framed.push(id);
        framed.extend(stream);
        let _ = read_in_parts(&mut decoder(pieces), &framed, &[cut]);
    }
}
