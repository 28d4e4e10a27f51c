//! INSERT, UPDATE and DELETE with their answer.

use crate::plan::read::Condition;
use crate::plan::write::{Body, Change};
use crate::plan::{Render, WritePlan};
use crate::request::{Mutation, Representation, Resolution};

use super::body::BODY;
use super::column::Scope;
use super::count::Page;
use super::fragment::{Sql, array_literal};
use super::node::Form;
use super::render::NAMED_ROWS;
use super::{ROWS, SOURCE};

/// One more in the transaction's count of inserted rows. Never false.
const ONE_MORE: &str = "set_config('basalt.inserted', \
    (coalesce(nullif(current_setting('basalt.inserted', true), '')::int, 0) + 1)::text, true) <> ''";

/// One less: the row was there and is updated.
const ONE_LESS: &str = "set_config('basalt.inserted', \
    (coalesce(nullif(current_setting('basalt.inserted', true), '')::int, 0) - 1)::text, true) <> ''";

impl Sql {
    pub fn write(&mut self, plan: &WritePlan<'_>) {
        let render = &plan.output.render;
        let form = Form::of(&plan.tree, render);
        self.push("WITH ").push(SOURCE).push(" AS (").change(plan).push(")");
        if *render == Render::Csv {
            self.push(", ").push(NAMED_ROWS).push(" AS (").node(&plan.tree, form).push(")");
        }
        self.push(" SELECT null::bigint, ").page(Page::Rows).push(", ").location(plan);
        self.push(", ").body(render, None).push(", ").response_settings().push(", ");
        self.push(if counts_inserted(plan) {
            "coalesce(nullif(current_setting('basalt.inserted', true), '')::int, 0)"
        } else {
            "null::int"
        });
        self.push(" FROM (");
        match render {
            // What is selected matters to nobody.
            Render::Nothing => self.push("SELECT * FROM ").push(SOURCE),
            Render::Csv => self.push("SELECT * FROM ").push(NAMED_ROWS),
            _ => self.node(&plan.tree, form),
        };
        self.push(") ").push(ROWS);
    }

    fn change(&mut self, plan: &WritePlan<'_>) -> &mut Self {
        match &plan.change {
            Change::Insert { body, conflict, conditions } => {
                self.insert(plan, body, conflict.as_ref(), conditions)
            }
            Change::Update { body, .. } if body.columns.is_empty() => self.no_update(plan),
            Change::Update { body, conditions } => {
                self.push("UPDATE ").qualified(&plan.table.name).push(" SET ");
                self.list(", ", &body.columns, |sql, target| {
                    let name = &target.column.name;
                    sql.name(name).push(" = ").push(BODY).push(".").name(name);
                });
                self.body_source(body).wherever(plan, conditions).returning(plan)
            }
            Change::Delete { conditions } => {
                self.push("DELETE FROM ").qualified(&plan.table.name);
                self.wherever(plan, conditions).returning(plan)
            }
        }
    }

    fn insert(
        &mut self,
        plan: &WritePlan<'_>,
        body: &Body<'_>,
        conflict: Option<&(Resolution, Vec<&str>)>,
        conditions: &[Condition<'_>],
    ) -> &mut Self {
        self.push("INSERT INTO ").qualified(&plan.table.name);
        if !body.columns.is_empty() {
            self.push(" (").list(", ", &body.columns, |sql, target| {
                sql.name(&target.column.name);
            });
            self.push(")");
        }
        self.push(" SELECT ").body_columns(&body.columns).body_source(body);
        if counts_inserted(plan) {
            self.push(" WHERE ").push(ONE_MORE);
            if !conditions.is_empty() {
                self.push(" AND ").plain_conditions(Scope::Alias(BODY), conditions);
            }
        }
        if let Some((resolution, key)) = conflict.filter(|(_, key)| !key.is_empty()) {
            self.push(" ON CONFLICT (").list(", ", key, |sql, column| {
                sql.name(column);
            });
            self.push(")");
            if *resolution == Resolution::IgnoreDuplicates || body.columns.is_empty() {
                self.push(" DO NOTHING");
            } else {
                self.push(" DO UPDATE SET ").list(", ", &body.columns, |sql, target| {
                    let name = &target.column.name;
                    sql.name(name).push(" = EXCLUDED.").name(name);
                });
                self.push(" WHERE ").push(ONE_LESS);
            }
        }
        self.returning(plan)
    }

    /// An update of no column: no rows, but with the columns that the answer names.
    fn no_update(&mut self, plan: &WritePlan<'_>) -> &mut Self {
        self.push("SELECT ");
        if plan.returning.is_empty() {
            self.push("NULL");
        }
        let scope = Scope::Relation(&plan.table.name);
        self.list(", ", &plan.returning, |sql, column| {
            sql.column(scope, column);
        });
        self.push(" FROM ").qualified(&plan.table.name).push(" WHERE false")
    }

    fn wherever(&mut self, plan: &WritePlan<'_>, conditions: &[Condition<'_>]) -> &mut Self {
        if conditions.is_empty() {
            return self;
        }
        self.push(" WHERE ").plain_conditions(Scope::Relation(&plan.table.name), conditions)
    }

    /// Only what the answer needs: a column that is given back must be readable.
    fn returning(&mut self, plan: &WritePlan<'_>) -> &mut Self {
        if plan.returning.is_empty() {
            return self.push(" RETURNING 1");
        }
        let scope = Scope::Relation(&plan.table.name);
        self.push(" RETURNING ").list(", ", &plan.returning, |sql, column| {
            sql.column(scope, column);
        })
    }

    /// `{id=eq.1}` for the one row inserted.
    fn location(&mut self, plan: &WritePlan<'_>) -> &mut Self {
        let is_insert = matches!(plan.mutation, Mutation::Create);
        if !is_insert || plan.representation != Representation::HeadersOnly {
            return self.push("null::text[]");
        }
        let key = array_literal(plan.table.primary_key.iter().map(|column| &**column));
        self.push("CASE WHEN ").page(Page::Rows).push(" = 1 THEN (SELECT array_agg(field.key || '=' || ");
        self.push("coalesce('eq.' || field.value, 'is.null')) FROM ").push(SOURCE);
        self.push(" _ CROSS JOIN json_each_text(row_to_json(_)) field WHERE field.key = ANY(");
        self.value(key).push(")) END")
    }
}

/// The answer's status says whether an upsert inserted anything.
fn counts_inserted(plan: &WritePlan<'_>) -> bool {
    match &plan.change {
        Change::Insert { conflict, .. } => {
            matches!(conflict, Some((Resolution::MergeDuplicates, _)))
        }
        Change::Update { .. } | Change::Delete { .. } => false,
    }
}
