//! What a killed supervisor leaves behind.

use std::{fs, os::unix::process::CommandExt, process::Command, time::Instant};

use nix::sys::signal::Signal;

use crate::scene::{Held, Scene, is_alive, is_root, send, server_user, sql, wait_until};

fn killed_parent_takes_the_server_along(as_root: bool) {
    let scene = Scene::new();
    let user = server_user();
    let user = (is_root() && !as_root).then_some(&user);
    if let Some(user) = user {
        scene.give_to(user);
    }
    let mut held = Held::start(&scene, user);
    let postmaster = held.postmaster;
    let owner = fs::read_to_string(format!("/proc/{postmaster}/status")).unwrap();
    let expected = server_user().uid.to_string();
    let uids: Vec<_> =
        owner.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap().split_whitespace().collect();
    assert!(uids.iter().all(|uid| *uid == expected), "{uids:?}");
    if is_root() {
        let groups = owner.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
        assert!(user.is_some() || groups.trim().is_empty(), "no group of root is kept: {groups}");
    }
    let begin = Instant::now();
    held.kill();
    wait_until("the server is gone", || !is_alive(postmaster));
    println!("parent killed to server gone: {:?}", begin.elapsed());
    assert!(!scene.cluster_dir().join("postmaster.pid").exists(), "by a clean shutdown");
    Held::start(&scene, user).stop();
}

#[test]
fn does_not_outlive_a_killed_parent() {
    killed_parent_takes_the_server_along(true);
}

#[test]
fn does_not_outlive_a_killed_parent_without_root() {
    killed_parent_takes_the_server_along(false);
}

/// Killed and started again at once: the old server may still be shutting down.
#[test]
fn an_immediate_restart_needs_no_help() {
    let scene = Scene::new();
    for _ in 0..3 {
        Held::start(&scene, None).kill();
    }
    Held::start(&scene, None).stop();
}

/// Both at once, as in a power cut of the process tree.
#[test]
fn parent_and_server_killed_together() {
    let scene = Scene::new();
    let mut held = Held::start(&scene, None);
    send(held.postmaster, Signal::SIGKILL);
    held.kill();
    Held::start(&scene, None).stop();
}

/// A server that nobody supervises any more, as without `setpriv`.
#[tokio::test]
async fn a_server_left_running_is_replaced() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    let postgres = cluster.bin_dir().join("postgres");
    cluster.stop().await.unwrap();
    drop(cluster);
    let user = server_user();
    let mut orphan = Command::new(postgres)
        .arg("-D")
        .arg(scene.cluster_dir())
        .args(["-c", "listen_addresses=", "-c"])
        .arg(format!("unix_socket_directories={}", scene.data_dir().join("run").display()))
        .uid(user.uid.as_raw())
        .gid(user.gid.as_raw())
        .current_dir("/")
        .spawn()
        .unwrap();
    wait_until("the orphan is ready", || {
        fs::read_to_string(scene.cluster_dir().join("postmaster.pid"))
            .is_ok_and(|text| text.contains("ready"))
    });
    let cluster = scene.start().await;
    assert!(orphan.wait().unwrap().success(), "fast shutdown");
    assert_eq!(sql(&cluster, "select 1"), "1");
    cluster.stop().await.unwrap();
}

/// The number in `postmaster.pid` now belongs to another process of the same user; Postgres alone would refuse to start.
#[tokio::test]
async fn a_stale_pid_file_with_a_reused_number() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    let path = scene.cluster_dir().join("postmaster.pid");
    let text = fs::read_to_string(&path).unwrap();
    cluster.stop().await.unwrap();
    drop(cluster);
    let user = server_user();
    let mut other = Command::new("sleep")
        .arg("600")
        .uid(user.uid.as_raw())
        .gid(user.gid.as_raw())
        .current_dir("/")
        .spawn()
        .unwrap();
    for number in [other.id().to_string(), "4194303".into(), "rubbish".into(), String::new()] {
        let (_, rest) = text.split_once('\n').unwrap();
        fs::write(&path, format!("{number}\n{rest}")).unwrap();
        nix::unistd::chown(&path, Some(user.uid), Some(user.gid)).unwrap();
        scene.start().await.stop().await.unwrap();
    }
    assert!(is_alive(other.id()), "and the other process is left alone");
    other.kill().unwrap();
    other.wait().unwrap();
}
