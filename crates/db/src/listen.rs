//! `LISTEN` on a connection of its own that comes back after it is lost.

use std::time::Duration;

use futures_util::future::poll_fn;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::AsyncMessage;

use crate::error::with_causes;
use crate::{Error, Target, ident};

/// Events that may wait for their reader. Beyond that the socket is not read, and Postgres keeps
/// the rest in its own queue.
const BACKLOG: usize = 256;

/// Something heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection stands (again). What was notified before is lost, so a reader that keeps a
    /// copy of something must read it anew.
    Connected,
    /// A notification.
    Notified {
        /// The channel it came on.
        channel: String,
        /// Its payload, empty if none was given.
        payload: String,
    },
    /// The connection was lost or could not be made; another try follows. The text is for the log.
    Lost(String),
}

/// A standing `LISTEN`. Dropping it closes the connection.
pub struct Listener {
    events: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens on `channels` at `target`, for as long as the listener lives.
    #[must_use]
    pub fn start(target: Target, channels: &[&str]) -> Self {
        let (sender, events) = mpsc::channel(BACKLOG);
        let listen: String = channels.iter().map(|name| format!("listen {};", ident(name))).collect();
        let task = tokio::spawn(async move {
            let mut wait = Duration::from_secs(1);
            while !sender.is_closed() {
                if let Err(error) = hear(&target, &listen, &sender, &mut wait).await
                    && sender.send(Event::Lost(error.to_string())).await.is_err()
                {
                    break;
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(32));
            }
        });
        Self { events, task }
    }

    /// The next event. `None` only when the runtime shuts down.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, until it is lost.
async fn hear(
    target: &Target,
    listen: &str,
    sender: &mpsc::Sender<Event>,
    wait: &mut Duration,
) -> Result<(), Error> {
    let (client, mut connection) =
        target.config().connect(target.tls()?).await.map_err(|error| Error::Connect(with_causes(&error)))?;
    let drive = async {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(note) = message? {
                let event = Event::Notified {
                    channel: note.channel().to_owned(),
                    payload: note.payload().to_owned(),
                };
                if sender.send(event).await.is_err() {
                    return Ok(());
                }
            }
        }
        Err(Error::Closed)
    };
    let ask = async {
        client.batch_execute(listen).await?;
        *wait = Duration::from_secs(1);
        // Nobody listening any more ends the listener by itself: see `Listener::drop`.
        let _ = sender.send(Event::Connected).await;
        std::future::pending::<Result<(), Error>>().await
    };
    tokio::select! {
        result = drive => result,
        result = ask => result,
    }
}
