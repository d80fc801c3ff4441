//! What the core reads: times, receipts, reports as named texts, extents.

use std::collections::BTreeMap;

use gateway_core::domain::id::{ReceiptId, RunId, WorkerId};
use gateway_core::domain::log::Extent;
use gateway_core::domain::run::Report;
use gateway_core::domain::time::{self, Timestamp};

use super::{fields, fuzz, text};

#[test]
fn times() {
    fuzz("time", |input| {
        let text = text(input);
        let read = time::parse("at", &text);
        if let Ok(Some(at)) = read {
            let again = |text: &str| time::parse("at", text).expect("was written by us");
            assert_eq!(again(&at.to_string()), Some(at));
            let micros = again(&time::iso(at)).expect("is a time");
            // What is less than a microsecond is cut off.
            let cut = at.duration_since(micros).as_nanos();
            assert!((0..1_000).contains(&cut), "{cut} ns");
        }
        let year = read
            .as_ref()
            .ok()
            .copied()
            .flatten()
            .map(Timestamp::as_second);
        (
            read.is_ok(),
            year.map(|second| second / 1_000_000_000),
            text.len().min(40),
        )
    });
}

#[test]
fn receipts() {
    fuzz("receipt", |input| {
        let text = text(input);
        let read = [
            ReceiptId::parse(&text).map(|id| id.to_string()),
            RunId::parse(&text).map(|id| id.to_string()),
            WorkerId::parse(&text).map(|id| id.to_string()),
        ];
        for id in read.iter().flatten() {
            assert_eq!(*id, text);
            assert!(!id.is_empty() && id.len() <= 64);
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            assert!(id.bytes().all(plain), "{id:?}");
        }
        (read[0].is_ok(), text.len().min(80))
    });
}

#[test]
fn reports() {
    fuzz("report", |input| {
        let fields: BTreeMap<_, _> = fields(input).into_iter().collect();
        let report = match Report::from_fields(&fields) {
            Ok(report) => report,
            Err(invalid) => return (invalid.field, 0),
        };
        let written = report.to_fields().into_iter();
        let written = written.map(|(name, text)| (name.to_owned(), text));
        assert_eq!(Report::from_fields(&written.collect()), Ok(report.clone()));
        ("", report.to_fields().len())
    });
}

#[test]
fn extents() {
    fuzz("extent", |input| {
        let read: Result<Extent, _> = text(input).parse();
        let Ok(extent) = read else {
            return None;
        };
        let written = extent.to_string();
        assert_eq!(written.parse(), Ok(extent.clone()));
        Some((extent.is_complete(), written.matches(',').count()))
    });
}
