//! From pixels to files.

use std::io::Cursor;

use image::codecs::avif::AvifEncoder;
use image::codecs::gif::GifEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use jpeg_encoder::ColorType;

use crate::raster::Raster;
use crate::{Error, Format, Order};

/// What upstream's service is set to.
const QUALITY: u8 = 80;
const QUALITY_OF_AVIF: u8 = 62;
/// From 1, the best, to 10: one that a request can wait for.
const SPEED_OF_AVIF: u8 = 9;
/// From 1, the best, to 30: the encoder's own default.
pub(crate) const SPEED_OF_GIF: i32 = 10;

/// A file of one picture.
pub(crate) fn encode(picture: &Raster, order: &Order) -> Result<Vec<u8>, Error> {
    let (width, height) = picture.size();
    let colours = if picture.has_alpha() { ExtendedColorType::Rgba8 } else { ExtendedColorType::Rgb8 };
    let mut file = Cursor::new(Vec::new());
    match order.format {
        Format::Jpeg => return jpeg(picture, quality(order)),
        Format::WebP => return webp(picture, quality(order)),
        Format::Png => PngEncoder::new(&mut file)
            .write_image(picture.pixels(), width, height, colours)
            .map_err(Error::encode)?,
        Format::Gif => GifEncoder::new_with_speed(&mut file, SPEED_OF_GIF)
            .encode(picture.pixels(), width, height, colours)
            .map_err(Error::encode)?,
        Format::Avif => {
            let quality = order.quality.unwrap_or(QUALITY_OF_AVIF);
            AvifEncoder::new_with_speed_quality(&mut file, SPEED_OF_AVIF, quality)
                .with_num_threads(Some(1))
                .write_image(picture.pixels(), width, height, colours)
                .map_err(Error::encode)?;
        }
    }
    Ok(file.into_inner())
}

pub(crate) fn quality(order: &Order) -> u8 {
    order.quality.unwrap_or(QUALITY)
}

fn jpeg(picture: &Raster, quality: u8) -> Result<Vec<u8>, Error> {
    let side = |side: u32| u16::try_from(side).map_err(|_| Error::encode("a side is too long for JPEG"));
    let (width, height) = (side(picture.size().0)?, side(picture.size().1)?);
    let mut file = Vec::new();
    // Its tables are not optimised: it would write one colour after the other, which some decoders garble.
    let encoder = jpeg_encoder::Encoder::new(&mut file, quality);
    let white = |pixel: &[u8]| match pixel {
        [red, green, blue, alpha] => [*red, *green, *blue].map(|colour| over_white(colour, *alpha)),
        _ => [0; 3],
    };
    let opaque: Vec<u8>;
    let pixels = match picture.has_alpha() {
        true => {
            opaque = picture.pixels().chunks_exact(4).flat_map(white).collect();
            &opaque
        }
        false => picture.pixels(),
    };
    encoder.encode(pixels, width, height, ColorType::Rgb).map_err(Error::encode)?;
    Ok(file)
}

fn over_white(colour: u8, alpha: u8) -> u8 {
    let mixed = (u16::from(colour) * u16::from(alpha) + 255 * (255 - u16::from(alpha)) + 127) / 255;
    u8::try_from(mixed).unwrap_or(u8::MAX)
}

fn webp(picture: &Raster, quality: u8) -> Result<Vec<u8>, Error> {
    let (width, height) = picture.size();
    let encoder = match picture.has_alpha() {
        true => webp::Encoder::from_rgba(picture.pixels(), width, height),
        false => webp::Encoder::from_rgb(picture.pixels(), width, height),
    };
    let file = encoder.encode_simple(false, f32::from(quality));
    file.map(|file| file.to_vec()).map_err(|error| Error::encode(format!("{error:?}")))
}
