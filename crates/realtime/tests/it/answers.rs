//! Who writes is answered before others are told.

use std::time::Duration;

use kernel::Clock;
use kernel::units::Span;
use realtime::Config;
use serde_json::json;

use crate::changes::{sql, subscribed, table};
use crate::client::Received;
use crate::{Server, anon, config};

const OPEN: &str = "
    create table public.t (id int primary key);
    grant select on public.t to anon;
    alter publication supabase_realtime add table public.t;";

async fn server(answers_first: Duration) -> Server {
    let config = Config { answers_first: Span(answers_first), ..config() };
    let server = Server::working_with(config, Clock::system()).await;
    sql(&server, OPEN).await;
    server
}

fn is_change(message: &Received) -> bool {
    message.event == "postgres_changes"
}

#[actix_web::test]
async fn a_change_waits_for_the_answers_that_were_pending() {
    let server = server(Duration::from_secs(1)).await;
    let mut client = subscribed(&server, &anon(), json!([table("t", "*")])).await;
    let promise = server.answers.promise();
    sql(&server, "insert into public.t values (1)").await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!client.settled().await.iter().any(is_change));
    }
    let later = server.answers.promise();
    drop(promise);
    assert!(!client.settled().await.iter().any(is_change), "the answer is on its way");
    assert_eq!(client.take(is_change).await.payload["data"]["record"]["id"], 1);
    drop(later);
}

#[actix_web::test]
async fn no_change_waits_for_long() {
    let server = server(Duration::from_millis(10)).await;
    let mut client = subscribed(&server, &anon(), json!([table("t", "*")])).await;
    let _promise = server.answers.promise();
    sql(&server, "insert into public.t values (1)").await;
    assert_eq!(client.take(is_change).await.payload["data"]["record"]["id"], 1);
}
