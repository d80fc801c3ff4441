use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

#[test]
fn no_name_is_given_twice_and_each_ends_as_its_kind_has_it() {
    let mut seen = BTreeSet::new();
    for metric in ALL {
        assert!(seen.insert(metric.name), "{} twice", metric.name);
        let total = metric.name.ends_with("_total");
        assert_eq!(total, metric.kind == Kind::Counter, "{}", metric.name);
    }
}

#[test]
fn every_metric_is_in_both_readmes_and_nothing_else_is() {
    for readme in ["README.md", "README.zh-CN.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(readme);
        let text = fs::read_to_string(&path).expect(readme);

        let rows: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| line.starts_with("| `antcode_gateway_"))
            .map(|line| line.split('|').map(str::trim).collect())
            .filter(|cells: &Vec<_>| cells.len() == 7)
            .collect();
        let told: Vec<_> = rows.iter().map(|cells| &cells[1..5]).collect();
        let meant: Vec<_> = ALL.iter().map(row).collect();
        assert_eq!(told, meant, "{readme}");
        for cells in rows {
            assert!(!cells[5].is_empty(), "{readme}: {cells:?}");
        }
    }
}

/// Name, kind, unit and labels, as a table has them.
fn row(metric: &Metric) -> [String; 4] {
    let code = |text: &str| format!("`{text}`");
    let labels: Vec<_> = metric.labels.iter().map(|label| code(label)).collect();
    let labels = if labels.is_empty() {
        "–".to_owned()
    } else {
        labels.join(", ")
    };
    let (kind, unit) = (metric.kind.as_str(), metric.unit.as_str());
    [code(metric.name), kind.to_owned(), unit.to_owned(), labels]
}

#[test]
fn what_alerts_ask_for_is_a_metric() {
    for readme in ["README.md", "README.zh-CN.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(readme);
        let text = fs::read_to_string(&path).expect(readme);

        for rest in text.split("antcode_gateway_").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
            let name = format!("antcode_gateway_{}", &rest[..end.unwrap_or(rest.len())]);
            assert!(
                ALL.iter().any(|metric| metric.name == name),
                "{readme}: {name}"
            );
        }
    }
}
