use super::*;

fn parse(text: &str) -> Result<Vec<SelectItem>, (String, String)> {
    let mut cursor = Cursor::new(text);
    forest(&mut cursor).map_err(|failure| {
        let error = cursor.explain("it", failure);
        (error.message.replace("\"failed to parse it\" ", ""), error.details)
    })
}

/// The list as one line; every part in a fixed place.
fn shown(text: &str) -> String {
    fn item(item: &SelectItem) -> String {
        match item {
            SelectItem::Column(column) => {
                let mut text = column.alias.as_ref().map(|alias| format!("{alias}=")).unwrap_or_default();
                text += &column.field.name;
                for step in &column.field.path {
                    text += &format!("{step:?}");
                }
                text += &column.cast.as_ref().map(|cast| format!("::{cast}")).unwrap_or_default();
                text += &column.aggregate.map(|a| format!(".{}()", a.name())).unwrap_or_default();
                text + &column.aggregate_cast.as_ref().map(|cast| format!("::{cast}")).unwrap_or_default()
            }
            SelectItem::Embed(embed) => format!(
                "{}{}{}{}{}[{}]",
                if embed.spread { "..." } else { "" },
                embed.alias.as_ref().map(|alias| format!("{alias}=")).unwrap_or_default(),
                embed.relation,
                embed.hint.as_ref().map(|hint| format!("!{hint}")).unwrap_or_default(),
                embed.join.map(|join| format!("!{join:?}")).unwrap_or_default(),
                list(&embed.select),
            ),
        }
    }
    fn list(items: &[SelectItem]) -> String {
        items.iter().map(item).collect::<Vec<_>>().join(" ")
    }
    parse(text).map_or_else(|(place, details)| format!("{place} {details}"), |items| list(&items))
}

#[test]
fn lists_as_upstream_reads_them() {
    for (text, expected) in [
        ("", ""),
        ("*", "*"),
        ("id , name", "id name"),
        ("alias:name", "alias=name"),
        ("name::text", "name::text"),
        ("a:name::text", "a=name::text"),
        ("n:name->a->>b::text", r#"n=nameArrow(Key("a"))DoubleArrow(Key("b"))::text"#),
        ("client(*,nested(*))", "client[* nested[*]]"),
        ("client()", "client[]"),
        ("c:client!hint!inner(id)", "c=client!hint!Inner[id]"),
        ("client!inner!hint(id)", "client!hint!Inner[id]"),
        ("client!left(id)", "client!Left[id]"),
        ("*,...client(id),other(*)", "* ...client[id] other[*]"),
        ("...client!hint!inner(id)", "...client!hint!Inner[id]"),
        ("count()", "*.count()"),
        ("n:count()::text", "n=*.count()::text"),
        ("id.count()", "id.count()"),
        ("a:amount::int.sum()::text", "a=amount::int.sum()::text"),
        ("amount.max(),amount.min(),amount.avg()", "amount.max() amount.min() amount.avg()"),
        ("count", "count"),
        ("rel(count)", "rel[count]"),
        ("\"a,b\":\"c.d\"", "a,b=c.d"),
        ("a-b,c d", "a-b c d"),
        ("id),ignored", "id"),
        ("t::double precision", "t::double precision"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn errors_as_upstream_words_them() {
    for (text, expected) in [
        (
            "id,clients(name[])",
            "(line 1, column 16) unexpected '[' expecting letter, digit, \"-\", \"->>\", \"->\", \"::\", \".\", \")\", \",\" or end of input",
        ),
        (
            "data->>-78xy",
            "(line 1, column 11) unexpected 'x' expecting digit, \"->\", \"::\", \".\", \",\" or end of input",
        ),
        (
            "name!hint",
            "(line 1, column 5) unexpected '!' expecting letter, digit, \"-\", \"->>\", \"->\", \"::\", \".\", \")\", \",\" or end of input",
        ),
        (
            "a::text $$",
            "(line 1, column 11) unexpected end of input expecting letter or digit a dollar cannot begin the name of a type",
        ),
        ("name::", "(line 1, column 7) unexpected end of input expecting letter or digit"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

/// Outside of quotes `$$` begins a string, which would end in a name that the client chooses.
#[test]
fn no_type_begins_a_string() {
    for cast in ["$$", "text $$", "int 1$$", "$x$", "$1", " $a"] {
        assert!(shown(&format!("a::{cast}")).contains("dollar"), "{cast}");
        assert!(shown(&format!("a.sum()::{cast},b")).contains("dollar"), "{cast}");
    }
    assert_eq!(shown("a::my$type"), "a::my$type");
    assert_eq!(shown("a::_x$ y"), "a::_x$ y");
}
