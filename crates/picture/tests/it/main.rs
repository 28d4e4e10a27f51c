//! Files in, files out.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Cursor;

use image::codecs::gif::{GifDecoder, GifEncoder};
use image::codecs::webp::WebPDecoder;
use image::{
    AnimationDecoder, Delay, DynamicImage, Frame, GenericImageView, ImageDecoder, ImageFormat, ImageReader,
    Rgb, RgbImage, Rgba, RgbaImage,
};
use picture::{Direction, Error, Format, Gravity, Kind, Limits, Order, Resize, Source};

const LIMITS: Limits = Limits { pixels: 2_000_000, frames: 20 };

/// Red on the left, blue on the right, darker towards the bottom.
fn photo(width: u32, height: u32) -> DynamicImage {
    let pixel = |x: u32, y: u32| {
        let light = u8::try_from(255 - 100 * y / height).unwrap();
        if x < width / 2 { Rgb([light, 0, 0]) } else { Rgb([0, 0, light]) }
    };
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, pixel))
}

fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn order(width: u32, height: u32, format: Format) -> Order {
    let side = |side: u32| (side > 0).then_some(side);
    Order {
        width: side(width),
        height: side(height),
        resize: Resize::Cover,
        gravity: Gravity::default(),
        quality: None,
        format,
    }
}

fn render(bytes: &[u8], order: &Order) -> Result<Vec<u8>, Error> {
    picture::render(&Source::open(bytes, &LIMITS)?, order, &LIMITS)
}

fn read(bytes: &[u8]) -> DynamicImage {
    ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap().decode().unwrap()
}

/// Whether the left is red and the right is blue.
fn is_upright(image: &DynamicImage) -> bool {
    let (width, height) = image.dimensions();
    let [left, right] = [width / 8, width - 1 - width / 8].map(|x| image.get_pixel(x, height / 2).0);
    left[0] > 120 && left[2] < 90 && right[2] > 120 && right[0] < 90
}

#[test]
fn every_kind_becomes_every_format() {
    let kinds = [
        (ImageFormat::Jpeg, Kind::Jpeg),
        (ImageFormat::Png, Kind::Png),
        (ImageFormat::Gif, Kind::Gif),
        (ImageFormat::WebP, Kind::WebP),
        (ImageFormat::Bmp, Kind::Bmp),
        (ImageFormat::Tiff, Kind::Tiff),
    ];
    for (from, kind) in kinds {
        let bytes = file(&photo(120, 90), from);
        assert_eq!(Kind::of(&bytes), Some(kind));
        for format in Format::ALL {
            let made = render(&bytes, &order(40, 0, format)).unwrap();
            if format == Format::Avif {
                assert_eq!(&made[4..12], b"ftypavif", "{from:?}");
                continue;
            }
            let image = read(&made);
            assert_eq!(image.dimensions(), (40, 30), "{from:?} {format:?}");
            assert!(is_upright(&image), "{from:?} {format:?}");
            assert_eq!(Kind::of(&made).map(|kind| format!("{kind:?}")), Some(format!("{format:?}")));
        }
    }
}

#[test]
fn pictures_go_into_boxes() {
    let bytes = file(&photo(400, 300), ImageFormat::Jpeg);
    let check = |width: u32, height: u32, resize: Resize, size: (u32, u32)| {
        let order = Order { resize, ..order(width, height, Format::Png) };
        let image = read(&render(&bytes, &order).unwrap());
        assert_eq!(image.dimensions(), size, "{resize:?}");
        assert!(is_upright(&image), "{resize:?}");
    };
    check(100, 100, Resize::Cover, (100, 100));
    check(100, 100, Resize::Contain, (100, 75));
    check(100, 100, Resize::Fill, (100, 100));
    check(30, 20, Resize::Fill, (30, 20));
    check(1000, 1000, Resize::Cover, (400, 300));
    check(0, 0, Resize::Cover, (400, 300));
}

#[test]
fn what_is_cut_is_cut_where_it_was_asked_for() {
    let bytes = file(&photo(400, 100), ImageFormat::Png);
    let pixel = |gravity: Gravity| {
        let order = Order { gravity, ..order(50, 50, Format::Png) };
        let image = read(&render(&bytes, &order).unwrap());
        assert_eq!(image.dimensions(), (50, 50));
        image.get_pixel(25, 25).0
    };
    assert!(pixel(Gravity::Toward(Direction::West, 0.0, 0.0))[0] > 150);
    assert!(pixel(Gravity::Toward(Direction::East, 0.0, 0.0))[2] > 150);
    assert!(pixel(Gravity::Focus(0.9, 0.5))[2] > 150);
    // The edge between the colours is all there is to see.
    let smart = Order { gravity: Gravity::Smart, ..order(50, 50, Format::Png) };
    let smart = read(&render(&bytes, &smart).unwrap());
    let reds = smart.pixels().filter(|(_, _, pixel)| pixel.0[1] > 5 || pixel.0[0] > 0 && pixel.0[2] > 0);
    assert!(reds.count() > 0 || !is_upright(&smart));
}

/// A JPEG that lies as cameras store it when they are held otherwise.
fn turned(orientation: u8) -> Vec<u8> {
    let tiff =
        [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0], &[0, 0, 0, 0]]
            .concat();
    // Turned the other way round first.
    let mut image = photo(160, 80);
    image = match orientation {
        3 => image.rotate180(),
        6 => image.rotate270(),
        8 => image.rotate90(),
        5 => image.rotate270().flipv(),
        _ => image,
    };
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
    encoder.add_exif_metadata(&tiff).unwrap();
    let (width, height) = (image.width() as u16, image.height() as u16);
    encoder.encode(image.to_rgb8().as_raw(), width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

#[test]
fn pictures_stand_upright_and_tell_nothing_of_their_camera() {
    for orientation in [1, 3, 5, 6, 8] {
        let bytes = turned(orientation);
        for width in [20, 100] {
            let made = render(&bytes, &order(width, 0, Format::Jpeg)).unwrap();
            let image = read(&made);
            assert_eq!(image.dimensions(), (width, width / 2), "{orientation}");
            assert!(is_upright(&image), "{orientation} {width}");
            assert!(!made.windows(4).any(|part| part == b"Exif"), "{orientation}");
        }
    }
}

#[test]
fn transparency_stays_where_it_can() {
    let image = RgbaImage::from_fn(64, 64, |x, _| if x < 32 { Rgba([0, 255, 0, 255]) } else { Rgba([0; 4]) });
    let bytes = file(&DynamicImage::ImageRgba8(image), ImageFormat::Png);
    for format in [Format::Png, Format::WebP, Format::Gif] {
        let made = read(&render(&bytes, &order(16, 16, format)).unwrap());
        assert_eq!((made.get_pixel(1, 8).0[3], made.get_pixel(14, 8).0[3]), (255, 0), "{format:?}");
    }
    let white = read(&render(&bytes, &order(16, 16, Format::Jpeg)).unwrap()).get_pixel(14, 8).0;
    assert!(white[..3].iter().all(|colour| *colour > 245), "{white:?}");
}

fn moving(frames: u32, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for n in 0..frames {
        let image = RgbaImage::from_pixel(width, height, Rgba([(n * 255 / frames) as u8, 40, 90, 255]));
        encoder.encode_frame(Frame::from_parts(image, 0, 0, Delay::from_numer_denom_ms(70, 1))).unwrap();
    }
    drop(encoder);
    bytes
}

#[test]
fn animations_move_on() {
    let bytes = moving(5, 60, 40);
    let gif = render(&bytes, &order(30, 0, Format::Gif)).unwrap();
    let frames = GifDecoder::new(Cursor::new(&gif)).unwrap().into_frames().collect_frames().unwrap();
    assert_eq!(frames.len(), 5);
    assert_eq!(frames[0].buffer().dimensions(), (30, 20));
    assert_eq!(frames[0].delay().numer_denom_ms(), (70, 1));

    let webp = render(&bytes, &order(20, 20, Format::WebP)).unwrap();
    let decoder = WebPDecoder::new(Cursor::new(&webp)).unwrap();
    assert!(decoder.has_animation());
    assert_eq!(decoder.dimensions(), (20, 20));
    let frames = decoder.into_frames().collect_frames().unwrap();
    assert_eq!(frames.len(), 5);
    assert_eq!(frames[1].delay().numer_denom_ms(), (70, 1));
    // An animation of the one kind becomes one of the other.
    let back = render(&webp, &order(10, 0, Format::Gif)).unwrap();
    assert_eq!(GifDecoder::new(Cursor::new(&back)).unwrap().into_frames().count(), 5);

    // Where nothing can move, and where too much does: the first frame.
    assert_eq!(read(&render(&bytes, &order(30, 0, Format::Jpeg)).unwrap()).dimensions(), (30, 20));
    let long = render(&moving(21, 6, 4), &order(3, 0, Format::Gif)).unwrap();
    assert_eq!(GifDecoder::new(Cursor::new(&long)).unwrap().into_frames().count(), 1);
}

#[test]
fn what_is_too_large_is_refused_by_its_header() {
    let mut png = file(&photo(8, 8), ImageFormat::Png);
    // 60,000 by 60,000 pixels, of which the file has 64.
    png[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    // The header must keep its checksum to be read at all.
    let sum = crc(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    assert!(matches!(Source::open(&png, &LIMITS).err(), Some(Error::TooLarge)));

    let mut gif = moving(2, 8, 8);
    gif[6..10].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(Source::open(&gif, &LIMITS).err(), Some(Error::TooLarge)));

    let mut bmp = file(&photo(8, 8), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&50_000_i32.to_le_bytes());
    bmp[22..26].copy_from_slice(&50_000_i32.to_le_bytes());
    assert!(Source::open(&bmp, &LIMITS).is_err());

    let mut jpeg = file(&photo(8, 8), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|part| part == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(Source::open(&jpeg, &LIMITS).err(), Some(Error::TooLarge)));
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 },
        )
    })
}

#[test]
fn memory_is_known_before_it_is_taken() {
    let limits = Limits { pixels: 50_000_000, ..LIMITS };
    let jpeg = file(&photo(4000, 3000), ImageFormat::Jpeg);
    let source = Source::open(&jpeg, &limits).unwrap();
    let small = source.memory(&order(800, 0, Format::WebP));
    assert!(small < 40_000_000, "{small}");
    assert!(source.memory(&order(4000, 0, Format::WebP)) > 36_000_000);
}

#[test]
fn no_pictures_and_broken_ones() {
    let whole = file(&photo(64, 64), ImageFormat::Png);
    let wanted = order(10, 10, Format::Png);
    for bytes in [
        b"".as_slice(),
        b"GIF89a",
        b"\0\0\0\x10ftypmif1\0\0\0\0",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"RIFF\0\0\0\0WEBP",
        b"\xff\xd8\xff\xff\xff\xff\xff",
        &whole[..40],
        &whole[..whole.len() / 2],
    ] {
        assert!(
            matches!(render(bytes, &wanted), Err(Error::Unreadable(_))),
            "{:?}",
            &bytes[..bytes.len().min(20)]
        );
    }
    // Photos that were not sent to their end are shown as far as they came.
    let jpeg = file(&photo(640, 480), ImageFormat::Jpeg);
    let half = render(&jpeg[..jpeg.len() / 2], &order(100, 0, Format::Jpeg));
    assert!(half.is_ok(), "{half:?}");
}

#[test]
fn a_wrong_checksum_does_not_matter() {
    let image = DynamicImage::ImageLumaA8(image::GrayAlphaImage::from_pixel(1, 1, image::LumaA([9, 255])));
    let mut png = file(&image, ImageFormat::Png);
    let data = png.windows(4).position(|part| part == b"IDAT").unwrap();
    let length = u32::from_be_bytes(png[data - 4..data].try_into().unwrap()) as usize;
    png[data + 4 + length] ^= 0xff;
    assert_eq!(read(&render(&png, &order(0, 0, Format::WebP)).unwrap()).dimensions(), (1, 1));
}

#[test]
fn noise_ends_no_process() {
    let mut seed = 7_u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for format in
        [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff]
    {
        let whole = file(&photo(48, 48), format);
        for _ in 0..40 {
            let mut bytes = whole.clone();
            for _ in 0..4 {
                let at = next() % bytes.len();
                bytes[at] = next() as u8;
            }
            let rendered =
                std::panic::catch_unwind(|| render(&bytes, &order(12, 12, Format::Jpeg)).map(drop));
            if let Ok(Err(error)) = rendered {
                assert!(matches!(error, Error::Unreadable(_) | Error::TooLarge), "{error}");
            }
        }
    }
}
