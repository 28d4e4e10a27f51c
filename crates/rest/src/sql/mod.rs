//! From a plan to one statement, which builds the whole body in the database.
//!
//! Pure text. Every value is a parameter; every name from outside is quoted by `db::ident`. The
//! text depends on the shape of a request alone (to which the limit of a page belongs), so that
//! requests of one shape share a prepared statement. Columns of the answer, in this order: total, rows on the page, (of a write) the
//! location, body, `response.headers`, `response.status`, (of a write) the inserted rows, (of a read that is
//! continued by key) the key of the last row.

mod body;
mod call;
mod column;
mod count;
mod describe;
mod filter;
mod fragment;
mod keyset;
mod node;
mod plain;
#[cfg(any(test, fuzzing))]
pub(crate) mod proof;
mod read;
mod render;
mod write;

#[cfg(test)]
mod tests;

use db::Text;

use crate::config::Limits;
use crate::plan::{Output, Plan};
use crate::request::{ApiRequest, Count, MediaType, PlanFormat, PlanOption};

pub(crate) use describe::visible;
use fragment::Sql;
pub(crate) use fragment::Statement;
pub(crate) use plain::plain;

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
    /// Where in `main` the statement begins that runs; none if it is only explained.
    runs_from: Option<usize>,
}

impl Statements {
    /// Asks the planner what `main` would cost; none if it would not run.
    pub fn price(&self) -> Option<Statement> {
        let runs = self.main.text.get(self.runs_from?..)?;
        Some(priced(runs, &self.main.params))
    }
}

impl Statement {
    /// Asks the planner what the statement would cost.
    pub fn price(&self) -> Self {
        priced(&self.text, &self.params)
    }
}

fn priced(text: &str, params: &[Text]) -> Statement {
    Statement { text: format!("EXPLAIN (FORMAT JSON) {text}"), params: params.to_vec() }
}

/// The statements of a plan; none for plans that need no database.
pub(crate) fn statement(request: &ApiRequest, plan: &Plan<'_>, limits: Limits) -> Option<Statements> {
    let mut sql = Sql::default();
    let (prefix, count) = match plan {
        Plan::Read(read) => {
            let prefix = sql.explain_as(&read.output);
            sql.read(read, request, limits.max_rows);
            let wants_plan = matches!(request.preferences.count, Some(Count::Planned | Count::Estimated));
            (prefix, (wants_plan && prefix.length == 0).then(|| count::planned(&read.tree)))
        }
        Plan::Write(write) => {
            let prefix = sql.explain_as(&write.output);
            sql.write(write);
            (prefix, None)
        }
        Plan::Call(call) => {
            let prefix = sql.explain_as(&call.output);
            sql.call(call, request, limits.max_rows);
            (prefix, None)
        }
        Plan::Describe(_) | Plan::RelationInfo(_) | Plan::RoutineInfo(_) | Plan::RootInfo => return None,
    };
    let is_explain = prefix.length > 0;
    let runs_from = prefix.runs.then_some(prefix.length);
    Some(Statements { main: sql.finish(), count, is_explain, runs_from })
}

/// The rows of a plan one by one, each a line of JSON; none for plans without rows of their own.
pub(crate) fn lines(plan: &Plan<'_>) -> Option<Statement> {
    let mut sql = Sql::default();
    match plan {
        Plan::Read(read) => sql.lines_read(read),
        Plan::Call(call) => sql.lines_called(call),
        _ => return None,
    }
    Some(sql.finish())
}

/// A cursor over the rows of a statement.
pub(crate) fn declare(rows: Statement) -> Statement {
    Statement {
        text: format!("DECLARE basalt_cursor NO SCROLL CURSOR FOR {}", rows.text),
        params: rows.params,
    }
}

/// Numbers of rows, and what fetches so many from the cursor. Few: each is a statement to prepare.
pub(crate) const FETCHES: [(usize, &str); 4] = [
    (8, "FETCH 8 FROM basalt_cursor"),
    (32, "FETCH 32 FROM basalt_cursor"),
    (128, "FETCH 128 FROM basalt_cursor"),
    (512, "FETCH 512 FROM basalt_cursor"),
];

/// What SQL says about its own answer, headers and status, and the time zone in which it said it.
pub(crate) fn response_settings() -> Statement {
    let mut sql = Sql::default();
    sql.push("SELECT ").response_settings().push(", current_setting('TimeZone')");
    sql.finish()
}

/// `select f()` for a function named `schema.name` or `name`.
pub(crate) fn call_without_arguments(function: &str) -> String {
    let name = match function.split_once('.') {
        Some((schema, name)) => format!("{}.{}", db::ident(schema), db::ident(name)),
        None => db::ident(function),
    };
    format!("SELECT {name}()")
}

/// What stands before a statement.
#[derive(Clone, Copy)]
struct Prefix {
    /// Bytes of it; 0 unless the plan is what is wanted.
    length: usize,
    /// The statement behind it runs.
    runs: bool,
}

impl Sql {
    /// `EXPLAIN (…)` if the plan is what is wanted.
    fn explain_as(&mut self, output: &Output<'_>) -> Prefix {
        let MediaType::Plan { format, options, .. } = &output.media_type else {
            return Prefix { length: 0, runs: true };
        };
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
        Prefix { length: self.length(), runs: options.contains(&PlanOption::Analyze) }
    }
}
