//! Which columns of which tables a view shows: read from the view's parsed definition as Postgres stores it.
//!
//! `pg_rewrite.ev_action` is a tree in text form: `{NODE :field value …}`, lists in parentheses, a backslash before every
//! character of a name that would end it. Of all that only the outermost query's target list is looked at, and of each
//! entry three integers: the number of the view's column, and the table and column it comes from.

use std::collections::HashMap;

use super::model::{Name, QualifiedName};

/// A view as the catalogue has it.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub oid: u32,
    pub name: QualifiedName,
    /// In an exposed schema; other views only lead to tables.
    pub is_exposed: bool,
    /// Names in the order of their numbers, which start at 1.
    pub columns: Vec<Name>,
    pub origins: Vec<Origin>,
}

/// A column of a view that is a column of another relation, unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Number of the view's column.
    pub column: i16,
    /// The relation it comes from.
    pub source: u32,
    /// The number of its column.
    pub source_column: i16,
}

/// For each column of a base table, by table and column number, the view's columns that show it.
pub(super) type Exposed = HashMap<(u32, i16), Vec<Name>>;

/// The origins in the outermost target list of a parsed definition. What does not look like one yields none.
pub(super) fn origins(definition: &str) -> Vec<Origin> {
    let mut origins = Vec::new();
    let mut depth = 0_u32;
    let mut in_target_list = false;
    let (mut column, mut source, mut source_column) = (0, 0, 0);
    let mut tokens = Tokens(definition);
    while let Some(token) = tokens.next() {
        match token {
            "{" => depth += 1,
            "}" => {
                if in_target_list && depth == 2 {
                    if source != 0 && source_column > 0 {
                        origins.push(Origin { column, source, source_column });
                    }
                    (column, source, source_column) = (0, 0, 0);
                }
                depth = depth.saturating_sub(1);
            }
            ":targetList" if depth == 1 => in_target_list = true,
            field if in_target_list && depth == 1 && field.starts_with(':') => break,
            // A name may look like a field.
            ":resname" if in_target_list && depth == 2 => drop(tokens.next()),
            ":resno" if in_target_list && depth == 2 => column = number(tokens.next()),
            ":resorigtbl" if in_target_list && depth == 2 => source = number(tokens.next()),
            ":resorigcol" if in_target_list && depth == 2 => source_column = number(tokens.next()),
            _ => {}
        }
    }
    origins
}

fn number<T: std::str::FromStr + Default>(token: Option<&str>) -> T {
    token.and_then(|token| token.parse().ok()).unwrap_or_default()
}

/// Braces, and everything else between unescaped blanks, braces and parentheses.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_start_matches([' ', '\n', '\t', '(', ')']);
        let bytes = rest.as_bytes();
        let length = match bytes.first()? {
            b'{' | b'}' => 1,
            _ => {
                let mut end = 0;
                while let Some(byte) = bytes.get(end) {
                    match byte {
                        b'\\' => end += 2,
                        b' ' | b'\n' | b'\t' | b'(' | b')' | b'{' | b'}' => break,
                        _ => end += 1,
                    }
                }
                // An escaped character may be longer than a byte.
                (end.min(rest.len())..=rest.len()).find(|end| rest.is_char_boundary(*end))?
            }
        };
        let (token, rest) = rest.split_at(length);
        self.0 = rest;
        Some(token)
    }
}

/// Follows every column of every exposed view through views to tables.
pub(super) fn resolve(views: &[View]) -> Vec<(&View, Exposed)> {
    let by_oid: HashMap<u32, &View> = views.iter().map(|view| (view.oid, view)).collect();
    views
        .iter()
        .filter(|view| view.is_exposed)
        .map(|view| {
            let mut exposed = Exposed::new();
            for origin in &view.origins {
                let index = usize::try_from(origin.column - 1).ok();
                if let Some(name) = index.and_then(|index| view.columns.get(index)) {
                    follow(&by_oid, *origin, name, &mut vec![view.oid], &mut exposed);
                }
            }
            (view, exposed)
        })
        .collect()
}

/// `path` holds the relations passed so far: one that comes again ends the search.
fn follow(
    views: &HashMap<u32, &View>,
    origin: Origin,
    name: &Name,
    path: &mut Vec<u32>,
    exposed: &mut Exposed,
) {
    let shown_as = exposed.entry((origin.source, origin.source_column)).or_default();
    if !shown_as.contains(name) {
        shown_as.push(name.clone());
    }
    if path.contains(&origin.source) {
        return;
    }
    let Some(view) = views.get(&origin.source) else { return };
    path.push(origin.source);
    for inner in view.origins.iter().filter(|inner| inner.column == origin.source_column) {
        follow(views, *inner, name, path, exposed);
    }
    path.pop();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shortened from a real definition: a subquery has its own target list, names hold escaped characters.
    const DEFINITION: &str = r"({QUERY :commandType 1 :rtable ({RANGETBLENTRY :alias <> :subquery {QUERY :targetList ({TARGETENTRY :expr {VAR :varno 1} :resno 7 :resname x :ressortgroupref 0 :resorigtbl 99 :resorigcol 9 :resjunk false})}}) :jointree {FROMEXPR :quals <>} :targetList ({TARGETENTRY :expr {VAR :varno 3 :resno 8} :resno 1 :resname a\ \{b\)\\ :ressortgroupref 0 :resorigtbl 16390 :resorigcol 2 :resjunk false} {TARGETENTRY :expr {FUNCEXPR :args ({VAR :varno 3})} :resno 2 :resname :resorigtbl :ressortgroupref 0 :resorigtbl 0 :resorigcol 0 :resjunk false} {TARGETENTRY :expr {VAR :varno 3} :resno 3 :resname <> :ressortgroupref 0 :resorigtbl 16391 :resorigcol 5 :resjunk false}) :override 0 :havingQual {X :resno 4 :resorigtbl 5 :resorigcol 6}})";

    #[test]
    fn only_the_outermost_target_list_counts() {
        let expected = [
            Origin { column: 1, source: 16390, source_column: 2 },
            Origin { column: 3, source: 16391, source_column: 5 },
        ];
        assert_eq!(origins(DEFINITION), expected);
    }

    #[test]
    fn nonsense_yields_nothing() {
        for text in [
            "",
            "{",
            "}}}}",
            "\\",
            "{Q :targetList",
            "{Q :targetList ({T :resno",
            "{Q :targetList ({T :resorigtbl x :resorigcol -1})}",
            "é\\é",
        ] {
            assert_eq!(origins(text), [], "{text}");
        }
    }

    fn view(oid: u32, columns: &[&str], origins: &[(i16, u32, i16)]) -> View {
        View {
            oid,
            name: QualifiedName::new("api", format!("v{oid}")),
            is_exposed: true,
            columns: columns.iter().map(|&name| Name::from(name)).collect(),
            origins: origins
                .iter()
                .map(|&(column, source, source_column)| Origin { column, source, source_column })
                .collect(),
        }
    }

    #[test]
    fn views_on_views_lead_to_tables() {
        let views = [
            view(1, &["id", "id2"], &[(1, 100, 1), (2, 100, 1)]),
            view(2, &["key", "other"], &[(1, 1, 2), (2, 3, 1)]),
        ];
        let resolved = resolve(&views);
        let names = |index: usize, key| {
            resolved.get(index).and_then(|(_, exposed)| exposed.get(&key)).map(|names| names.join(","))
        };
        assert_eq!(names(0, (100, 1)).as_deref(), Some("id,id2"));
        assert_eq!(names(1, (100, 1)).as_deref(), Some("key"));
        assert_eq!(names(1, (100, 2)), None);
    }

    #[test]
    fn circles_end() {
        let views = [view(1, &["a"], &[(1, 2, 1)]), view(2, &["b"], &[(1, 1, 1)])];
        assert_eq!(resolve(&views).len(), 2);
    }
}
