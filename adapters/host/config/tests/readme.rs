use std::fs;
use std::path::Path;

use super::*;

#[test]
fn every_setting_is_in_both_readmes() {
    for name in ["README.md", "README.zh-CN.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = fs::read_to_string(&path).expect(name);

        let missing: Vec<String> = table::all()
            .map(|setting| (setting.name, setting.default))
            .chain([(table::CONFIG.0, None)])
            .filter(|row| !text.lines().any(|line| is_row_of(line, *row)))
            .map(|(setting, default)| format!("{setting} {}", default.unwrap_or_default()))
            .collect();

        assert!(missing.is_empty(), "{name} has no row for {missing:#?}");
    }
}

/// Whether `line` is a table's row that shows the name and the default as code.
fn is_row_of(line: &str, (name, default): (&str, Option<&str>)) -> bool {
    let shows = |text: &str| line.contains(&format!("`{text}`"));
    line.starts_with('|') && shows(name) && default.is_none_or(shows)
}
