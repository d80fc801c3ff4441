//! Log files that come in pieces.

use bytes::Bytes;
use gateway_core::domain::log::{LogChunk, LogStream};
use gateway_core::ports::{ChunkReceipt, LogError};
use rand::RngExt;
use rand::seq::SliceRandom;

use super::super::run;
use super::Logs;

contract!(memory, memory_live, redis, cluster => {
    a_file_grows_piece_by_piece,
    a_piece_sent_twice_is_stored_once,
    pieces_may_overlap_and_leave_gaps,
    random_pieces_make_the_file_that_a_naive_model_makes,
    a_piece_that_does_not_fit_changes_nothing,
    an_empty_file_is_complete_with_its_end,
    the_size_tells_the_end_as_well,
    files_of_other_streams_and_runs_are_other_files,
    a_piece_far_out_is_no_burden,
});

const TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog";

/// The bytes of [`TEXT`] from `begin` to `end`; final, if they reach its end.
fn piece(begin: usize, end: usize) -> LogChunk {
    LogChunk {
        run: run("r"),
        stream: LogStream::Stdout,
        data: Bytes::from_static(&TEXT[begin..end]),
        offset: begin as u64,
        is_final: end == TEXT.len(),
        total_size: None,
    }
}

async fn store(bench: &impl Logs, chunk: LogChunk) -> ChunkReceipt {
    bench.sink().store(chunk).await.expect("stores")
}

fn held(contiguous: usize, complete: bool) -> ChunkReceipt {
    ChunkReceipt {
        contiguous: contiguous as u64,
        complete,
    }
}

async fn file(bench: &impl Logs) -> Option<(Vec<u8>, bool)> {
    bench.file(&run("r"), LogStream::Stdout).await
}

async fn a_file_grows_piece_by_piece(bench: &impl Logs) {
    assert_eq!(file(bench).await, None);
    assert_eq!(store(bench, piece(0, 10)).await, held(10, false));
    assert_eq!(file(bench).await, Some((TEXT[..10].to_vec(), false)));
    assert_eq!(store(bench, piece(10, 30)).await, held(30, false));

    let end = TEXT.len();
    assert_eq!(store(bench, piece(30, end)).await, held(end, true));
    assert_eq!(file(bench).await, Some((TEXT.to_vec(), true)));
}

async fn a_piece_sent_twice_is_stored_once(bench: &impl Logs) {
    let end = TEXT.len();
    for _ in 0..2 {
        assert_eq!(store(bench, piece(0, 20)).await, held(20, false));
    }
    for _ in 0..2 {
        assert_eq!(store(bench, piece(20, end)).await, held(end, true));
    }
    assert_eq!(store(bench, piece(0, 20)).await, held(end, true));

    assert_eq!(file(bench).await, Some((TEXT.to_vec(), true)));
}

async fn pieces_may_overlap_and_leave_gaps(bench: &impl Logs) {
    let end = TEXT.len();
    assert_eq!(store(bench, piece(30, end)).await, held(0, false));
    assert_eq!(store(bench, piece(5, 15)).await, held(0, false));
    assert_eq!(store(bench, piece(0, 10)).await, held(15, false));
    assert_eq!(file(bench).await, Some((TEXT[..15].to_vec(), false)));
    assert_eq!(store(bench, piece(0, 40)).await, held(end, true));

    assert_eq!(file(bench).await, Some((TEXT.to_vec(), true)));
}

async fn random_pieces_make_the_file_that_a_naive_model_makes(bench: &impl Logs) {
    let end = TEXT.len();
    let mut pieces: Vec<_> = (0..60)
        .map(|_| {
            let begin = rand::rng().random_range(0..end);
            (begin, rand::rng().random_range(begin..=end))
        })
        .collect();
    pieces.push((end - 1, end));
    pieces.extend((0..end).step_by(5).map(|begin| (begin, end.min(begin + 5))));
    pieces.shuffle(&mut rand::rng());

    let mut model = [false; TEXT.len()];
    for (begin, stop) in &pieces {
        model[*begin..*stop].fill(true);
        let naive = model.iter().take_while(|held| **held).count();
        let receipt = store(bench, piece(*begin, *stop)).await;
        assert_eq!(receipt.contiguous, naive as u64, "{pieces:?}");
    }
    assert_eq!(file(bench).await, Some((TEXT.to_vec(), true)));
}

async fn a_piece_that_does_not_fit_changes_nothing(bench: &impl Logs) {
    let end = TEXT.len();
    store(bench, piece(30, end)).await;
    store(bench, piece(0, 20)).await;
    let beyond = LogChunk {
        offset: end as u64,
        is_final: false,
        ..piece(0, 10)
    };
    let ends_early = LogChunk {
        is_final: true,
        ..piece(0, 10)
    };
    let other_size = LogChunk {
        total_size: Some(7),
        ..piece(20, 30)
    };
    for misfit in [beyond, ends_early, other_size] {
        let refused = bench.sink().store(misfit).await;
        assert!(matches!(refused, Err(LogError::Misfit(_))), "{refused:?}");
    }

    assert_eq!(file(bench).await, Some((TEXT[..20].to_vec(), false)));
    assert_eq!(store(bench, piece(20, 30)).await, held(end, true));
    assert_eq!(file(bench).await, Some((TEXT.to_vec(), true)));
}

async fn an_empty_file_is_complete_with_its_end(bench: &impl Logs) {
    let nothing = LogChunk {
        data: Bytes::new(),
        is_final: true,
        ..piece(0, 1)
    };

    assert_eq!(store(bench, nothing).await, held(0, true));
    assert_eq!(file(bench).await, Some((Vec::new(), true)));
}

async fn the_size_tells_the_end_as_well(bench: &impl Logs) {
    let sized = LogChunk {
        total_size: Some(10),
        ..piece(0, 5)
    };

    assert_eq!(store(bench, sized).await, held(5, false));
    assert_eq!(store(bench, piece(5, 10)).await, held(10, true));
}

async fn files_of_other_streams_and_runs_are_other_files(bench: &impl Logs) {
    let stderr = LogChunk {
        stream: LogStream::Stderr,
        ..piece(0, 5)
    };
    let other = LogChunk {
        run: run("other"),
        ..piece(0, 7)
    };
    store(bench, piece(0, 3)).await;
    store(bench, stderr).await;
    store(bench, other).await;

    assert_eq!(file(bench).await, Some((TEXT[..3].to_vec(), false)));
    let stderr = bench.file(&run("r"), LogStream::Stderr).await;
    assert_eq!(stderr, Some((TEXT[..5].to_vec(), false)));
    let other = bench.file(&run("other"), LogStream::Stdout).await;
    assert_eq!(other, Some((TEXT[..7].to_vec(), false)));
}

async fn a_piece_far_out_is_no_burden(bench: &impl Logs) {
    let far = LogChunk {
        offset: 1 << 60,
        is_final: false,
        ..piece(0, 10)
    };

    assert_eq!(store(bench, far).await, held(0, false));
    assert_eq!(store(bench, piece(0, 10)).await, held(10, false));
}
