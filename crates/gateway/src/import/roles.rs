//! Extensions and roles that the project's schemas speak of.

use db::{Session, ident};

use super::dump::Dump;
use super::source::{Facts, Role};

/// Extensions that the platform brings itself, or whose work it does.
const OURS: &[&str] =
    &["plpgsql", "supabase_vault", "pgsodium", "pg_graphql", "pg_net", "pg_cron", "pgmq", "pgjwt", "pg_tle"];

/// Memberships that are power over the machine that this server runs on.
const OVER_THE_MACHINE: &[&str] =
    &["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"];

/// Extensions that this server has no packages for.
pub(super) async fn unavailable(here: &mut Session, facts: &Facts) -> Result<Vec<String>, db::Error> {
    let mut notes = Vec::new();
    for (name, _) in facts.extensions.iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
        let there = "select from pg_catalog.pg_available_extensions where name = $1";
        if here.query_opt(there, &[name]).await?.is_none() {
            notes.push(format!("the extension {name} is missing here: install its package for our Postgres"));
        }
    }
    Ok(notes)
}

/// Makes those that are missing. Returns what could not be made and what is to be done by hand.
pub(super) async fn bring(here: &mut Session, facts: &Facts, dump: &Dump) -> anyhow::Result<Vec<String>> {
    let mut notes = Vec::new();
    for (name, schema) in &facts.extensions {
        if OURS.contains(&name.as_str()) {
            continue;
        }
        const TO_MAKE: &str = "
            select from pg_catalog.pg_available_extensions where name = $1 and installed_version is null";
        // One that is not available has been told.
        if here.query_opt(TO_MAKE, &[name]).await?.is_none() {
            continue;
        }
        let make = [
            "create schema if not exists ",
            &ident(schema),
            "; create extension ",
            &ident(name),
            " schema ",
            &ident(schema),
            " cascade",
        ];
        if let Err(error) = here.batch(&make.concat()).await {
            let why = error.server().map_or_else(|| error.to_string(), |server| server.message.clone());
            notes.push(format!("the extension {name} cannot be made here: {why}"));
        }
    }
    let wanted: Vec<&Role> =
        facts.roles.iter().filter(|role| !role.is_bare || dump.names(&role.name)).collect();
    for role in &wanted {
        // Only a superuser sees passwords, which is what this session is.
        const THERE: &str =
            "select rolcanlogin and rolpassword is null from pg_catalog.pg_authid where rolname = $1";
        let has_no_password = match here.query_opt(THERE, &[&role.name]).await? {
            Some(row) => row.try_get(0)?,
            None => {
                here.batch(&make(role)).await?;
                role.can_login
            }
        };
        if role.is_bare {
            notes.push(format!("the role {} is here by name only", role.name));
        } else if has_no_password {
            notes.push(format!("the role {} has no password here", role.name));
        }
    }
    // Once all are there.
    for role in wanted.iter().filter(|role| !role.is_bare) {
        let granted = role.member_of.iter().map(|group| (group, &role.name));
        for (group, member) in granted.chain(role.members.iter().map(|member| (&role.name, member))) {
            let both =
                "select count(*) = 2 from pg_catalog.pg_roles where rolname in ($1, $2) and not rolsuper";
            if OVER_THE_MACHINE.contains(&group.as_str()) {
                notes.push(format!(
                    "the role {member} is no member of {group} here: grant it if it has to be"
                ));
            } else if here.query_one(both, &[group, member]).await?.try_get(0)? {
                here.batch(&["grant ", &ident(group), " to ", &ident(member)].concat()).await?;
            }
        }
    }
    Ok(notes)
}

fn make(role: &Role) -> String {
    let attribute = |has: bool, yes, no| if has && !role.is_bare { yes } else { no };
    [
        "create role ",
        &ident(&role.name),
        attribute(role.can_login, " login", " nologin"),
        attribute(role.inherits, " inherit", " noinherit"),
        attribute(role.bypasses_policies, " bypassrls", " nobypassrls"),
    ]
    .concat()
}
