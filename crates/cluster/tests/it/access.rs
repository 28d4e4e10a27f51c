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

/// Signed by itself for 127.0.0.1, for as long as anybody will run this.
const CERTIFICATE: &str = include_str!("server.crt");
const KEY: &str = include_str!("server.key");

#[tokio::test]
async fn encrypted_if_there_is_a_certificate() {
    let scene = Scene::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = |name: &str, text: &str| {
        let path = scene.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut options = scene.options();
    options.tcp = Some(address);
    let (certificate, key) = (file("a.crt", CERTIFICATE), file("a.key", KEY));
    options.tls = Some(cluster::Tls { certificate: certificate.clone(), key, required: true });
    let cluster = Cluster::start(options).await.unwrap();
    sql(&cluster, "create role postgres login password 'p4ss'");
    let over_tcp = |mode: &str| {
        let mut command = psql(&cluster, "postgres");
        command.args(["-h", "127.0.0.1"]).env("PGPASSWORD", "p4ss").env("PGSSLMODE", mode);
        command.env("PGSSLROOTCERT", &certificate);
        command
    };
    for mode in ["require", "verify-full"] {
        let output = over_tcp(mode)
            .args(["-c", "select ssl from pg_stat_ssl where pid = pg_backend_pid()"])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "t", "{mode}");
    }
    assert!(stderr(over_tcp("disable")).contains("no encryption"), "it is required");
    cluster.stop().await.unwrap();
    drop(cluster);

    let mut options = scene.options();
    options.tcp = Some(address);
    options.tls = Some(cluster::Tls { certificate, key: file("b.key", "no key"), required: false });
    let error = Cluster::start(options).await.unwrap_err().to_string();
    assert!(error.contains("server.key"), "{error}");
}
