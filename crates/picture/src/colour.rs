//! Colours of cameras and screens as those of the web.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use crate::raster::Raster;

/// Pixels whose colours mean what they mean without a profile. One that cannot be used is ignored.
pub(crate) fn to_srgb(mut picture: Raster, icc: Option<&[u8]>) -> Raster {
    let Some(profile) = icc.and_then(|icc| ColorProfile::new_from_slice(icc).ok()) else { return picture };
    if profile.color_space != DataColorSpace::Rgb {
        return picture;
    }
    let layout = if picture.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let srgb = ColorProfile::new_srgb();
    let Ok(transform) = profile.create_transform_8bit(layout, &srgb, layout, TransformOptions::default())
    else {
        return picture;
    };
    let mut changed = vec![0; picture.pixels().len()];
    if transform.transform(picture.pixels(), &mut changed).is_ok() {
        picture.pixels_mut().copy_from_slice(&changed);
    }
    picture
}
