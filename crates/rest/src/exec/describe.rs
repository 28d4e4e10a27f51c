//! What a caller may see of a schema: the cache knows the objects, the database the rights.

use std::collections::HashSet;

use db::{Access, Flight, Pool};
use serde::Deserialize;

use super::row::get;
use super::{Context, end, isolation, query, refusal, settings};
use crate::config::OpenApiMode;
use crate::error::Error;
use crate::plan::Plan;
use crate::request::ApiRequest;
use crate::schema::{Routine, SchemaCache, Table};
use crate::sql;

/// The objects of the request's schema that may be shown.
#[derive(Clone, Debug)]
pub(crate) struct Visible<'a> {
    /// Relations that the role has any right on, in no order.
    pub tables: Vec<&'a Table>,
    /// Functions that the role may call, in no order.
    pub routines: Vec<&'a Routine>,
    /// The comment on the schema.
    pub comment: Option<String>,
}

/// A function by its name and those of its parameters.
#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Signature(String, Vec<String>);

/// Finds out what may be shown of the request's schema.
///
/// # Errors
///
/// What the database refused.
pub(crate) async fn describe<'a>(
    pool: &Pool,
    request: &ApiRequest,
    cache: &'a SchemaCache,
    context: Context<'_>,
) -> Result<Visible<'a>, Error> {
    let plan = Plan::Describe;
    let by_rights = context.config.openapi_mode == OpenApiMode::FollowPrivileges;
    let statement = sql::visible(&request.schema, by_rights);
    let settings = settings::of(request, &plan, context);
    let before = context.config.pre_request.as_deref().map(sql::call_without_arguments);
    let flight = Flight {
        role: context.identity.role.as_str(),
        access: Access::ReadOnly,
        isolation: isolation(&plan, context.role_settings),
        settings: &settings,
        before: before.as_deref(),
        aside: None,
        main: query(&statement),
        end: end(request, context.config),
    };
    let landed = pool.run(&flight).await.map_err(|error| refusal(error, context))?;
    let row = landed.rows.first().ok_or_else(|| Error::Internal("a schema without a row".to_owned()))?;
    let mut visible = Visible {
        tables: cache.tables().filter(|table| *table.name.schema == *request.schema).collect(),
        routines: cache.all_routines().filter(|routine| *routine.name.schema == *request.schema).collect(),
        comment: get(row, 0)?,
    };
    if by_rights {
        let tables: HashSet<String> = parse(get(row, 1)?)?;
        let routines: HashSet<Signature> = parse(get(row, 2)?)?;
        visible.tables.retain(|table| tables.contains(&*table.name.name));
        visible.routines.retain(|routine| routines.contains(&signature(routine)));
    }
    Ok(visible)
}

fn parse<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| Error::Internal(error.to_string()))
}

fn signature(routine: &Routine) -> Signature {
    let names = routine.params.iter().map(|param| param.name.to_string());
    Signature(routine.name.name.to_string(), names.collect())
}
