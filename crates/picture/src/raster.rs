//! Pixels.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage, RgbaImage};

use crate::Error;
use crate::geometry::{Gravity, Plan, Size};

/// Pixels of three bytes, or with transparency of four.
#[derive(Clone, Debug)]
pub(crate) struct Raster {
    size: Size,
    has_alpha: bool,
    pixels: Vec<u8>,
}

impl Raster {
    /// `None` if the length does not fit the size.
    pub(crate) fn new(size: Size, has_alpha: bool, pixels: Vec<u8>) -> Option<Self> {
        let depth = if has_alpha { 4 } else { 3 };
        let length = u64::from(size.0) * u64::from(size.1) * depth;
        (pixels.len() as u64 == length).then_some(Self { size, has_alpha, pixels })
    }

    pub(crate) fn of(image: DynamicImage) -> Self {
        match image.color().has_alpha() {
            true => Self::of_rgba(image.into_rgba8()),
            false => {
                let image = image.into_rgb8();
                Self { size: image.dimensions(), has_alpha: false, pixels: image.into_raw() }
            }
        }
    }

    pub(crate) fn of_rgba(image: RgbaImage) -> Self {
        Self { size: image.dimensions(), has_alpha: true, pixels: image.into_raw() }
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    pub(crate) fn has_alpha(&self) -> bool {
        self.has_alpha
    }

    pub(crate) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    pub(crate) fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    pub(crate) fn into_image(self) -> Option<DynamicImage> {
        let (width, height) = self.size;
        match self.has_alpha {
            true => RgbaImage::from_raw(width, height, self.pixels).map(DynamicImage::ImageRgba8),
            false => RgbImage::from_raw(width, height, self.pixels).map(DynamicImage::ImageRgb8),
        }
    }

    /// Scaled. Colours of what is transparent do not bleed.
    pub(crate) fn resized(self, size: Size) -> Result<Self, Error> {
        if self.size == size {
            return Ok(self);
        }
        let depth = if self.has_alpha { PixelType::U8x4 } else { PixelType::U8x3 };
        let has_alpha = self.has_alpha;
        let mut from =
            Image::from_vec_u8(self.size.0, self.size.1, self.pixels, depth).map_err(Error::unreadable)?;
        let mut to = Image::new(size.0, size.1, depth);
        let alpha = MulDiv::new();
        if has_alpha {
            alpha.multiply_alpha_inplace(&mut from).map_err(Error::unreadable)?;
        }
        let options =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(false);
        Resizer::new().resize(&from, &mut to, &options).map_err(Error::unreadable)?;
        drop(from);
        if has_alpha {
            alpha.divide_alpha_inplace(&mut to).map_err(Error::unreadable)?;
        }
        Ok(Self { size, has_alpha, pixels: to.into_vec() })
    }

    /// Upright.
    pub(crate) fn turned(self, orientation: Orientation) -> Self {
        if orientation == Orientation::NoTransforms {
            return self;
        }
        let empty = Self { size: self.size, has_alpha: self.has_alpha, pixels: Vec::new() };
        match self.into_image() {
            Some(mut image) => {
                image.apply_orientation(orientation);
                Self::of(image)
            }
            None => empty,
        }
    }

    /// What stays by a plan for a picture of this size.
    pub(crate) fn cut(self, plan: &Plan, gravity: Gravity) -> Self {
        if !plan.is_cut() || self.size != plan.scaled {
            return self;
        }
        let (left, top) = self.corner(plan, gravity);
        self.part(left, top, plan.cut)
    }

    /// The top left corner of what stays.
    pub(crate) fn corner(&self, plan: &Plan, gravity: Gravity) -> (u32, u32) {
        plan.corner(gravity, |length, down| self.busiest(length, down))
    }

    pub(crate) fn part(&self, left: u32, top: u32, size: Size) -> Self {
        let depth = if self.has_alpha { 4 } else { 3 };
        let (left, width, row) =
            (left as usize * depth, size.0 as usize * depth, self.size.0 as usize * depth);
        let rows = self.pixels.chunks_exact(row).skip(top as usize).take(size.1 as usize);
        let pixels = rows.filter_map(|row| row.get(left..left + width)).flatten().copied().collect();
        Self { size, has_alpha: self.has_alpha, pixels }
    }

    /// Where a part of this length begins in which neighbours differ most, along one axis.
    fn busiest(&self, length: u32, down: bool) -> u32 {
        let depth = if self.has_alpha { 4 } else { 3 };
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let mut lines = vec![0_u64; if down { height } else { width }];
        for (y, row) in self.pixels.chunks_exact(width * depth).enumerate() {
            let green = || row.iter().skip(1).step_by(depth);
            for (x, (one, next)) in green().zip(green().skip(1)).enumerate() {
                if let Some(line) = lines.get_mut(if down { y } else { x }) {
                    *line += u64::from(one.abs_diff(*next));
                }
            }
        }
        let length = length as usize;
        let mut sum: u64 = lines.iter().take(length).sum();
        let (mut best, mut place) = (sum, 0);
        for (n, (leaving, coming)) in lines.iter().zip(lines.iter().skip(length)).enumerate() {
            sum = sum + coming - leaving;
            if sum > best {
                (best, place) = (sum, n + 1);
            }
        }
        u32::try_from(place).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn raster(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Raster {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let pixels = pixels.flat_map(|(x, y)| pixel(x, y)).collect();
        Raster::new((width, height), false, pixels).unwrap()
    }

    #[test]
    fn a_part_is_what_was_there() {
        let picture = raster(4, 3, |x, y| [x as u8, y as u8, 9]);
        let part = picture.part(1, 2, (2, 1));
        assert_eq!((part.size(), part.pixels()), ((2, 1), [1, 2, 9, 2, 2, 9].as_slice()));
    }

    #[test]
    fn the_busiest_part_is_found() {
        let busy = raster(30, 10, |x, y| if x >= 20 { [0, (x * 97 + y * 31) as u8, 0] } else { [0, 0, 0] });
        assert!(busy.busiest(10, false) >= 19);
        assert_eq!(busy.busiest(30, false), 0);
    }

    #[test]
    fn colours_of_what_is_transparent_do_not_bleed() {
        let pixels =
            (0..64).flat_map(|n| if n % 2 == 0 { [255, 0, 0, 255] } else { [0, 255, 0, 0] }).collect();
        let small = Raster::new((8, 8), true, pixels).unwrap().resized((4, 4)).unwrap();
        assert!(small.pixels().chunks(4).all(|pixel| pixel[0] > 250 && pixel[1] < 5), "{:?}", small.pixels());
    }

    #[test]
    fn lengths_fit_sizes() {
        assert!(Raster::new((2, 2), true, vec![0; 12]).is_none());
        assert!(Raster::new((2, 2), false, vec![0; 12]).is_some());
    }
}
