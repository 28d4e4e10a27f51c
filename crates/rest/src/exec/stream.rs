//! Rows sent as they are read: an answer that is never in memory as a whole.
//!
//! A cursor gives the rows in portions. A task of its own holds the transaction: it fetches a
//! portion when the client has taken most of the one before, so that a slow client is waited for,
//! and ends the transaction when the client goes away or takes nothing for too long. The last
//! portion is handed over when the transaction has ended well; whoever saw the end of the body
//! has all rows. A failure on the way breaks the body off, and with it the connection.
//!
//! A stream keeps its connection for as long as its client reads. So that slow ones leave some for
//! everybody else, only [`Streams`] so many are under way at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use bytes::{Bytes, BytesMut};
use db::{Fleet, Journey, Leg, Query, Record};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::row::{self, Rows};
use super::{Context, Outcome, access, cost, isolation, query, refusal, rolls_back, settings};
use crate::error::Error;
use crate::plan::Plan;
use crate::request::ApiRequest;
use crate::sql::{self, FETCHES, Statement};

/// Bytes that a portion should not have more of.
const PORTION: usize = 128 * 1024;

/// How long a client may take nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many streams may be under way.
pub(crate) struct Streams(Arc<Semaphore>);

impl Streams {
    /// Half of the connections of `fleet`, and at least one.
    pub fn of(fleet: &Fleet) -> Self {
        Self(Arc::new(Semaphore::new((fleet.status().limit / 2).max(1))))
    }

    /// # Errors
    ///
    /// All are taken.
    fn enter(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| Error::Streams)
    }
}

/// Begins to stream the rows of a plan: what SQL said about the answer, and its body. What fails
/// up to the first rows is an error; later there is no answer left to tell it with.
///
/// # Errors
///
/// Too many streams, or what the database refused.
pub(crate) async fn stream(
    fleet: &Fleet,
    streams: &Streams,
    request: &ApiRequest,
    plan: &Plan<'_>,
    context: Context<'_>,
) -> Result<(Outcome, Lines), Error> {
    let rows = sql::lines(plan).ok_or_else(|| Error::Internal("a stream of no rows".to_owned()))?;
    let permit = streams.enter()?;
    let refused = |error| refusal(error, context);
    let begun = fleet.journey(access(plan), isolation(plan, context.role_settings)).await;
    let mut cursor = Cursor {
        journey: begun.map_err(refused)?,
        role: context.identity.role.to_string(),
        size: 0,
        rolls_back: rolls_back(&request.preferences, context.config),
        permit,
    };
    match cursor.open(request, plan, rows, context).await {
        Ok((said, first)) => {
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(cursor.run(first, sender));
            Ok((Outcome::Rows(said), Lines { receiver, is_complete: false }))
        }
        Err(error) => {
            cursor.journey.rollback().await.map_err(refused)?;
            Err(error)
        }
    }
}

/// An open transaction with a cursor.
struct Cursor {
    journey: Journey,
    role: String,
    /// Index into [`FETCHES`].
    size: usize,
    rolls_back: bool,
    /// Given back with the connection.
    permit: OwnedSemaphorePermit,
}

/// Some rows, as lines.
struct Portion {
    text: Bytes,
    is_last: bool,
}

impl Cursor {
    /// Declares the cursor and fetches the first rows; also what SQL said about the answer.
    async fn open(
        &mut self,
        request: &ApiRequest,
        plan: &Plan<'_>,
        rows: Statement,
        context: Context<'_>,
    ) -> Result<(Rows, Portion), Error> {
        let refused = |error| refusal(error, context);
        let settings = settings::of(request, plan, context);
        let before = context.config.pre_request.as_deref().map(sql::call_without_arguments);
        let price = rows.price();
        let declare = sql::declare(rows);
        let leg = Leg {
            role: &self.role,
            access: access(plan),
            settings: &settings,
            before: before.as_deref(),
            main: query(&declare),
        };
        cost::fly(&mut self.journey, leg, Some(price), context).await?;
        let first = self.fetch().await.map_err(refused)?;
        let said = self.journey.query(&self.role, query(&sql::response_settings())).await.map_err(refused)?;
        Ok((Rows::said(said.first())?, first))
    }

    async fn fetch(&mut self) -> Result<Portion, db::Error> {
        let (wanted, sql) = FETCHES.get(self.size).copied().unwrap_or(FETCHES[0]);
        let rows = self.journey.query(&self.role, Query { sql, params: &[] }).await?;
        let text = lines(&rows);
        self.size = next_size(self.size, rows.len(), text.len());
        Ok(Portion { text, is_last: rows.len() < wanted })
    }

    /// Hands all rows over and ends the transaction.
    async fn run(mut self, first: Portion, body: mpsc::Sender<Portion>) {
        let mut portion = first;
        while !portion.is_last {
            let taken = tokio::time::timeout(PATIENCE, body.send(portion)).await;
            if !matches!(taken, Ok(Ok(()))) {
                // Nothing is under way: the connection can go back to the fleet.
                if let Err(error) = self.journey.rollback().await {
                    tracing::debug!(%error, "a stream that nobody reads could not be rolled back");
                }
                return;
            }
            let fetched = tokio::select! {
                biased;
                // Dropping the journey cancels what is under way.
                () = body.closed() => return,
                fetched = self.fetch() => fetched,
            };
            portion = match fetched {
                Ok(portion) => portion,
                Err(error) => return broken_off(&error),
            };
        }
        let ended = match self.rolls_back {
            true => self.journey.check_and_rollback().await,
            false => self.journey.commit().await,
        };
        drop(self.permit);
        match ended {
            // However long it takes, it keeps nobody from anything.
            Ok(()) => drop(body.send(portion).await),
            Err(error) => broken_off(&error),
        }
    }
}

fn broken_off(error: &db::Error) {
    tracing::warn!(%error, "a stream of rows broke off");
}

/// The size after `rows` rows that took `bytes`: as large as a portion allows, but growing by one
/// step at a time, because the next rows may be larger.
fn next_size(size: usize, rows: usize, bytes: usize) -> usize {
    let each = bytes.div_ceil(rows.max(1)).max(1);
    let fitting = FETCHES.iter().rposition(|(rows, _)| rows.saturating_mul(each) <= PORTION).unwrap_or(0);
    fitting.min(size + 1)
}

fn lines(rows: &[Record]) -> Bytes {
    let mut text = BytesMut::new();
    for row in rows {
        // The one column of the cursor is never null.
        if let Ok(line) = row::bytes(row, 0) {
            text.extend_from_slice(&line);
            text.extend_from_slice(b"\n");
        }
    }
    text.freeze()
}

/// The body of a stream.
pub(crate) struct Lines {
    receiver: mpsc::Receiver<Portion>,
    /// The last portion was taken.
    is_complete: bool,
}

/// The rest of a body will not come. The reason is in the log.
#[derive(Debug, thiserror::Error)]
#[error("the rows broke off")]
pub(crate) struct BrokenOff;

impl MessageBody for Lines {
    type Error = BrokenOff;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        while !self.is_complete {
            match std::task::ready!(self.receiver.poll_recv(task)) {
                None => return Poll::Ready(Some(Err(BrokenOff))),
                Some(portion) => {
                    self.is_complete = portion.is_last;
                    // To the server, an empty piece is the end.
                    if !portion.text.is_empty() {
                        return Poll::Ready(Some(Ok(portion.text)));
                    }
                }
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_grow_slowly_and_shrink_at_once() {
        assert_eq!(next_size(0, 8, 800), 1);
        assert_eq!(next_size(1, 32, 3200), 2);
        assert_eq!(next_size(3, 512, 51_200), 3);
        assert_eq!(next_size(3, 512, 512 * 1024), 2);
        assert_eq!(next_size(3, 512, 512 * PORTION), 0);
        assert_eq!(next_size(0, 0, 0), 1);
    }

    fn body(portions: impl IntoIterator<Item = (&'static str, bool)>) -> Lines {
        let (sender, receiver) = mpsc::channel(8);
        for (text, is_last) in portions {
            let portion = Portion { text: Bytes::from_static(text.as_bytes()), is_last };
            assert!(sender.try_send(portion).is_ok());
        }
        Lines { receiver, is_complete: false }
    }

    #[actix_web::test]
    async fn only_what_has_an_end_is_a_whole_body() {
        let whole = async |portions: &[(&'static str, bool)]| {
            let body = body(portions.iter().copied());
            actix_web::body::to_bytes(body).await.ok()
        };
        assert_eq!(whole(&[("a\n", false), ("b\n", true)]).await, Some(Bytes::from_static(b"a\nb\n")));
        assert_eq!(whole(&[("a\n", false), ("", true)]).await, Some(Bytes::from_static(b"a\n")));
        assert_eq!(whole(&[("", true)]).await, Some(Bytes::new()));
        assert_eq!(whole(&[("a\n", false)]).await, None);
        assert_eq!(whole(&[]).await, None);
    }
}
