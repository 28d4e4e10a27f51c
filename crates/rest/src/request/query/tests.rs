#![allow(clippy::unwrap_used)]

use super::*;
use crate::request::filter::{IsValue, OpExpr, Operation, QuantOperator};
use proptest::prelude::*;

fn query(text: &str) -> Query {
    parse(text.as_bytes(), Use::Read).unwrap().0
}

/// Message without its frame, and details.
fn failure(text: &str, is_call: bool) -> (String, String) {
    match parse(text.as_bytes(), if is_call { Use::Call } else { Use::Read }) {
        Err(Error::Query(error)) => (error.message, error.details),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_cursor_is_none_but_of_a_read() {
    let parsed = query("cursor=keyset.abc&id=eq.1&cursor=eq.5");
    assert_eq!((parsed.cursor.as_deref(), parsed.filters.len()), (Some("abc"), 2));
    let called = parse(b"cursor=keyset.abc", Use::Call).unwrap().0;
    assert_eq!((called.cursor, called.params), (None, vec![("cursor".to_owned(), "keyset.abc".to_owned())]));
    assert!(parse(b"cursor=keyset.abc", Use::Other).is_err());
}

fn equal(value: &str) -> OpExpr {
    OpExpr { negated: false, operation: Operation::Quant(QuantOperator::Equal, None, value.to_owned()) }
}

#[test]
fn the_six_texts_of_upstreams_suite() {
    for (text, message, details) in [
        (
            "order=id.asc.nullslasttt",
            "\"failed to parse order (id.asc.nullslasttt)\" (line 1, column 17)",
            "unexpected 't' expecting \",\" or end of input",
        ),
        (
            "id=0",
            "\"failed to parse filter (0)\" (line 1, column 1)",
            "unexpected \"0\" expecting \"not\" or operator (eq, gt, ...)",
        ),
        (
            "or=()",
            "\"failed to parse logic tree (())\" (line 1, column 4)",
            "unexpected \")\" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)",
        ),
        (
            "columns=",
            "\"failed to parse columns parameter ()\" (line 1, column 1)",
            "unexpected end of input expecting field name (* or [a..z0..9_$])",
        ),
        (
            "select=data->(!@%23$%25^%26*_d->>!@%23$%25^%26*_e::integer",
            "\"failed to parse select parameter (data->(!@#$%^&*_d->>!@#$%^&*_e::integer)\" (line 1, column 7)",
            "unexpected \"(\" expecting \"-\", digit or any non reserved character different from: .,>()",
        ),
        (
            "select=data->>--34",
            "\"failed to parse select parameter (data->>--34)\" (line 1, column 9)",
            "unexpected \"-\" expecting digit",
        ),
    ] {
        assert_eq!(failure(text, false), (message.to_owned(), details.to_owned()), "{text}");
    }
}

#[test]
fn parameters_are_sorted_by_their_last_segment() {
    let (parsed, root) = parse(
        b"select=id,kids(id)&id=eq.1&kids.id=eq.2&kids.order=id&kids.limit=3&offset=1&limit=2&kids.or=(a.is.null,b.eq.1)&not.and=(a.eq.1)&columns=b,a&on_conflict=b,a&ignored",
        Use::Read,
    )
    .unwrap();
    let kids = vec!["kids".to_owned()];
    assert_eq!(root, Range { lower: 1, upper: Some(2) });
    assert_eq!(parsed.ranges, [(kids.clone(), Range { lower: 0, upper: Some(2) })]);
    assert_eq!(parsed.filters.iter().map(|(path, _)| path.len()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(parsed.order.iter().map(|(path, _)| path).collect::<Vec<_>>(), [&kids]);
    assert_eq!(parsed.logic.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), [kids, vec![]]);
    assert!(matches!(parsed.logic[1].1, LogicTree::Node { negated: true, .. }));
    assert_eq!(parsed.columns.unwrap().into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(parsed.on_conflict.unwrap(), ["b", "a"]);
}

#[test]
fn the_first_order_and_the_last_limit_count() {
    let (parsed, root) = parse(b"order=a&order=b&limit=1&limit=5&select=x&select=y", Use::Read).unwrap();
    assert_eq!(parsed.order.len(), 1);
    assert_eq!(parsed.order[0].1[0].field.name, "a");
    assert_eq!(root.limit(), Some(5));
    assert!(matches!(&parsed.select[..], [SelectItem::Column(column)] if column.field.name == "x"));
}

#[test]
fn values_are_decoded_and_kept_verbatim() {
    for (text, expected) in [
        ("a=eq.x%20y+z", "x y z"),
        ("a=eq.%22q%22", "\"q\""),
        ("a=eq.(x)", "(x)"),
        ("a=eq.", ""),
        ("a=eq.%zz", "%zz"),
        ("a=eq.b=c", "b=c"),
        ("a=eq.%C3%A9", "é"),
    ] {
        assert_eq!(query(text).filters[0].1.expr, equal(expected), "{text}");
    }
}

#[test]
fn arguments_of_functions_are_what_does_not_begin_like_an_operator() {
    for (text, filters, params) in [
        ("name=John", 0, 1),
        ("name=eq", 0, 1),
        ("name=eq.x", 1, 0),
        ("name=like(any", 0, 1),
        ("name=nothing", 0, 1),
        ("v=1&v=2", 0, 2),
        ("name=", 0, 1),
        ("name=is.null", 1, 0),
    ] {
        let parsed = parse(text.as_bytes(), Use::Call).unwrap().0;
        assert_eq!((parsed.filters.len(), parsed.params.len()), (filters, params), "{text}");
    }
    // Upstream's quirk: after these prefixes there is no way back.
    for text in ["name=in.x", "name=is.x", "name=not.x"] {
        assert!(failure(text, true).0.starts_with("\"failed to parse filter"), "{text}");
    }
}

#[test]
fn what_postgres_could_not_take_is_refused() {
    for text in ["a=eq.%00", "%00=eq.1", "a=eq.%FF", "select=%C3"] {
        assert!(failure(text, false).0.contains("decode"), "{text}");
    }
}

#[test]
fn canonical_form_is_sorted_and_joined() {
    assert_eq!(query("a=eq.1&c=eq.3&b=eq.2&d").canonical, "a=eq.1&b=eq.2&c=eq.3&d=");
    assert_eq!(query("b=eq.1&a=eq.x,y&b=eq.2").canonical, "a=eq.x%2Cy&b=eq.1,eq.2");
    assert_eq!(query("").canonical, "");
}

#[test]
fn null_tests_on_embeds_are_filters() {
    let parsed = query("kids=not.is.null");
    let expr = OpExpr { negated: true, operation: Operation::Is(IsValue::Null) };
    assert_eq!(parsed.filters[0].1.expr, expr);
}

#[test]
fn monstrous_requests_are_refused_without_deep_recursion() {
    let columns = format!("select={}a", "a,".repeat(3000));
    assert!(failure(&columns, false).1.contains("too long"));
    let nested = format!("select={}a{}", "a(".repeat(20_000), ")".repeat(20_000));
    assert!(failure(&nested, false).1.contains("too deep"));
    let logic = format!("and=({}a.eq.1{})", "and(".repeat(20_000), ")".repeat(20_000));
    assert!(failure(&logic, false).1.contains("too deep"));
    let keys = format!("columns={}a", "a,".repeat(3000));
    assert!(failure(&keys, false).1.contains("too long"));
    for word in ["limit", "offset", "order"] {
        let clauses: String = (0..3000).map(|n| format!("e{n}.{word}=1&")).collect();
        assert!(failure(&clauses, false).1.contains("too many"), "{word}");
    }
    // A long list of values is one parameter, whatever its length.
    assert_eq!(query(&format!("a=in.({}1)", "1,".repeat(20_000))).filters.len(), 1);
}

/// With work that grows with the square of their number, these would take minutes.
#[test]
fn many_parameters_are_sorted_once() {
    let text: String = (0..200_000).rev().map(|n| format!("p{n:06}=eq.{n}&")).collect();
    let parsed = query(&text);
    assert_eq!(parsed.filters.len(), 200_000);
    assert!(parsed.canonical.starts_with("p000000=eq.0&p000001=eq.1&"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}", is_call: bool) {
        let _ = parse(text.as_bytes(), if is_call { Use::Call } else { Use::Read });
    }

    #[test]
    fn no_mixture_of_its_own_tokens_does_either(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "select=", "a", "é", "*", "(", ")", ",", ".", "::", ":", "...", "!", "inner", "->", "->>", "1",
                "-", "\"", "\\", "not.", "and", "or=", "order=", "eq.", "in.", "is.null", "{", "}", " ", "&",
                "%20", "%00", "+", "count()", ".sum()", "limit=", "desc", "nullsfirst", "fts(", "any",
            ]),
            0..40,
        ),
        is_call: bool,
    ) {
        let _ = parse(parts.concat().as_bytes(), if is_call { Use::Call } else { Use::Read });
    }

    #[test]
    fn bytes_of_any_kind_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = parse(&bytes, Use::Read);
    }
}
