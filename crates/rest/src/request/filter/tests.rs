use super::*;

fn parse(text: &str, value: fn(&mut Cursor<'_>) -> Parsed<String>) -> Result<OpExpr, (String, String)> {
    let mut cursor = Cursor::new(text);
    expression(&mut cursor, value).map_err(|failure| {
        let error = cursor.explain("it", failure);
        (error.message.replace("\"failed to parse it\" ", ""), error.details)
    })
}

fn plain(operation: Operation) -> Result<OpExpr, (String, String)> {
    Ok(OpExpr { negated: false, operation })
}

fn text(value: &str) -> String {
    value.to_owned()
}

#[test]
fn operators() {
    use Operation::{Fts, In, Is, IsDistinctFrom, Quant, Simple};
    let list = |items: &[&str]| In(items.iter().map(|item| text(item)).collect());
    for (input, expected) in [
        ("eq.1", Quant(QuantOperator::Equal, None, text("1"))),
        ("eq(any).{1,2}", Quant(QuantOperator::Equal, Some(Quantifier::Any), text("{1,2}"))),
        ("like(all).{a*}", Quant(QuantOperator::Like, Some(Quantifier::All), text("{a*}"))),
        ("gte.1", Quant(QuantOperator::GreaterThanEqual, None, text("1"))),
        ("gt.1", Quant(QuantOperator::GreaterThan, None, text("1"))),
        ("lt.1", Quant(QuantOperator::LessThan, None, text("1"))),
        ("imatch.^a", Quant(QuantOperator::IMatch, None, text("^a"))),
        ("neq.", Simple(SimpleOperator::NotEqual, text(""))),
        ("cs.{a,b}", Simple(SimpleOperator::Contains, text("{a,b}"))),
        ("adj.[1,2)", Simple(SimpleOperator::Adjacent, text("[1,2)"))),
        ("in.(1,2)", list(&["1", "2"])),
        ("in.()", list(&[""])),
        ("in.(a, b )", list(&["a", " b "])),
        (r#"in.("a,b","c\"d",e"f)"#, list(&["a,b", "c\"d", "e\"f"])),
        (r#"in.("a"b,c)"#, list(&["\"a\"b", "c"])),
        ("is.NULL", Is(IsValue::Null)),
        ("is.not_null", Is(IsValue::NotNull)),
        ("is.True", Is(IsValue::True)),
        ("is.unknown", Is(IsValue::Unknown)),
        ("isdistinct.5", IsDistinctFrom(text("5"))),
        ("fts.a", Fts(FtsOperator::Fts, None, text("a"))),
        ("wfts(english).a b", Fts(FtsOperator::Websearch, Some(text("english")), text("a b"))),
    ] {
        assert_eq!(parse(input, whole_value), plain(expected), "{input}");
    }
    assert!(parse("not.eq(all).value", whole_value).is_ok_and(|expr| expr.negated));
}

#[test]
fn errors_as_upstream_words_them() {
    for (input, place, details) in [
        ("fts().value", 5, "unexpected \")\" expecting operator (eq, gt, ...)"),
        ("eq().value", 4, "unexpected \")\" expecting operator (eq, gt, ...)"),
        ("is().value", 3, "unexpected \"(\" expecting operator (eq, gt, ...)"),
        ("in().value", 3, "unexpected \"(\" expecting operator (eq, gt, ...)"),
        ("val", 1, "unexpected \"v\" expecting \"not\" or operator (eq, gt, ...)"),
        ("noop.0", 1, "unexpected \"o\" expecting \"not\" or operator (eq, gt, ...)"),
    ] {
        let expected = (format!("(line 1, column {place})"), details.to_owned());
        assert_eq!(parse(input, whole_value), Err(expected), "{input}");
    }
}

#[test]
fn values_inside_trees_end_at_commas_and_parentheses() {
    for (input, expected) in [
        ("eq.a,b", "a"),
        ("eq.a)", "a"),
        (r#"eq."a,b",c"#, "a,b"),
        (r#"eq."a"b,c"#, "\"a\"b"),
        ("cs.{a,b},c", "{a,b}"),
        ("eq.{a,b", "{a"),
    ] {
        let value = match parse(input, inner_value).map(|expr| expr.operation) {
            Ok(Operation::Quant(_, _, value) | Operation::Simple(_, value)) => value,
            other => format!("{other:?}"),
        };
        assert_eq!(value, expected, "{input}");
    }
}
