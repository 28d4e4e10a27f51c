//! A listener that comes back.

use std::time::Duration;

use db::{Event, Listener};

async fn next(listener: &mut Listener) -> Event {
    tokio::time::timeout(Duration::from_secs(10), listener.next()).await.expect("something is heard").unwrap()
}

#[tokio::test]
async fn it_hears_its_channels_and_says_when_it_missed_something() {
    let database = testkit::empty().await;
    let mut admin = database.admin().await;
    let mut listener =
        Listener::start(database.target().with_application_name("the listener"), &["a", "B c"]);
    assert_eq!(next(&mut listener).await, Event::Connected);
    let notify = "select pg_notify('other', ''), pg_notify('a', '1'), pg_notify('B c', '')";
    admin.query(notify, &[]).await.unwrap();
    let heard =
        |channel: &str, payload: &str| Event::Notified { channel: channel.into(), payload: payload.into() };
    assert_eq!(next(&mut listener).await, heard("a", "1"));
    assert_eq!(next(&mut listener).await, heard("B c", ""));

    let end =
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'the listener'";
    admin.query(end, &[]).await.unwrap();
    assert!(matches!(next(&mut listener).await, Event::Lost(_)));
    assert_eq!(next(&mut listener).await, Event::Connected);
    admin.query("select pg_notify('a', '2')", &[]).await.unwrap();
    assert_eq!(next(&mut listener).await, heard("a", "2"));
}
