//! From a plan to one statement, which builds the whole body in the database.
//!
//! Pure text. Every value is a parameter; every name from outside is quoted by `db::ident`. The
//! text depends on the shape of a request alone (to which the limit of a page belongs), so that
//! requests of one shape share a prepared statement. Columns of the answer, in this order: total, rows on the page, (of a write) the
//! location, body, `response.headers`, `response.status`, (of a write) the inserted rows.

mod body;
mod call;
mod column;
mod count;
mod describe;
mod filter;
mod fragment;
mod node;
mod read;
mod render;
mod write;

#[cfg(test)]
mod tests;

use crate::config::Config;
use crate::plan::{Output, Plan};
use crate::request::{ApiRequest, Count, MediaType, PlanFormat, PlanOption};

pub(crate) use describe::visible;
use fragment::Sql;
pub(crate) use fragment::Statement;

/// The rows of a write or a call within its statement.
const SOURCE: &str = "basalt_source";

/// The rows of the answer within its statement; no column is called that.
const ROWS: &str = "basalt_rows";

/// The value of a function that returns scalars. It is the header in CSV, hence upstream's name.
const SCALAR: &str = "pgrst_scalar";

/// What runs for a plan.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    /// The statement that answers.
    pub main: Statement,
    /// The statement whose plan says how many rows there may be.
    pub count: Option<Statement>,
    /// The answer is an execution plan, not rows.
    pub is_explain: bool,
}

/// The statements of a plan; none for plans that need no database.
pub(crate) fn statement(request: &ApiRequest, plan: &Plan<'_>, config: &Config) -> Option<Statements> {
    let mut sql = Sql::default();
    let (output, count) = match plan {
        Plan::Read(read) => {
            let is_explain = sql.explain_as(&read.output);
            sql.read(read, request, config);
            let wants_plan = matches!(request.preferences.count, Some(Count::Planned | Count::Estimated));
            (is_explain, (wants_plan && !is_explain).then(|| count::planned(&read.tree)))
        }
        Plan::Write(write) => {
            let is_explain = sql.explain_as(&write.output);
            sql.write(write);
            (is_explain, None)
        }
        Plan::Call(call) => {
            let is_explain = sql.explain_as(&call.output);
            sql.call(call, request, config);
            (is_explain, None)
        }
        Plan::Describe(_) | Plan::RelationInfo(_) | Plan::RoutineInfo(_) | Plan::RootInfo => return None,
    };
    Some(Statements { main: sql.finish(), count, is_explain: output })
}

/// `select f()` for a function named `schema.name` or `name`.
pub(crate) fn call_without_arguments(function: &str) -> String {
    let name = match function.split_once('.') {
        Some((schema, name)) => format!("{}.{}", db::ident(schema), db::ident(name)),
        None => db::ident(function),
    };
    format!("SELECT {name}()")
}

impl Sql {
    /// `EXPLAIN (…)` if the plan is what is wanted.
    fn explain_as(&mut self, output: &Output<'_>) -> bool {
        let MediaType::Plan { format, options, .. } = &output.media_type else { return false };
        self.push(match format {
            PlanFormat::Json => "EXPLAIN (FORMAT JSON",
            PlanFormat::Text => "EXPLAIN (FORMAT TEXT",
        });
        for option in options {
            self.push(match option {
                PlanOption::Analyze => ", ANALYZE",
                PlanOption::Verbose => ", VERBOSE",
                PlanOption::Settings => ", SETTINGS",
                PlanOption::Buffers => ", BUFFERS",
                PlanOption::Wal => ", WAL",
            });
        }
        self.push(") ");
        true
    }
}
