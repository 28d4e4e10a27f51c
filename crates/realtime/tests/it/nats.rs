//! Two instances that speak through NATS. Left out where there is no `nats-server`.

use std::process::{Child, Command, Stdio};

use kernel::{Clock, Secret};
use realtime::{Config, Relay};
use serde_json::json;

use crate::client::Client;
use crate::{Server, anon, config};

/// A server of NATS; gone with the value.
struct Nats(Child, u16);

impl Nats {
    /// None where it is not installed.
    fn start() -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(Self(Self::run(port)?, port))
    }

    fn run(port: u16) -> Option<Child> {
        let named = std::env::var("BASALT_TEST_NATS");
        // Where Debian puts it is not in everybody's path.
        let programs = [named.as_deref().unwrap_or("nats-server"), "/usr/sbin/nats-server"];
        let run = |program| {
            Command::new(program)
                .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()
        };
        programs.into_iter().find_map(run)
    }

    fn restart(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        self.0 = Self::run(self.1).unwrap();
    }

    fn config(&self) -> Config {
        let nats_url = Secret::new(format!("nats://127.0.0.1:{}", self.1));
        Config { relay: Relay::Nats, nats_url, ..config() }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn heard(from: &mut Client, to: &mut Client, topic: &str) {
    while !to.settled().await.iter().any(|message| message.event == "broadcast") {
        from.send(topic, "broadcast", json!({ "event": "e" })).await;
        from.settled().await;
    }
}

#[actix_web::test]
async fn broadcasts_and_presence_go_through_nats_and_come_back_with_it() {
    let Some(mut nats) = Nats::start() else { return };
    let first = Server::start().await;
    let first = Server::on(std::sync::Arc::clone(&first.database), nats.config(), Clock::system()).await;
    let first = first.at_work().await;
    let second = Server::on(std::sync::Arc::clone(&first.database), nats.config(), Clock::system()).await;
    let second = second.at_work().await;
    let presence = |key: &str| json!({ "presence": { "enabled": true, "key": key } });
    let mut here = Client::open(&first, 2, &anon()).await;
    let topic = here.join("room", presence("here")).await;
    let mut there = Client::open(&second, 2, &anon()).await;
    there.join("room", presence("there")).await;
    heard(&mut here, &mut there, &topic).await;
    heard(&mut there, &mut here, &topic).await;
    let track = json!({ "type": "presence", "event": "track", "payload": { "n": 1 } });
    let reference = there.send(&topic, "presence", track).await;
    there.reply(&reference).await;
    let joined = |message: &crate::client::Received| message.payload["joins"]["there"].is_object();
    here.take(joined).await;
    let large = "x".repeat(2_500_000);
    here.send(&topic, "broadcast", json!({ "event": "large", "payload": large })).await;
    let arrived = there.take(|message| message.payload["event"] == "large").await;
    assert_eq!(arrived.payload["payload"], large, "in pieces, as NATS takes a megabyte at once");
    let rows = "select count(*) from realtime.basalt_relay";
    let rows: i64 = first.database.admin().await.query_one(rows, &[]).await.unwrap().get(0);
    assert_eq!(rows, 0, "the database has nothing to do with it");
    nats.restart();
    here.settled().await;
    there.settled().await;
    heard(&mut here, &mut there, &topic).await;
    heard(&mut there, &mut here, &topic).await;
}
