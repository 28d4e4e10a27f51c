//! Calling a function.

use bytes::Bytes;
use db::Text;

use crate::plan::call::{Arguments, Value};
use crate::plan::write::is_object;
use crate::plan::{CallPlan, Render};
use crate::request::ApiRequest;
use crate::schema::Param;

use super::body::BODY;
use super::count::Page;
use super::fragment::{Sql, array_literal};
use super::node::Form;
use super::render::NAMED_ROWS;
use super::{ROWS, SCALAR, SOURCE};

/// The result of the function within the statement.
const CALL: &str = "basalt_call";

impl Sql {
    pub fn call(&mut self, plan: &CallPlan<'_>, request: &ApiRequest, max_rows: Option<u32>) {
        let render = &plan.output.render;
        let form = Form::of(&plan.tree, render);
        let page = if plan.routine.returns.is_set { Page::Rows } else { Page::One };
        self.push("WITH ").push(SOURCE).push(" AS (").result(plan).push(")");
        if *render == Render::Csv {
            self.push(", ").push(NAMED_ROWS).push(" AS (").node(&plan.tree, form).push(")");
        }
        self.push(" SELECT ").total(&plan.tree, page, request.preferences.count, request.range, max_rows);
        self.push(", ").page(page).push(", ").body(render, Some(plan.routine));
        self.push(", ").response_settings().push(" FROM (");
        match render {
            Render::Csv => self.push("SELECT * FROM ").push(NAMED_ROWS),
            _ => self.node(&plan.tree, form),
        };
        self.push(") ").push(ROWS);
    }

    /// The rows of the result one by one.
    pub fn lines_called(&mut self, plan: &CallPlan<'_>) {
        let form = Form::of(&plan.tree, &plan.output.render);
        self.push("WITH ").push(SOURCE).push(" AS (").result(plan).push(") SELECT ").line(is_scalar(plan));
        self.push(" FROM (").node(&plan.tree, form).push(") ").push(ROWS);
    }

    /// The rows of the function; scalars in one column. `SELECT … FROM f(…)` lets the database
    /// inline functions written in SQL.
    fn result(&mut self, plan: &CallPlan<'_>) -> &mut Self {
        self.push("SELECT ");
        if is_scalar(plan) {
            self.push(CALL).push(".").push(SCALAR);
        } else if plan.returning.is_empty() || plan.returning == ["*"] {
            self.push(CALL).push(".*");
        } else {
            self.list(", ", &plan.returning, |sql, column| {
                sql.push(CALL).push(".").name(column);
            });
        }
        match &plan.arguments {
            Arguments::Named(arguments) => {
                self.push(" FROM ").invocation(plan, |sql| sql.named_arguments(arguments));
            }
            Arguments::Whole { body, param } => {
                self.push(" FROM ").invocation(plan, |sql| sql.whole_body(body, param));
            }
            Arguments::Json { params, .. } if params.is_empty() => {
                self.push(" FROM ").invocation(plan, |_| {});
            }
            Arguments::Json { json, params } => {
                self.json_arguments(json, params).push(", LATERAL ");
                self.invocation(plan, |sql| {
                    sql.list(", ", params, |sql, param| {
                        sql.parameter(param).push(BODY).push(".").name(&param.name);
                    });
                });
            }
        }
        self
    }

    fn invocation(&mut self, plan: &CallPlan<'_>, arguments: impl FnOnce(&mut Self)) {
        let is_scalar = is_scalar(plan);
        self.push(if is_scalar { "(SELECT " } else { "" });
        self.qualified(&plan.routine.name).push("(");
        arguments(self);
        self.push(")");
        if is_scalar {
            self.push(" ").push(SCALAR).push(")");
        }
        self.push(" ").push(CALL);
    }

    /// `"name" := `
    fn parameter(&mut self, param: &Param) -> &mut Self {
        self.push(if param.is_variadic { "VARIADIC " } else { "" }).name(&param.name).push(" := ")
    }

    fn named_arguments(&mut self, arguments: &[(&Param, Value<'_>)]) {
        self.list(", ", arguments, |sql, (param, value)| {
            sql.parameter(param);
            match value {
                Value::One(value) => sql.value(*value),
                Value::Many(values) => sql.value(array_literal(values.iter().copied())),
            };
            sql.push("::").type_name(&param.cast_type);
        });
    }

    /// The one unnamed parameter. Bytes travel as hex: the text form of `bytea` has escapes.
    fn whole_body(&mut self, body: &Bytes, param: &Param) {
        let value = match &*param.data_type {
            "bytea" => Text::Value(hex(body)),
            _ => Text::Body(body.clone()),
        };
        self.value(value).push("::").type_name(&param.data_type);
    }

    /// The arguments as one row, read from an object or the first of several.
    fn json_arguments(&mut self, json: &Bytes, params: &[&Param]) -> &mut Self {
        self.payload(json, "::json").push(", LATERAL (SELECT ");
        self.list(", ", params, |sql, param| {
            sql.name(&param.name);
        });
        self.push(if is_object(json) { " FROM json_to_record(" } else { " FROM json_to_recordset(" });
        self.push("basalt_payload.val) AS _(").list(", ", params, |sql, param| {
            sql.name(&param.name).push(" ").type_name(&param.cast_type);
        });
        self.push(") LIMIT 1) ").push(BODY)
    }
}

fn is_scalar(plan: &CallPlan<'_>) -> bool {
    plan.routine.returns_scalar() || plan.routine.returns_set_of_scalar()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}
