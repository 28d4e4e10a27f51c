//! Uploads in parts, without IO: which parts make the object, and under which tag.

use md5::{Digest, Md5};

use super::checksum::Algorithm;
use super::error::Error;
use super::whole::Agreed;
use super::xml;
use crate::store::uploads::PartRow;

/// Parts of an upload.
pub(crate) const MOST: i32 = 10_000;

/// The number of a part.
///
/// # Errors
///
/// [`Error::InvalidArgument`].
pub(crate) fn number(text: &str) -> Result<i32, Error> {
    match text.parse() {
        Ok(number) if (1..=MOST).contains(&number) => Ok(number),
        _ => Err(Error::InvalidArgument(
            "Part number must be an integer between 1 and 10000, inclusive".into(),
        )),
    }
}

/// A part that a client wants to have in the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) number: i32,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) checksum: Option<(Algorithm, String)>,
}

/// The parts that a client wants put together. A body without any document means all, as upstream has it.
///
/// # Errors
///
/// [`Error::MalformedXml`], [`Error::InvalidPartOrder`].
pub(crate) fn listed(body: &[u8]) -> Result<Option<Vec<Listed>>, Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let parts = xml::read(body, "CompleteMultipartUpload", |root| {
        let part = |part| {
            let text = |name| xml::text(part, name).ok_or(Error::MalformedXml);
            let number: i32 = text("PartNumber")?.trim().parse().map_err(|_| Error::MalformedXml)?;
            let checksum = Algorithm::ALL
                .into_iter()
                .find_map(|algorithm| Some((algorithm, xml::text(part, algorithm.element())?)));
            Ok(Listed { number, etag: text("ETag")?.trim().trim_matches('"').to_owned(), checksum })
        };
        xml::children(root, "Part").map(part).collect::<Result<Vec<_>, Error>>()
    })?;
    if parts.is_empty() {
        return Err(Error::MalformedXml);
    }
    if parts.windows(2).any(|pair| matches!(pair, [a, b] if a.number >= b.number)) {
        return Err(Error::InvalidPartOrder);
    }
    Ok(Some(parts))
}

/// The parts that make the object.
///
/// # Errors
///
/// [`Error::InvalidPart`] if one is not there or another, [`Error::EntityTooSmall`] if one that is not the
/// last has fewer bytes than `least`.
pub(crate) fn chosen(
    known: Vec<PartRow>,
    listed: Option<Vec<Listed>>,
    least: u64,
    agreed: Option<Agreed>,
) -> Result<Vec<PartRow>, Error> {
    let chosen = match listed {
        None if known.is_empty() => return Err(Error::MalformedXml),
        None => known,
        Some(listed) => {
            let is_it = |part: &&PartRow, wanted: &Listed| {
                part.number == wanted.number
                    && part.etag == wanted.etag
                    && match (&wanted.checksum, agreed) {
                        (Some((algorithm, value)), Some(agreed)) => {
                            *algorithm == agreed.algorithm && part.checksum.as_ref() == Some(value)
                        }
                        _ => true,
                    }
            };
            let find = |wanted: &Listed| {
                known.iter().find(|part| is_it(part, wanted)).cloned().ok_or(Error::InvalidPart)
            };
            listed.iter().map(find).collect::<Result<Vec<_>, Error>>()?
        }
    };
    let Some((_, others)) = chosen.split_last() else { return Err(Error::InvalidPart) };
    if others.iter().any(|part| part.size < least) {
        return Err(Error::EntityTooSmall);
    }
    Ok(chosen)
}

/// The tag of an object of parts: the digest of their digests, and how many there are. With quotes.
///
/// # Errors
///
/// [`Error::InvalidPart`] if a tag is no digest.
pub(crate) fn etag(parts: &[PartRow]) -> Result<String, Error> {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(hex::decode(&part.etag).map_err(|_| Error::InvalidPart)?);
    }
    Ok(format!("\"{}-{}\"", hex::encode(hash.finalize()), parts.len()))
}

/// The sizes of the parts of an object, equal ones counted: `[[5242880, 3], [17, 1]]`.
pub(crate) fn sizes(parts: &[PartRow]) -> Vec<(u64, u64)> {
    let mut sizes: Vec<(u64, u64)> = Vec::new();
    for part in parts {
        match sizes.last_mut() {
            Some((size, count)) if *size == part.size => *count += 1,
            _ => sizes.push((part.size, 1)),
        }
    }
    sizes
}

/// Where a part begins and ends, and how many there are. Parts are counted from 1.
pub(crate) fn place(sizes: &[(u64, u64)], number: u64) -> Option<(u64, u64, u64)> {
    let total = sizes.iter().map(|(_, count)| count).sum();
    let (mut at, mut before) = (0, 0);
    for (size, count) in sizes {
        if number > before && number <= before + count {
            let first = at + (number - before - 1) * size;
            return Some((first, first + size, total));
        }
        before += count;
        at += size * count;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn part(number: i32, size: u64, etag: &str) -> PartRow {
        let etag = if etag.is_empty() { hex::encode(Md5::digest(b"")) } else { etag.to_owned() };
        let checksum = Some(format!("sum of {number}"));
        PartRow { number, size, etag, file: String::new(), checksum, created_at: String::new() }
    }

    fn document(parts: &[(i32, &str)]) -> String {
        let parts: String = parts
            .iter()
            .map(|(number, etag)| {
                format!("<Part><ETag>{etag}</ETag><PartNumber>{number}</PartNumber></Part>")
            })
            .collect();
        format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
    }

    #[test]
    fn numbers() {
        for (text, fits) in
            [("1", true), ("10000", true), ("0", false), ("10001", false), ("x", false), ("", false)]
        {
            assert_eq!(number(text).is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn lists_name_parts_in_order() {
        let read = |parts: &[(i32, &str)]| listed(document(parts).as_bytes());
        let part = |number, etag: &str| Listed { number, etag: etag.to_owned(), checksum: None };
        assert_eq!(read(&[(1, "\"a\""), (3, "b")]).unwrap(), Some(vec![part(1, "a"), part(3, "b")]));
        assert_eq!(listed(b" ").unwrap(), None);
        assert!(matches!(read(&[]), Err(Error::MalformedXml)));
        assert!(matches!(read(&[(2, "a"), (1, "b")]), Err(Error::InvalidPartOrder)));
        assert!(matches!(read(&[(1, "a"), (1, "b")]), Err(Error::InvalidPartOrder)));
        assert!(matches!(listed(b"<Other/>"), Err(Error::MalformedXml)));
    }

    #[test]
    fn parts_must_be_there_and_large_enough() {
        let known = || vec![part(1, 5, "aa"), part(2, 9, "bb"), part(3, 1, "cc")];
        let part = |number, etag: &str, checksum| Listed { number, etag: etag.to_owned(), checksum };
        let wants = |parts: &[(i32, &str)]| Some(parts.iter().map(|(n, tag)| part(*n, tag, None)).collect());
        let chosen = |known, listed, least| chosen(known, listed, least, None);
        assert_eq!(chosen(known(), None, 5).unwrap().len(), 3);
        assert_eq!(chosen(known(), wants(&[(1, "aa"), (3, "cc")]), 5).unwrap().len(), 2);
        assert!(matches!(chosen(known(), wants(&[(1, "bb")]), 0), Err(Error::InvalidPart)));
        assert!(matches!(chosen(known(), wants(&[(4, "aa")]), 0), Err(Error::InvalidPart)));
        assert!(matches!(chosen(known(), None, 6), Err(Error::EntityTooSmall)));
        assert!(matches!(chosen(Vec::new(), None, 0), Err(Error::MalformedXml)));
        let agreed = Agreed::read(Some("CRC32"), None).unwrap();
        for (algorithm, value, fits) in [
            (Algorithm::Crc32, "sum of 1", true),
            (Algorithm::Crc32, "sum of 2", false),
            (Algorithm::Sha1, "sum of 1", false),
        ] {
            let wanted = Some(vec![part(1, "aa", Some((algorithm, value.to_owned())))]);
            assert_eq!(super::chosen(known(), wanted, 0, agreed).is_ok(), fits, "{algorithm:?} {value}");
        }
    }

    #[test]
    fn places_of_parts() {
        let sizes = sizes(&[part(1, 5, ""), part(2, 5, ""), part(4, 7, ""), part(9, 1, "")]);
        assert_eq!(sizes, [(5, 2), (7, 1), (1, 1)]);
        assert_eq!(place(&sizes, 1), Some((0, 5, 4)));
        assert_eq!(place(&sizes, 2), Some((5, 10, 4)));
        assert_eq!(place(&sizes, 3), Some((10, 17, 4)));
        assert_eq!(place(&sizes, 4), Some((17, 18, 4)));
        assert_eq!((place(&sizes, 0), place(&sizes, 5)), (None, None));
    }

    #[test]
    fn tags_of_parts() {
        // MD5 of the MD5 of nothing, twice.
        assert_eq!(etag(&[part(1, 0, "")]).unwrap(), "\"59adb24ef3cdbe0297f05b395827453f-1\"");
        assert!(etag(&[part(1, 0, "not hex")]).is_err());
    }
}
