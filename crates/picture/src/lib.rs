//! Pictures made smaller: decoded within bounds, turned upright, resized, encoded.
//!
//! - [`Source`]: what the header of a file says. Nothing is decoded and next to nothing allocated before
//!   the caller has seen the size and [`Source::memory`].
//! - [`Order`]: what is wanted. [`render`] does it.
//!
//! The rules are those of imgproxy, which renders for Supabase Storage: nothing is enlarged, what covers
//! a box is cut to it, metadata goes, colours become sRGB, quality is 80 (AVIF: 62). Photos are decoded
//! at a fraction of their size where that will do. An animation stays one where the result can be one and
//! it is not too long; otherwise its first frame is taken.
//!
//! Refused: what is no picture, more pixels than are allowed, formats that have no decoder here (AVIF,
//! HEIC). Files come from strangers: a decoder may fail at any point, and callers run [`render`] where a
//! panic ends the one picture only. No file is read or written here.

mod animation;
mod colour;
mod decode;
mod encode;
mod error;
mod format;
mod geometry;
mod raster;
mod source;

pub use error::Error;
pub use format::{Format, Kind};
pub use geometry::{Direction, Gravity, Resize};
pub use source::Source;

/// What may be asked of one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of the source, of all frames together.
    pub pixels: u64,
    /// Frames that an animation may have to stay one.
    pub frames: u32,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// Width of the box, in pixels. With one side alone the other follows.
    pub width: Option<u32>,
    /// Height of the box, in pixels.
    pub height: Option<u32>,
    /// How the picture goes into the box.
    pub resize: Resize,
    /// What of it stays if it is cut.
    pub gravity: Gravity,
    /// From 1 to 100, for formats that lose something.
    pub quality: Option<u8>,
    /// What is made of it.
    pub format: Format,
}

/// Makes a picture.
///
/// # Errors
///
/// What is broken, or cannot be encoded.
pub fn render(source: &Source<'_>, order: &Order, limits: &Limits) -> Result<Vec<u8>, Error> {
    if order.format.can_be_animated() && source.may_be_animated() {
        return animation::render(source, order, limits);
    }
    let size = source.size();
    let plan = geometry::plan(source.upright(size), order);
    let picture = decode::decode(source, source.upright(plan.scaled))?;
    let picture = picture.resized(source.upright(plan.scaled))?;
    let picture = picture.turned(source.orientation()).cut(&plan, order.gravity);
    let picture = colour::to_srgb(picture, source.icc());
    encode::encode(&picture, order)
}
