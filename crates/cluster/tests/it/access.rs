//! Who gets in, and who does not.

use std::{net::TcpListener, os::unix::process::CommandExt, process::Command};

use cluster::Cluster;
use nix::unistd::User;

use crate::scene::{Scene, is_root, psql, sql};

fn stderr(mut command: Command) -> String {
    let output = command.args(["-c", "select 1"]).output().unwrap();
    assert!(!output.status.success(), "let in");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn over_the_socket() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    sql(&cluster, "create role authenticator login; create role stranger login");
    assert!(psql(&cluster, "authenticator").args(["-c", "select 1"]).output().unwrap().status.success());
    assert!(
        stderr(psql(&cluster, "stranger")).contains("no password supplied"),
        "other roles need a password"
    );
    if is_root() {
        let user = |name| User::from_name(name).unwrap().unwrap();
        let mut ours = psql(&cluster, "authenticator");
        ours.uid(user("postgres").uid.as_raw()).args(["-c", "select 1"]);
        assert!(ours.output().unwrap().status.success(), "the server's own user is let in");
        let mut other = psql(&cluster, "supabase_admin");
        other.uid(user("nobody").uid.as_raw());
        assert!(stderr(other).contains("Permission denied"), "nobody else reaches the socket");
    }
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn over_tcp_only_with_a_password_and_when_asked_for() {
    let scene = Scene::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut options = scene.options();
    options.tcp = Some(address);
    let cluster = Cluster::start(options).await.unwrap();
    assert_eq!(cluster.port(), address.port());
    sql(&cluster, "create role postgres login password 'p4ss'");
    let over_tcp = |role: &str, password: &str| {
        let mut command = psql(&cluster, role);
        command.args(["-h", "127.0.0.1"]).env("PGPASSWORD", password);
        command
    };
    assert!(over_tcp("postgres", "p4ss").args(["-c", "select 1"]).output().unwrap().status.success());
    assert!(stderr(over_tcp("postgres", "wrong")).contains("password authentication failed"));
    assert!(stderr(over_tcp("supabase_admin", "")).contains("no password supplied"));
    assert!(stderr(over_tcp("supabase_admin", "x")).contains("password authentication failed"));
    assert!(
        sql(&cluster, "select rolpassword from pg_authid where rolname = 'postgres'")
            .starts_with("SCRAM-SHA-256$")
    );
    cluster.stop().await.unwrap();
    drop(cluster);

    let cluster = scene.start().await;
    assert_eq!(sql(&cluster, "show listen_addresses"), "");
    assert!(std::net::TcpStream::connect(address).is_err());
    cluster.stop().await.unwrap();
}
