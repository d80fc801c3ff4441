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

/// Between two looks at the files.
const PERIOD: Duration = Duration::from_secs(2);

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
    prints: Vec<Print>,
}

impl Files {
    /// Looks at them. Whoever does so before reading them misses no change.
    pub fn look(paths: Vec<PathBuf>) -> Self {
        let prints = prints(&paths);
        Self { paths, prints }
    }

    /// Looks again, and says whether any of them has changed since.
    fn look_again(&mut self) -> bool {
        let seen = prints(&self.paths);
        let changed = seen != self.prints;
        self.prints = seen;
        changed
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
    loop {
        tokio::select! {
            changed = asked.changed() => {
                if changed.is_err() {
                    return;
                }
                // Before they are read: what changes meanwhile is seen at the next look.
                this.files.look_again();
            }
            _ = looks.tick() => if !this.files.look_again() { continue },
        }
        let what = this.what;
        let reloaded = (this.reload)();
        observer(what, reloaded.as_ref().err().map(String::as_str));
        let outcome = match reloaded {
            Ok(()) => {
                info!(what, "read anew");
                "done"
            }
            Err(reason) => {
                error!(
                    what,
                    reason, "not read anew: what was read before stays in force"
                );
                "failed"
            }
        };
        counter!(RELOADS, "what" => what, "outcome" => outcome).increment(1);
    }
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
        tokio::time::sleep(PERIOD * 2).await;

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
        tokio::time::sleep(PERIOD * 2).await;
        assert_eq!(heard.try_recv().as_deref(), Ok("longer"));
        assert!(heard.try_recv().is_err(), "once is enough");

        ask.send_modify(|times| *times += 1);
        tokio::time::sleep(PERIOD / 2).await;
        assert_eq!(heard.try_recv().as_deref(), Ok("longer"));

        // Others put a new file in the place of the old.
        let new = folder.path().join("new");
        fs::write(&new, "newest").expect("writes");
        fs::rename(&new, &file).expect("renames");
        tokio::time::sleep(PERIOD * 2).await;
        assert_eq!(heard.try_recv().as_deref(), Ok("newest"));
        assert_eq!(outcomes.load(Ordering::Relaxed), 3);
    }
}
