//! What is remembered of the catalogue, so that a change needs no look into it.
//!
//! The stream describes a table again after everything that alters it, its policies and its grants included, before
//! the first change behind that; so a table is remembered until then. What the stream does not say (who is a member
//! of which role, who bypasses policies, what a function about claims does) is looked up again after half a minute.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use db::{Error, Pool};
use kernel::Identity;
use tokio::time::Instant;

use super::kind::Types;
use super::policy::{self, Conditions};
use crate::store::table::{self, Rights, Table};
use crate::wal::decode::Relation;

const LIFETIME: Duration = Duration::from_secs(30);

/// Callers whose claims are remembered at most.
const CALLERS: usize = 20_000;

/// A table, if it is still there, and what roles may see of it.
pub(super) struct Known {
    relation: Arc<Relation>,
    pub(super) table: Table,
    pub(super) conditions: Conditions,
    /// None for roles that do not exist.
    roles: HashMap<String, Option<View>>,
}

/// What a role may see of a table.
pub(super) struct View {
    pub(super) rights: Rights,
    /// Policies decide about rows.
    pub(super) is_bound: bool,
    /// The places of these policies among those of the table.
    pub(super) policies: Vec<usize>,
}

impl Known {
    pub(super) fn view(&self, role: &str) -> Option<&View> {
        self.roles.get(role)?.as_ref()
    }
}

/// The value of an expression about claims; none if it could not be found out.
pub(super) type Claim = Option<Option<String>>;

/// Role and claims: who looks.
pub(super) type Who = (String, Arc<str>);

/// Whose claims these are.
pub(super) fn who(identity: &Identity) -> Who {
    (identity.role.as_str().to_owned(), identity.claims.text().into())
}

/// All that is remembered.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) types: Types,
    tables: HashMap<u32, Option<Known>>,
    pure: HashSet<String>,
    /// By caller, then by expression.
    pub(super) claims: HashMap<Who, HashMap<String, Claim>>,
    since: Option<Instant>,
}

impl Memory {
    /// A table that was looked up for this description of it; none if it is gone.
    pub(super) fn table(&self, relation: &Relation) -> Option<&Known> {
        self.tables.get(&relation.id)?.as_ref()
    }

    /// Whether a table need not be looked up for this description of it.
    pub(super) fn knows(&self, relation: &Arc<Relation>) -> bool {
        match self.tables.get(&relation.id) {
            Some(Some(known)) => Arc::ptr_eq(&known.relation, relation),
            // It may have been made anew under its number, which takes a while.
            Some(None) => true,
            None => false,
        }
    }

    /// Looks up what is missing for these roles.
    pub(super) async fn learn<'a>(
        &mut self,
        pool: &Pool,
        relation: &Arc<Relation>,
        roles: impl Iterator<Item = &'a str>,
    ) -> Result<(), Error> {
        if !self.knows(relation) {
            let mut session = pool.begin().await?;
            let table = table::find(&mut session, relation.id, &mut self.types).await?;
            session.rollback().await?;
            let known = table.map(|table| Known {
                relation: Arc::clone(relation),
                conditions: Conditions::read(&table, &self.types, &self.pure),
                table,
                roles: HashMap::new(),
            });
            self.tables.insert(relation.id, known);
        }
        let Some(Some(known)) = self.tables.get_mut(&relation.id) else { return Ok(()) };
        for role in roles {
            if !known.roles.contains_key(role) {
                let mut session = pool.session().await?;
                let rights = table::rights(&mut session, role, relation.id, known.table.owner).await?;
                let view = rights.map(|rights| view(&known.table, rights));
                known.roles.insert(role.to_owned(), view);
            }
        }
        Ok(())
    }

    /// Forgets what is too old. Before a batch, and not within it: its tables are looked up one after the other, and
    /// all of them must be there in the end.
    pub(super) async fn freshen(&mut self, pool: &Pool) -> Result<(), Error> {
        if self.since.is_some_and(|since| since.elapsed() <= LIFETIME) {
            return Ok(());
        }
        let functions = table::claims(&mut pool.session().await?).await?;
        let pure = functions.into_iter().filter(|(_, body)| policy::is_pure(body)).map(|(name, _)| name);
        let pure: HashSet<String> = pure.collect();
        if pure != self.pure || self.claims.len() > CALLERS {
            self.claims.clear();
        }
        self.pure = pure;
        self.tables.clear();
        self.types.clear();
        self.since = Some(Instant::now());
        Ok(())
    }
}

fn view(table: &Table, rights: Rights) -> View {
    let is_exempt = rights.is_free || rights.is_owner && !table.binds_owner;
    let policies = table.policies.iter().enumerate();
    let policies = policies.filter(|(_, policy)| rights.policies.contains(&policy.id));
    let policies = policies.map(|(index, _)| index).collect();
    View { is_bound: table.has_policies && !is_exempt, policies, rights }
}
