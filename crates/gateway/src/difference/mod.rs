//! What makes the schema of one database that of another, as SQL.
//!
//! ```text
//! dump     pg_dump's text as entries, one per object: what they are called and how they are made
//! tables   columns and checks of tables, which are altered and not made anew
//! column_types  domains, enumerations and composite types, which columns have
//! compare  two states into statements, pure; drops and inverse grants are in `undo`, alterations in `alter`
//! spelling one text for what can be spelled in two ways
//! shadow   a database that exists for the moment, with the platform's schemas
//! ```
//!
//! pg_dump knows every kind of object and the order in which they can be made; here is decided only what to do where an object is
//! on one side alone, or looks different. The result is not believed but tried: the statements run on the one database, a scratch
//! one, and both are compared again. What took other things along (a view and the rights on it) is made up for by the next round. What then still
//! differs cannot be said in SQL here, and is named.
//!
//! Left out: owners, the order of columns, the platform's own schemas (but for policies and triggers on their tables), roles and what
//! belongs to the whole server.

mod alter;
mod column_types;
mod compare;
mod dump;
pub(crate) mod shadow;
mod spelling;
mod tables;
mod undo;

use std::path::Path;

use anyhow::Context;
use db::{Pool, Session, Target};

use crate::database::one_connection;
use crate::project::split::statements;
use shadow::Shadow;

/// How to get from one to the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// In order, each with its semicolon.
    pub(crate) statements: Vec<String>,
    /// Objects that differ in a way that is not said here.
    pub(crate) left: Vec<String>,
    /// Why the statements do not run, if they do not.
    pub(crate) refused: Option<String>,
}

impl Difference {
    /// As the text of a migration.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Functions may come before what they name.
        if self.statements.iter().any(|sql| sql.starts_with("CREATE") && sql.contains(" FUNCTION ")) {
            text.push_str("set check_function_bodies = off;\n\n");
        }
        text.push_str(&self.statements.join("\n\n"));
        text.push('\n');
        text
    }
}

/// Rounds after which two databases are as alike as they get.
const ROUNDS: usize = 4;

/// The statements that make `scratch` like `goal`, whose way in is a superuser's; they run there. With `schemas`, only of those.
///
/// # Errors
///
/// Without pg_dump, or if a database does not answer.
pub(crate) async fn between(
    scratch: &Shadow,
    goal: &Target,
    pg_dump: &Path,
    schemas: &[String],
) -> anyhow::Result<Difference> {
    let wanted = state(goal, pg_dump, schemas).await?;
    let mut difference = Difference::default();
    let mut beyond = Vec::new();
    for round in 0..=ROUNDS {
        let plan = compare::plan(&state(scratch.administrator(), pg_dump, schemas).await?, &wanted);
        difference.left = beyond.iter().cloned().chain(plan.left).collect();
        if plan.statements.is_empty() {
            break;
        }
        if round == ROUNDS {
            let unsettled = plan.statements.iter().filter_map(|sql| sql.lines().next());
            difference.left.extend(unsettled.map(str::to_owned));
            break;
        }
        difference.statements.extend(plan.statements.iter().cloned());
        match apply(scratch, &plan.statements).await {
            Ok(refused) => {
                difference.statements.retain(|sql| !refused.contains(sql));
                beyond.extend(refused.iter().map(|sql| format!("{sql} (a superuser's to do)")));
            }
            Err(error) => {
                difference.refused = Some(format!("{error:#}"));
                break;
            }
        }
    }
    Ok(difference)
}

/// One database, as far as it is compared.
struct State {
    entries: Vec<dump::Entry>,
    tables: tables::Tables,
}

async fn state(target: &Target, pg_dump: &Path, schemas: &[String]) -> anyhow::Result<State> {
    let entries = dump::take(target, pg_dump, schemas).await?;
    let mut session = session(target).await?;
    let tables = tables::load(&mut session, &entries).await?;
    Ok(State { entries, tables })
}

async fn session(target: &Target) -> anyhow::Result<Session> {
    Pool::new(target, one_connection())
        .session()
        .await
        .context("the database does not answer; does the server run?")
}

/// Runs statements as whoever will run the migration. Extensions that are a superuser's to make are made by one, so that what needs
/// them can be compared, and returned.
async fn apply(scratch: &Shadow, sql: &[String]) -> anyhow::Result<Vec<String>> {
    const BEGIN: &str = "set check_function_bodies = off; begin; savepoint before";
    const REFUSED: &str = "42501";
    let mut session = session(scratch.developer()).await?;
    session.batch(BEGIN).await?;
    let mut refused = Vec::new();
    for text in sql {
        for statement in statements(text) {
            let done = session.batch(statement).await;
            match done {
                Err(error) if error.code() == Some(REFUSED) && statement.starts_with("CREATE EXTENSION ") => {
                    session.batch("rollback to before; commit").await?;
                    privileged(scratch, statement).await?;
                    session.batch(BEGIN).await?;
                    refused.push(text.clone());
                }
                Err(error) => return Err(error).with_context(|| format!("at: {statement}")),
                Ok(()) => session.batch("release before; savepoint before").await?,
            }
        }
    }
    session.batch("commit").await?;
    Ok(refused)
}

async fn privileged(scratch: &Shadow, statement: &str) -> anyhow::Result<()> {
    Ok(session(scratch.administrator()).await?.batch(statement).await?)
}
