use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    time::Instant,
};

use cluster::{Cluster, State};

use crate::scene::{Held, Scene, is_alive, is_root, pid, server_user, sql};

/// Kilobytes of memory of all processes that work on the cluster, shared pages counted in proportion.
fn proportional_memory(scene: &Scene) -> u64 {
    let cluster = scene.cluster_dir();
    let processes = fs::read_dir("/proc").unwrap().flatten().filter(|process| {
        fs::read_link(process.path().join("cwd")).is_ok_and(|directory| directory == cluster)
    });
    // A process may end meanwhile, like the backend of the last question whether the server is ready.
    let of_one = |text: String| -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix("Pss:"))?.trim().trim_end_matches(" kB").parse().ok()
    };
    processes
        .filter_map(|process| of_one(fs::read_to_string(process.path().join("smaps_rollup")).ok()?))
        .sum()
}

#[tokio::test]
async fn starts_stops_and_starts_again() {
    let scene = Scene::new();
    let begin = Instant::now();
    let cluster = scene.start().await;
    println!("nothing to ready: {:?}", begin.elapsed());
    println!("idle memory: {} kB", proportional_memory(&scene));

    sql(&cluster, "create table kept as select 42 as answer");
    let first = pid(&cluster);
    cluster.stop().await.unwrap();
    assert_eq!(*cluster.state().borrow(), State::Stopped);
    assert!(!is_alive(first));
    assert!(!scene.cluster_dir().join("postmaster.pid").exists(), "a clean stop");
    cluster.stop().await.unwrap();

    let begin = Instant::now();
    let cluster = scene.start().await;
    println!("existing to ready: {:?}", begin.elapsed());
    assert_eq!(sql(&cluster, "select answer from kept"), "42");
    let begin = Instant::now();
    cluster.stop().await.unwrap();
    println!("stop: {:?}", begin.elapsed());
}

#[tokio::test]
async fn is_made_and_set_as_promised() {
    let scene = Scene::new();
    let mut options = scene.options();
    options.extra_settings.push(("work_mem".into(), "3MB".into()));
    options.extra_settings.push(("basalt.note".into(), "it's \\ quoted".into()));
    let cluster = Cluster::start(options).await.unwrap();
    for (setting, expected) in [
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("wal_level", "logical"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("jit", "off"),
        ("timezone", "UTC"),
        ("default_text_search_config", "pg_catalog.english"),
        ("work_mem", "3MB"),
        ("basalt.note", "it's \\ quoted"),
    ] {
        assert_eq!(sql(&cluster, &format!("show {setting}")), expected, "{setting}");
    }
    assert_eq!(sql(&cluster, "select datlocprovider from pg_database where datname = 'postgres'"), "i");
    assert_eq!(
        sql(&cluster, "select string_agg(x, '' order by x) from unnest('{b,B,a,A,é}'::text[]) x"),
        "aAbBé"
    );
    assert_eq!(
        sql(&cluster, "select rolpassword is null from pg_authid where rolname = 'supabase_admin'"),
        "t"
    );

    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(cluster.socket_dir().to_path_buf()), 0o700);
    assert_eq!(mode(scene.cluster_dir()), 0o700);
    assert_eq!(mode(scene.cluster_dir().join("basalt.conf")), 0o600);
    assert_eq!(mode(scene.data_dir().join("lock")), 0o600);
    assert_eq!(fs::metadata(scene.cluster_dir()).unwrap().uid(), server_user().uid.as_raw());
    let lz4_or_pglz = sql(&cluster, "show wal_compression");
    assert!(["lz4", "pglz"].contains(&lz4_or_pglz.as_str()), "{lz4_or_pglz}");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn what_operators_write_wins() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    sql(&cluster, "alter system set unix_socket_permissions = '0777'");
    cluster.stop().await.unwrap();
    let path = scene.cluster_dir().join("postgresql.conf");
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("work_mem = 5MB\n");
    fs::write(&path, text).unwrap();
    let cluster = scene.start().await;
    assert_eq!(sql(&cluster, "show work_mem"), "5MB");
    assert_eq!(sql(&cluster, "show unix_socket_permissions"), "0700", "but not over what safety depends on");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn works_where_the_path_is_too_long_for_a_socket() {
    let scene = Scene::new();
    let mut options = scene.options();
    options.data_dir = scene.path().join("d".repeat(60)).join("e".repeat(60));
    let cluster = Cluster::start(options).await.unwrap();
    let socket_dir = cluster.socket_dir().to_path_buf();
    assert!(!socket_dir.starts_with(scene.path()), "{}", socket_dir.display());
    assert_eq!(fs::metadata(&socket_dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(sql(&cluster, "select 1"), "1");
    cluster.stop().await.unwrap();
    fs::remove_dir(socket_dir).unwrap();
}

#[tokio::test]
async fn an_unfinished_cluster_is_made_anew() {
    let scene = Scene::new();
    let user = is_root().then(server_user);
    if let Some(user) = &user {
        scene.give_to(user);
    }
    // Killed in the middle of initdb.
    let mut child = Held::command(&scene, user.as_ref()).spawn().unwrap();
    crate::scene::wait_until("initdb at work", || {
        fs::read_dir(scene.data_dir().join("pg")).is_ok_and(|mut entries| {
            entries.next().is_some_and(|entry| entry.unwrap().path().join("pg_wal").exists())
        })
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(scene.cluster_dir().to_str().unwrap().contains(".init."));
    Held::start(&scene, user.as_ref()).stop();
    // What initdb was still writing into at that moment goes at the next start.
    Held::start(&scene, user.as_ref()).stop();
    assert!(scene.cluster_dir().join("PG_VERSION").exists());
}

#[tokio::test]
async fn dropping_it_stops_the_server() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    let postmaster = pid(&cluster);
    let mut state = cluster.state();
    drop(cluster);
    state.wait_for(|state| *state == State::Stopped).await.unwrap();
    assert!(!is_alive(postmaster));
}
