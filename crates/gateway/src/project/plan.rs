//! What is to be done, from what is there and what was done.

use super::folder::Migration;

/// Why migrations cannot be applied.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Conflict {
    /// Versions that were applied and have no file.
    #[error(
        "the database has migrations that are not in this folder: {versions}\nif they are to be forgotten: \
         basalt db repair --status reverted {versions}",
        versions = .0.join(" ")
    )]
    Unknown(Vec<String>),
    /// Files older than the newest that was applied.
    #[error(
        "these migrations would be applied before the last one in the database: {}\nto do so: --include-all",
        .0.join(", ")
    )]
    OutOfOrder(Vec<String>),
}

/// The migrations to apply, in order. `local` and `applied` are in order; with `all`, also those older
/// than the newest that was applied.
pub(crate) fn pending<'a>(
    local: &'a [Migration],
    applied: &[String],
    all: bool,
) -> Result<Vec<&'a Migration>, Conflict> {
    let is_local = |version: &String| local.iter().any(|migration| migration.version == *version);
    let unknown: Vec<String> = applied.iter().filter(|version| !is_local(version)).cloned().collect();
    if !unknown.is_empty() {
        return Err(Conflict::Unknown(unknown));
    }
    let pending: Vec<&Migration> =
        local.iter().filter(|migration| !applied.contains(&migration.version)).collect();
    let newest = applied.last();
    let late = pending.iter().filter(|migration| newest.is_some_and(|newest| migration.version < *newest));
    let late: Vec<String> = late.map(|migration| migration.path.display().to_string()).collect();
    if all || late.is_empty() { Ok(pending) } else { Err(Conflict::OutOfOrder(late)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(versions: &[&str]) -> Vec<Migration> {
        let migration = |version: &&str| Migration {
            version: (*version).to_owned(),
            name: String::new(),
            path: format!("{version}_.sql").into(),
        };
        versions.iter().map(migration).collect()
    }

    fn check(files: &[&str], applied: &[&str], all: bool, expected: Result<&[&str], Conflict>) {
        let files = local(files);
        let applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
        let found = pending(&files, &applied, all);
        let found = found.map(|list| list.into_iter().map(|each| each.version.as_str()).collect::<Vec<_>>());
        assert_eq!(found, expected.map(<[_]>::to_vec));
    }

    #[test]
    fn what_is_new_is_pending() {
        check(&["1", "2"], &[], false, Ok(&["1", "2"]));
        check(&["1", "2", "3"], &["1"], false, Ok(&["2", "3"]));
        check(&["1"], &["1"], false, Ok(&[]));
        check(&[], &[], false, Ok(&[]));
    }

    #[test]
    fn the_order_is_kept_unless_told_otherwise() {
        let late = || Conflict::OutOfOrder(vec!["2_.sql".to_owned()]);
        check(&["1", "2", "3"], &["1", "3"], false, Err(late()));
        check(&["1", "2", "3"], &["1", "3"], true, Ok(&["2"]));
    }

    #[test]
    fn nothing_is_applied_to_a_database_of_another_history() {
        for all in [false, true] {
            check(&["2"], &["1", "2"], all, Err(Conflict::Unknown(vec!["1".to_owned()])));
        }
    }
}
