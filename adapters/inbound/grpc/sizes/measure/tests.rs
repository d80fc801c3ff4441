use proptest::prelude::*;

use super::super::{MAX_LINES, SHORT};
use super::*;
use crate::inbound::grpc::proto;

/// A message as it is on the wire.
fn framed(message: &impl prost::Message) -> Vec<u8> {
    let length = u32::try_from(message.encoded_len()).expect("is short");
    let mut bytes = vec![0];
    bytes.extend(length.to_be_bytes());
    message.encode(&mut bytes).expect("has room");
    bytes
}

fn batch(lines: usize, content: &str) -> proto::SendLogBatchRequest {
    let line = proto::LogEntry {
        content: content.into(),
        sequence: 3,
        ..Default::default()
    };
    proto::SendLogBatchRequest {
        logs: vec![line; lines],
    }
}

/// T12
#[test]
fn lines_are_counted_before_anything_is_made_of_them() {
    for (lines, content, fits) in [
        (0, "", true),
        (10_000, "x", true),
        (10_000, "", true),
        (10_001, "", false),
    ] {
        let fed = Measure::new(u32::MAX, Some(MAX_LINES)).feed(&framed(&batch(lines, content)));
        assert_eq!(fed.is_ok(), fits, "{lines}");
    }
    let refused = Measure::new(u32::MAX, Some(MAX_LINES)).feed(&framed(&batch(10_001, "")));
    let refused = refused.expect_err("is refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("logs: "), "{refused}");
}

/// T12
#[test]
fn a_long_message_is_refused_by_its_header() {
    for (length, fits) in [(SHORT, true), (SHORT + 1, false)] {
        let mut header = vec![0];
        header.extend(length.to_be_bytes());
        assert_eq!(Measure::new(SHORT, None).feed(&header).is_ok(), fits);
    }
}

proptest! {
    #[test]
    fn it_does_not_matter_how_the_bytes_come(
        lines in prop::collection::vec(0_usize..40, 1..5),
        content in ".{0,300}",
        cuts in prop::collection::vec(1_usize..200, 1..50),
    ) {
        let most = u32::try_from(lines.iter().max().copied().unwrap_or(0)).expect("is small");
        let bytes: Vec<u8> =
            lines.iter().flat_map(|lines| framed(&batch(*lines, &content))).collect();
        let feed = |max| {
            let mut measure = Measure::new(u32::MAX, Some(max));
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let cut = cuts.next().map_or(1, |cut| (*cut).min(rest.len()));
                measure.feed(&rest[..cut])?;
                rest = &rest[cut..];
            }
            Ok::<_, Status>(())
        };
        prop_assert!(feed(most).is_ok());
        prop_assert!(most == 0 || feed(most - 1).is_err());
    }

    #[test]
    fn whatever_comes_it_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut framed = vec![0, 0, 0, 0, 190];
        framed.extend(bytes);
        let _either = Measure::new(u32::MAX, Some(3)).feed(&framed);
    }
}

#[test]
fn what_begins_is_told_once_and_without_what_is_light() {
    let mut measure = Measure::new(u32::MAX, None);
    for (length, begun) in [(LIGHT, 0), (LIGHT + 1, u64::from(LIGHT) + 1), (51 << 20, 0)] {
        let bytes = vec![0; length as usize];
        let head = [&[0][..], &length.to_be_bytes()].concat();
        measure.feed(&head[..3]).expect("is read");
        assert_eq!(measure.begun(), 0);
        measure.feed(&head[3..]).expect("is read");
        assert!(measure.is_within());
        assert_eq!((measure.begun(), measure.begun()), (begun, 0));
        measure.feed(&bytes).expect("is read");
        assert!(!measure.is_within());
    }
}
