//! What files are, and what can be made of them.

use image::ImageFormat;

/// What a file is, by its first bytes; its name and its label are not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JPEG.
    Jpeg,
    /// PNG, of which an animation is one picture.
    Png,
    /// GIF, moving or not.
    Gif,
    /// WebP, moving or not.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// TIFF.
    Tiff,
    /// Windows icon.
    Ico,
}

impl Kind {
    /// Of a file.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
        match bytes {
            _ if is_webp => Some(Self::WebP),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'B', b'M', ..] => Some(Self::Bmp),
            [b'I', b'I', 0x2a, 0, ..] | [b'M', b'M', 0, 0x2a, ..] => Some(Self::Tiff),
            [0, 0, 1, 0, ..] => Some(Self::Ico),
            _ => None,
        }
    }

    pub(crate) fn decoder(self) -> ImageFormat {
        match self {
            Self::Jpeg => ImageFormat::Jpeg,
            Self::Png => ImageFormat::Png,
            Self::Gif => ImageFormat::Gif,
            Self::WebP => ImageFormat::WebP,
            Self::Bmp => ImageFormat::Bmp,
            Self::Tiff => ImageFormat::Tiff,
            Self::Ico => ImageFormat::Ico,
        }
    }
}

/// What a result can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG; what is transparent becomes white.
    Jpeg,
    /// PNG.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    WebP,
    /// AVIF.
    Avif,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Jpeg, Self::Png, Self::Gif, Self::WebP, Self::Avif];

    /// Of a file, by its first bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match Kind::of(bytes) {
            Some(Kind::Jpeg) => Some(Self::Jpeg),
            Some(Kind::Png) => Some(Self::Png),
            Some(Kind::Gif) => Some(Self::Gif),
            Some(Kind::WebP) => Some(Self::WebP),
            None if bytes.get(4..12) == Some(b"ftypavif") => Some(Self::Avif),
            _ => None,
        }
    }

    /// The media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
            Self::Avif => "image/avif",
        }
    }

    pub(crate) fn can_be_animated(self) -> bool {
        matches!(self, Self::Gif | Self::WebP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        assert_eq!(Kind::of(b"\xff\xd8\xff\xe0"), Some(Kind::Jpeg));
        assert_eq!(Kind::of(b"RIFF\0\0\0\0WEBPVP8 "), Some(Kind::WebP));
        assert_eq!(Kind::of(b"RIFF\0\0\0\0WAVE"), None);
        assert_eq!(Kind::of(b"GIF89a"), Some(Kind::Gif));
        for none in
            [b"".as_slice(), b"text", b"\0\0\0\x10ftypmif1\0\0\0\0", b"<svg/>", b"\xff\xd8", b"%PDF-1.4"]
        {
            assert_eq!(Kind::of(none), None, "{none:?}");
        }
    }
}
