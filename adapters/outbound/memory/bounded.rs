use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Something that may be forgotten at times.
pub(super) trait Forgettable: Default {
    /// Whether nothing is lost with it.
    fn is_idle(&self) -> bool;
}

/// A map that keeps to its bound by forgetting what is idle.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    map: HashMap<K, V>,
    max: usize,
}

impl<K: Clone + Eq + Hash, V: Forgettable> Bounded<K, V> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            map: HashMap::new(),
            max,
        }
    }

    pub(super) fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.map.get_mut(key)
    }

    /// What belongs to `key`, made where there is nothing; none if there is no room for it.
    pub(super) fn get_or_make(&mut self, key: &K) -> Option<&mut V> {
        if !self.map.contains_key(key) && self.map.len() >= self.max {
            // All at once, so that the next ones find room without a search.
            self.map.retain(|_, value| !value.is_idle());
            if self.map.len() >= self.max {
                return None;
            }
        }
        Some(self.map.entry(key.clone()).or_default())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.map.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Busy(bool);

    impl Forgettable for Busy {
        fn is_idle(&self) -> bool {
            !self.0
        }
    }

    #[test]
    fn what_is_idle_makes_room_and_what_is_busy_does_not() {
        let mut map = Bounded::<u8, Busy>::new(2);
        map.get_or_make(&1).expect("has room").0 = true;
        map.get_or_make(&2).expect("has room");

        map.get_or_make(&3).expect("has room, as 2 is idle").0 = true;
        assert!(map.get_mut(&2).is_none());
        assert!(map.get_or_make(&4).is_none());
        assert!(map.get_or_make(&1).is_some());
    }
}
