//! Files that are read anew when they change, without a restart.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::counter;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use crate::metrics::RELOADS;

/// Between two looks at the files. One that has changed is read when it has stayed the same from one
/// look to the next: it may take its writer more than one go.
const PERIOD: Duration = Duration::from_secs(1);

/// Takes new files over, or says why they are no good; the old ones then stay in force.
pub type Reload = Box<dyn FnMut() -> Result<(), String> + Send>;

/// What is read from files, and how it is taken over.
pub struct Reloadable {
    /// What it is, for the log and the metrics: few words, always the same.
    pub what: &'static str,
    /// The files as they were before they were read; none if only a signal makes it read anew.
    pub files: Files,
    /// How it is taken over.
    pub reload: Reload,
}

/// Files, as they were when somebody looked.
#[derive(Debug, Default)]
pub struct Files {
    paths: Vec<PathBuf>,
    /// As they were when they were read.
    read: Vec<Print>,
    /// As they were at the last look.
    seen: Vec<Print>,
}

impl Files {
    /// Looks at them. Whoever does so before reading them misses no change.
    pub fn look(paths: Vec<PathBuf>) -> Self {
        let seen = prints(&paths);
        Self {
            paths,
            read: seen.clone(),
            seen,
        }
    }

    /// Looks again, and says whether they are to be read: they have changed since they were, or are
    /// wanted `anyway`, and nobody has changed them since the last look.
    fn are_due(&mut self, anyway: bool) -> bool {
        let seen = prints(&self.paths);
        let settled = seen == self.seen;
        self.seen = seen;
        settled && (anyway || self.seen != self.read)
    }

    /// They are about to be read.
    fn begin(&mut self) {
        // Before they are: what changes meanwhile is seen at the next look.
        self.seen = prints(&self.paths);
        self.read.clone_from(&self.seen);
    }
}

/// Hears what was read anew, and why it was not, if it was not.
pub type Observer = Arc<dyn Fn(&'static str, Option<&str>) + Send + Sync>;

/// Reads each of `all` anew when one of its files changes, and with each change of `asked` that its
/// holder has not seen, for as long as whoever asks is there.
pub fn spawn(all: Vec<Reloadable>, asked: &watch::Receiver<u64>, observer: &Observer) {
    for one in all {
        tokio::spawn(follow(one, asked.clone(), observer.clone()));
    }
}

async fn follow(mut this: Reloadable, mut asked: watch::Receiver<u64>, observer: Observer) {
    let mut looks = interval(PERIOD);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failure = None;
    loop {
        let wanted = tokio::select! {
            changed = asked.changed() => {
                if changed.is_err() {
                    return;
                }
                true
            }
            // What kept it from being read need not show in the files: who may read them, say, or
            // the time from which on a list counts.
            _ = looks.tick() => {
                if !this.files.are_due(failure.is_some()) {
                    continue;
                }
                false
            }
        };
        this.files.begin();
        let failed = (this.reload)().err();
        if wanted || failed.is_none() || failed != failure {
            tell(this.what, failed.as_deref(), &observer);
        }
        failure = failed;
    }
}

fn tell(what: &'static str, failure: Option<&str>, observer: &Observer) {
    observer(what, failure);
    let outcome = match failure {
        None => {
            info!(what, "read anew");
            "done"
        }
        Some(reason) => {
            error!(
                what,
                reason, "not read anew: what was read before stays in force"
            );
            "failed"
        }
    };
    counter!(RELOADS, "what" => what, "outcome" => outcome).increment(1);
}

/// By what one tells that a file is another one. Links are followed, since secrets that are mounted
/// change by a link that points elsewhere.
type Print = Option<(SystemTime, u64, u64)>;

fn prints(files: &[PathBuf]) -> Vec<Print> {
    let print = |file: &PathBuf| -> Print {
        let metadata = fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), inode(&metadata)))
    };
    files.iter().map(print).collect()
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// What is told each time a file is read anew.
    fn reloadable(file: PathBuf, told: mpsc::Sender<String>) -> Reloadable {
        Reloadable {
            what: "test",
            files: Files::look(vec![file.clone()]),
            reload: Box::new(move || {
                let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
                told.send(text).map_err(|error| error.to_string())
            }),
        }
    }

    fn nobody() -> Observer {
        Arc::new(|_, _| ())
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_changes_after_it_was_looked_at_is_read() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let file = folder.path().join("f");
        let (told, heard) = mpsc::channel();
        let (_ask, asked) = watch::channel(0);
        fs::write(&file, "one").expect("writes");
        let looked_at = reloadable(file.clone(), told.clone());

        fs::write(&file, "longer").expect("writes");
        spawn(vec![looked_at], &asked, &nobody());
        let spawned = reloadable(file.clone(), told);
        spawn(vec![spawned], &asked, &nobody());
        // Neither has run yet.
        fs::write(&file, "the longest").expect("writes");
        tokio::time::sleep(PERIOD * 3).await;

        let heard: Vec<_> = heard.try_iter().collect();
        assert_eq!(heard, ["the longest", "the longest"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_at_the_start_is_done() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let file = folder.path().join("f");
        fs::write(&file, "one").expect("writes");
        let (told, heard) = mpsc::channel();
        let (ask, asked) = watch::channel(0);

        ask.send_modify(|times| *times += 1);
        spawn(vec![reloadable(file, told)], &asked, &nobody());
        ask.send_modify(|times| *times += 1);
        tokio::time::sleep(PERIOD / 2).await;

        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["one"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_read_when_it_changes_and_when_that_is_asked_for() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let file = folder.path().join("f");
        fs::write(&file, "one").expect("writes");
        let (told, heard) = mpsc::channel();
        let (ask, asked) = watch::channel(0);
        let outcomes = Arc::new(AtomicU32::new(0));
        let counted = outcomes.clone();
        let observer: Observer = Arc::new(move |what, failure| {
            assert_eq!((what, failure), ("test", None));
            counted.fetch_add(1, Ordering::Relaxed);
        });
        spawn(vec![reloadable(file.clone(), told)], &asked, &observer);
        tokio::time::sleep(PERIOD * 3).await;
        assert!(heard.try_recv().is_err(), "it did not change");

        fs::write(&file, "longer").expect("writes");
        tokio::time::sleep(PERIOD * 3).await;
        assert_eq!(heard.try_recv().as_deref(), Ok("longer"));
        assert!(heard.try_recv().is_err(), "once is enough");

        ask.send_modify(|times| *times += 1);
        tokio::time::sleep(PERIOD / 2).await;
        assert_eq!(heard.try_recv().as_deref(), Ok("longer"));

        // Others put a new file in the place of the old.
        let new = folder.path().join("new");
        fs::write(&new, "newest").expect("writes");
        fs::rename(&new, &file).expect("renames");
        tokio::time::sleep(PERIOD * 3).await;
        assert_eq!(heard.try_recv().as_deref(), Ok("newest"));
        assert_eq!(outcomes.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_still_written_is_not_read() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let file = folder.path().join("f");
        fs::write(&file, "one").expect("writes");
        let (told, heard) = mpsc::channel();
        let (_ask, asked) = watch::channel(0);
        spawn(vec![reloadable(file.clone(), told)], &asked, &nobody());

        tokio::time::sleep(PERIOD / 2).await;
        for length in 4..10 {
            fs::write(&file, "o".repeat(length)).expect("writes");
            tokio::time::sleep(PERIOD).await;
        }
        assert!(heard.try_recv().is_err(), "it grows");
        tokio::time::sleep(PERIOD * 2).await;
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["o".repeat(9)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_tried_again_and_told_once() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let file = folder.path().join("f");
        fs::write(&file, "one").expect("writes");
        let (told, heard) = mpsc::channel();
        let (ask, asked) = watch::channel(0);
        let (count, outcomes) = mpsc::channel();
        let observer: Observer = Arc::new(move |_, failure| {
            count.send(failure.map(str::to_owned)).expect("is heard");
        });
        // Nothing of the file tells that it may be read now.
        let (allow, allowed) = watch::channel(false);
        let mut this = reloadable(file.clone(), told);
        let mut read = this.reload;
        this.reload = Box::new(move || {
            if *allowed.borrow() {
                read()
            } else {
                Err("it may not be read".to_owned())
            }
        });
        spawn(vec![this], &asked, &observer);

        fs::write(&file, "longer").expect("writes");
        tokio::time::sleep(PERIOD * 10).await;
        let failed = || Some("it may not be read".to_owned());
        assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), [failed()]);
        ask.send_modify(|times| *times += 1);
        tokio::time::sleep(PERIOD * 10).await;
        let told: Vec<_> = outcomes.try_iter().collect();
        assert_eq!(told, [failed()], "whoever asks is answered");

        allow.send_replace(true);
        tokio::time::sleep(PERIOD * 10).await;
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["longer"]);
        assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), [None]);
    }
}
