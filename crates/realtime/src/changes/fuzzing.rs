//! What must be true of filters and values, whatever they are.

use serde::de::IgnoredAny;
use serde_json::json;

use super::compare::{Verdict, compare};
use super::kind::{Kind, Type, Types, built_in};
use super::value;
use super::wanted::Wanted;

/// One type of each kind, by number.
fn types() -> Types {
    let mut types = Types::default();
    let array = |element, delimiter| Kind::Array { element, delimiter };
    let row = Kind::Row(vec![("a".to_owned(), 1), ("\"b".to_owned(), 3), ("c".to_owned(), 9)]);
    let kinds = [16, 20, 1700, 25, 2950, 0, 17, 3802, 1184].map(built_in).into_iter();
    let kinds = kinds.chain([array(1, ','), array(3, ';'), row, array(11, ','), Kind::Domain { base: 2 }]);
    for (oid, kind) in kinds.enumerate() {
        let kind = if oid == 5 { Kind::Enum } else { kind };
        let oid = u32::try_from(oid).unwrap_or_default();
        types.put(oid, Type { name: String::new(), sql: String::new(), kind });
    }
    types
}

/// How many they are.
const TYPES: u32 = 14;

/// What is refused is refused with a reason; what is not has a meaning for each type, and one only.
pub(crate) fn filter(filter: &str, value: &str) {
    let params = json!({ "schema": "s", "table": "t", "filter": filter });
    let Some(Ok(wanted)) = params.as_object().map(Wanted::parse) else { return };
    assert!(wanted.shown().starts_with("[event: *"));
    let types = types();
    for one in &wanted.filters {
        assert!(filter.contains(&one.column));
        for oid in 0..TYPES {
            let mut opposite = one.clone();
            opposite.negate = !opposite.negate;
            let verdicts = [one, &opposite].map(|filter| compare(&types, oid, Some(value), filter));
            assert!(verdicts != [Verdict::Passes; 2], "{one:?} and its opposite");
            assert_eq!(verdicts[0] == Verdict::Ask, verdicts[1] == Verdict::Ask);
            compare(&types, oid, None, one);
        }
    }
}

/// Whatever Postgres may print becomes JSON; what is JSON already is passed on as it is.
pub(crate) fn value(kind: u8, text: &str) {
    let oid = u32::from(kind) % TYPES;
    let mut json = String::new();
    value::write(&types(), oid, text, &mut json);
    // Numbers are passed on as Postgres prints them.
    let is_any_text = matches!(oid, 0 | 3..=6 | 8 | 10);
    assert!(!is_any_text || serde_json::from_str::<IgnoredAny>(&json).is_ok(), "{json}");
}
