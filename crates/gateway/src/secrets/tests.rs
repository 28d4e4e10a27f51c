//! What a first start makes, and what later ones stand.

#![allow(clippy::unwrap_used)]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn made_once_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let first = Secrets::open(dir.path(), 1).unwrap();
    let root_key = fs::read(root_key_file(dir.path())).unwrap();
    assert_eq!(Secrets::open(dir.path(), 2).unwrap(), first);
    assert_eq!(fs::read(root_key_file(dir.path())).unwrap(), root_key);
    for path in [file(dir.path()), root_key_file(dir.path())] {
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
    let other = tempfile::tempdir().unwrap();
    let second = Secrets::open(other.path(), 1).unwrap();
    assert_ne!(second.jwt_secret, first.jwt_secret);
    assert_ne!(second.passwords.postgres, first.passwords.postgres);
    assert!(!format!("{first:?}").contains(first.jwt_secret.expose()));
}

#[test]
fn nothing_is_made_by_looking() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Secrets::existing(dir.path()).unwrap().is_none());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_start_that_was_killed_leaves_no_half_set() {
    let dir = tempfile::tempdir().unwrap();
    let first = Secrets::open(dir.path(), 1).unwrap();
    // Killed before the rename: only the file beside it, cut short.
    fs::rename(file(dir.path()), file(dir.path()).with_extension("new")).unwrap();
    fs::write(file(dir.path()).with_extension("new"), "{\"created").unwrap();
    let second = Secrets::open(dir.path(), 2).unwrap();
    assert_ne!(first, second);
    assert_eq!(Secrets::open(dir.path(), 3).unwrap(), second);
    // Killed between the two files: the vault's key stays what it was.
    let root_key = fs::read(root_key_file(dir.path())).unwrap();
    fs::remove_file(file(dir.path())).unwrap();
    Secrets::open(dir.path(), 4).unwrap();
    assert_eq!(fs::read(root_key_file(dir.path())).unwrap(), root_key);
}

#[test]
fn damaged_files_are_told_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    Secrets::open(dir.path(), 1).unwrap();
    let whole = fs::read(file(dir.path())).unwrap();
    for content in [&b""[..], &whole[..whole.len() / 2], b"{}", b"null"] {
        fs::write(file(dir.path()), content).unwrap();
        assert!(matches!(Secrets::open(dir.path(), 2), Err(SecretsError::Damaged { .. })));
        assert_eq!(fs::read(file(dir.path())).unwrap(), content);
    }
    fs::write(file(dir.path()), whole).unwrap();
    fs::write(root_key_file(dir.path()), "abc").unwrap();
    let error = Secrets::open(dir.path(), 2).unwrap_err();
    assert!(matches!(error, SecretsError::DamagedRootKey { .. }) && error.to_string().contains("root.key"));
    fs::remove_file(root_key_file(dir.path())).unwrap();
    assert!(matches!(Secrets::open(dir.path(), 2), Err(SecretsError::LostRootKey { .. })));
}

/// Who may change everything leaves the files to the account that they belong to.
#[test]
fn a_change_keeps_the_owner() {
    let dir = tempfile::tempdir().unwrap();
    Secrets::open(dir.path(), 1).unwrap();
    let path = file(dir.path());
    let owner = |path: &Path| (fs::metadata(path).unwrap().uid(), fs::metadata(path).unwrap().gid());
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12), Some(34)).unwrap();
    }
    let before = owner(&path);
    let changed = Secrets::change(dir.path(), |secrets| {
        secrets.rotated_at = Some(7);
        Ok::<_, SecretsError>(())
    });
    assert!(changed.unwrap().is_some());
    assert_eq!(Secrets::existing(dir.path()).unwrap().unwrap().rotated_at, Some(7));
    assert_eq!((owner(&path), owner(&path.with_extension("lock"))), (before, before));
}

#[test]
fn a_link_in_place_of_a_file_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    Secrets::open(dir.path(), 1).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(root_key_file(dir.path()), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root_key_file(dir.path())).unwrap();
    assert!(matches!(Secrets::open(dir.path(), 2), Err(SecretsError::Io { .. })));
}

#[test]
fn files_that_others_may_read_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    Secrets::open(dir.path(), 1).unwrap();
    for path in [file(dir.path()), root_key_file(dir.path())] {
        chmod(&path, 0o640);
        let text = Secrets::open(dir.path(), 2).unwrap_err().to_string();
        assert!(text.contains("chmod 600"), "{text}");
        chmod(&path, 0o600);
    }
    chmod(&dir.path().join("secrets"), 0o755);
    let text = Secrets::open(dir.path(), 2).unwrap_err().to_string();
    assert!(text.contains("chmod 700"), "{text}");
}

#[test]
fn what_the_settings_give_wins() {
    let own = Secrets::generate(1).unwrap();
    let mut settings = Settings::default();
    settings.keys.postgres_password = Secret::new("hunter2");
    settings.keys.publishable_key = Secret::new("sb_publishable_x");
    let effective = own.clone().with_settings(&settings).unwrap();
    assert_eq!(effective.passwords.postgres.expose(), "hunter2");
    assert_eq!(effective.publishable_key.expose(), "sb_publishable_x");
    assert_eq!(effective.anon_key, own.anon_key);
    settings.jwt.secret = Secret::new("another secret of thirty-two characters");
    let effective = own.clone().with_settings(&settings).unwrap();
    assert_ne!(effective.anon_key, own.anon_key);
    assert_eq!(effective.jwt_secret, settings.jwt.secret);
}
