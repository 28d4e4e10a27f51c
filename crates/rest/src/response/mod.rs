//! From what the database answered to status, headers and body. Pure.
//!
//! The rules are PostgREST's; SQL may override status and headers with the settings
//! `response.status` and `response.headers`, which [`overrides`] reads.

mod batch;
mod chunks;
pub(crate) mod cors;
pub(crate) mod etag;
mod info;
mod openapi;
mod overrides;
mod range;
mod timing;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, None as NoBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, LOCATION, VARY,
    WARNING,
};
use bytes::Bytes;

use crate::config::{Compatibility, Config, Verbosity};
use crate::error::{Error, RangeError};
use crate::exec::{Outcome, Rows, Visible};
use crate::plan::{CallPlan, Dialect, Output, Plan, ReadPlan, WritePlan};
use crate::request::query::escape;
use crate::request::{
    ApiRequest, Count, MediaType, Mutation, Position, Preferences, Representation, Resolution,
};
use crate::schema::SchemaCache;

pub(crate) use batch::{Part, document as batch};
pub(crate) use openapi::kept::{Descriptions, Key as DescriptionKey};
pub(crate) use timing::Timing;

const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

const VARIES_BY: &str = "Accept, Prefer, Range";

/// An answer that is success, before it is handed to the server.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// These bytes, with their length.
    Bytes(Bytes),
    /// None, and no length: HEAD.
    Absent,
}

impl Answer {
    fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Body::Bytes(Bytes::new()) }
    }

    /// Sets a header; a value that cannot travel is left out.
    fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            self.headers.insert(name, value);
        }
    }

    /// Sets the headers that go with a body of rows.
    fn set_type(&mut self, media_type: &MediaType, request: &ApiRequest) {
        self.set(CONTENT_TYPE, &media_type.content_type());
        if request.negotiated_by_profile {
            self.set(CONTENT_PROFILE, &request.schema);
        }
    }

    fn set_preferences(&mut self, applied: &Preferences) {
        if let Some(applied) = applied.applied() {
            self.set(PREFERENCE_APPLIED, &applied);
        }
    }

    /// The answer as the server sends it.
    pub fn into_response(self) -> HttpResponse {
        let body = match self.body {
            Body::Bytes(bytes) => chunks::body(bytes),
            Body::Absent => BoxBody::new(NoBody::new()),
        };
        let mut response = HttpResponse::with_body(self.status, body);
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// The answer to a request that was planned and run.
///
/// # Errors
///
/// SQL set `response.headers` or `response.status` to something that is none.
pub(crate) fn answer(
    request: &ApiRequest,
    plan: &Plan<'_>,
    outcome: Option<&Outcome>,
    config: &Config,
) -> Result<Answer, Error> {
    let mut answer = match (plan, outcome) {
        (Plan::Read(read), Some(Outcome::Rows(rows))) => {
            rows_read(request, read, rows, config.error_verbosity)?
        }
        (Plan::Write(write), Some(Outcome::Rows(rows))) => rows_written(request, write, rows)?,
        (Plan::Call(call), Some(Outcome::Rows(rows))) => {
            rows_called(request, call, rows, config.error_verbosity)?
        }
        (
            Plan::Read(ReadPlan { output, .. })
            | Plan::Write(WritePlan { output, .. })
            | Plan::Call(CallPlan { output, .. }),
            Some(Outcome::Explained(text)),
        ) => explained(request, output, text),
        (Plan::RelationInfo(table), _) => info::relation(table),
        (Plan::RoutineInfo(routine), _) => info::routine(routine),
        (Plan::RootInfo, _) => info::root(),
        _ => return Err(Error::Internal("a plan that needs the database was not run".to_owned())),
    };
    if config.compatibility == Compatibility::V16 {
        if !answer.headers.contains_key(VARY) {
            answer.set(VARY, VARIES_BY);
        }
        if let Some(warning) = legacy_warning(plan) {
            answer.set(WARNING, &warning);
        }
    }
    Ok(answer)
}

/// The text that describes the schema, as far as its caller may see it. `host` is where the client
/// reached us.
pub(crate) fn description(
    dialect: Dialect,
    visible: Visible<'_>,
    cache: &SchemaCache,
    config: &Config,
    host: &str,
) -> Bytes {
    openapi::document(dialect, visible, cache, config, host).to_string().into()
}

/// The answer that carries a description; none for HEAD.
pub(crate) fn described(
    request: &ApiRequest,
    dialect: Dialect,
    description: Option<Bytes>,
    config: &Config,
) -> Answer {
    let mut answer = Answer::new(StatusCode::OK);
    let media_type = match dialect {
        Dialect::Swagger2 => MediaType::OpenApi,
        Dialect::OpenApi31 => MediaType::OpenApi31,
    };
    answer.set_type(&media_type, request);
    if config.compatibility == Compatibility::V16 {
        answer.set(VARY, VARIES_BY);
    }
    answer.body = description.map_or(Body::Absent, Body::Bytes);
    answer
}

/// What is left out of a 416: its body says which row was asked for.
fn out_of_bounds(request: &ApiRequest, rows: &Rows, verbosity: Verbosity) -> Bytes {
    let total = rows.total.unwrap_or_default();
    Error::Range(RangeError::OutOfBounds { lower: request.range.offset(), total }).body(verbosity)
}

fn rows_read(
    request: &ApiRequest,
    plan: &ReadPlan<'_>,
    rows: &Rows,
    verbosity: Verbosity,
) -> Result<Answer, Error> {
    let mut answer = Answer::new(range::status(request.range.offset(), rows.page, rows.total));
    answer.set(CONTENT_RANGE, &range::of_rows(request.range.offset(), rows.page, rows.total));
    let parameters = match request.query.canonical.as_str() {
        "" => String::new(),
        canonical => format!("?{canonical}"),
    };
    answer.set(CONTENT_LOCATION, &format!("/{}{parameters}", plan.table.name.name));
    answer.set_type(&plan.output.media_type, request);
    let mut applied = applied(request, plan_kind(None), &plan.output);
    applied.keyset = request.preferences.keyset && plan.keyset.is_some();
    answer.set_preferences(&applied);
    if let Some(link) = next_page(request, plan, rows)? {
        answer.set(LINK, &link);
    }
    answer.body = match answer.status {
        StatusCode::RANGE_NOT_SATISFIABLE => Body::Bytes(out_of_bounds(request, rows, verbosity)),
        _ => Body::Bytes(rows.body.clone()),
    };
    if plan.headers_only {
        answer.body = Body::Absent;
    }
    overrides::apply(&mut answer, rows)?;
    Ok(answer)
}

/// The link to the rows after a page that is full.
fn next_page(request: &ApiRequest, plan: &ReadPlan<'_>, rows: &Rows) -> Result<Option<String>, Error> {
    let (Some(keyset), Some(asked), Some(key)) = (&plan.keyset, &request.keyset, &rows.last_key) else {
        return Ok(None);
    };
    if plan.tree.range.limit() != Some(rows.page) {
        return Ok(None);
    }
    let values = serde_json::from_str(key).map_err(|error| Error::Internal(error.to_string()))?;
    let position = Position { order: keyset.order.clone(), values };
    asked.next(&position, request.range).map(Some)
}

fn rows_called(
    request: &ApiRequest,
    plan: &CallPlan<'_>,
    rows: &Rows,
    verbosity: Verbosity,
) -> Result<Answer, Error> {
    let mut answer = Answer::new(range::status(request.range.offset(), rows.page, rows.total));
    answer.set(CONTENT_RANGE, &range::of_rows(request.range.offset(), rows.page, rows.total));
    answer.set_preferences(&applied(request, Kind::Call, &plan.output));
    if plan.routine.returns_void() {
        answer.status = StatusCode::NO_CONTENT;
    } else {
        answer.set_type(&plan.output.media_type, request);
        answer.body = match answer.status {
            StatusCode::RANGE_NOT_SATISFIABLE => Body::Bytes(out_of_bounds(request, rows, verbosity)),
            _ => Body::Bytes(rows.body.clone()),
        };
    }
    if request.action.is_headers_only() {
        answer.body = Body::Absent;
    }
    overrides::apply(&mut answer, rows)?;
    Ok(answer)
}

fn rows_written(request: &ApiRequest, plan: &WritePlan<'_>, rows: &Rows) -> Result<Answer, Error> {
    let wants_rows = request.preferences.representation == Some(Representation::Full);
    let counts = matches!(request.preferences.count, Some(Count::Exact | Count::Estimated));
    let total = counts.then_some(rows.page);
    let was_inserted = rows.inserted.is_some_and(|inserted| inserted > 0);
    let merges = request.preferences.resolution == Some(Resolution::MergeDuplicates);
    let status = match plan.mutation {
        Mutation::Create if merges && !was_inserted => StatusCode::OK,
        Mutation::Create => StatusCode::CREATED,
        _ if !wants_rows => StatusCode::NO_CONTENT,
        Mutation::SingleUpsert if was_inserted => StatusCode::CREATED,
        Mutation::SingleUpsert | Mutation::Update | Mutation::Delete => StatusCode::OK,
    };
    let mut answer = Answer::new(status);
    match plan.mutation {
        Mutation::Create | Mutation::Delete => answer.set(CONTENT_RANGE, &range::content_range(1, 0, total)),
        Mutation::Update => answer.set(CONTENT_RANGE, &range::content_range(0, rows.page - 1, total)),
        Mutation::SingleUpsert => {}
    }
    if plan.mutation == Mutation::Create && !rows.location.is_empty() {
        let key: Vec<_> =
            rows.location.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        answer.set(LOCATION, &format!("/{}?{}", plan.table.name.name, key.join("&")));
    }
    answer.set_preferences(&applied(request, plan_kind(Some(plan)), &plan.output));
    if wants_rows {
        answer.set_type(&plan.output.media_type, request);
        answer.body = Body::Bytes(rows.body.clone());
    }
    overrides::apply(&mut answer, rows)?;
    Ok(answer)
}

fn explained(request: &ApiRequest, output: &Output<'_>, text: &Bytes) -> Answer {
    let mut answer = Answer::new(StatusCode::OK);
    answer.set_type(&output.media_type, request);
    answer.body = Body::Bytes(text.clone());
    if request.action.is_headers_only() {
        answer.body = Body::Absent;
    }
    answer
}

/// What decides which preferences apply.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Call,
    /// An insert; whether it has a key to find duplicates by.
    Create {
        has_key: bool,
    },
    SingleUpsert,
    Update,
    Delete,
}

fn plan_kind(write: Option<&WritePlan<'_>>) -> Kind {
    match write.map(|write| (write.mutation, write)) {
        None => Kind::Read,
        Some((Mutation::Create, write)) => Kind::Create { has_key: !write.table.primary_key.is_empty() },
        Some((Mutation::SingleUpsert, _)) => Kind::SingleUpsert,
        Some((Mutation::Update, _)) => Kind::Update,
        Some((Mutation::Delete, _)) => Kind::Delete,
    }
}

/// The preferences that had a meaning for the request.
fn applied(request: &ApiRequest, kind: Kind, output: &Output<'_>) -> Preferences {
    let mut applied = request.preferences.clone();
    applied.keyset = false;
    let has_key = match kind {
        Kind::Create { has_key } => has_key || request.query.on_conflict.is_some(),
        _ => false,
    };
    if !has_key {
        applied.resolution = None;
    }
    if !matches!(kind, Kind::Create { .. } | Kind::Update) {
        applied.missing = None;
    }
    if matches!(kind, Kind::Read | Kind::Call) {
        applied.representation = None;
    }
    if output.is_stream() {
        applied.count = None;
    }
    if !matches!(kind, Kind::Update | Kind::Delete | Kind::Call) {
        applied.max_affected = None;
    }
    applied
}

/// What to tell a client that reaches an embed by a name that its alias hides.
fn legacy_warning(plan: &Plan<'_>) -> Option<String> {
    let tree = match plan {
        Plan::Read(read) => &read.tree,
        Plan::Write(write) => &write.tree,
        Plan::Call(call) => &call.tree,
        _ => return None,
    };
    let names: Vec<_> =
        tree.legacy_names().iter().map(|(name, alias)| format!("`{name}` to `{alias}`")).collect();
    (!names.is_empty()).then(|| {
        format!(
            "299 {} \"Embedded resource was referenced by relation name even though it has an alias. This is \
             deprecated and will stop working in a future release. Update {} in query string filters, orders \
             or limits.\"",
            concat!("PostgRESTv", env!("CARGO_PKG_VERSION")),
            names.join(", ")
        )
    })
}
