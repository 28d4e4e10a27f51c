//! From a parsed request to what shall run: every name resolved against the schema cache.
//!
//! Pure: request, cache and settings in, a [`Plan`] or the first failure out. A plan borrows from
//! the request and the cache, so planning copies next to nothing. It says which relations are
//! joined how, which columns are wanted in which form, and how the rows become a body; it holds
//! no SQL. The rules, the order of failures included, are PostgREST's.

pub(crate) mod call;
mod embed;
pub(crate) mod field;
pub(crate) mod keyset;
mod negotiate;
pub(crate) mod read;
mod resolve;
mod routine;
mod spread;
mod tree;
pub(crate) mod write;

#[cfg(test)]
pub(crate) mod tests;
#[cfg(any(test, fuzzing))]
#[path = "tests/world.rs"]
pub(crate) mod world;

use crate::config::{Config, Limits};
use crate::error::Error;
use crate::request::keyset::PREFERENCE;
use crate::request::{Action, ApiRequest, Handling, Invoke, MediaType};
use crate::schema::{QualifiedName, Routine, SchemaCache, Table};

pub(crate) use call::CallPlan;
pub(crate) use keyset::KeysetPlan;
pub(crate) use read::ReadPlan;
pub(crate) use write::WritePlan;

/// What a request comes to.
#[derive(Clone, Debug)]
pub(crate) enum Plan<'a> {
    /// Rows of a relation.
    Read(ReadPlan<'a>),
    /// A change to a relation.
    Write(WritePlan<'a>),
    /// A function call.
    Call(CallPlan<'a>),
    /// The description of the schema; no statement of ours.
    Describe(Dialect),
    /// What may be done to a relation; no database access.
    RelationInfo(&'a Table),
    /// How a function may be called; no database access.
    RoutineInfo(&'a Routine),
    /// What may be done to the root; no database access.
    RootInfo,
}

impl Plan<'_> {
    /// True if the rows are sent as they are read, not built into one body.
    pub fn is_stream(&self) -> bool {
        match self {
            Self::Read(read) => read.output.is_stream(),
            Self::Call(call) => call.output.is_stream(),
            _ => false,
        }
    }
}

/// The form of a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// Swagger 2.0, as upstream writes it.
    Swagger2,
    /// OpenAPI 3.1, for those who ask for it by name.
    OpenApi31,
}

/// How the rows become a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Render<'a> {
    /// No body is wanted: HEAD, and writes without `return=representation`.
    Nothing,
    /// A JSON array; of a function that returns one value or row, that value.
    Json {
        /// Keys whose value is null are left out.
        nulls_stripped: bool,
    },
    /// The one row as a JSON object.
    Singular {
        /// Keys whose value is null are left out.
        nulls_stripped: bool,
    },
    /// A JSON object per row, each on a line of its own.
    Lines,
    /// Comma-separated values with a header line.
    Csv,
    /// A GeoJSON FeatureCollection.
    GeoJson,
    /// A handler of the database's own.
    Custom {
        /// The aggregate, or the domain that a scalar is cast to.
        function: &'a QualifiedName,
        /// The relation whose row type it takes; none: any row.
        target: Option<&'a QualifiedName>,
    },
}

/// The outcome of content negotiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output<'a> {
    /// How the body is built.
    pub render: Render<'a>,
    /// What the answer is labelled as. A [`MediaType::Plan`] asks for the execution plan.
    pub media_type: MediaType,
}

impl Output<'_> {
    /// True if the rows are sent as they are read, not built into one body.
    pub fn is_stream(&self) -> bool {
        self.render == Render::Lines && self.media_type == MediaType::NdJson
    }

    /// True if the answer must be exactly one row.
    pub fn is_singular(&self) -> bool {
        matches!(self.media_type, MediaType::Singular { .. })
    }
}

/// Plans a request.
///
/// # Errors
///
/// The first rule that the request breaks.
pub(crate) fn plan<'a>(
    request: &'a ApiRequest,
    cache: &'a SchemaCache,
    config: &'a Config,
    limits: Limits,
) -> Result<Plan<'a>, Error> {
    let planner = Planner { request, cache, config, limits };
    match &request.action {
        Action::Read { relation, headers_only } => {
            Ok(Plan::Read(planner.read(planner.table(relation)?, *headers_only)?))
        }
        Action::Mutate { relation, mutation } => {
            Ok(Plan::Write(planner.write(planner.table(relation)?, *mutation)?))
        }
        Action::Call { routine, invoke } => Ok(Plan::Call(planner.call(routine, *invoke)?)),
        Action::Describe { .. } => planner.describe(),
        Action::RelationInfo { relation } => Ok(Plan::RelationInfo(planner.table(relation)?)),
        Action::RoutineInfo { routine } => {
            let invoke = Invoke::Get { headers_only: false };
            Ok(Plan::RoutineInfo(planner.call(routine, invoke)?.routine))
        }
        Action::RootInfo => Ok(Plan::RootInfo),
    }
}

/// What every planning step looks things up in.
#[derive(Clone, Copy)]
pub(crate) struct Planner<'a> {
    request: &'a ApiRequest,
    cache: &'a SchemaCache,
    config: &'a Config,
    /// Those of the caller.
    limits: Limits,
}

impl<'a> Planner<'a> {
    fn table(self, relation: &str) -> Result<&'a Table, Error> {
        let name = QualifiedName::new(self.request.schema.as_str(), relation);
        self.cache.table(&name).ok_or_else(|| Error::NoTable {
            suggestion: self.cache.similar_table(&name),
            schema: self.request.schema.clone(),
            name: relation.to_owned(),
        })
    }

    /// Unknown preferences are an error when the client asked for strictness; so is that for a
    /// keyset where there is none.
    fn check_preferences(self, has_keyset: bool) -> Result<(), Error> {
        let preferences = &self.request.preferences;
        if preferences.handling != Some(Handling::Strict) {
            return Ok(());
        }
        let is_followed = |preference: &str| has_keyset && preference == PREFERENCE;
        let invalid = preferences.invalid.iter().filter(|preference| !is_followed(preference));
        let invalid: Vec<_> = invalid.cloned().collect();
        if invalid.is_empty() { Ok(()) } else { Err(Error::Preferences(invalid)) }
    }

    fn describe(self) -> Result<Plan<'a>, Error> {
        let accept = &self.request.accept;
        let dialect = accept.iter().find_map(|accepted| match accepted {
            MediaType::OpenApi | MediaType::Json | MediaType::Any => Some(Dialect::Swagger2),
            MediaType::OpenApi31 => Some(Dialect::OpenApi31),
            _ => None,
        });
        dialect.map(Plan::Describe).ok_or_else(|| negotiate::not_available(accept))
    }

    fn is_write(self) -> bool {
        matches!(self.request.action, Action::Mutate { .. })
    }
}
