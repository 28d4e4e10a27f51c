//! Pictures that move.

use std::io::Cursor;

use image::codecs::gif::{GifDecoder, GifEncoder, Repeat};
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, Delay, Frame, Frames};
use webp::{AnimEncoder, AnimFrame, WebPConfig};

use crate::geometry::{self, Plan};
use crate::raster::Raster;
use crate::source::FRAMES;
use crate::{Error, Format, Kind, Limits, Order, Source, colour, encode};

/// What is shown, and for how long.
struct Still {
    picture: Raster,
    delay: Delay,
}

/// An animation of an animation; of what has but one frame, or too much of them, a picture.
pub(crate) fn render(source: &Source<'_>, order: &Order, limits: &Limits) -> Result<Vec<u8>, Error> {
    let plan = geometry::plan(source.size(), order);
    let stills = match source.kind() {
        Kind::Gif => {
            let decoder = GifDecoder::new(Cursor::new(source.bytes())).map_err(Error::unreadable)?;
            gather(decoder.into_frames(), source, &plan, order, limits)?
        }
        _ => {
            let decoder = WebPDecoder::new(Cursor::new(source.bytes())).map_err(Error::unreadable)?;
            gather(decoder.into_frames(), source, &plan, order, limits)?
        }
    };
    match (stills.as_slice(), order.format) {
        ([], _) => Err(Error::unreadable("it has no frames")),
        ([still], _) => encode::encode(&still.picture, order),
        (_, Format::Gif) => gif(stills),
        (stills, _) => webp(stills, encode::quality(order)),
    }
}

/// All frames, or the first one if they are too many.
fn gather(
    frames: Frames<'_>,
    source: &Source<'_>,
    plan: &Plan,
    order: &Order,
    limits: &Limits,
) -> Result<Vec<Still>, Error> {
    let area = u64::from(source.size().0) * u64::from(source.size().1);
    let weight = u64::from(plan.cut.0) * u64::from(plan.cut.1) * 4;
    let most = u64::from(limits.frames).min(limits.pixels / area.max(1)).min(FRAMES / weight.max(1));
    let mut stills: Vec<Still> = Vec::new();
    let mut corner = None;
    for frame in frames {
        let frame = match frame {
            Ok(frame) => frame,
            // What has been cut off on the way is shown as far as it came.
            Err(_) if !stills.is_empty() => break,
            Err(error) => return Err(Error::unreadable(error)),
        };
        if !stills.is_empty() && stills.len() as u64 >= most {
            stills.truncate(1);
            break;
        }
        let delay = frame.delay();
        let picture = Raster::of_rgba(frame.into_buffer()).resized(plan.scaled)?;
        // All frames are cut alike.
        let picture = match plan.is_cut() {
            true => {
                let (left, top) = *corner.get_or_insert_with(|| picture.corner(plan, order.gravity));
                picture.part(left, top, plan.cut)
            }
            false => picture,
        };
        stills.push(Still { picture: colour::to_srgb(picture, source.icc()), delay });
    }
    Ok(stills)
}

fn gif(stills: Vec<Still>) -> Result<Vec<u8>, Error> {
    let mut file = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut file, encode::SPEED_OF_GIF);
    encoder.set_repeat(Repeat::Infinite).map_err(Error::encode)?;
    for Still { picture, delay } in stills {
        let image = picture.into_image().ok_or_else(|| Error::encode("a frame has no size"))?;
        encoder.encode_frame(Frame::from_parts(image.into_rgba8(), 0, 0, delay)).map_err(Error::encode)?;
    }
    drop(encoder);
    Ok(file)
}

fn webp(stills: &[Still], quality: u8) -> Result<Vec<u8>, Error> {
    let mut config = WebPConfig::new().map_err(|()| Error::encode("no settings"))?;
    config.quality = f32::from(quality);
    let (width, height) = stills.first().map(|still| still.picture.size()).unwrap_or_default();
    let mut encoder = AnimEncoder::new(width, height, &config);
    let mut at = 0_u32;
    // Each frame comes with its end: the encoder tells from the next one when it begins.
    for still in stills {
        let timestamp = i32::try_from(at).unwrap_or(i32::MAX);
        encoder.add_frame(AnimFrame::from_rgba(still.picture.pixels(), width, height, timestamp));
        let (numerator, denominator) = still.delay.numer_denom_ms();
        at = at.saturating_add(numerator / denominator.max(1));
    }
    let file = encoder.try_encode().map_err(|error| Error::encode(format!("{error:?}")))?;
    Ok(file.to_vec())
}
