use std::sync::{Arc, PoisonError, RwLock};

/// What many read and somebody replaces as a whole, now and then.
#[derive(Debug)]
pub(in crate::outbound) struct Swapped<T>(RwLock<Arc<T>>);

impl<T> Swapped<T> {
    pub(in crate::outbound) fn new(value: Arc<T>) -> Self {
        Self(RwLock::new(value))
    }

    /// What is there now.
    pub(in crate::outbound) fn get(&self) -> Arc<T> {
        // Nothing panics while the lock is held.
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts `value` in its place.
    pub(in crate::outbound) fn replace(&self, value: Arc<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}
