//! Fuzzing whatever reads what others wrote.
//!
//! A target reads bytes, panics if a rule is broken, and tells in a few words what it found in
//! them. It begins with the inputs of its corpus, `tests/fuzz/corpus/<name>/`, and goes on with
//! mutations of them; whatever makes a target tell something new is mutated further. In a test run
//! the seed and the number of inputs are fixed, so that it goes the same way every time;
//! `tests/fuzz/run` gives each target a minute and a seed of its own.

mod admin;
mod domain;
mod headers;
mod mutation;
mod requests;

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::time::Instant;

use self::mutation::Pool;

/// Inputs of a test run, besides the corpus.
const INPUTS: u32 = 2_000;

/// The longest input, in bytes.
const MAX_LEN: usize = 16 * 1024;

/// How long a target may look at one input. A hang, not slowness, is what it tells of.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `target` as the environment says, and fails with the first input that breaks it.
pub(crate) fn fuzz<T: Hash>(name: &str, target: impl Fn(&[u8]) -> T) {
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    let mut seen = HashSet::new();
    let mut pool = Pool::default();
    for (path, input) in corpus {
        seen.insert(outcome(name, &target, &input, &path.display().to_string()));
        pool.add(input);
    }
    let run = Run::of(name);
    let mut random = StdRng::seed_from_u64(run.seed);
    let (began, mut count) = (Instant::now(), 0);
    while run.goes_on(began, count) {
        count += 1;
        let input = pool.mutated(&mut random, MAX_LEN);
        if seen.insert(outcome(
            name,
            &target,
            &input,
            &format!("seed {}", run.seed),
        )) {
            pool.add(input);
        }
    }
    println!(
        "{name}: {count} inputs, seed {}, {} outcomes",
        run.seed,
        seen.len()
    );
}

/// How long it goes on, and from where.
struct Run {
    seed: u64,
    time: Option<Duration>,
}

impl Run {
    #[expect(
        clippy::disallowed_methods,
        reason = "these are no settings of the gateway's"
    )]
    fn of(name: &str) -> Self {
        let number = |name| std::env::var(name).ok()?.parse().ok();
        Self {
            seed: number("FUZZ_SEED").unwrap_or_else(|| hash(name)),
            time: number("FUZZ_SECONDS").map(Duration::from_secs),
        }
    }

    fn goes_on(&self, began: Instant, count: u32) -> bool {
        self.time
            .map_or(count < INPUTS, |time| began.elapsed() < time)
    }
}

/// What `target` makes of `input`, as a number.
fn outcome<T: Hash>(name: &str, target: &impl Fn(&[u8]) -> T, input: &[u8], origin: &str) -> u64 {
    let began = Instant::now();
    let told = panic::catch_unwind(AssertUnwindSafe(|| hash(&target(input))));
    let in_time = began.elapsed() < PATIENCE;
    match told {
        Ok(told) if in_time => told,
        broken => {
            let kept = keep(name, input);
            let text = String::from_utf8_lossy(input);
            let how = if broken.is_ok() { "is slow" } else { "breaks" };
            panic!(
                "{name} {how} ({origin}; kept as {}):\n{text:?}",
                kept.display()
            );
        }
    }
}

/// Keeps what broke a target, for the corpus.
fn keep(name: &str, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    let path = folder.join(format!("{name}-{:016x}", hash(input)));
    fs::create_dir_all(&folder).expect("makes a folder");
    fs::write(&path, input).expect("writes");
    path
}

fn hash<T: Hash + ?Sized>(what: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The inputs that a target begins with, in the order of their names.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let files = fs::read_dir(folder.join(name)).expect("has a corpus");
    let mut paths: Vec<_> = files.map(|file| file.expect("is listed").path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let input = fs::read(&path).expect("reads");
        (path, input)
    };
    paths.into_iter().map(read).collect()
}

/// The text of an input; what is none is left out.
pub(crate) fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

/// The fields of an input: a line each, its name before the first `=`.
pub(crate) fn fields(input: &[u8]) -> Vec<(String, String)> {
    let text = text(input);
    let split = |line: &str| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        (name.to_owned(), value.replace('\u{1f}', "\n"))
    };
    text.split('\n').map(split).collect()
}

mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_target_that_breaks_on_some_input_is_found() {
        // No time of the corpus has so many colons, and each that has more than before is mutated
        // further.
        let broken = panic::catch_unwind(|| {
            fuzz("time", |input| {
                let colons = text(input).matches(':').count();
                assert!(colons < 100, "there it is");
                colons
            });
        });
        broken.expect_err("is found");
    }

    #[test]
    fn a_run_goes_the_same_way_every_time() {
        let run = || {
            let all = Cell::new(0);
            fuzz("time", |input| {
                all.set(hash(&(all.get(), input)));
                input.first().copied()
            });
            all.get()
        };
        assert_eq!(run(), run());
    }
}
