use super::*;
use proptest::prelude::*;

fn read(text: &str, content_type: MediaType, has_columns: bool, is_call: bool) -> Result<Payload, String> {
    Payload::parse(Bytes::copy_from_slice(text.as_bytes()), &content_type, has_columns, is_call)
        .map_err(|error| error.to_string())
}

fn keys(text: &str) -> Result<Vec<String>, String> {
    read(text, MediaType::Json, false, false)
        .map(|payload| payload.keys().unwrap_or_default().into_iter().collect())
}

/// The JSON that goes to the database.
fn raw(payload: Result<Payload, String>) -> Result<String, String> {
    payload.map(|payload| match payload {
        Payload::Json { raw, .. } => String::from_utf8_lossy(&raw).into_owned(),
        other => format!("{other:?}"),
    })
}

#[test]
fn json_is_scanned_for_its_keys() {
    let ok = |keys: &[&str]| Ok(keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>());
    let invalid = || Err("Empty or invalid json".to_owned());
    let mixed = || Err("All object keys must match".to_owned());
    for (text, expected) in [
        (r#"{"b":1,"a":{"x":[1]}}"#, ok(&["a", "b"])),
        (r#"{"a":1,"a":2}"#, ok(&["a"])),
        (r#"{"\u0061\n":1}"#, ok(&["a\n"])),
        ("{}", ok(&[])),
        ("[]", ok(&[])),
        ("[{},{}]", ok(&[])),
        ("null", ok(&[])),
        ("\"text\"", ok(&[])),
        (" 12.5 ", ok(&[])),
        (r#"[{"a":1,"b":2},{"a":1,"b":2}]"#, ok(&["a", "b"])),
        (r#"[{"a":1,"b":2},{"b":1,"a":2}]"#, ok(&["a", "b"])),
        (r#"[{"a":1,"b":2},{"a":1,"b":2,"a":3}]"#, ok(&["a", "b"])),
        (r#"[{"a":1},{"a":1,"b":2}]"#, mixed()),
        (r#"[{"a":1,"b":2},{"a":1}]"#, mixed()),
        (r#"[{"a":1,"b":2},{}]"#, mixed()),
        (r#"[{},{"a":1}]"#, mixed()),
        (r#"[{"a":1},2]"#, mixed()),
        ("[1,2]", mixed()),
        ("[[1],{}]", mixed()),
        ("", invalid()),
        ("{", invalid()),
        (r#"{"a":1} x"#, invalid()),
        (r#"[1,{"a":}]"#, invalid()),
        (r#"{"a":"\q"}"#, invalid()),
        ("{'a':1}", invalid()),
    ] {
        assert_eq!(keys(text), expected, "{text}");
    }
}

#[test]
fn scalars_and_empty_arrays_become_an_empty_array() {
    for text in ["[]", "1", "null", "true", "\"x\""] {
        let payload = read(text, MediaType::Json, false, false);
        assert_eq!(raw(payload), Ok("[]".to_owned()), "{text}");
    }
}

#[test]
fn with_columns_nothing_is_looked_at() {
    let payload = read(" [not json", MediaType::Json, true, false);
    assert_eq!(payload, Ok(Payload::RawJson(Bytes::from_static(b" [not json"))));
}

#[test]
fn functions_take_more() {
    assert_eq!(
        read("", MediaType::Json, false, true),
        Ok(Payload::Json { raw: Bytes::from_static(b"{}"), keys: BTreeSet::new() })
    );
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        read("v=1&v=a+b&w", MediaType::UrlEncoded, false, true),
        Ok(Payload::Form(vec![pair("v", "1"), pair("v", "a b"), pair("w", "")]))
    );
    for text in [MediaType::TextPlain, MediaType::TextXml, MediaType::OctetStream] {
        let refused = format!("Content-Type not acceptable: {}", text.mime());
        assert_eq!(read("x", text.clone(), false, false), Err(refused));
        assert_eq!(read("x", text, false, true), Ok(Payload::Raw(Bytes::from_static(b"x"))));
    }
}

#[test]
fn forms_and_csv_become_json() {
    assert_eq!(
        raw(read("a=1&b=x%22y&a=2", MediaType::UrlEncoded, false, false)),
        Ok(r#"{"a":"2","b":"x\"y"}"#.to_owned())
    );
    assert_eq!(
        raw(read("a,b\nNULL,\n\"x,y\",2\n", MediaType::Csv, false, false)),
        Ok(r#"[{"a":null,"b":""},{"a":"x,y","b":"2"}]"#.to_owned())
    );
    assert_eq!(
        raw(read("a,b\n1\n", MediaType::Csv, false, false)),
        Err("All lines must have same number of fields".to_owned())
    );
    assert_eq!(raw(read("a,b\n", MediaType::Csv, false, false)), Ok("[]".to_owned()));
}

#[test]
fn deep_nesting_is_refused_without_deep_recursion() {
    let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(keys(&deep(500)).is_ok());
    assert!(keys(&deep(100_000)).is_err());
    assert!(keys(&"[".repeat(100_000)).is_err());
    // Brackets in strings are text.
    assert!(keys(&format!("{{\"a\":\"{}\\\"\"}}", "[".repeat(5000))).is_ok());
}

#[test]
fn bodies_do_not_grow_beyond_measure() {
    // A megabyte of header, to be repeated in each of a million rows.
    let csv = format!("{}\n{}", "x".repeat(1 << 20), "1\n".repeat(1 << 20));
    let too_large = "The CSV is too large with its header in every row".to_owned();
    assert_eq!(raw(read(&csv, MediaType::Csv, false, false)), Err(too_large));
    assert!(raw(read(&",".repeat(1 << 20), MediaType::Csv, false, false)).is_err());
    let narrow = format!("column_with_a_long_name\n{}", "1\n".repeat(1 << 20));
    assert!(raw(read(&narrow, MediaType::Csv, false, false)).is_ok());
    for is_call in [false, true] {
        assert!(read(&"a&".repeat(MAX_FIELDS), MediaType::UrlEncoded, false, is_call).is_ok());
        assert!(read(&"a&".repeat(MAX_FIELDS + 1), MediaType::UrlEncoded, false, is_call).is_err());
    }
}

proptest! {
    #[test]
    fn the_scan_agrees_with_a_parser(text in "[\\[\\]{}\":,a1 \\\\]{0,24}") {
        let parses = serde_json::from_str::<Value>(&text).is_ok();
        let scanned = keys(&text);
        prop_assert_eq!(parses, scanned != Err("Empty or invalid json".to_owned()));
    }

    #[test]
    fn csv_of_any_kind_is_survived(text in "[a,\"\r\n ]{0,24}") {
        let _ = read(&text, MediaType::Csv, false, false);
    }
}
