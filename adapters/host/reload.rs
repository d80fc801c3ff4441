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
    /// The files; none if only a signal makes it read anew.
    pub files: Vec<PathBuf>,
    /// How it is taken over.
    pub reload: Reload,
}

/// Hears what was read anew, and why it was not, if it was not.
pub type Observer = Arc<dyn Fn(&'static str, Option<&str>) + Send + Sync>;

/// Reads each of `all` anew when one of its files changes, and with each change of `asked`, for as
/// long as whoever asks is there.
pub fn spawn(all: Vec<Reloadable>, asked: &watch::Receiver<u64>, observer: &Observer) {
    for one in all {
        tokio::spawn(follow(one, asked.clone(), observer.clone()));
    }
}

async fn follow(mut this: Reloadable, mut asked: watch::Receiver<u64>, observer: Observer) {
    let mut known = prints(&this.files);
    let mut looks = interval(PERIOD);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    asked.mark_unchanged();
    loop {
        tokio::select! {
            changed = asked.changed() => if changed.is_err() { return },
            _ = looks.tick() => if prints(&this.files) == known { continue },
        }
        // Taken before the files are read: what changes meanwhile is seen at the next look.
        known = prints(&this.files);
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
            files: vec![file.clone()],
            reload: Box::new(move || {
                let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
                told.send(text).map_err(|error| error.to_string())
            }),
        }
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
