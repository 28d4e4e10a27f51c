//! Runs a plan as its caller: one transaction, one round trip where nothing has to be decided.
//!
//! The only module that touches a session. It says with which settings a statement runs and
//! whether its transaction ends in commit or rollback; what the statement is, `sql` says.
//!
//! Most requests cannot fail after their statement, so their end travels with it. For a single
//! object, `max-affected` and PUT the rows decide: the transaction stays open for a second trip,
//! unless it changes nothing and it is all the same how it ends.

mod batch;
mod cost;
mod describe;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod json;
mod row;
mod settings;
mod stream;

use bytes::Bytes;
use db::{Access, End, Fleet, Flight, Isolation, Landed, Open, Query};
use kernel::Identity;

use crate::config::{Config, Limits};
use crate::error::Error;
use crate::error::database::{ServerReport, read};
use crate::plan::{Output, Plan};
use crate::request::{ApiRequest, Count, Handling, MediaType, Mutation, Preferences, Transaction};
use crate::schema::{Isolation as Declared, RoleSettings, Volatility, Zones};
use crate::sql;

pub(crate) use batch::Batch;
pub(crate) use describe::{Visible, describe};
pub(crate) use row::Rows;
pub(crate) use stream::{Streams, stream};

/// What the database answered.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Rows, or what became of them.
    Rows(Rows),
    /// An execution plan.
    Explained(Bytes),
}

/// As whom and with which settings a request runs.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The settings of the service.
    pub config: &'a Config,
    /// The caller.
    pub identity: &'a Identity,
    /// What the caller's role has set for itself.
    pub role_settings: Option<&'a RoleSettings>,
    /// What the caller's role may ask for.
    pub limits: Limits,
    /// What is known of time zones.
    pub zones: &'a Zones,
}

impl Context<'_> {
    /// The session's time zone may be UTC; neither caller nor role wish for another.
    fn may_be_utc(&self, request: &ApiRequest) -> bool {
        let of_role = self.role_settings.into_iter().flat_map(|role| &role.settings);
        let is_set = of_role.into_iter().any(|(name, _)| name.eq_ignore_ascii_case("timezone"));
        request.preferences.timezone.is_none() && !is_set && self.zones.may_be_utc()
    }
}

/// Runs a plan that needs the database; none for those that do not.
///
/// # Errors
///
/// What the database refused, or a rule that the rows broke; then nothing is kept.
pub(crate) async fn run(
    fleet: &Fleet,
    request: &ApiRequest,
    plan: &Plan<'_>,
    context: Context<'_>,
) -> Result<Option<Outcome>, Error> {
    if !matches!(plan, Plan::Read(_) | Plan::Write(_) | Plan::Call(_)) {
        return Ok(None);
    }
    if context.limits.max_plan_cost.is_some() {
        return batch::alone(fleet, request, plan, context).await;
    }
    let settings = settings::of(request, plan, context);
    let before = context.config.pre_request.as_deref().map(sql::call_without_arguments);
    let refused = |error| refusal(error, context);
    let rules = Rules::of(request, plan);
    let nothing = Query { sql: "", params: &[] };
    let common = Flight {
        role: context.identity.role.as_str(),
        access: access(plan),
        isolation: isolation(plan, context.role_settings),
        settings: &settings,
        before: before.as_deref(),
        aside: None,
        main: nothing,
        describe: false,
        after: None,
        end: if rules.is_empty() || leaves_no_trace(plan) {
            end(request, context.config)
        } else {
            End::Decide
        },
    };
    if let Some(rows) = page(fleet, request, plan, context, &common).await? {
        return Ok(Some(Outcome::Rows(rows)));
    }
    let Some(statement) = sql::statement(request, plan, context.limits) else { return Ok(None) };
    let flight =
        Flight { aside: statement.count.as_ref().map(query), main: query(&statement.main), ..common };
    let Landed { aside, rows, open, .. } = fleet.run(&flight).await.map_err(refused)?;
    if statement.is_explain {
        let explained = row::explained(&rows)?;
        return finish(open, request, context).await.map(|()| Some(Outcome::Explained(explained)));
    }
    let mut rows = Rows::read(rows.first())?;
    if let Err(broken) = rules.check(rows.page) {
        if let Some(open) = open {
            open.rollback().await.map_err(refused)?;
        }
        return Err(broken);
    }
    finish(open, request, context).await?;
    rows.total = estimate(request, plan, context.limits, rows.total, row::planned(&aside));
    Ok(Some(Outcome::Rows(rows)))
}

/// A page whose JSON is written here; none where the database has to build it.
async fn page(
    fleet: &Fleet,
    request: &ApiRequest,
    plan: &Plan<'_>,
    context: Context<'_>,
    common: &Flight<'_>,
) -> Result<Option<Rows>, Error> {
    let assumed_utc = context.may_be_utc(request);
    let Some(statement) = sql::plain(request, plan, assumed_utc) else { return Ok(None) };
    let said = sql::response_settings();
    let flight =
        Flight { main: query(&statement), describe: true, after: Some(query(&said)), ..common.clone() };
    let landed = fleet.run(&flight).await.map_err(|error| refusal(error, context))?;
    let said = landed.after.first();
    let utc = assumed_utc && context.zones.note(row::zone(said)?);
    let body = landed.columns.and_then(|columns| json::array(&columns, &landed.rows, utc));
    // None: a column or the time zone is another than was believed. The database knows better.
    let Some(body) = body else { return Ok(None) };
    let page = i64::try_from(landed.rows.len()).unwrap_or(i64::MAX);
    Ok(Some(Rows { page, body, ..Rows::said(said)? }))
}

fn query(statement: &sql::Statement) -> Query<'_> {
    Query { sql: &statement.text, params: &statement.params }
}

async fn finish(open: Option<Open>, request: &ApiRequest, context: Context<'_>) -> Result<(), Error> {
    let Some(open) = open else { return Ok(()) };
    let finished = match end(request, context.config) {
        End::Rollback => open.check_and_rollback().await,
        End::Commit | End::Decide => open.commit().await,
    };
    finished.map_err(|error| refusal(error, context))
}

/// How the transaction ends if all goes well.
fn end(request: &ApiRequest, config: &Config) -> End {
    if rolls_back(&request.preferences, config) { End::Rollback } else { End::Commit }
}

fn rolls_back(preferences: &Preferences, config: &Config) -> bool {
    let asked = preferences.transaction.filter(|_| config.tx_end.allows_override());
    asked.map_or(config.tx_end.rolls_back(), |asked| asked == Transaction::Rollback)
}

fn access(plan: &Plan<'_>) -> Access {
    match plan {
        Plan::Write(_) => Access::ReadWrite,
        Plan::Call(call) if call.may_write() => Access::ReadWrite,
        _ => Access::ReadOnly,
    }
}

/// Nothing of the transaction outlives it, however it ends. A function that is called may have
/// effects that a read-only transaction allows (`pg_notify`), unless it is declared to have none.
fn leaves_no_trace(plan: &Plan<'_>) -> bool {
    match plan {
        Plan::Read(_) => true,
        Plan::Call(call) => call.routine.volatility != Volatility::Volatile,
        _ => false,
    }
}

/// The function's own isolation, else that of the role.
fn isolation(plan: &Plan<'_>, role: Option<&RoleSettings>) -> Isolation {
    let of_routine = match plan {
        Plan::Call(call) => call.routine.isolation,
        _ => None,
    };
    match of_routine.or_else(|| role.and_then(|role| role.isolation)) {
        Some(Declared::Serializable) => Isolation::Serializable,
        Some(Declared::RepeatableRead) => Isolation::RepeatableRead,
        Some(Declared::ReadCommitted) | None => Isolation::ReadCommitted,
    }
}

/// What the number of rows decides.
#[derive(Clone, Copy, Default)]
struct Rules {
    singular: bool,
    put: bool,
    most: Option<i64>,
}

impl Rules {
    fn of(request: &ApiRequest, plan: &Plan<'_>) -> Self {
        let preferences = &request.preferences;
        let most = preferences.max_affected.filter(|_| preferences.handling == Some(Handling::Strict));
        let singular = |output: &Output<'_>| output.is_singular();
        match plan {
            Plan::Read(read) => Self { singular: singular(&read.output), ..Self::default() },
            Plan::Call(call) => Self { singular: singular(&call.output), most, put: false },
            Plan::Write(write) => match write.mutation {
                Mutation::Create => Self { singular: singular(&write.output), ..Self::default() },
                Mutation::Update | Mutation::Delete => {
                    Self { singular: singular(&write.output), most, put: false }
                }
                Mutation::SingleUpsert => {
                    let is_explain = matches!(write.output.media_type, MediaType::Plan { .. });
                    Self { put: !is_explain, ..Self::default() }
                }
            },
            _ => Self::default(),
        }
    }

    fn is_empty(self) -> bool {
        !self.singular && !self.put && self.most.is_none()
    }

    fn check(self, rows: i64) -> Result<(), Error> {
        if self.put && rows != 1 {
            return Err(Error::PutMismatch);
        }
        if self.singular && rows != 1 {
            return Err(Error::NotSingular(rows));
        }
        if self.most.is_some_and(|most| rows > most) {
            return Err(Error::MaxAffected(rows));
        }
        Ok(())
    }
}

/// The total that the client asked for: counted, or guessed by the planner.
fn estimate(
    request: &ApiRequest,
    plan: &Plan<'_>,
    limits: Limits,
    exact: Option<i64>,
    planned: Option<i64>,
) -> Option<i64> {
    match (plan, request.preferences.count) {
        (Plan::Read(_), Some(Count::Planned)) => planned,
        (Plan::Read(_), Some(Count::Estimated)) => {
            // One more than the limit says that there are more; how many, the planner guesses.
            let limit = limits.max_rows.map(i64::from);
            let exact = exact.map(|exact| limit.map_or(exact, |limit| exact.min(limit.saturating_add(1))));
            if exact > limit { exact.zip(planned).map(|(exact, planned)| exact.max(planned)) } else { exact }
        }
        _ => exact,
    }
}

fn refusal(error: db::Error, context: Context<'_>) -> Error {
    match &error {
        db::Error::Server(report) => {
            let anonymous = context.config.anon_role.as_deref() == Some(context.identity.role.as_str());
            let report = ServerReport {
                code: &report.code,
                message: &report.message,
                details: report.detail.as_deref(),
                hint: report.hint.as_deref(),
            };
            read(&report, !anonymous)
        }
        db::Error::PoolTimeout => Error::PoolTimeout,
        db::Error::Connect(text) => Error::Unreachable(text.clone()),
        db::Error::Closed => Error::ConnectionLost(error.to_string()),
        db::Error::Client(text) => Error::ConnectionLost(text.clone()),
        db::Error::Target(text) => Error::Internal(text.clone()),
    }
}
