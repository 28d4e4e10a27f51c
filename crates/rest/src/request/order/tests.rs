use super::*;

fn shown(text: &str) -> String {
    let mut cursor = Cursor::new(text);
    match terms(&mut cursor) {
        Err(failure) => {
            let error = cursor.explain("it", failure);
            format!("{} {}", error.message.replace("\"failed to parse it\" ", ""), error.details)
        }
        Ok(terms) => terms
            .iter()
            .map(|term| {
                let relation = term.relation.as_ref().map(|name| format!("{name}.")).unwrap_or_default();
                let direction = term.direction.map(|d| format!(" {d:?}")).unwrap_or_default();
                let nulls = term.nulls.map(|n| format!(" nulls {n:?}")).unwrap_or_default();
                let path = if term.field.path.is_empty() { "" } else { "->" };
                format!("{relation}{}{path}{direction}{nulls}", term.field.name)
            })
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[test]
fn lists_as_upstream_reads_them() {
    for (text, expected) in [
        ("name", "name"),
        ("name.desc.nullsfirst", "name Desc nulls First"),
        ("name.nullslast", "name nulls Last"),
        ("json_col->key.asc.nullslast", "json_col-> Asc nulls Last"),
        ("clients(json_col->key).desc.nullsfirst", "clients.json_col-> Desc nulls First"),
        ("name,clients(name),id", "name, clients.name, id"),
        (" a , b", "a, b"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn errors_as_upstream_words_them() {
    for (text, expected) in [
        (
            "clients(name,id)",
            "(line 1, column 8) unexpected '(' expecting letter, digit, \"-\", \"->>\", \"->\", delimiter (.), \",\" or end of input",
        ),
        (
            "id.ac",
            "(line 1, column 4) unexpected \"c\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\"",
        ),
        ("id.descc", "(line 1, column 8) unexpected 'c' expecting delimiter (.), \",\" or end of input"),
        (
            "id.nulsfist",
            "(line 1, column 4) unexpected \"n\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\"",
        ),
        ("id.nullslasttt", "(line 1, column 13) unexpected 't' expecting \",\" or end of input"),
        (
            "id.smth34",
            "(line 1, column 4) unexpected \"s\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\"",
        ),
        ("id.asc.nlsfst", "(line 1, column 8) unexpected \"l\" expecting \"nullsfirst\" or \"nullslast\""),
        ("id.asc.nullslasttt", "(line 1, column 17) unexpected 't' expecting \",\" or end of input"),
        ("id.asc.smth34", "(line 1, column 8) unexpected \"s\" expecting \"nullsfirst\" or \"nullslast\""),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}
