//! From files to pixels.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageReader};
use jpeg_decoder::PixelFormat;
use png::{ColorType, Transformations};

use crate::geometry::Size;
use crate::raster::Raster;
use crate::{Error, Kind, Source};

/// The picture as it lies in the file; of a JPEG one that is smaller, but not smaller than `least`.
pub(crate) fn decode(source: &Source<'_>, least: Size) -> Result<Raster, Error> {
    match source.kind() {
        // What the one decoder finds broken, the other may forgive.
        Kind::Jpeg => shrunk(source.bytes(), least).or_else(|_| whole(source)),
        Kind::Png => forgiving(source.bytes()),
        _ => whole(source),
    }
}

fn whole(source: &Source<'_>) -> Result<Raster, Error> {
    let decoder = ImageReader::with_format(Cursor::new(source.bytes()), source.kind().decoder())
        .into_decoder()
        .map_err(Error::unreadable)?;
    if decoder.dimensions() != source.size() {
        return Err(Error::unreadable("it has two sizes"));
    }
    DynamicImage::from_decoder(decoder).map(Raster::of).map_err(Error::unreadable)
}

/// As it is, or at a half, a quarter or an eighth.
fn shrunk(bytes: &[u8], least: Size) -> Result<Raster, Error> {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.read_info().map_err(Error::unreadable)?;
    let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
    let (width, height) = decoder.scale(side(least.0), side(least.1)).map_err(Error::unreadable)?;
    let pixels = decoder.decode().map_err(Error::unreadable)?;
    let pixels = match decoder.info().map(|info| info.pixel_format) {
        Some(PixelFormat::RGB24) => pixels,
        Some(PixelFormat::L8) => pixels.into_iter().flat_map(|grey| [grey; 3]).collect(),
        // Colours of print: the other decoder knows them.
        _ => return Err(Error::unreadable("these pixels are not decoded at a fraction")),
    };
    Raster::new((width.into(), height.into()), false, pixels)
        .ok_or_else(|| Error::unreadable("it has another size than it says"))
}

/// A PNG, whatever its checksums say.
fn forgiving(bytes: &[u8]) -> Result<Raster, Error> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.ignore_checksums(true);
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(Error::unreadable)?;
    let length = reader.output_buffer_size().ok_or(Error::TooLarge)?;
    let mut pixels = vec![0; length];
    let info = reader.next_frame(&mut pixels).map_err(Error::unreadable)?;
    pixels.truncate(info.buffer_size());
    let (has_alpha, pixels) = match info.color_type {
        ColorType::Rgb => (false, pixels),
        ColorType::Rgba => (true, pixels),
        ColorType::Grayscale => (false, pixels.into_iter().flat_map(|grey| [grey; 3]).collect()),
        ColorType::GrayscaleAlpha => {
            let pixel = |pixel: &[u8]| match pixel {
                [grey, alpha] => [*grey, *grey, *grey, *alpha],
                _ => [0; 4],
            };
            (true, pixels.chunks_exact(2).flat_map(pixel).collect())
        }
        ColorType::Indexed => return Err(Error::unreadable("colours without a palette")),
    };
    Raster::new((info.width, info.height), has_alpha, pixels)
        .ok_or_else(|| Error::unreadable("it has another size than it says"))
}
