//! What the queries of views say about their columns: where each comes from, and which are never null.

use std::collections::{HashMap, HashSet};

use super::catalogue::Definition;
use super::node::Node;

/// A column: its relation and position.
pub(super) type Place = (i64, i32);

/// Entries of the list of sources of a query, by kind.
const RELATION: &str = "0";
const SUBQUERY: &str = "1";
const JOIN: &str = "2";
const NAMED_QUERY: &str = "6";
const GROUP: &str = "9";
/// Kinds of joins.
const INNER: &str = "0";
const LEFT: &str = "1";
const RIGHT: &str = "3";

/// The queries of views, read.
pub(super) struct Views<'a> {
    definitions: &'a [Definition],
    queries: HashMap<i64, Node>,
}

impl<'a> Views<'a> {
    pub(super) fn read(definitions: &'a [Definition]) -> Self {
        let read = |definition: &Definition| Some((definition.view, Node::parse(&definition.query)?));
        Self { definitions, queries: definitions.iter().filter_map(read).collect() }
    }

    fn query(&self, view: i64) -> Option<&Node> {
        self.queries.get(&view)?.items().first().filter(|query| query.is("QUERY"))
    }

    /// Columns of `view` with the columns they show, through views below it.
    pub(super) fn origins(&self, view: i64) -> Vec<(i32, Place)> {
        let mut found = Vec::new();
        for (position, place) in self.sources(view) {
            self.follow(position, place, &mut vec![view], &mut found);
        }
        found
    }

    fn follow(&self, position: i32, place: Place, path: &mut Vec<i64>, found: &mut Vec<(i32, Place)>) {
        if !found.contains(&(position, place)) {
            found.push((position, place));
        }
        if path.contains(&place.0) {
            return;
        }
        path.push(place.0);
        for (below, origin) in self.sources(place.0) {
            if below == place.1 {
                self.follow(position, origin, path, found);
            }
        }
        path.pop();
    }

    /// Columns of `view` with the columns of its sources that they show.
    fn sources(&self, view: i64) -> Vec<(i32, Place)> {
        let is_seen = self.definitions.iter().any(|each| each.view == view && each.is_seen);
        let entries =
            self.query(view).filter(|_| is_seen).map_or(&[][..], |query| query.field("targetList").items());
        let number = |node: &Node| i32::try_from(node.number()).unwrap_or(0);
        let source = |entry: &Node| {
            let origin = (entry.field("resorigtbl").number(), number(entry.field("resorigcol")));
            (origin.0 != 0).then(|| (number(entry.field("resno")), origin))
        };
        entries.iter().filter_map(source).collect()
    }

    /// Columns of views that are never null.
    pub(super) fn never_null(&self) -> HashSet<Place> {
        let tables = self.definitions.iter().flat_map(|definition| definition.never_null.iter().copied());
        let mut search = Search { views: self, tables: tables.collect(), known: HashMap::new() };
        let mut found = HashSet::new();
        for definition in self.definitions {
            let columns = search.of_view(definition.view);
            found.extend(columns.into_iter().map(|column| (definition.view, column)));
        }
        found
    }
}

struct Search<'a> {
    views: &'a Views<'a>,
    /// Columns of tables that are never null.
    tables: HashSet<Place>,
    known: HashMap<i64, HashSet<i32>>,
}

impl Search<'_> {
    fn of_view(&mut self, view: i64) -> HashSet<i32> {
        if let Some(known) = self.known.get(&view) {
            return known.clone();
        }
        // A view that reads itself is answered with nothing.
        self.known.insert(view, HashSet::new());
        let mut found = HashSet::new();
        let views = self.views;
        if let Some(query) = views.query(view).filter(|query| is_plain(query)) {
            for entry in query.field("targetList").items() {
                let is_column = entry.is("TARGETENTRY") && entry.field("resjunk").text() != "true";
                if is_column && self.expression(entry.field("expr"), &[query]) {
                    found.extend(i32::try_from(entry.field("resno").number()));
                }
            }
        }
        self.known.insert(view, found.clone());
        found
    }

    fn column(&mut self, relation: i64, column: i32) -> bool {
        if self.views.definitions.iter().any(|definition| definition.view == relation) {
            self.of_view(relation).contains(&column)
        } else {
            self.tables.contains(&(relation, column))
        }
    }

    /// Whether an expression of the last of `queries`, which lie within each other, is never null.
    fn expression(&mut self, expression: &Node, queries: &[&Node]) -> bool {
        let Some(query) = queries.last() else { return false };
        if !expression.is("VAR") || expression.field("varlevelsup").text() != "0" {
            return false;
        }
        let source = expression.field("varno").number();
        let Ok(column) = i32::try_from(expression.field("varattno").number()) else { return false };
        if column <= 0 || made_null(query).contains(&source) {
            return false;
        }
        let Some(entry) = item(query.field("rtable"), source) else { return false };
        match entry.field("rtekind").text() {
            RELATION => self.column(entry.field("relid").number(), column),
            SUBQUERY => self.subquery(entry.field("subquery"), column, queries),
            JOIN => item(entry.field("joinaliasvars"), column.into())
                .is_some_and(|alias| self.expression(alias, queries)),
            GROUP => item(entry.field("groupexprs"), column.into())
                .is_some_and(|group| self.expression(group, queries)),
            NAMED_QUERY => {
                let up = usize::try_from(entry.field("ctelevelsup").number()).unwrap_or(usize::MAX);
                let Some(outer) = queries.len().checked_sub(up).and_then(|count| queries.get(..count)) else {
                    return false;
                };
                let Some(owner) = outer.last() else { return false };
                let named = owner.field("cteList").items().iter().find(|named| {
                    named.is("COMMONTABLEEXPR") && named.field("ctename") == entry.field("ctename")
                });
                named.is_some_and(|named| {
                    named.field("cterecursive").text() != "true"
                        && self.subquery(named.field("ctequery"), column, outer)
                })
            }
            _ => false,
        }
    }

    fn subquery(&mut self, query: &Node, column: i32, queries: &[&Node]) -> bool {
        if !query.is("QUERY") || !is_plain(query) {
            return false;
        }
        let entry = query
            .field("targetList")
            .items()
            .iter()
            .find(|entry| entry.is("TARGETENTRY") && entry.field("resno").number() == i64::from(column));
        let within: Vec<&Node> = queries.iter().copied().chain([query]).collect();
        entry.is_some_and(|entry| self.expression(entry.field("expr"), &within))
    }
}

/// The item at a position that counts from one.
fn item(list: &Node, position: i64) -> Option<&Node> {
    list.items().get(usize::try_from(position - 1).ok()?)
}

/// Neither a union nor one with grouping sets, both of which bring nulls.
fn is_plain(query: &Node) -> bool {
    query.field("setOperations") == &Node::Nothing && query.field("groupingSets").items().is_empty()
}

/// The sources that an outer join may leave empty.
fn made_null(query: &Node) -> HashSet<i64> {
    fn walk(node: &Node, is_outer: bool, found: &mut HashSet<i64>) {
        if node.is("RANGETBLREF") && is_outer {
            found.insert(node.field("rtindex").number());
        } else if node.is("FROMEXPR") {
            node.field("fromlist").items().iter().for_each(|each| walk(each, is_outer, found));
        } else if node.is("JOINEXPR") {
            let kind = node.field("jointype").text();
            if is_outer {
                found.insert(node.field("rtindex").number());
            }
            walk(node.field("larg"), is_outer || ![INNER, LEFT].contains(&kind), found);
            walk(node.field("rarg"), is_outer || ![INNER, RIGHT].contains(&kind), found);
        }
    }
    let mut found = HashSet::new();
    walk(query.field("jointree"), false, &mut found);
    found
}
