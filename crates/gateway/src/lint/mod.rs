//! What is wrong inside functions: `basalt db lint`. Names, levels and shape of findings are those of `supabase db lint`.
//!
//! The extension plpgsql_check reads functions in PL/pgSQL statement by statement, if its package is installed. Only a superuser can
//! create it, and functions that a developer wrote must not be planned with a superuser's rights (a plan runs what is immutable). So
//! the administrator creates it for as long as this takes, and the developer's session asks it; nobody else needs to know.
//!
//! Without it Postgres itself is asked, by the check it makes when a function is created: of PL/pgSQL the syntax, of SQL all. In both
//! cases functions in SQL are checked by Postgres, and trigger functions on every table that has them, both of which upstream leaves
//! out.

use db::{Error, Pool, Session};
use serde::{Deserialize, Serialize};

/// What is wrong in one function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// `schema.name`
    pub(crate) function: String,
    pub(crate) issues: Vec<Issue>,
}

/// One thing that is wrong, as plpgsql_check tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Issue {
    /// `error`, or a word that begins with `warning`.
    pub(crate) level: String,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) statement: Option<Statement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) query: Option<Query>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<String>,
    /// SQLSTATE
    pub(crate) sql_state: String,
}

/// Where in the function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Statement {
    /// Within its body.
    pub(crate) line_number: String,
    /// Its kind.
    pub(crate) text: String,
}

/// Where in a query of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Query {
    /// In characters, from 1.
    pub(crate) position: String,
    pub(crate) text: String,
}

/// How much an issue matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Level {
    /// It may be meant.
    Warning,
    /// It fails when it runs.
    Error,
}

impl Issue {
    pub(crate) fn level(&self) -> Level {
        if self.level.starts_with("warning") { Level::Warning } else { Level::Error }
    }

    fn of(level: &str, error: &Error) -> Self {
        let (level, sql_state) = (level.to_owned(), error.code().unwrap_or_default().to_owned());
        match error.server() {
            Some(server) => Self {
                level,
                message: server.message.clone(),
                hint: server.hint.clone(),
                detail: server.detail.clone(),
                sql_state,
                ..Self::default()
            },
            None => Self { level, message: error.to_string(), sql_state, ..Self::default() },
        }
    }
}

/// What was found, and how closely was looked.
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    /// Whether plpgsql_check was there to ask.
    pub(crate) is_thorough: bool,
}

/// Keeps two from taking the extension away under each other.
const LOCK: &str = "select pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended('basalt db lint', 0))";

/// One batch is one transaction. The remark tells the next run what this one left behind if it was killed.
const CREATE: &str = "\
create extension plpgsql_check schema extensions;
comment on extension plpgsql_check is 'made by basalt db lint, for the moment'";

const DROP: &str = "drop extension plpgsql_check";

/// Whether it could be created, the schema it is in, and whether it is ours to drop.
const STANDING: &str = "
    select exists (select from pg_catalog.pg_available_extensions where name = 'plpgsql_check'),
           n.nspname::text,
           coalesce(pg_catalog.obj_description(e.oid, 'pg_extension') = 'made by basalt db lint, for the moment', false)
      from (values (1)) one
      left join pg_catalog.pg_extension e on e.extname = 'plpgsql_check'
      left join pg_catalog.pg_namespace n on n.oid = e.extnamespace";

/// Looks at the functions of `schemas`, or of all that are not the platform's. `told` hears how many are done, of how many.
///
/// # Errors
///
/// What Postgres said, other than about a function.
pub(crate) async fn report(
    administrator: &Pool,
    developer: &mut Session,
    schemas: &[String],
    told: impl Fn(usize, usize),
) -> Result<Report, Error> {
    let mut privileged = administrator.session().await?;
    privileged.execute(LOCK, &[]).await?;
    let row = privileged.query_one(STANDING, &[]).await?;
    let (is_available, schema, is_ours): (bool, Option<String>, bool) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let checker = match (schema, is_available) {
        (Some(schema), _) => Some((schema, is_ours)),
        (None, true) => {
            privileged.batch(CREATE).await?;
            Some(("extensions".to_owned(), true))
        }
        (None, false) => None,
    };
    let checked_by = checker.as_ref().map(|(schema, _)| schema.as_str());
    let findings = findings(developer, schemas, checked_by, told).await;
    if checker.as_ref().is_some_and(|(_, is_ours)| *is_ours) {
        privileged.batch(DROP).await?;
    }
    Ok(Report { findings: findings?, is_thorough: checker.is_some() })
}

/// A function, and a table if it is looked at as a trigger of that.
struct Subject {
    name: String,
    oid: u32,
    language: String,
    relation: u32,
    is_trigger: bool,
}

/// Everything is undone: checks may write what they need.
async fn findings(
    session: &mut Session,
    schemas: &[String],
    checker: Option<&str>,
    told: impl Fn(usize, usize),
) -> Result<Vec<Finding>, Error> {
    const BEGIN: &str = "begin; set local statement_timeout = '60s'; set local check_function_bodies = on";
    const REACH: &str = "
        select pg_catalog.set_config('search_path',
            pg_catalog.current_setting('search_path') || ', ' || pg_catalog.quote_ident($1), true)";
    session.batch(BEGIN).await?;
    if let Some(schema) = checker {
        session.execute(REACH, &[&schema]).await?;
    }
    let mut found: Vec<Finding> = Vec::new();
    let subjects = subjects(session, schemas).await?;
    let count = subjects.len();
    for (done, subject) in subjects.into_iter().enumerate() {
        told(done + 1, count);
        let issues = match checker {
            // Which rows a trigger function works on is not known until a table has it.
            Some(_) if subject.language == "plpgsql" && (subject.relation != 0 || !subject.is_trigger) => {
                checked(session, &subject).await?
            }
            _ => validated(session, &subject).await?,
        };
        if issues.is_empty() {
            continue;
        }
        match found.last_mut().filter(|last| last.function == subject.name) {
            // A trigger function says the same on each of its tables.
            Some(last) => {
                let new: Vec<_> = issues.into_iter().filter(|issue| !last.issues.contains(issue)).collect();
                last.issues.extend(new);
            }
            None => found.push(Finding { function: subject.name, issues }),
        }
    }
    session.batch("rollback").await?;
    Ok(found)
}

async fn subjects(session: &mut Session, schemas: &[String]) -> Result<Vec<Subject>, Error> {
    let platform = crate::advice::PLATFORM;
    let rows = session.query(include_str!("functions.sql"), &[&schemas, &platform]).await?;
    let read = |row: &db::Row| {
        Ok(Subject {
            name: row.try_get(0)?,
            oid: row.try_get(1)?,
            language: row.try_get(2)?,
            relation: row.try_get(3)?,
            is_trigger: row.try_get(4)?,
        })
    };
    rows.iter().map(read).collect()
}

/// What plpgsql_check says.
async fn checked(session: &mut Session, subject: &Subject) -> Result<Vec<Issue>, Error> {
    #[derive(Deserialize)]
    struct Said {
        issues: Vec<Issue>,
    }
    const SQL: &str =
        "select plpgsql_check_function($1::oid::regprocedure, $2::oid::regclass, format => 'json')";
    let said = attempt(session, SQL, &[&subject.oid, &subject.relation]).await?;
    let row = match said {
        Ok(Some(row)) => row,
        Ok(None) => return Ok(Vec::new()),
        Err(error) => return Ok(vec![Issue::of("error", &error)]),
    };
    let text: String = row.try_get(0)?;
    let said: Said = serde_json::from_str(&text).map_err(|error| Error::Client(error.to_string()))?;
    Ok(said.issues)
}

/// What Postgres says when such a function is created.
async fn validated(session: &mut Session, subject: &Subject) -> Result<Vec<Issue>, Error> {
    const SQL_BODY: &str = "select pg_catalog.fmgr_sql_validator($1)::text";
    const PLPGSQL_BODY: &str = "select pg_catalog.plpgsql_validator($1)::text";
    const STRICTLY: &str = "select pg_catalog.set_config('plpgsql.extra_errors', $1, true)";
    let sql = match subject.language.as_str() {
        "sql" => SQL_BODY,
        _ => PLPGSQL_BODY,
    };
    if let Err(error) = attempt(session, sql, &[&subject.oid]).await? {
        return Ok(vec![Issue::of("error", &error)]);
    }
    if subject.language == "sql" {
        return Ok(Vec::new());
    }
    // Warnings do not come back with an answer; errors do.
    session.execute(STRICTLY, &[&"shadowed_variables"]).await?;
    let strictly = attempt(session, sql, &[&subject.oid]).await?;
    session.execute(STRICTLY, &[&"none"]).await?;
    Ok(strictly.err().map(|error| Issue::of("warning", &error)).into_iter().collect())
}

/// Runs a statement that may fail without the transaction failing.
async fn attempt(
    session: &mut Session,
    sql: &str,
    params: &[db::Param<'_>],
) -> Result<Result<Option<db::Row>, Error>, Error> {
    session.batch("savepoint attempt").await?;
    let result = session.query_opt(sql, params).await;
    match result {
        Err(error) if error.server().is_none() => Err(error),
        result => {
            session.batch("rollback to attempt; release attempt").await?;
            Ok(result)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn issues_are_read_and_told_as_they_are() {
        let text = r#"{"level":"warning extra","message":"unused parameter \"a\"","statement":{"lineNumber":"1","text":"RETURN"},"query":{"position":"8","text":"select 1"},"sqlState":"00000"}"#;
        let issue: Issue = serde_json::from_str(text).unwrap();
        assert_eq!(issue.level(), Level::Warning);
        assert_eq!(serde_json::to_string(&issue).unwrap(), text);
        assert_eq!(Issue { level: "error".to_owned(), ..Issue::default() }.level(), Level::Error);
    }
}
