//! What the header of a file says.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageReader};

use crate::geometry::{self, Size};
use crate::{Error, Format, Kind, Limits, Order};

/// Bytes that frames of an animation may have after scaling.
pub(crate) const FRAMES: u64 = 64 * 1024 * 1024;

/// A file that says it is a picture.
pub struct Source<'a> {
    bytes: &'a [u8],
    kind: Kind,
    size: Size,
    has_alpha: bool,
    is_gathered: bool,
    is_animated: bool,
    orientation: Orientation,
    icc: Option<Vec<u8>>,
}

impl<'a> Source<'a> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// What is no picture, or has more pixels than it may.
    pub fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let kind = Kind::of(bytes).ok_or_else(|| Error::unreadable("the format is not known"))?;
        let mut decoder = ImageReader::with_format(Cursor::new(bytes), kind.decoder())
            .into_decoder()
            .map_err(Error::unreadable)?;
        let size = decoder.dimensions();
        if size.0 == 0 || size.1 == 0 {
            return Err(Error::unreadable("it has no pixels"));
        }
        if u64::from(size.0) * u64::from(size.1) > limits.pixels {
            return Err(Error::TooLarge);
        }
        let is_animated = match kind {
            Kind::Gif => true,
            Kind::WebP => WebPDecoder::new(Cursor::new(bytes)).is_ok_and(|decoder| decoder.has_animation()),
            _ => false,
        };
        Ok(Self {
            bytes,
            kind,
            size,
            has_alpha: decoder.color_type().has_alpha(),
            is_gathered: kind == Kind::Jpeg && is_gathered(bytes),
            is_animated,
            orientation: decoder.orientation().unwrap_or(Orientation::NoTransforms),
            icc: decoder.icc_profile().ok().flatten(),
        })
    }

    /// What the file is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes that rendering it takes, at most: what is decoded, what lies between, the result.
    #[must_use]
    pub fn memory(&self, order: &Order) -> u64 {
        let area = |(width, height): Size| u64::from(width) * u64::from(height);
        let plan = geometry::plan(self.upright(self.size), order);
        let scaled = self.upright(plan.scaled);
        let decoded = match self.kind {
            // Decoded at less than twice the size, after its coefficients were gathered.
            Kind::Jpeg => {
                let pixels = if self.can_shrink(scaled) { 4 * area(scaled) } else { area(self.size) };
                3 * pixels + if self.is_gathered { area(self.size) * 6 } else { 0 }
            }
            Kind::Png => area(self.size) * 4,
            Kind::Gif => area(self.size) * 12 + FRAMES,
            Kind::WebP if self.is_animated => area(self.size) * 12 + FRAMES,
            Kind::WebP => area(self.size) * 8,
            Kind::Bmp | Kind::Tiff | Kind::Ico => area(self.size) * 12,
        };
        let between = u64::from(scaled.0) * u64::from(self.size.1.min(scaled.1 * 8)) * 4;
        let encoded = area(plan.cut) * if order.format == Format::Avif { 80 } else { 12 };
        decoded + between + encoded
    }

    /// What a result should be that is not asked for by name: what the source is, if the web knows it.
    #[must_use]
    pub fn own_format(&self) -> Format {
        match self.kind {
            Kind::Jpeg => Format::Jpeg,
            Kind::Png => Format::Png,
            Kind::Gif => Format::Gif,
            Kind::WebP => Format::WebP,
            Kind::Bmp | Kind::Tiff | Kind::Ico if self.has_alpha => Format::Png,
            Kind::Bmp | Kind::Tiff | Kind::Ico => Format::Jpeg,
        }
    }

    /// Whether it may move; that a GIF does is known when it is decoded.
    #[must_use]
    pub fn may_be_animated(&self) -> bool {
        self.is_animated
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    pub(crate) fn orientation(&self) -> Orientation {
        self.orientation
    }

    pub(crate) fn icc(&self) -> Option<&[u8]> {
        self.icc.as_deref()
    }

    /// Whether half the size will do, which decoders of JPEG give for less.
    fn can_shrink(&self, scaled: Size) -> bool {
        self.kind == Kind::Jpeg && self.size.0 / 2 >= scaled.0 && self.size.1 / 2 >= scaled.1
    }

    /// A size as it is once the picture stands upright, or the other way round.
    pub(crate) fn upright(&self, (width, height): Size) -> Size {
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        match self.orientation {
            Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH => (height, width),
            _ => (width, height),
        }
    }
}

/// Whether a JPEG comes in several passes, so that its coefficients are gathered before there are pixels:
/// by the kind of its frame, and by how many of its colours come in the first pass.
fn is_gathered(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    let mut colours = None;
    while let [0xff, marker, behind @ ..] = rest {
        match (marker, behind) {
            (0xff, _) => {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            (0xc2 | 0xc6 | 0xca | 0xce, _) => return true,
            (0xc0 | 0xc1, frame) => colours = frame.get(7),
            (0xda, pass) => return colours.zip(pass.get(2)).is_none_or(|(all, some)| some < all),
            _ => {}
        }
        let [high, low, ..] = behind else { break };
        rest = behind.get(usize::from(u16::from_be_bytes([*high, *low])).max(2)..).unwrap_or_default();
    }
    true
}
