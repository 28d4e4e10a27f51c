use super::*;

fn parse(text: &str) -> Result<LogicTree, (String, String)> {
    let mut cursor = Cursor::new(text);
    tree(&mut cursor).map_err(|failure| {
        let error = cursor.explain("it", failure);
        (error.message.replace("\"failed to parse it\" ", ""), error.details)
    })
}

fn shown(tree: &LogicTree) -> String {
    match tree {
        LogicTree::Leaf(filter) => filter.field.name.clone(),
        LogicTree::Node { negated, operator, children } => {
            let children: Vec<_> = children.iter().map(shown).collect();
            let not = if *negated { "!" } else { "" };
            format!("{not}{operator:?}({})", children.join(" "))
        }
    }
}

#[test]
fn trees_as_upstream_reads_them() {
    for (text, expected) in [
        ("and(a.eq.1,b.eq.2)", "And(a b)"),
        ("not.or(a.eq.1)", "!Or(a)"),
        ("or( a.eq.1 , not.and( b.eq.\"x,y\",c.in.(1,2)) )", "Or(a !And(b c))"),
        ("or(and.eq.1,or.eq.2)", "Or(and or)"),
        ("or(a->>b.eq.1,c.not.is.null)", "Or(a c)"),
        ("and(arr.cs.{1,2},b.ov.{a})", "And(arr b)"),
    ] {
        assert_eq!(parse(text).as_ref().map(shown).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn errors_as_upstream_words_them() {
    for (text, place, details) in [
        (
            "or()",
            4,
            "unexpected \")\" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)",
        ),
        ("or(id.in.1,2,id.eq.3)", 10, "unexpected \"1\" expecting \"(\""),
        ("or)(", 3, "unexpected \")\" expecting \"(\""),
        ("and(ord(id.eq.1,id.eq.1),id.eq.2)", 7, "unexpected \"d\" expecting \"(\""),
        ("or(id.eq.1,not.xor(id.eq.2,id.eq.3))", 16, "unexpected \"x\" expecting logic operator (and, or)"),
    ] {
        let expected = (format!("(line 1, column {place})"), details.to_owned());
        assert_eq!(parse(text), Err(expected), "{text}");
    }
}

#[test]
fn paths_may_hold_a_negation() {
    for (text, embeds, operator) in [
        ("and", 0, "and"),
        ("not.or", 0, "not.or"),
        ("a.b.or", 2, "or"),
        ("a.not.and", 1, "not.and"),
        ("not.a.and", 1, "not.and"),
    ] {
        let mut cursor = Cursor::new(text);
        let parsed = path(&mut cursor).map(|(path, operator)| (path.len(), operator)).ok();
        assert_eq!(parsed, Some((embeds, operator.to_owned())), "{text}");
    }
}
