use proptest::prelude::*;

use super::*;

fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn entry(pairs: &[(&str, &str)]) -> Entry {
    let mut all = vec![("task_id", "t")];
    all.extend(pairs);
    read(&fields(&all)).expect("is a task")
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    let mut all = vec![("task_id", "t")];
    all.extend(pairs);
    let refused = read(&fields(&all)).expect_err("is no task");
    refused.to_string()
}

fn value<'a>(values: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    values.get(name).expect("is there")
}

#[test]
fn a_name_alone_is_a_task() {
    let task = Task::new(TaskId::parse("t").expect("is an identifier"));
    let bare = entry(&[]);
    assert_eq!(bare.task, task);
    assert_eq!((bare.returns, bare.reason), (0, None));

    let empty = [
        "run_id",
        "project_id",
        "project_type",
        "priority",
        "params",
        "environment",
        "timeout",
        "download_url",
        "file_hash",
        "entry_point",
        "is_compressed",
        "requeue_reason",
    ];
    assert_eq!(entry(&empty.map(|name| (name, ""))).task, task);
}

#[test]
fn numbers_and_booleans_are_text_of_any_usual_form() {
    for (text, yes) in [
        ("true", true),
        ("True", true),
        ("1", true),
        ("false", false),
        ("False", false),
        ("0", false),
    ] {
        assert_eq!(
            entry(&[("is_compressed", text)]).task.is_compressed,
            yes,
            "{text}"
        );
    }
    let timed = |text| entry(&[("timeout", text)]).task.timeout;
    assert_eq!(timed("1"), Duration::from_secs(1));
    assert_eq!(timed("2147483647"), Duration::from_secs(2_147_483_647));
    assert_eq!(timed("0"), DEFAULT_TIMEOUT);
    assert_eq!(entry(&[("priority", "-3")]).task.priority, -3);
}

#[test]
fn text_values_pass_as_they_are_and_others_as_their_json_text() {
    let params = r#"{"s": "a \"b\"\nü", "n": 1.50, "big": 123456789012345678901234567890,
        "b": true, "none": null, "o": {"z": [1, 2], "a": "x"}, "e": ""}"#;
    let task = entry(&[("params", params), ("environment", r#"{"N":3}"#)]).task;

    for (name, expected) in [
        ("s", "a \"b\"\nü"),
        ("n", "1.50"),
        ("big", "123456789012345678901234567890"),
        ("b", "true"),
        ("none", "null"),
        ("o", r#"{"z": [1, 2], "a": "x"}"#),
        ("e", ""),
    ] {
        assert_eq!(value(&task.params, name), expected);
    }
    assert_eq!(value(&task.environment, "N"), "3");
}

#[test]
fn what_is_no_task_is_told_by_the_field() {
    let none = read(&fields(&[("run_id", "r")])).expect_err("has no task");
    assert_eq!(none.field, "task_id");
    for (name, text) in [
        ("task_id", "a b"),
        ("run_id", "a:b"),
        ("params", "[1]"),
        ("params", "null"),
        ("params", "{"),
        ("params", "{\"a\":\"\\ud800\"}"),
        ("environment", "\"x\""),
        ("timeout", "-1"),
        ("timeout", "2147483648"),
        ("timeout", "soon"),
        ("timeout", "1.5"),
        ("priority", "3000000000"),
        ("priority", "high"),
        ("is_compressed", "yes"),
        ("requeue_count", "-1"),
    ] {
        let refusal = refusal(&[(name, text)]);
        assert!(refusal.starts_with(&format!("{name}: ")), "{refusal}");
    }
}

#[test]
fn a_return_is_told_with_its_count_or_without() {
    let counted = entry(&[("requeue_reason", "no slot"), ("requeue_count", "3")]);
    assert_eq!(
        (counted.returns, counted.reason.as_deref()),
        (3, Some("no slot"))
    );

    let uncounted = entry(&[
        ("requeue_reason", ""),
        ("requeue_at", "2026-01-01T00:00:00+00:00"),
    ]);
    assert_eq!((uncounted.returns, uncounted.reason), (1, None));
}

proptest! {
    #[test]
    fn no_entry_panics(pairs in prop::collection::vec((name(), any::<String>()), 0..12)) {
        let _read = read(&pairs);
    }

    #[test]
    fn any_json_object_is_read(text in json(), name in "[a-z]{1,8}") {
        let params = serde_json::json!({ &name: text }).to_string();
        let task = entry(&[("params", &params)]).task;
        prop_assert_eq!(value(&task.params, &name), text);
    }
}

fn name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "task_id",
        "run_id",
        "priority",
        "params",
        "environment",
        "timeout",
        "is_compressed",
        "requeue_count",
    ]);
    prop_oneof![known.prop_map(str::to_owned), any::<String>()]
}

fn json() -> impl Strategy<Value = String> {
    any::<String>()
}
