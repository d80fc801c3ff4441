use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

/// Who decides how often somebody may fail to prove who it is, address by address.
///
/// An address has a budget of failures, which comes back with time. Whoever is about to be looked
/// up holds a part of it, so that no more are looked up at once than may fail.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Attempts: Send + Sync {
    /// Leave for one attempt from `peer`. It waits a little for others from there.
    ///
    /// # Errors
    ///
    /// [`Throttled`] if the address has failed too often, or too many from there are at it.
    async fn begin(&self, peer: Option<IpAddr>) -> Result<Attempt, Throttled>;

    /// Counts a failure of `peer` that needed no looking up. It never waits.
    ///
    /// # Errors
    ///
    /// [`Throttled`] if the address has failed too often already; then it is not counted.
    fn fail(&self, peer: Option<IpAddr>) -> Result<(), Throttled>;

    /// Counts a call of `peer` that proves nothing and tries nothing. It has a budget of its own: it
    /// is no guess, and takes nobody's leave to make one. It never waits.
    ///
    /// # Errors
    ///
    /// [`Throttled`] if there were too many already; then it is not counted.
    fn say_nothing(&self, peer: Option<IpAddr>) -> Result<(), Throttled>;
}

/// An attempt that was begun. Unless it is forgiven, its end is a failure: an attempt that is
/// broken off may have cost a question.
pub struct Attempt(Option<Box<dyn FnOnce(bool) + Send>>);

impl Attempt {
    /// One that tells `end` whether it has failed, once it is over.
    pub fn new(end: impl FnOnce(bool) + Send + 'static) -> Self {
        Self(Some(Box::new(end)))
    }

    /// It has not failed, or through no fault of whoever made it.
    pub fn forgive(mut self) {
        self.end(false);
    }

    fn end(&mut self, failed: bool) {
        if let Some(end) = self.0.take() {
            end(failed);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.end(true);
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempt")
    }
}

/// An address has failed too often, and is looked after no further for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many failed attempts to authenticate from this address; try again in {} ms",
    retry_after.as_millis()
)]
pub struct Throttled {
    /// When the next attempt may be made.
    pub retry_after: Duration,
    /// When the address has its full budget again, if nothing fails until then.
    pub full_after: Duration,
    /// Whether this is the first attempt from there that is refused for it in a while.
    pub newly: bool,
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_is_not_forgiven_has_failed() {
        let (told, heard) = mpsc::channel();
        let attempt = || {
            let told = told.clone();
            Attempt::new(move |failed| told.send(failed).expect("is heard"))
        };

        attempt().forgive();
        drop(attempt());
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [false, true]);
    }
}
