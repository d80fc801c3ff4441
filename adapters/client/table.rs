use gateway_core::domain::time::Timestamp;

use super::console::shown;

/// `rows` under `titles`, each column as wide as its widest cell.
pub fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([titles[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let titles = titles.map(str::to_owned);
    std::iter::once(&titles)
        .chain(rows)
        .map(|row| line(row, &widths))
        .collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths);
    let cells: Vec<_> = cells
        .map(|(cell, width)| format!("{cell:width$}"))
        .collect();
    cells.join("  ").trim_end().to_owned()
}

/// `text` beside `name`, which is given so much width; its further lines below its first.
pub(super) fn paragraph(width: usize, name: &str, text: &str) -> Vec<String> {
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    let lines = names.zip(text.lines());
    lines
        .map(|(name, line)| format!("{name:width$} {line}"))
        .collect()
}

/// The first line of `message`, as much of it as fits beside the other columns.
pub(super) fn glance(message: &str) -> String {
    const WIDTH: usize = 60;
    let line = message.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(WIDTH).collect();
    let more = if cut.len() < message.trim_end().len() {
        "…"
    } else {
        ""
    };
    shown(&format!("{cut}{more}")).into_owned()
}

pub(super) fn to_the_second(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_text() {
        let rows = [["a", "1", ""], ["abc", "", "long"]].map(|row| row.map(str::to_owned));

        let lines = table(["ID", "N", "TEXT"], &rows);

        assert_eq!(lines, ["ID   N  TEXT", "a    1", "abc     long"]);
    }

    #[test]
    fn a_message_is_cut_to_a_line_that_fits() {
        assert_eq!(glance("no\nmore"), "no…");
        assert_eq!(glance("no\n"), "no");
        assert_eq!(glance(&"ü".repeat(61)), "ü".repeat(60) + "…");
        assert_eq!(glance("\u{1b}[2J"), "\\u001b[2J");
        assert_eq!(glance(""), "");
    }
}
