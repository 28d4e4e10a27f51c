//! Starts that must fail, and say why.

use std::{
    fs::{self, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use cluster::{Cluster, Options, StartError};

use crate::scene::{Held, Scene, is_root, server_user, sql};

async fn refused(options: Options) -> StartError {
    Cluster::start(options).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn a_second_instance() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    let error = refused(scene.options()).await;
    let expected = format!("is using {} (process {})", scene.data_dir().display(), std::process::id());
    assert!(
        matches!(error, StartError::AlreadyRunning { .. }) && error.to_string().contains(&expected),
        "{error}"
    );
    let output = Held::command(&scene, None).stdin(Stdio::null()).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("AlreadyRunning"));
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_parent_that_the_server_may_not_enter() {
    if !is_root() {
        return;
    }
    let scene = Scene::new();
    fs::set_permissions(scene.path(), Permissions::from_mode(0o700)).unwrap();
    let error = refused(scene.options()).await.to_string();
    assert!(error.contains(&format!("run `chmod o+x {}`", scene.path().display())), "{error}");
    // The data directory itself is ours to open.
    fs::set_permissions(scene.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(scene.data_dir(), Permissions::from_mode(0o700)).unwrap();
    scene.start().await.stop().await.unwrap();
}

#[test]
fn an_unreadable_data_directory() {
    let scene = Scene::new();
    let user = server_user();
    let as_user = is_root().then_some(&user);
    let error = |mode| {
        fs::set_permissions(scene.data_dir(), Permissions::from_mode(mode)).unwrap();
        let output = Held::command(&scene, as_user).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    fs::create_dir(scene.data_dir()).unwrap();
    nix::unistd::chown(&scene.data_dir(), Some(user.uid), Some(user.gid)).unwrap();
    for mode in [0o000, 0o500, 0o300] {
        let error = error(mode);
        assert!(
            error.contains("Denied") && error.contains(scene.data_dir().to_str().unwrap()),
            "{mode:o}: {error}"
        );
    }
    // Or it could not be removed.
    fs::set_permissions(scene.data_dir(), Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn files_of_somebody_else() {
    if !is_root() {
        return;
    }
    let scene = Scene::new();
    scene.start().await.stop().await.unwrap();
    let mut options = scene.options();
    options.run_as = Some("nobody".into());
    let error = refused(options).await;
    let text = error.to_string();
    assert!(
        text.contains("belongs to `postgres`") || text.contains("private directory of `nobody`"),
        "{text}"
    );
    let mut options = scene.options();
    options.run_as = Some("root".into());
    assert!(matches!(refused(options).await, StartError::UserIsRoot(_)));
}

#[tokio::test]
async fn a_directory_that_is_no_cluster() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    cluster.stop().await.unwrap();
    drop(cluster);
    let version = scene.cluster_dir().join("PG_VERSION");
    fs::write(&version, "").unwrap();
    let error = refused(scene.options()).await;
    assert!(matches!(&error, StartError::NotACluster(path) if *path == scene.cluster_dir()), "{error}");
    assert!(scene.cluster_dir().join("base").exists(), "and nothing is deleted");
}

#[tokio::test]
async fn a_cluster_of_a_version_that_is_not_installed() {
    let scene = Scene::new();
    let path = scene.data_dir().join("pg/99");
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("PG_VERSION"), "99\n").unwrap();
    let error = refused(scene.options()).await;
    assert!(matches!(&error, StartError::NoBinaries { wanted: Some(99), .. }), "{error}");
}

#[tokio::test]
async fn settings_that_are_not_to_be_set() {
    for name in ["unix_socket_permissions", "x = 1\nfsync"] {
        let scene = Scene::new();
        let mut options = scene.options();
        options.extra_settings.push((name.into(), "0777".into()));
        assert!(matches!(refused(options).await, StartError::BadSetting { .. }), "{name}");
    }
    let scene = Scene::new();
    let mut options = scene.options();
    options.extra_settings.push(("work_mem".into(), "much".into()));
    let error = refused(options).await.to_string();
    assert!(error.contains("work_mem") && error.contains("much"), "{error}");
}

/// A small file system of its own, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where the system does not let us mount.
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let size = format!("size={size},mode=755");
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(&path).output().unwrap();
        done.status.success().then(|| Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().unwrap();
    }
}

#[tokio::test]
async fn a_disk_that_is_too_small_for_a_cluster() {
    let scene = Scene::new();
    let Some(disk) = SmallDisk::mount(scene.data_dir(), "20m") else { return };
    let error = refused(scene.options()).await;
    assert!(matches!(error, StartError::DiskFull(_)), "{error}");
    assert!(error.to_string().contains(scene.data_dir().to_str().unwrap()), "{error}");
    drop(disk);
}

#[tokio::test]
async fn a_disk_that_has_filled_up() {
    let scene = Scene::new();
    let Some(disk) = SmallDisk::mount(scene.data_dir(), "120m") else { return };
    let cluster = scene.start().await;
    sql(&cluster, "create table kept as select 42 as answer");
    cluster.stop().await.unwrap();
    let filler = scene.data_dir().join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    let error = refused(scene.options()).await;
    assert!(matches!(error, StartError::DiskFull(_)), "{error}");
    fs::remove_file(filler).unwrap();
    let cluster = scene.start().await;
    assert_eq!(sql(&cluster, "select answer from kept"), "42", "nothing is lost");
    cluster.stop().await.unwrap();
    drop(disk);
}
