use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

use super::super::record::Chain;

/// How much is read of either end of a file; no record is nearly so long.
const TAIL: u64 = 1 << 20;

/// How many bytes of a file are whole lines, and the last of them, without its line break.
pub(super) fn end(file: &mut File) -> io::Result<(u64, Option<Vec<u8>>)> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    Read::by_ref(file).take(TAIL).read_to_end(&mut tail)?;
    let Some(stop) = tail.iter().rposition(|byte| *byte == b'\n') else {
        return Ok((0, None));
    };
    let line = match tail[..stop].iter().rposition(|byte| *byte == b'\n') {
        Some(before) => &tail[before + 1..stop],
        None => &tail[..stop],
    };
    Ok((start + stop as u64 + 1, Some(line.to_vec())))
}

/// The number of the first record of a file, if it has one.
pub(super) fn first(file: &mut File) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    Read::by_ref(file).take(TAIL).read_to_end(&mut head)?;
    let line = head.split(|byte| *byte == b'\n').next();
    let mut chain = Chain::default();
    let read = line.is_some_and(|line| chain.follow(line, true).is_ok());
    Ok(read.then_some(chain.last))
}

/// Whether a file without a whole line may be the beginning of a first record.
pub(super) fn may_be_torn(file: &mut File) -> io::Result<bool> {
    const BEGINNING: &[u8] = b"{\"seq\":";

    file.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    let length = BEGINNING.len() as u64;
    Read::by_ref(file).take(length).read_to_end(&mut head)?;
    Ok(file.metadata()?.len() <= TAIL && BEGINNING.starts_with(&head))
}
