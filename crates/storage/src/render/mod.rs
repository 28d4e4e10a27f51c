//! Pictures as somebody wants to see them: found among those made before, or made.
//!
//! - [`options`]: what can be asked for, in a query, a body or a token.
//! - [`cache`]: what was made before, on disk and bounded.
//! - [`pool`]: how many are made at once, with how much memory, and how many wait.
//!
//! Making one costs what a thousand downloads cost, so nobody can make the server do more than the pool
//! allows, and what the header of a file says is judged before any of it is decoded.

pub(crate) mod cache;
pub(crate) mod options;
pub(crate) mod pool;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use object::Key;
use picture::{Format, Limits, Order, Source};

use crate::config::Images;
use crate::error::Error;
use crate::service::Service;
use crate::store::objects::ObjectRow;
use cache::Name;
use options::{Options, Output};
use pool::Place;

/// A picture that is sent.
pub(crate) struct Rendition {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: &'static str,
}

/// Drawings are sent as they are: browsers scale them better than anybody.
const DRAWING: &str = "image/svg+xml";

/// What holds back or keeps renditions.
pub(crate) struct Renderer {
    pub(crate) cache: Arc<cache::Cache>,
    pool: pool::Pool,
}

impl Renderer {
    pub(crate) fn new(config: &Images, directory: &std::path::Path) -> Self {
        let cache = cache::Cache::new(directory.join(".renditions"), config.cache.0);
        Self { cache: Arc::new(cache), pool: pool::Pool::new(config) }
    }
}

/// An object as the options want it.
///
/// # Errors
///
/// What is no picture, or too much of one; too many that want one.
pub(crate) async fn render(
    service: &Arc<Service>,
    object: &ObjectRow,
    options: &Options,
    output: Output,
) -> Result<Rendition, Error> {
    let key =
        Key::new(&object.bucket_id, &object.name, object.version.as_deref()).ok_or(Error::NoSuchFile)?;
    let config = service.config();
    let images = &config.images;
    let name = Name::of(&key, &options.plan(images), output);
    if let Some(found) = cached(service, &name).await {
        return Ok(found);
    }
    let making = async {
        // Whoever wants the same waits for the first one.
        let _alone = service.renderer.pool.alone(&name).await;
        if let Some(found) = cached(service, &name).await {
            return Ok(found);
        }
        let place = service.renderer.pool.enter().await.ok_or(Error::Busy)?;
        let bytes = read(service, &key, &object.name).await?;
        make(service, bytes, options, output, name.clone(), place).await
    };
    match tokio::time::timeout(images.timeout.0, making).await {
        Ok(made) => made,
        Err(_) => Err(Error::RenderTimeout),
    }
}

async fn cached(service: &Service, name: &Name) -> Option<Rendition> {
    let (cache, name) = (Arc::clone(&service.renderer.cache), name.clone());
    let bytes = tokio::task::spawn_blocking(move || cache.get(&name)).await.ok()??;
    let media_type = Format::of(&bytes)?.media_type();
    Some(Rendition { bytes: bytes.into(), media_type })
}

async fn read(service: &Service, key: &Key, named: &str) -> Result<Bytes, Error> {
    let blob = service.disk.read(key).await.map_err(|error| Error::disk(error, named))?;
    let size = blob.size();
    if size > service.config().images.source_size.0 {
        return Err(Error::Unrenderable("The source image file is too large to process"));
    }
    if let Some(bytes) = blob.small(0, size) {
        return Ok(bytes);
    }
    let mut bytes = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default());
    let mut pieces = std::pin::pin!(blob.stream(0, size));
    while let Some(piece) = pieces.try_next().await.map_err(|error| Error::disk(error, named))? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

async fn make(
    service: &Arc<Service>,
    bytes: Bytes,
    options: &Options,
    output: Output,
    name: Name,
    mut place: Place,
) -> Result<Rendition, Error> {
    if is_drawing(&bytes) && output.fixed().is_none() {
        return Ok(Rendition { bytes, media_type: DRAWING });
    }
    let config = service.config();
    let images = &config.images;
    let limits = Limits { pixels: images.source_pixels, frames: images.frames };
    let (order, memory) = measure(bytes.clone(), options.plan(images), output, limits).await?;
    if !place.take_memory(memory).await {
        return Err(Error::Unrenderable("The source image resolution is too large to process"));
    }
    let cache = Arc::clone(&service.renderer.cache);
    let making = tokio::task::spawn_blocking(move || {
        let made = picture::render(&Source::open(&bytes, &limits)?, &order, &limits);
        // Whoever waits for a place has it now, even if nobody waits for this picture any more.
        drop(place);
        if let Ok(made) = &made
            && let Err(error) = cache.put(&name, made)
        {
            tracing::warn!(%error, "a picture could not be kept");
        }
        made
    });
    // A decoder that gives up in the hard way has met a file that is broken.
    let made = making.await.map_err(|_| Error::invalid_picture())?.map_err(Error::picture)?;
    Ok(Rendition { bytes: made.into(), media_type: order.format.media_type() })
}

/// What is to be made, and the memory it takes, by the header.
async fn measure(
    bytes: Bytes,
    plan: options::Plan,
    output: Output,
    limits: Limits,
) -> Result<(Order, u64), Error> {
    let measuring = tokio::task::spawn_blocking(move || {
        let source = Source::open(&bytes, &limits)?;
        let order = plan.order(output.format(&source));
        let memory = source.memory(&order);
        Ok((order, memory))
    });
    measuring.await.map_err(|_| Error::invalid_picture())?.map_err(Error::picture)
}

/// Whether the first tag is that of a drawing.
fn is_drawing(bytes: &[u8]) -> bool {
    let start = String::from_utf8_lossy(bytes.get(..1024).unwrap_or(bytes));
    let mut rest = start.trim_start_matches('\u{feff}').trim_start();
    while rest.starts_with("<?") || rest.starts_with("<!") {
        let end = if rest.starts_with("<!--") { "-->" } else { ">" };
        rest = rest.split_once(end).map(|(_, behind)| behind.trim_start()).unwrap_or_default();
    }
    rest.strip_prefix("<svg").is_some_and(|rest| rest.starts_with([' ', '>', '\n', '\t', '\r', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings() {
        for svg in ["<svg>", "\u{feff}<?xml version=\"1.0\"?>\n<!-- <p> --><!DOCTYPE svg>\n<svg xmlns=\"x\">"]
        {
            assert!(is_drawing(svg.as_bytes()), "{svg}");
        }
        for other in ["", "<html><svg>", "svg", "<svgx>", "<!--", "<?"] {
            assert!(!is_drawing(other.as_bytes()), "{other}");
        }
    }
}
