//! What a caller may see of a schema: the cache knows the objects, the database the rights.

use std::collections::HashSet;

use db::{Access, Fleet, Flight};
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

/// What the database says of the request's schema to its caller.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Rights {
    /// The comment on the schema.
    comment: Option<String>,
    /// Where rights count: the names of relations, in JSON.
    tables: Option<String>,
    /// Where rights count: functions by [`Signature`], in JSON.
    routines: Option<String>,
}

/// A function by its name and those of its parameters.
#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Signature(String, Vec<String>);

/// Finds out which rights the caller has in the request's schema.
///
/// # Errors
///
/// What the database refused.
pub(crate) async fn describe(
    fleet: &Fleet,
    request: &ApiRequest,
    plan: &Plan<'_>,
    context: Context<'_>,
) -> Result<Rights, Error> {
    let by_rights = context.config.openapi_mode == OpenApiMode::FollowPrivileges;
    let statement = sql::visible(&request.schema, by_rights);
    let settings = settings::of(request, plan, context);
    let before = context.config.pre_request.as_deref().map(sql::call_without_arguments);
    let flight = Flight {
        role: context.identity.role.as_str(),
        access: Access::ReadOnly,
        isolation: isolation(plan, context.role_settings),
        settings: &settings,
        before: before.as_deref(),
        aside: None,
        main: query(&statement),
        describe: false,
        after: None,
        end: end(request, context.config),
    };
    let landed = fleet.run(&flight).await.map_err(|error| refusal(error, context))?;
    let row = landed.rows.first().ok_or_else(|| Error::Internal("a schema without a row".to_owned()))?;
    Ok(Rights { comment: get(row, 0)?, tables: get(row, 1)?, routines: get(row, 2)? })
}

impl Rights {
    /// The objects of `schema` that may be shown.
    ///
    /// # Errors
    ///
    /// What the database said is not what was asked.
    pub fn visible<'a>(&self, schema: &str, cache: &'a SchemaCache) -> Result<Visible<'a>, Error> {
        let mut visible = Visible {
            tables: cache.tables().filter(|table| *table.name.schema == *schema).collect(),
            routines: cache.all_routines().filter(|routine| *routine.name.schema == *schema).collect(),
            comment: self.comment.clone(),
        };
        if let Some(tables) = &self.tables {
            let tables: HashSet<String> = parse(tables)?;
            visible.tables.retain(|table| tables.contains(&*table.name.name));
        }
        if let Some(routines) = &self.routines {
            let routines: HashSet<Signature> = parse(routines)?;
            visible.routines.retain(|routine| routines.contains(&signature(routine)));
        }
        Ok(visible)
    }
}

fn parse<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| Error::Internal(error.to_string()))
}

fn signature(routine: &Routine) -> Signature {
    let names = routine.params.iter().map(|param| param.name.to_string());
    Signature(routine.name.name.to_string(), names.collect())
}
