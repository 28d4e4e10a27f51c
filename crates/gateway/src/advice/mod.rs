//! Advice about a database: what is open that should not be, what is slow that need not be. Names, levels and findings are those of
//! `supabase db advisors`.
//!
//! Each rule is a statement in `rules/` that finds schema, name and kind of an object, and a sentence. Objects that belong to an
//! extension or to the platform are nobody's to change and are left out.

use db::Session;
use serde::Serialize;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Level {
    /// Worth knowing.
    Info,
    /// Worth changing.
    Warn,
    /// Wrong, in all likelihood.
    Error,
}

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Category {
    /// Who may see or change what.
    Security,
    /// How long it takes.
    Performance,
}

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The rule.
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    pub(crate) categories: [Category; 1],
    /// Why it matters.
    pub(crate) description: &'static str,
    /// What was found.
    pub(crate) detail: String,
    pub(crate) metadata: Object,
}

/// What it was found at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Object {
    pub(crate) schema: String,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

/// Where a rule looks, and so what its `$1` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// In the schemas that the data API serves.
    Served,
    /// In all schemas but those of the platform.
    Own,
}

/// Schemas of the platform.
pub(crate) const PLATFORM: &[&str] = &[
    "_realtime",
    "auth",
    "basalt",
    "cron",
    "extensions",
    "graphql",
    "graphql_public",
    "information_schema",
    "net",
    "pg_catalog",
    "pg_toast",
    "pgbouncer",
    "pgmq",
    "pgsodium",
    "realtime",
    "storage",
    "supabase_functions",
    "supabase_migrations",
    "vault",
];

struct Rule {
    name: &'static str,
    level: Level,
    category: Category,
    reach: Reach,
    description: &'static str,
    sql: &'static str,
}

macro_rules! rule {
    ($name:literal, $level:ident, $category:ident, $reach:ident, $description:literal) => {
        Rule {
            name: $name,
            level: Level::$level,
            category: Category::$category,
            reach: Reach::$reach,
            description: $description,
            sql: include_str!(concat!("rules/", $name, ".sql")),
        }
    };
}

/// Every rule, those that matter most first.
const RULES: &[Rule] = &[
    rule!(
        "rls_disabled_in_public",
        Error,
        Security,
        Served,
        "Without row-level security whoever has the public API key sees and changes every row."
    ),
    rule!(
        "policy_exists_rls_disabled",
        Error,
        Security,
        Own,
        "Policies have no effect until row-level security is switched on."
    ),
    rule!("auth_users_exposed", Error, Security, Served, "A view shows accounts to the roles of the API."),
    rule!(
        "security_definer_view",
        Error,
        Security,
        Served,
        "A view without security_invoker reads with the rights of its owner and passes the policies by."
    ),
    rule!(
        "rls_references_user_metadata",
        Error,
        Security,
        Served,
        "Users write user_metadata themselves: no policy can rely on it."
    ),
    rule!(
        "function_search_path_mutable",
        Warn,
        Security,
        Own,
        "Whoever calls a function without a search_path of its own decides which objects its names mean."
    ),
    rule!(
        "extension_in_public",
        Warn,
        Security,
        Served,
        "Functions of an extension in public are served by the API; it belongs into another schema."
    ),
    rule!(
        "materialized_view_in_api",
        Warn,
        Security,
        Served,
        "No policy protects the rows of a materialized view."
    ),
    rule!(
        "rls_enabled_no_policy",
        Info,
        Security,
        Own,
        "With row-level security and without a policy nobody but the service role sees a row."
    ),
    rule!(
        "auth_rls_initplan",
        Warn,
        Performance,
        Own,
        "Functions of auth are called for every row; as (select auth.uid()) they are called once."
    ),
    rule!(
        "multiple_permissive_policies",
        Warn,
        Performance,
        Own,
        "Each of several permissive policies for one role and action is asked for every row; one with `or` is faster."
    ),
    rule!(
        "duplicate_index",
        Warn,
        Performance,
        Own,
        "Equal indexes are all kept up to date, and one is used."
    ),
    rule!(
        "unindexed_foreign_keys",
        Info,
        Performance,
        Own,
        "Without an index on its columns, deleting what a foreign key points to reads the whole table."
    ),
    rule!(
        "unused_index",
        Info,
        Performance,
        Own,
        "An index costs with every write; one that is never read costs only."
    ),
    rule!(
        "no_primary_key",
        Info,
        Performance,
        Own,
        "Without a primary key rows cannot be told apart, by replication or by hand."
    ),
];

/// What the rules find, of a category if one is named and of a level or above.
///
/// # Errors
///
/// What Postgres said.
pub(crate) async fn findings(
    session: &mut Session,
    schemas: &[String],
    category: Option<Category>,
    level: Level,
) -> Result<Vec<Finding>, db::Error> {
    let mut findings = Vec::new();
    let wanted =
        |rule: &&Rule| category.is_none_or(|category| rule.category == category) && rule.level >= level;
    for rule in RULES.iter().filter(wanted) {
        let rows = match rule.reach {
            Reach::Served => session.query(rule.sql, &[&schemas]).await?,
            Reach::Own => session.query(rule.sql, &[&PLATFORM]).await?,
        };
        for row in rows {
            let metadata = Object { schema: row.try_get(0)?, name: row.try_get(1)?, kind: row.try_get(2)? };
            findings.push(Finding {
                name: rule.name,
                level: rule.level,
                categories: [rule.category],
                description: rule.description,
                detail: row.try_get(3)?,
                metadata,
            });
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_there_once_and_says_where_it_looks() {
        for (index, rule) in RULES.iter().enumerate() {
            assert!(RULES.iter().skip(index + 1).all(|other| other.name != rule.name), "{}", rule.name);
            assert!(rule.sql.starts_with("-- ") && rule.sql.contains("$1"), "{}", rule.name);
        }
    }
}
