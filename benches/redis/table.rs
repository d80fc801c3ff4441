use std::fmt;

/// What was measured, and what it is to be.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 3]>);

impl Table {
    /// Adds a figure, and shows it at once.
    pub(crate) fn add(&mut self, figure: impl Into<String>, measured: String, goal: &str) {
        let row = [figure.into(), measured, goal.to_owned()];
        println!("  {}: {}", row[0], row[1]);
        self.0.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["figure", "measured", "goal"].map(str::to_owned);
        let width = |column: usize| {
            let rows = self.0.iter().chain([&head]);
            rows.map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let (figure, measured) = (width(0), width(1));
        for row in [&head].into_iter().chain(&self.0) {
            writeln!(f, "{:figure$}  {:>measured$}  {}", row[0], row[1], row[2])?;
        }
        Ok(())
    }
}
