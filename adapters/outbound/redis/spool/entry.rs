//! What the entries of the spool hold.

use std::collections::BTreeMap;

use fred::types::Value;
use gateway_core::domain::id::{SpoolId, WorkerId};
use gateway_core::domain::run::Report;
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{Backlog, Waiting};

use super::super::link::LinkError;
use super::super::reply;

/// The report that waits, or why it is none.
pub(in super::super) fn read((id, fields): &reply::Entry) -> Result<Waiting, String> {
    let fields: BTreeMap<_, _> = fields.iter().cloned().collect();
    let report = Report::from_fields(&fields).map_err(|invalid| invalid.to_string())?;
    Ok(Waiting {
        id: SpoolId::parse(id).map_err(|invalid| invalid.to_string())?,
        report,
        since: time_of(id).ok_or("its id is no time")?,
    })
}

/// Whose it was, as far as that can be read.
pub(in super::super) fn worker(fields: &[(String, String)]) -> WorkerId {
    let named = fields.iter().find(|(name, _)| name == "worker_id");
    let worker = named.and_then(|(_, text)| WorkerId::parse(text).ok());
    worker.unwrap_or_else(|| WorkerId::parse("unknown").expect("has letters only"))
}

/// The number of entries, and the id of the first.
pub(super) fn backlog(answer: Value) -> Result<Backlog, LinkError> {
    let [depth, first] = &reply::list(answer)?[..] else {
        return Err(LinkError::Nonsense("no backlog".to_owned()));
    };
    Ok(Backlog {
        depth: u64::try_from(reply::number(depth)?).unwrap_or_default(),
        oldest: time_of(&reply::text(first)?),
    })
}

/// When an entry was added, by the clock of Redis.
fn time_of(id: &str) -> Option<Timestamp> {
    let (millis, _) = id.split_once('-')?;
    Timestamp::from_millisecond(millis.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, fields: &[(&str, &str)]) -> reply::Entry {
        let fields = fields.iter();
        let fields = fields.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        (id.to_owned(), fields.collect())
    }

    #[test]
    fn a_report_waits_since_its_entry_was_made() {
        let fields = [
            ("run_id", "r"),
            ("worker_id", "w"),
            ("status", "failed"),
            ("at", "2027-01-15T08:00:00Z"),
        ];
        let waiting = read(&entry("1800000000123-4", &fields)).expect("is a report");
        assert_eq!(waiting.since.as_millisecond(), 1_800_000_000_123);
        assert_eq!(waiting.id.as_str(), "1800000000123-4");
        assert_eq!(waiting.report.run.as_str(), "r");
    }

    #[test]
    fn what_is_no_report_is_told_by_what_is_wrong_and_whose_it_may_be() {
        let nobodys = entry("1-0", &[("status", "failed")]);
        let reason = read(&nobodys).expect_err("is no report");
        assert!(reason.starts_with("at: "), "{reason}");
        assert_eq!(worker(&nobodys.1).as_str(), "unknown");
        assert_eq!(worker(&entry("1-0", &[("worker_id", "w")]).1).as_str(), "w");
    }

    #[test]
    fn a_backlog_is_as_old_as_its_first_entry() {
        let answer = |depth: i64, first: &str| Value::Array(vec![depth.into(), first.into()]);
        let nothing = backlog(answer(0, "")).expect("is a backlog");
        assert_eq!(nothing, Backlog::default());
        let some = backlog(answer(2, "1500-0")).expect("is a backlog");
        assert_eq!(some.depth, 2);
        assert_eq!(some.oldest.map(Timestamp::as_millisecond), Some(1500));
        assert!(backlog(Value::Null).is_err());
    }
}
