use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::Stdio,
    time::Instant,
};

use cluster::{StartError, State};
use nix::sys::signal::Signal;

use crate::scene::{Scene, is_alive, pid, psql, send, sql, state, try_sql};

#[tokio::test]
async fn a_killed_server_comes_back() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    let first = pid(&cluster);
    let begin = Instant::now();
    send(first, Signal::SIGKILL);
    state(&cluster, |state| matches!(state, State::Restarting { attempt: 1 })).await;
    state(&cluster, |state| matches!(state, State::Running { pid } if *pid != first)).await;
    println!("killed to ready: {:?}", begin.elapsed());
    assert_eq!(sql(&cluster, "select 1"), "1");
    cluster.stop().await.unwrap();
}

/// A client that writes as fast as it can, a server killed under it: every acknowledged row is there.
#[tokio::test]
async fn acknowledged_rows_survive() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    sql(&cluster, "create table written (id bigint primary key)");
    let mut next = 1_u64;
    for round in 0..3 {
        let mut client = psql(&cluster, cluster.superuser())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut to = client.stdin.take().unwrap();
        let mut from = BufReader::new(client.stdout.take().unwrap()).lines();
        let victim = pid(&cluster);
        let kill_at = next + 50;
        let mut acknowledged = 0;
        loop {
            let asked = writeln!(to, "insert into written values ({next}) returning id;");
            let Some(Ok(answer)) = asked.ok().and_then(|()| from.next()) else { break };
            acknowledged = answer.parse().unwrap();
            next += 1;
            if acknowledged == kill_at {
                // The client keeps writing into the dying server.
                send(victim, Signal::SIGKILL);
            }
            if acknowledged > kill_at + 200 {
                break;
            }
        }
        drop(to);
        client.wait().unwrap();
        state(&cluster, |state| matches!(state, State::Running { pid } if *pid != victim)).await;
        let found: u64 = sql(&cluster, "select count(*) from written").parse().unwrap();
        assert!(found >= acknowledged, "round {round}: {acknowledged} acknowledged, {found} found");
        next = sql(&cluster, "select coalesce(max(id), 0) + 1 from written").parse().unwrap();
    }
    cluster.stop().await.unwrap();
}

/// A backend that computes does not notice that its postmaster is dead, and Postgres refuses to start beside it.
#[tokio::test]
async fn a_busy_backend_does_not_hinder_the_restart() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    let first = pid(&cluster);
    let mut client = psql(&cluster, cluster.superuser())
        .args([
            "-c",
            "select count(*) from generate_series(1, 100000000000) a cross join generate_series(1, 2)",
        ])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let busy = "select count(*) from pg_stat_activity where query like 'select count(%cross join%' and pid <> pg_backend_pid()";
    crate::scene::wait_until("the query runs", || sql(&cluster, busy) == "1");
    send(first, Signal::SIGKILL);
    state(&cluster, |state| matches!(state, State::Running { pid } if *pid != first)).await;
    assert_eq!(sql(&cluster, "select 1"), "1");
    client.wait().unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_crashed_backend_is_postgres_own_business() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    let first = pid(&cluster);
    let backend = psql(&cluster, cluster.superuser())
        .args(["-c", "copy (select pg_backend_pid()) to program 'xargs kill -SEGV'"])
        .output()
        .unwrap();
    assert!(!backend.status.success());
    crate::scene::wait_until("sessions are possible again", || try_sql(&cluster, "select 1").is_ok());
    assert_eq!(pid(&cluster), first);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn gives_up_on_a_broken_cluster() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    let first = pid(&cluster);
    let (global, away) = (scene.cluster_dir().join("global"), scene.cluster_dir().join("away"));
    fs::rename(&global, &away).unwrap();
    send(first, Signal::SIGKILL);
    let State::Failed { reason } = state(&cluster, |state| matches!(state, State::Failed { .. })).await
    else {
        unreachable!()
    };
    assert!(reason.contains("pg_control"), "{reason}");
    assert!(!is_alive(first));
    cluster.stop().await.unwrap();
    drop(cluster);

    // The same at start is an error, and leaves the lock free.
    let error = cluster::Cluster::start(scene.options()).await.unwrap_err();
    assert!(matches!(&error, StartError::Exited { log, .. } if log.contains("pg_control")), "{error}");
    fs::rename(&away, &global).unwrap();
    scene.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn can_be_stopped_between_restarts() {
    let scene = Scene::new();
    let cluster = scene.start().await;
    fs::rename(scene.cluster_dir().join("global"), scene.cluster_dir().join("away")).unwrap();
    send(pid(&cluster), Signal::SIGKILL);
    state(&cluster, |state| matches!(state, State::Restarting { attempt: 2 })).await;
    cluster.stop().await.unwrap();
    assert_eq!(*cluster.state().borrow(), State::Stopped);
}
