//! Reading what Redis answers: whatever has another form than expected is nonsense, never a panic.

use fred::types::Value;

use super::link::LinkError;

/// An entry of a stream: its id and its fields.
pub(super) type Entry = (String, Vec<(String, String)>);

/// The elements of a list; nothing is an empty one.
pub(super) fn list(value: Value) -> Result<Vec<Value>, LinkError> {
    if let Value::Array(elements) = value {
        return Ok(elements);
    }
    if value.is_null() {
        return Ok(Vec::new());
    }
    Err(nonsense("no list", &value))
}

/// A text; bytes that are none are read as nearly as they can be.
pub(super) fn text(value: &Value) -> Result<String, LinkError> {
    if let Value::Bytes(bytes) = value {
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    let text = value.as_string();
    text.ok_or_else(|| nonsense("no text", value))
}

/// The names and values of fields, which stand in turn; none, unless all of them are text.
pub(super) fn texts_only(flat: &[Value]) -> Option<Vec<(String, String)>> {
    let pairs = flat.chunks_exact(2);
    pairs
        .map(|pair| Some((pair[0].as_string()?, pair[1].as_string()?)))
        .collect()
}

/// A whole number.
pub(super) fn number(value: &Value) -> Result<i64, LinkError> {
    value.as_i64().ok_or_else(|| nonsense("no number", value))
}

/// The fields of an entry or a hash, in the order they stand.
pub(super) fn fields(value: Value) -> Result<Vec<(String, String)>, LinkError> {
    let flat = list(value)?;
    let pairs = flat.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(LinkError::Nonsense("a field without a value".to_owned()));
    }
    pairs
        .map(|pair| Ok((text(&pair[0])?, text(&pair[1])?)))
        .collect()
}

/// An entry of a stream: its id and its fields.
pub(super) fn entry(value: Value) -> Result<Entry, LinkError> {
    let mut parts = list(value)?.into_iter();
    let (Some(id), Some(content), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(LinkError::Nonsense("no entry of a stream".to_owned()));
    };
    Ok((text(&id)?, fields(content)?))
}

/// The entries of a stream.
pub(super) fn entries(value: Value) -> Result<Vec<Entry>, LinkError> {
    list(value)?.into_iter().map(entry).collect()
}

fn nonsense(what: &str, value: &Value) -> LinkError {
    LinkError::Nonsense(format!("{what} but a {}", value.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Value {
        Value::Array(texts.iter().map(|text| Value::from(*text)).collect())
    }

    #[test]
    fn an_entry_is_its_id_and_its_fields_in_order() {
        let value = Value::Array(vec!["1-0".into(), texts(&["b", "1", "a", "2"])]);

        let (id, fields) = entry(value).expect("is an entry");
        assert_eq!(id, "1-0");
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        assert_eq!(fields, [("b", "1"), ("a", "2")].map(pair));
    }

    #[test]
    fn nonsense_is_an_error_and_no_panic() {
        for value in [
            Value::Integer(1),
            texts(&["1-0"]),
            Value::Array(vec!["1-0".into(), texts(&["odd"])]),
            Value::Array(vec![Value::Null, texts(&[])]),
        ] {
            assert!(entry(value).is_err());
        }
        assert!(number(&Value::from("x")).is_err());
        assert!(text(&texts(&["x"])).is_err());
        assert!(list(Value::from("x")).is_err());
        assert_eq!(list(Value::Null).expect("is empty"), vec![]);
    }
}
