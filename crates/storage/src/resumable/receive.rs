//! More bytes of an upload.

use object::Tail;

use super::complete::{complete, completed};
use super::{Held, Refusal, State, UploadId, Uploader, find, hold, most, rules, text};
use crate::error::Error;
use crate::upload::body::Body;

/// More bytes, from an offset on.
pub(crate) struct More {
    pub(crate) offset: u64,
    /// Of the body, if it is known.
    pub(crate) size: Option<u64>,
    /// Of the whole, if it was not known.
    pub(crate) length: Option<u64>,
}

/// Takes more bytes. Those that came are kept, whatever ends the request.
pub(crate) async fn write(
    uploader: &Uploader,
    id: UploadId,
    more: More,
    body: &mut Option<Body>,
) -> Result<State, Refusal> {
    let service = uploader.service();
    uploader.permit(&find(service, &id).await?.note).await?;
    let held = hold(service, id.version).await?;
    let mut state = find(service, &id).await?;
    if state.offset != more.offset {
        return Err(Refusal::Offset);
    }
    if state.is_complete() {
        return Ok(state);
    }
    if let Some(length) = more.length {
        declare(uploader, &mut state, length).await?;
    }
    let most = match state.note.length {
        Some(length) => length,
        None => most(service, &rules(&uploader.call, &id.bucket).await?),
    };
    if more.size.is_some_and(|size| size > most.saturating_sub(state.offset)) {
        return Err(Refusal::TooMuch);
    }
    if state.is_full() {
        return completed(uploader, state, held).await;
    }
    let Some(body) = body.take() else { return Ok(state) };
    let uploader = uploader.clone();
    // From here on the client may go away: what has come is kept, and what is complete is completed.
    let written = actix_web::rt::spawn(async move { receive(uploader, state, held, body, most).await });
    written.await.map_err(|error| Error::Internal(Box::new(error)))?
}

/// The length of an upload that began without one.
async fn declare(uploader: &Uploader, state: &mut State, length: u64) -> Result<(), Refusal> {
    let service = uploader.service();
    if state.note.length.is_some() || length < state.offset {
        return Err(Refusal::Length);
    }
    if length > most(service, &rules(&uploader.call, &state.id.bucket).await?) {
        return Err(Refusal::TooLarge);
    }
    state.note.length = Some(length);
    let partial = service.disk.partial(state.id.version);
    let remembered = partial.remember(text(&state.note), service.clock.now().into()).await;
    remembered.map_err(|error| Error::disk(error, &state.id.name))?;
    Ok(())
}

/// How a body ended.
enum End {
    Whole,
    /// Another request wants to write.
    Wanted,
    TooMuch,
    Gone(Error),
}

async fn receive(
    uploader: Uploader,
    mut state: State,
    mut held: Held,
    mut body: Body,
    most: u64,
) -> Result<State, Refusal> {
    let service = uploader.service();
    let on_disk = |error| Error::disk(error, &state.id.name);
    let partial = service.disk.partial(state.id.version);
    // It is put back once all of it is on the disk.
    let progress = held.progress.take();
    let tail = partial.append(progress).await.map_err(on_disk)?;
    let (end, tail) = pour(&mut body, &mut held, most, tail).await.map_err(on_disk)?;
    let now = service.clock.now().into();
    let (offset, progress) = tail.close(now).await.map_err(on_disk)?;
    *held.progress = Some(progress);
    state.offset = offset;
    state.expires_at = service.resumable_until(now);
    match end {
        End::Whole | End::Wanted if state.is_full() => complete(uploader, state, held).await,
        End::Whole | End::Wanted => Ok(state),
        End::TooMuch => {
            drop(held);
            body.drain().await;
            Err(Refusal::TooMuch)
        }
        End::Gone(error) => Err(error.into()),
    }
}

/// The body into the file. Bytes that are here already come before whoever else wants to write, up to a
/// limit: mostly that one's connection is the one that works.
async fn pour(
    body: &mut Body,
    held: &mut Held,
    most: u64,
    mut tail: Tail,
) -> Result<(End, Tail), object::Error> {
    let mut since_wanted = 0;
    loop {
        let piece = tokio::select! {
            biased;
            piece = body.next() => piece,
            () = held.is_wanted() => return Ok((End::Wanted, tail)),
        };
        match piece {
            Ok(Some(bytes)) if tail.size() + bytes.len() as u64 > most => return Ok((End::TooMuch, tail)),
            Ok(Some(bytes)) => {
                if held.is_wanted_now() {
                    since_wanted += bytes.len();
                }
                tail = tail.write(&bytes).await?;
            }
            Ok(None) => return Ok((End::Whole, tail)),
            Err(error) => return Ok((End::Gone(error), tail)),
        }
        if since_wanted > COURTESY {
            return Ok((End::Wanted, tail));
        }
    }
}

/// Bytes that a writer may still bring home when another one waits.
const COURTESY: usize = 4 * 1024 * 1024;
