//! What can be asked of a picture, as it is written in queries, bodies, tokens and headers (upstream's
//! `renderer/image.ts` and `schemas/transformations.ts`).

use picture::{Direction, Format, Gravity, Order, Resize, Source};

use crate::config::Images;

/// What was asked for; nothing is known of the picture yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) height: Option<u32>,
    pub(crate) width: Option<u32>,
    pub(crate) resize: Option<Resize>,
    pub(crate) quality: Option<u8>,
    pub(crate) format: Option<Asked>,
    pub(crate) gravity: Option<Pull>,
}

/// A format by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The one it has.
    Origin,
    Avif,
    WebP,
}

/// A gravity by name, with offsets if there are any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pull {
    pub(crate) name: &'static str,
    pub(crate) x: Option<f64>,
    pub(crate) y: Option<f64>,
}

pub(crate) const RESIZES: [(&str, Resize); 3] =
    [("cover", Resize::Cover), ("contain", Resize::Contain), ("fill", Resize::Fill)];

pub(crate) const FORMATS: [(&str, Asked); 3] =
    [("origin", Asked::Origin), ("avif", Asked::Avif), ("webp", Asked::WebP)];

/// A point that stays in the picture.
pub(crate) const FOCUS: &str = "fp";
const SMART: &str = "sm";

pub(crate) const GRAVITIES: [&str; 11] =
    ["no", "so", "ea", "we", "noea", "nowe", "soea", "sowe", "ce", SMART, FOCUS];

impl Pull {
    fn gravity(self) -> Gravity {
        let (x, y) = (self.x.unwrap_or_default(), self.y.unwrap_or_default());
        let direction = match self.name {
            FOCUS => return Gravity::Focus(x, y),
            SMART => return Gravity::Smart,
            "no" => Direction::North,
            "so" => Direction::South,
            "ea" => Direction::East,
            "we" => Direction::West,
            "noea" => Direction::NorthEast,
            "nowe" => Direction::NorthWest,
            "soea" => Direction::SouthEast,
            "sowe" => Direction::SouthWest,
            _ => Direction::Centre,
        };
        Gravity::Toward(direction, x, y)
    }

    fn text(self) -> String {
        match (self.name, self.x, self.y) {
            (SMART, ..) | (_, None, None) => format!("gravity:{}", self.name),
            (name, x, y) => format!("gravity:{name}:{}:{}", x.unwrap_or_default(), y.unwrap_or_default()),
        }
    }
}

impl Options {
    /// As the header `X-Transformations` tells them; nothing if nothing was asked for.
    pub(crate) fn told(&self, images: &Images) -> String {
        let resize = match self.resize {
            None | Some(Resize::Cover) => "fill",
            Some(Resize::Contain) => "fit",
            Some(Resize::Fill) => "force",
        };
        self.text(images, &format!("resizing_type:{resize}"))
    }

    /// As a token carries them.
    pub(crate) fn signed(&self, images: &Images) -> String {
        let name = RESIZES.iter().find(|(_, resize)| Some(*resize) == self.resize).map(|(name, _)| *name);
        self.text(images, &format!("resize:{}", name.unwrap_or("undefined")))
    }

    fn text(&self, images: &Images, resize: &str) -> String {
        let Plan { width, height, .. } = self.plan(images);
        let mut parts = Vec::new();
        parts.extend(height.map(|height| format!("height:{height}")));
        parts.extend(width.map(|width| format!("width:{width}")));
        if width.is_some() || height.is_some() {
            parts.push(resize.to_owned());
        }
        parts.extend(self.quality.map(|quality| format!("quality:{quality}")));
        parts.extend(self.format_name().map(|name| format!("format:{name}")));
        parts.extend(self.gravity.map(Pull::text));
        parts.join(",")
    }

    /// The name of a format that is not the one the picture has.
    pub(crate) fn format_name(&self) -> Option<&'static str> {
        let asked = self.format.filter(|asked| *asked != Asked::Origin)?;
        FORMATS.iter().find(|(_, format)| *format == asked).map(|(name, _)| *name)
    }

    /// What a token carries. What makes no sense is not there.
    pub(crate) fn from_token(text: &str) -> Self {
        let mut options = Self::default();
        for part in text.split(',') {
            let mut fields = part.split(':');
            let (Some(name), Some(value)) = (fields.next(), fields.next()) else { continue };
            let number = || value.parse::<u32>().ok().filter(|number| *number > 0);
            let pick =
                |words: &[(&str, Resize)]| words.iter().find(|(word, _)| *word == value).map(|found| found.1);
            match name {
                "height" => options.height = number(),
                "width" => options.width = number(),
                "resize" => options.resize = pick(&RESIZES),
                "quality" => {
                    options.quality = value.parse().ok().filter(|quality| (1..=100).contains(quality))
                }
                "format" => {
                    options.format = FORMATS.iter().find(|(word, _)| *word == value).map(|found| found.1);
                }
                "gravity" => {
                    let mut offset =
                        || fields.next()?.parse::<f64>().ok().filter(|offset| offset.is_finite());
                    let (x, y) = (offset(), offset());
                    let name = GRAVITIES.into_iter().find(|name| *name == value);
                    options.gravity = name.map(|name| Pull { name, x, y });
                }
                _ => {}
            }
        }
        options
    }

    /// What is to be made, in the sizes that the server allows.
    pub(crate) fn plan(&self, images: &Images) -> Plan {
        let side = |side: Option<u32>| {
            let most = images.max_side.max(images.min_side);
            side.filter(|side| *side > 0).map(|side| side.clamp(images.min_side, most))
        };
        Plan {
            width: side(self.width),
            height: side(self.height),
            resize: self.resize.unwrap_or_default(),
            gravity: self.gravity.map(Pull::gravity).unwrap_or_default(),
            quality: self.quality,
        }
    }

    /// What the result is, as far as it is known before the picture is. `accept` is the client's header;
    /// AVIF is for buckets that want it.
    pub(crate) fn output(&self, accept: &str, prefers_avif: bool) -> Output {
        match self.format {
            Some(Asked::Origin) => Output::Own,
            Some(Asked::Avif) => Output::Fixed(Format::Avif),
            Some(Asked::WebP) => Output::Fixed(Format::WebP),
            None if prefers_avif && accept.contains("image/avif") => Output::Preferred(Format::Avif),
            None if accept.contains("image/webp") => Output::Preferred(Format::WebP),
            None => Output::Own,
        }
    }
}

/// All but the format.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) width: Option<u32>,
    pub(crate) height: Option<u32>,
    pub(crate) resize: Resize,
    pub(crate) gravity: Gravity,
    pub(crate) quality: Option<u8>,
}

impl Plan {
    pub(crate) fn order(self, format: Format) -> Order {
        let Self { width, height, resize, gravity, quality } = self;
        Order { width, height, resize, gravity, quality, format }
    }
}

/// What a result is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// This and nothing else.
    Fixed(Format),
    /// This, because the client can show it.
    Preferred(Format),
    /// What the source is.
    Own,
}

impl Output {
    pub(crate) fn fixed(self) -> Option<Format> {
        match self {
            Self::Fixed(format) => Some(format),
            Self::Preferred(_) | Self::Own => None,
        }
    }

    /// What is made of a source. AVIF does not move, so animations are not turned into it unasked.
    pub(crate) fn format(self, source: &Source<'_>) -> Format {
        match self {
            Self::Preferred(Format::Avif) if source.may_be_animated() => Format::WebP,
            Self::Fixed(format) | Self::Preferred(format) => format,
            Self::Own => source.own_format(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(token: &str) -> String {
        Options::from_token(token).told(&Images::default())
    }

    #[test]
    fn tokens_tell_what_was_asked_for() {
        let images = Images::default();
        let options = Options {
            height: Some(200),
            width: Some(5000),
            resize: Some(Resize::Fill),
            quality: Some(60),
            format: Some(Asked::WebP),
            gravity: Some(Pull { name: FOCUS, x: Some(0.0), y: Some(1.0) }),
        };
        let token = options.signed(&images);
        assert_eq!(token, "height:200,width:2000,resize:fill,quality:60,format:webp,gravity:fp:0:1");
        assert_eq!(Options::from_token(&token), Options { width: Some(2000), ..options });
        let some = Options { width: Some(10), ..Options::default() };
        assert_eq!(some.signed(&images), "width:10,resize:undefined");
        assert_eq!(told("width:10,resize:undefined"), "width:10,resizing_type:fill");
        assert_eq!(told("height:7,resize:contain,format:origin"), "height:7,resizing_type:fit");
        assert_eq!(told("gravity:no"), "gravity:no");
        assert_eq!(told("gravity:no:5"), "gravity:no:5:0");
        assert_eq!(told("gravity:sm:5:5"), "gravity:sm");
        for nothing in
            ["", "width", "width:", "width:0", "width:-5", "height:x", "quality:999", "gravity:up", "x:y"]
        {
            assert_eq!(told(nothing), "", "{nothing}");
        }
    }

    #[test]
    fn clients_get_what_they_can_show() {
        let output = |format: Option<Asked>, accept: &str, avif: bool| {
            Options { format, ..Options::default() }.output(accept, avif)
        };
        let browser = "image/avif,image/webp,*/*";
        assert_eq!(output(None, browser, false), Output::Preferred(Format::WebP));
        assert_eq!(output(None, browser, true), Output::Preferred(Format::Avif));
        assert_eq!(output(None, "*/*", true), Output::Own);
        assert_eq!(output(Some(Asked::Origin), browser, true), Output::Own);
        assert_eq!(output(Some(Asked::Avif), "", false), Output::Fixed(Format::Avif));
    }
}
