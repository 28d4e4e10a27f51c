//! Which rows somebody sees, as statements for [`db::Fleet::survey`].

use std::fmt::Write;

use db::{Query, Text, ident};

/// A statement with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    sql: String,
    params: Vec<Text>,
}

impl Ask {
    pub(crate) fn query(&self) -> Query<'_> {
        Query { sql: &self.sql, params: &self.params }
    }
}

/// A column of a primary key, with the values of all rows that are asked about.
pub(crate) struct KeyColumn<'a> {
    pub(crate) name: &'a str,
    /// Its type in SQL.
    pub(crate) kind: &'a str,
    /// As an array of Postgres.
    pub(crate) values: String,
}

/// The places, counted from 1, of those keys whose rows can be seen in the table as it is now, with commas; and the
/// snapshot of that moment.
pub(crate) fn by_key(table: &str, key: Vec<KeyColumn<'_>>) -> Ask {
    let (mut arrays, mut names, mut equal) = (String::new(), String::new(), String::new());
    for (index, column) in key.iter().enumerate() {
        let (comma, and) = if index == 0 { ("", "") } else { (", ", " and ") };
        let (number, name) = (index + 1, ident(column.name));
        // Writing to a string does not fail.
        let _ = write!(arrays, "{comma}${number}::{}[]", column.kind);
        let _ = write!(names, "{comma}k{number}");
        let _ = write!(equal, "{and}x.{name} = k.k{number}");
    }
    let places = format!(
        "select k.n from unnest({arrays}) with ordinality k({names}, n) \
          where exists (select from {table} x where {equal})"
    );
    Ask {
        sql: at_a_moment(&places),
        params: key.into_iter().map(|column| Text::from(column.values)).collect(),
    }
}

/// The places, counted from 1, of those rows, an array of the table's row type, for which `condition` holds.
/// The condition calls the table by `name`. Shaped as the answer of [`by_key`].
pub(crate) fn by_image(table: &str, name: &str, condition: &str, rows: String) -> Ask {
    let name = ident(name);
    let places = format!(
        "select basalt_rows.basalt_place from unnest($1::text[]) with ordinality basalt_rows(basalt_row, basalt_place) \
          cross join lateral (select (basalt_rows.basalt_row::{table}).*) {name} where {condition}"
    );
    Ask { sql: at_a_moment(&places), params: vec![Text::from(rows)] }
}

/// Whatever `places` says, and when: both are of one snapshot.
fn at_a_moment(places: &str) -> String {
    format!("select pg_catalog.array_to_string(array({places}), ','), pg_catalog.pg_current_snapshot()::text")
}

/// A value of somebody's claims, as text.
pub(crate) fn claim(expression: &str) -> Ask {
    Ask { sql: format!("select ({expression})::text"), params: Vec::new() }
}

/// Whether a value passes a filter: operator, type, value, what it is compared with, negated.
pub(crate) fn passes(op: &str, kind: u32, value: &str, wanted: &str, negate: bool) -> Ask {
    Ask {
        sql: "select realtime.check_equality_op($1::realtime.equality_op, $2::oid::regtype, $3, $4, $5::boolean)"
            .to_owned(),
        params: [op, &kind.to_string(), value, wanted, if negate { "t" } else { "f" }].map(Text::from).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_two_columns() {
        let column = |name, kind| KeyColumn { name, kind, values: "{1}".to_owned() };
        let ask = by_key("public.t", vec![column("a b", "pg_catalog.int8"), column("c", "pg_catalog.uuid")]);
        assert_eq!(
            ask.sql,
            "select pg_catalog.array_to_string(array(\
             select k.n from unnest($1::pg_catalog.int8[], $2::pg_catalog.uuid[]) with ordinality k(k1, k2, n) \
             where exists (select from public.t x where x.\"a b\" = k.k1 and x.\"c\" = k.k2)), ','), \
             pg_catalog.pg_current_snapshot()::text"
        );
    }
}
