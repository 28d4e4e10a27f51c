//! Reading a relation.

use crate::plan::{ReadPlan, Render};
use crate::request::ApiRequest;

use super::ROWS;
use super::count::Page;
use super::fragment::Sql;
use super::node::Form;
use super::render::NAMED_ROWS;

impl Sql {
    pub fn read(&mut self, plan: &ReadPlan<'_>, request: &ApiRequest, max_rows: Option<u32>) {
        let render = &plan.output.render;
        let form = Form::of(&plan.tree, render);
        if *render == Render::Csv {
            self.push("WITH ").push(NAMED_ROWS).push(" AS (").node(&plan.tree, form).push(") ");
        }
        self.push("SELECT ");
        self.total(&plan.tree, Page::Rows, request.preferences.count, request.range, max_rows);
        self.push(", ").page(Page::Rows).push(", ").body(render, None).push(", ").response_settings();
        if plan.keyset.is_some() {
            self.push(", ").last_key();
        }
        self.push(" FROM (");
        match render {
            Render::Csv => self.push("SELECT * FROM ").push(NAMED_ROWS),
            _ if plan.keyset.is_some() => self.keyed_node(&plan.tree, form),
            _ => self.node(&plan.tree, form),
        };
        self.push(") ").push(ROWS);
    }

    /// The rows one by one.
    pub fn lines_read(&mut self, plan: &ReadPlan<'_>) {
        let form = Form::of(&plan.tree, &plan.output.render);
        self.push("SELECT ").line(false).push(" FROM (").node(&plan.tree, form).push(") ").push(ROWS);
    }
}
