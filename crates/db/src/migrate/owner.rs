//! Who brings migrations, and which.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::Target;

/// Whoever brings migrations, in the order in which they are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// Roles, schemas, extensions, default privileges: [`bootstrap::migrations`].
    Base,
    /// The server's own tables, in schema `basalt`.
    Gateway,
    /// Secrets at rest.
    Vault,
    /// Accounts and sessions.
    Auth,
    /// Files.
    Storage,
    /// Channels and row changes.
    Realtime,
    /// The data API.
    Rest,
}

impl Owner {
    /// The name of the owner's directory and history table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Gateway => "gateway",
            Self::Vault => "vault",
            Self::Auth => "auth",
            Self::Storage => "storage",
            Self::Realtime => "realtime",
            Self::Rest => "rest",
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A file that can be run again: its name and its text.
pub type Repeatable = (&'static str, &'static str);

/// The migrations of one owner.
#[derive(Clone)]
pub struct Migrations {
    pub(super) owner: Owner,
    pub(super) versioned: Vec<refinery::Migration>,
    pub(super) repeatables: Vec<Repeatable>,
    pub(super) prelude: Option<&'static str>,
    pub(super) settings: Vec<(&'static str, String)>,
    pub(super) replaced_by: Option<&'static str>,
    pub(super) login: Option<Target>,
}

impl Migrations {
    /// From the runner that `refinery::embed_migrations!("../../migrations/<owner>")` makes, and
    /// the repeatable files.
    #[must_use]
    pub fn new(owner: Owner, runner: &refinery::Runner, repeatables: &[Repeatable]) -> Self {
        let mut versioned = runner.get_migrations().clone();
        versioned.sort_by_key(refinery::Migration::version);
        let mut repeatables = repeatables.to_vec();
        repeatables.sort_unstable();
        Self {
            owner,
            versioned,
            repeatables,
            prelude: None,
            settings: Vec::new(),
            replaced_by: None,
            login: None,
        }
    }

    /// A value that the files read with `current_setting('basalt.<name>')`. Repeatable files that
    /// name it are run again when it changes.
    #[must_use]
    pub fn with_setting(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    /// A file that can be run again and is, before the versioned ones, whenever anything of this
    /// owner is.
    #[must_use]
    pub(crate) fn with_prelude(mut self, sql: &'static str) -> Self {
        self.prelude = Some(sql);
        self
    }

    /// Names an extension that brings what these migrations make: where it is installed, they are
    /// left out.
    #[must_use]
    pub fn unless_extension(mut self, name: &'static str) -> Self {
        self.replaced_by = Some(name);
        self
    }

    /// The files run in a session that logs in here, as the role that owns their tables. Whoever
    /// may plant a trigger on those tables could otherwise have it run in a superuser's session,
    /// where it can take the superuser's role back.
    #[must_use]
    pub fn run_by(mut self, login: Target) -> Self {
        self.login = Some(login);
        self
    }

    /// Whose these are.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// The names of the repeatable files, for the test that none was forgotten.
    pub fn repeatables(&self) -> impl Iterator<Item = &'static str> {
        self.repeatables.iter().map(|(name, _)| *name)
    }

    /// Changes when any file or any setting does: 64 hex digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        let mut add = |part: &str| {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        add(self.prelude.unwrap_or_default());
        for file in &self.versioned {
            add(&file.checksum().to_string());
        }
        for (name, sql) in &self.repeatables {
            add(name);
            add(&self.checksum(sql));
        }
        hex::encode(digest.finalize())
    }

    /// Of a repeatable file and the settings it names.
    pub(super) fn checksum(&self, sql: &str) -> String {
        let mut digest = Sha256::new_with_prefix(sql);
        for (name, value) in &self.settings {
            if sql.contains(&format!("'basalt.{name}'")) {
                digest.update(format!("\0{name}={value}"));
            }
        }
        hex::encode(digest.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrations(repeatables: &[Repeatable]) -> Migrations {
        Migrations::new(Owner::Base, &refinery::Runner::new(&[]), repeatables)
    }

    #[test]
    fn a_setting_changes_only_the_files_that_read_it() {
        let on = migrations(&[]).with_setting("watch", "on");
        let off = migrations(&[]).with_setting("watch", "off");
        let reads = "select current_setting('basalt.watch')";
        assert_ne!(on.checksum(reads), off.checksum(reads));
        assert_eq!(on.checksum("select 1"), off.checksum("select 1"));
    }

    #[test]
    fn the_fingerprint_depends_on_names_and_texts_and_not_on_their_order() {
        let one = migrations(&[("a", "1"), ("b", "2")]).fingerprint();
        assert_eq!(one, migrations(&[("b", "2"), ("a", "1")]).fingerprint());
        assert_ne!(one, migrations(&[("a", "2"), ("b", "1")]).fingerprint());
        assert_ne!(one, migrations(&[("a", "1")]).fingerprint());
    }

    #[test]
    fn owners_come_in_their_order() {
        let mut owners = [Owner::Auth, Owner::Rest, Owner::Base, Owner::Vault, Owner::Gateway];
        owners.sort();
        assert_eq!(owners, [Owner::Base, Owner::Gateway, Owner::Vault, Owner::Auth, Owner::Rest]);
    }
}
