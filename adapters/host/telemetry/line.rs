use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Keeps each event on one line, so that no field can forge a second one.
///
/// It escapes control characters in what is written at once, which is one event with its newline.
pub(super) struct OneLine<W> {
    pub(super) writer: W,
    /// Whether escape sequences may pass: with colours, those left are the formatter's own, which
    /// has escaped the others.
    pub(super) colours: bool,
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for OneLine<W> {
    type Writer = Escaped<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Escaped {
            writer: self.writer.make_writer(),
            colours: self.colours,
        }
    }
}

pub(super) struct Escaped<W> {
    writer: W,
    colours: bool,
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let body = text.strip_suffix('\n').unwrap_or(&text);
        let free = |c: char| !c.is_control() || (self.colours && c == '\u{1b}');
        if body.chars().all(free) {
            self.writer.write_all(event)?;
            return Ok(event.len());
        }
        let mut line = String::with_capacity(text.len() + 16);
        for c in body.chars() {
            if free(c) {
                line.push(c);
            } else {
                line.extend(c.escape_default());
            }
        }
        line.push('\n');
        self.writer.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
