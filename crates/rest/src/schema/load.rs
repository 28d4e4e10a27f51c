//! Reads the catalogue: read-only transactions that see one state of it, few statements, everything joined here.
//!
//! Each statement returns one kind of row as the catalogue holds it; texts that Postgres has to make up (type names, default
//! expressions) are asked for once. The search path is empty, so that Postgres qualifies every name it prints.
//!
//! Two connections share the work, as it takes longest when the server is busy and each has its share of the processor. The
//! second is a help and no need: without a free one the first does it all.

mod keys;
mod routines;
mod tables;

use std::collections::HashSet;
use std::time::Duration;

use db::{Pool, Session, Text, ident, literal};

use self::keys::RawKey;
use super::contents::{Contents, SchemaCache};
use super::infer::{primary_keys, relationships};
use super::model::{MediaHandler, Name, QualifiedName, Relationship, Representation, Routine};
use super::view::{View, resolve};
use crate::config::Config;

/// One state of the catalogue from the first statement to the last.
const MODE: &str = "set transaction isolation level repeatable read, read only";

/// Not cut short by the limits of the login role for requests, but not endless either.
/// Two connections are enough: more workers of Postgres would cost more than they gain.
const LIMITS: &str = "set local search_path = ''; set local statement_timeout = '60s'; set local jit = off; \
                      set local max_parallel_workers_per_gather = 0";

/// How long to wait for a second connection.
const PATIENCE: Duration = Duration::from_millis(250);

/// What to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The exposed schemas.
    pub schemas: Vec<String>,
    /// Schemas whose views may stand between an exposed view and a table.
    pub extra_search_path: Vec<String>,
    /// Settings of functions that are applied to the whole transaction.
    pub hoisted_settings: Vec<String>,
}

impl Scope {
    /// What these settings ask for.
    pub fn of(config: &Config) -> Self {
        Self {
            schemas: config.schemas.clone(),
            extra_search_path: config.extra_search_path.clone(),
            hoisted_settings: config.hoisted_settings.clone(),
        }
    }
}

/// Loads everything in `scope`.
///
/// # Errors
///
/// What Postgres or the driver said; 3F000 if a schema does not exist.
pub async fn load(pool: &Pool, scope: &Scope) -> Result<SchemaCache, db::Error> {
    let mut session = begin(pool).await?;
    let mut names = Names::default();
    let schemas = idents(&scope.schemas);
    let (relations, others) = match companion(pool, &mut session).await? {
        Some(mut second) => {
            let both = tokio::try_join!(
                tables::relations(&mut session, &schemas, &mut names),
                Others::read(&mut second, scope)
            )?;
            second.rollback().await?;
            both
        }
        None => (
            tables::relations(&mut session, &schemas, &mut names).await?,
            Others::read(&mut session, scope).await?,
        ),
    };
    let keys = keys::keys(&mut session, others.keys, &relations, &mut names).await?;
    session.rollback().await?;

    let views = resolve(&others.views);
    let mut keys_of = primary_keys(&keys, &views);
    let is_exposed = |name: &QualifiedName| scope.schemas.iter().any(|schema| **schema == *name.schema);
    let relationships = relationships(&keys, &views, &keys_of, others.computed, is_exposed);
    let mut tables = relations.tables;
    for (oid, commands) in others.commands {
        if let Some(table) = tables.get_mut(&oid) {
            table.is_updatable = commands & 1 << 2 != 0;
            table.is_insertable = commands & 1 << 3 != 0;
            table.is_deletable = commands & 1 << 4 != 0;
        }
    }
    for table in tables.values_mut() {
        table.primary_key = keys_of.remove(&table.name).unwrap_or_default();
    }
    Ok(SchemaCache::new(Contents {
        tables: tables.into_values().collect(),
        relationships,
        routines: others.routines,
        representations: others.representations,
        media_handlers: others.media_handlers,
    }))
}

pub(super) async fn begin(pool: &Pool) -> Result<Session, db::Error> {
    let mut session = pool.begin().await?;
    session.batch(&format!("{MODE}; {LIMITS}")).await?;
    Ok(session)
}

/// A second transaction that sees what the first one sees; none if there is no connection to spare.
pub(super) async fn companion(pool: &Pool, first: &mut Session) -> Result<Option<Session>, db::Error> {
    if pool.status().limit < 2 {
        return Ok(None);
    }
    let snapshot = first.query_one(include_str!("load/snapshot.sql"), &[]).await?;
    let snapshot = literal(snapshot.try_get(0)?);
    let joined = async {
        let mut second = pool.begin().await?;
        second.batch(&format!("{MODE}; set transaction snapshot {snapshot}; {LIMITS}")).await?;
        Ok::<_, db::Error>(second)
    };
    match tokio::time::timeout(PATIENCE, joined).await {
        Ok(Ok(second)) => Ok(Some(second)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "loading the schema on one connection");
            Ok(None)
        }
        Err(_) => Ok(None),
    }
}

/// All but relations and their columns.
struct Others {
    keys: Vec<RawKey>,
    views: Vec<View>,
    /// What views and foreign tables accept, by oid.
    commands: Vec<(u32, i32)>,
    computed: Vec<Relationship>,
    routines: Vec<Routine>,
    representations: Vec<Representation>,
    media_handlers: Vec<MediaHandler>,
}

impl Others {
    async fn read(session: &mut Session, scope: &Scope) -> Result<Self, db::Error> {
        let names = &mut Names::default();
        let schemas = idents(&scope.schemas);
        let hoisted = array(&scope.hoisted_settings);
        Ok(Self {
            keys: keys::raw_keys(session, names).await?,
            views: keys::views(session, &schemas, &idents(&scope.extra_search_path), names).await?,
            commands: tables::commands(session, &schemas).await?,
            computed: routines::computed_relationships(session, names).await?,
            routines: routines::routines(session, &schemas, &hoisted, names).await?,
            representations: routines::representations(session, names).await?,
            media_handlers: routines::media_handlers(session, &schemas, names).await?,
        })
    }
}

/// Equal names share their memory: most tables have an `id`.
#[derive(Default)]
struct Names(HashSet<Name>);

impl Names {
    fn get(&mut self, text: &str) -> Name {
        if let Some(name) = self.0.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        self.0.insert(name.clone());
        name
    }

    fn qualified(&mut self, schema: &str, name: &str) -> QualifiedName {
        QualifiedName { schema: self.get(schema), name: self.get(name) }
    }
}

/// Schema names as an array of quoted identifiers, which Postgres turns into schemas or refuses.
fn idents(names: &[String]) -> Text {
    array(&names.iter().map(|name| ident(name)).collect::<Vec<_>>())
}

/// Texts as an array literal.
pub(super) fn array(elements: &[String]) -> Text {
    let quoted: Vec<String> = elements
        .iter()
        .map(|element| format!("\"{}\"", element.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    Text::from(format!("{{{}}}", quoted.join(",")))
}

/// Numbers as an array literal.
fn numbers<T: ToString>(elements: impl Iterator<Item = T>) -> Text {
    Text::from(format!("{{{}}}", elements.map(|element| element.to_string()).collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_elements_stay_apart() {
        let elements = ["a,b".to_owned(), r#"q"\"#.to_owned(), String::new(), "{}".to_owned()];
        assert_eq!(array(&elements), Text::from(r#"{"a,b","q\"\\","","{}"}"#));
        assert_eq!(array(&[]), Text::from("{}"));
        assert_eq!(idents(&[r#"My "own""#.to_owned()]), Text::from(r#"{"\"My \"\"own\"\"\""}"#));
        assert_eq!(numbers([1_u32, 20].into_iter()), Text::from("{1,20}"));
    }
}
