/// `rows` under `titles`, each column as wide as its widest cell.
pub(super) fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_text() {
        let rows = [["a", "1", ""], ["abc", "", "long"]].map(|row| row.map(str::to_owned));

        let lines = table(["ID", "N", "TEXT"], &rows);

        assert_eq!(lines, ["ID   N  TEXT", "a    1", "abc     long"]);
    }
}
