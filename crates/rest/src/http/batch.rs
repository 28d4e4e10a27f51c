//! `POST /batch`: several requests in one transaction.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;

use crate::Shared;
use crate::error::Error;
use crate::exec::{Batch as Transaction, Context};
use crate::plan::{self, Plan};
use crate::request::batch::Batch;
use crate::request::{self, ApiRequest};
use crate::response::{self, Part};
use crate::schema::Snapshot;

use super::compatibility;

/// Answers a batch.
///
/// # Errors
///
/// What concerns the batch as a whole: its form, the connection, the end of the transaction.
pub(super) async fn answer(
    shared: &Shared,
    snapshot: &Snapshot,
    context: Context<'_>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<HttpResponse, Error> {
    let config = context.config;
    let batch = Batch::parse(body)?;
    let preferences = request::preferences(headers, config);
    let mut parsed: Vec<_> = batch.items.iter().map(|item| item.parse(headers, config)).collect();
    for request in parsed.iter_mut().flatten() {
        compatibility::check_timezone(shared, snapshot, &mut request.preferences).await;
    }
    let planned: Vec<_> = parsed
        .iter()
        .map(|parsed| {
            let request = parsed.as_ref().map_err(Error::clone)?;
            match plan::plan(request, &snapshot.schema, config, context.limits)? {
                Plan::Describe(_) => Err(Error::BatchRoot),
                plan => Ok((request, plan)),
            }
        })
        .collect();

    let failed = |error: &Error| Part::failed(error, config.error_verbosity, shared.cache.retry_after());
    let abandoned = |index: usize, error: &Error| {
        let other = Error::BatchAbandoned(index);
        let part = |item| failed(if item == index { error } else { &other });
        let parts: Vec<_> = (0..planned.len()).map(part).collect();
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response::batch(status, false, &parts)
    };
    let first_error =
        planned.iter().enumerate().find_map(|(index, item)| item.as_ref().err().map(|error| (index, error)));
    if batch.atomic
        && let Some((index, error)) = first_error
    {
        return Ok(abandoned(index, error));
    }

    let plans = planned.iter().filter_map(|item| item.as_ref().ok().map(|(_, plan)| plan));
    let mut transaction = Transaction::begin(&shared.fleet, plans, context).await?;
    let mut parts = Vec::with_capacity(planned.len());
    let mut room = config.max_body.get();
    for (index, item) in planned.iter().enumerate() {
        let result = match item {
            Ok((request, plan)) => run(&mut transaction, request, plan, batch.atomic, room).await,
            Err(error) => Err(error.clone()),
        };
        match result {
            Ok(part) => {
                room = room.saturating_sub(part.len());
                parts.push(part);
            }
            Err(error) if error.is_of_connection() => return Err(error),
            Err(error) if batch.atomic => {
                transaction.abandon().await?;
                return Ok(abandoned(index, &error));
            }
            Err(error) => parts.push(failed(&error)),
        }
    }
    let committed = transaction.finish(&preferences).await?;
    Ok(response::batch(StatusCode::OK, committed, &parts))
}

/// Runs one item. What it did is kept if there is an answer, which takes no more than `room` bytes.
async fn run(
    transaction: &mut Transaction<'_>,
    request: &ApiRequest,
    plan: &Plan<'_>,
    atomic: bool,
    room: usize,
) -> Result<Part, Error> {
    let outcome = transaction.run(request, plan).await?;
    let answered = response::answer(request, plan, outcome.as_ref(), transaction.config()).map(Part::from);
    let fitting = answered.and_then(|part| {
        let limit = transaction.config().max_body.get();
        if part.len() <= room { Ok(part) } else { Err(Error::BatchAnswer(limit)) }
    });
    match fitting {
        Ok(part) if atomic => transaction.keep().await.map(|()| part),
        Ok(part) => transaction.keep_checked().await.map(|()| part),
        Err(error) => {
            transaction.forget().await?;
            Err(error)
        }
    }
}
