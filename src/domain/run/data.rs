//! What runs produce.

use std::collections::BTreeMap;
use std::collections::btree_map::IntoIter;
use std::fmt;
use std::sync::Arc;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

/// A JSON object. Clones share it.
///
/// Its values stay the text that they came as: a list of numbers of one byte each would take
/// sixteen times as much memory in parts, and nobody here looks into it.
#[derive(Clone, Default)]
pub struct Data(Arc<BTreeMap<String, Box<RawValue>>>);

impl Data {
    /// The object that `text` is.
    ///
    /// # Errors
    ///
    /// If it is another kind of value, or none that every reader of JSON accepts: a number that is
    /// too large, half a character, or more than 128 levels.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        Self::parse_up_to(usize::MAX, text)
    }

    /// The object that `text` is, unless it has more than `max_keys`: each takes more memory than
    /// it may have taken to write.
    ///
    /// # Errors
    ///
    /// As of [`parse`](Self::parse), and for the keys.
    pub fn parse_up_to(max_keys: usize, text: &str) -> Result<Self, serde_json::Error> {
        let mut from = serde_json::Deserializer::from_str(text);
        let object = Object { max_keys }.deserialize(&mut from)?;
        from.end()?;
        for value in object.values() {
            let _sound: Sound = serde_json::from_str(value.get())?;
        }
        Ok(Self(Arc::new(object)))
    }

    /// Whether it has no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What it takes, in bytes, about.
    pub fn weight(&self) -> usize {
        let entries = self.0.iter();
        let each = entries
            .map(|(key, value)| size_of::<(String, Box<str>)>() + key.len() + value.get().len());
        each.sum()
    }

    /// Puts each value of `over` in the place of what is there by that key.
    pub fn merge(&mut self, over: &Self) {
        if self.is_empty() {
            self.clone_from(over);
        } else if !over.is_empty() {
            let over = over
                .0
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()));
            Arc::make_mut(&mut self.0).extend(over);
        }
    }
}

impl IntoIterator for Data {
    type Item = (String, Box<RawValue>);
    type IntoIter = IntoIter<String, Box<RawValue>>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

/// As JSON, in one line if its values are.
impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&*self.0).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// However they are spelled: a store may have a spelling of its own.
impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: &RawValue, other: &RawValue| {
            let read =
                |value: &RawValue| serde_json::from_str::<serde_json::Value>(value.get()).ok();
            one.get() == other.get() || read(one) == read(other)
        };
        let (one, other) = (&self.0, &other.0);
        one.len() == other.len()
            && one
                .iter()
                .zip(other.iter())
                .all(|((key, value), (other_key, other))| key == other_key && same(value, other))
    }
}

/// A JSON object whose values are not taken apart.
struct Object {
    max_keys: usize,
}

impl<'de> DeserializeSeed<'de> for Object {
    type Value = BTreeMap<String, Box<RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = BTreeMap<String, Box<RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of at most {} keys", self.max_keys)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry()? {
            object.insert(key, value);
            if object.len() > self.max_keys {
                return Err(A::Error::invalid_length(object.len(), &self));
            }
        }
        Ok(object)
    }
}

/// A JSON value that was read to its end, and not kept.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self, A::Error> {
        while values.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Data {
        Data::parse(text).expect("is an object")
    }

    #[test]
    fn values_stay_as_they_were_written() {
        let data = data(r#"{ "b": 1.50, "a": [1,  null], "b": {"x": "ü"} }"#);
        assert_eq!(data.to_string(), r#"{"a":[1,  null],"b":{"x": "ü"}}"#);
        assert_eq!((data.len(), data.is_empty()), (2, false));
        assert!(data.weight() > data.to_string().len());
    }

    #[test]
    fn what_not_every_reader_accepts_is_refused() {
        let deep =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        Data::parse(&deep(100)).expect("is an object");
        for text in [
            "",
            "null",
            "[1]",
            "{",
            "{} {}",
            r#"{"a": 1e999}"#,
            r#"{"a": "\ud800"}"#,
            r#"{"a": {"\ud800": 1}}"#,
            r#"{"a": 01}"#,
            &deep(200),
        ] {
            assert!(Data::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn too_many_keys_are_refused_and_one_that_comes_twice_is_one() {
        let text = r#"{"a": 1, "b": 2, "a": 3}"#;
        assert_eq!(
            Data::parse_up_to(2, text).expect("is an object"),
            data(r#"{"a": 3, "b": 2}"#)
        );
        let error = Data::parse_up_to(1, text).expect_err("has two");
        assert!(error.to_string().contains("at most 1 keys"), "{error}");
    }

    #[test]
    fn the_spelling_makes_no_difference() {
        assert_eq!(
            data(r#"{"a": [1, 2], "b": "ü"}"#),
            data(r#"{"b":"\u00fc","a":[1,2]}"#)
        );
        for other in [r#"{"a": 2}"#, r#"{"b": 1}"#, r#"{"a": 1, "b": 2}"#, "{}"] {
            assert_ne!(data(r#"{"a": 1}"#), data(other));
        }
    }

    #[test]
    fn one_is_merged_over_another_key_by_key() {
        let mut merged = Data::default();
        for over in [
            r#"{"a": 1, "b": {"x": 1}}"#,
            "{}",
            r#"{"b": {"y": 2}, "c": null}"#,
        ] {
            merged.merge(&data(over));
        }
        assert_eq!(merged, data(r#"{"a": 1, "b": {"y": 2}, "c": null}"#));
    }
}
