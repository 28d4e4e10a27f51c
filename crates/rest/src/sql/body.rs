//! The rows of a request's body, from one parameter.

use bytes::Bytes;
use db::Text;

use crate::plan::field::Target;
use crate::plan::write::{Body, is_object};

use super::fragment::Sql;

/// The rows of a body within a statement.
pub(super) const BODY: &str = "basalt_body";

impl Sql {
    /// `FROM … basalt_body`: the body as rows of the columns taken from it.
    pub fn body_source(&mut self, body: &Body<'_>) -> &mut Self {
        let is_object = is_object(body.json);
        self.payload(body.json, if body.defaults { "::jsonb" } else { "::json" });
        let (values, kind) = if body.defaults {
            self.with_defaults(&body.columns, is_object);
            ("basalt_filled.val", "jsonb")
        } else {
            ("basalt_payload.val", "json")
        };
        self.push(", LATERAL (SELECT ");
        self.list(", ", &body.columns, |sql, target| {
            let name = &target.column.name;
            match target.transform {
                Some(function) => {
                    sql.qualified(function).push("(").name(name).push(")").named(Some(name));
                }
                None => {
                    sql.name(name);
                }
            }
        });
        self.push(" FROM ");
        match (body.columns.is_empty(), is_object) {
            (true, true) => self.push("(VALUES (1)) _"),
            (true, false) => self.push(kind).push("_array_elements(").push(values).push(") _"),
            (false, _) => {
                self.push(kind).push(if is_object { "_to_record(" } else { "_to_recordset(" });
                self.push(values).push(") AS _(");
                self.list(", ", &body.columns, |sql, target| {
                    sql.name(&target.column.name).push(" ").type_name(target.body_type());
                });
                self.push(")")
            }
        };
        self.push(") ").push(BODY)
    }

    /// `FROM (SELECT $n AS val) basalt_payload`.
    pub fn payload(&mut self, json: &Bytes, cast: &str) -> &mut Self {
        self.push(" FROM (SELECT ").value(Text::Body(json.clone())).push(cast);
        self.push(" AS val) basalt_payload")
    }

    /// Every object on top of its columns' defaults; evaluated for each row.
    fn with_defaults(&mut self, columns: &[Target<'_>], is_object: bool) {
        self.push(", LATERAL (SELECT ");
        self.push(if is_object { "" } else { "jsonb_agg(" }).push("jsonb_build_object(");
        let defaults =
            columns.iter().filter_map(|target| Some((target.column, target.column.default.as_ref()?)));
        self.list(", ", defaults, |sql, (column, default)| {
            sql.value(&*column.name).push("::text, ").expression(default);
        });
        self.push(if is_object {
            ") || basalt_payload.val AS val"
        } else {
            ") || element) AS val FROM jsonb_array_elements(basalt_payload.val) element"
        });
        self.push(") basalt_filled");
    }

    /// `basalt_body.a, basalt_body.b`.
    pub fn body_columns(&mut self, columns: &[Target<'_>]) -> &mut Self {
        self.list(", ", columns, |sql, target| {
            sql.push(BODY).push(".").name(&target.column.name);
        })
    }
}
