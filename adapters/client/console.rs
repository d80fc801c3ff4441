use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::process::ExitCode;

use serde_json::Value;

use super::ClientError;

/// Where a tool writes.
pub struct Console<'a> {
    /// What was asked for.
    pub out: Output<'a>,
    /// What is said about it.
    pub err: Output<'a>,
}

impl Console<'_> {
    /// The standard output and error of this process.
    pub fn standard() -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        Self {
            out: Output::new(out.is_terminal(), out),
            err: Output::new(err.is_terminal(), err),
        }
    }

    /// Prints `lines`, and is done.
    ///
    /// # Errors
    ///
    /// [`ClientError::Output`] if nobody takes them.
    pub fn lines(&mut self, lines: &[String]) -> Result<ExitCode, ClientError> {
        for line in lines {
            self.out.line(line)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Prints `json` for people, and is done.
    ///
    /// # Errors
    ///
    /// [`ClientError::Output`] if nobody takes it.
    pub fn json(&mut self, json: &Value) -> Result<ExitCode, ClientError> {
        for line in format!("{json:#}").lines() {
            self.out.line(line)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A place for text.
///
/// What workers and their programs wrote may hold the codes that move a terminal's cursor, set its
/// title or have it answer as if somebody typed. On a terminal they are shown, not obeyed.
pub struct Output<'a> {
    terminal: bool,
    to: Box<dyn Write + 'a>,
}

impl<'a> Output<'a> {
    /// Writes to `to`, which may be a terminal.
    pub fn new(terminal: bool, to: impl Write + 'a) -> Self {
        let to = Box::new(to);
        Self { terminal, to }
    }

    /// Writes `text` and the end of the line.
    pub(super) fn line(&mut self, text: &str) -> Result<(), ClientError> {
        let text = if self.terminal {
            shown(text)
        } else {
            text.into()
        };
        writeln!(self.to, "{text}").map_err(ClientError::Output)
    }

    /// Writes all of `bytes`, which need not be text.
    pub(super) fn copy(&mut self, bytes: impl Read) -> Result<(), CopyError> {
        let mut bytes = BufReader::new(bytes);
        if self.terminal {
            let mut line = Vec::new();
            while bytes.read_until(b'\n', &mut line).map_err(CopyError::In)? > 0 {
                let text = String::from_utf8_lossy(&line);
                let text = text.strip_suffix('\n').unwrap_or(&text);
                self.line(text.strip_suffix('\r').unwrap_or(text))?;
                line.clear();
            }
            return Ok(());
        }
        loop {
            let piece = bytes.fill_buf().map_err(CopyError::In)?;
            if piece.is_empty() {
                return Ok(());
            }
            self.to.write_all(piece).map_err(ClientError::Output)?;
            let length = piece.len();
            bytes.consume(length);
        }
    }
}

/// Which end of a copy failed.
#[derive(Debug)]
pub(super) enum CopyError {
    In(io::Error),
    Out(ClientError),
}

impl From<ClientError> for CopyError {
    fn from(error: ClientError) -> Self {
        Self::Out(error)
    }
}

/// `text` with its control characters as `\u001b`, which is also how JSON writes them.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_control(character) {
            write!(shown, "\\u{:04x}", u32::from(character)).expect("into memory");
        } else {
            shown.push(character);
        }
    }
    shown.into()
}

/// Whether a terminal would act on it, or write from right to left because of it.
fn is_control(character: char) -> bool {
    let turns = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (character.is_control() && character != '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_shown_what_it_would_obey() {
        let mut seen = Vec::new();
        let mut output = Output::new(true, &mut seen);

        output
            .line("\u{1b}[2J\ta\u{9b}ü🦀\r\u{202e}")
            .expect("writes");
        let file: &[u8] = b"\x07b\r\n\xff\nend";
        output.copy(file).expect("writes");

        drop(output);
        let wanted = "\\u001b[2J\ta\\u009bü🦀\\u000d\\u202e\n\\u0007b\n\u{fffd}\nend\n";
        assert_eq!(String::from_utf8(seen).expect("is text"), wanted);
    }

    #[test]
    fn anything_else_gets_each_byte_as_it_is() {
        let mut seen = Vec::new();
        let mut output = Output::new(false, &mut seen);

        output.line("\u{1b}[2J").expect("writes");
        let file: &[u8] = b"\xff\r\nend";
        output.copy(file).expect("writes");

        drop(output);
        assert_eq!(seen, b"\x1b[2J\n\xff\r\nend");
    }
}
