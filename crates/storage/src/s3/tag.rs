//! The tag of a content that is read again: the digest of all its bytes, or of the digests of its parts.

use std::iter::repeat_n;

use md5::{Digest, Md5};

use super::multipart::MOST;

/// A tag that is being made.
pub(crate) struct Tag {
    current: Md5,
    parts: Option<Parts>,
}

struct Parts {
    /// Bytes that the current part lacks; none if there are no more parts.
    lacks: Option<u64>,
    /// Sizes of those behind it.
    rest: std::vec::IntoIter<u64>,
    digests: Md5,
    done: u64,
}

impl Tag {
    /// Of a content that was put at once; or of one of parts, by their sizes, equal ones counted.
    pub(crate) fn new(sizes: Option<&[(u64, u64)]>) -> Self {
        let most = usize::try_from(MOST).unwrap_or_default();
        let parts = sizes.map(|sizes| {
            let times = |count: u64| usize::try_from(count).unwrap_or(most).min(most);
            let sizes = sizes.iter().flat_map(|(size, count)| repeat_n(*size, times(*count)));
            let mut rest = sizes.take(most).collect::<Vec<_>>().into_iter();
            Parts { lacks: rest.next(), rest, digests: Md5::new(), done: 0 }
        });
        Self { current: Md5::new(), parts }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        let Some(parts) = &mut self.parts else { return self.current.update(bytes) };
        while let (Some(lacks), false) = (parts.lacks, bytes.is_empty()) {
            let fits = usize::try_from(lacks).unwrap_or(usize::MAX).min(bytes.len());
            let (own, others) = bytes.split_at(fits);
            self.current.update(own);
            bytes = others;
            parts.lacks = Some(lacks - fits as u64);
            if parts.lacks == Some(0) {
                parts.end(&mut self.current);
            }
        }
    }

    /// Without quotes.
    pub(crate) fn finish(mut self) -> String {
        let Some(mut parts) = self.parts else { return hex::encode(self.current.finalize()) };
        while parts.lacks.is_some() {
            parts.end(&mut self.current);
        }
        format!("{}-{}", hex::encode(parts.digests.finalize()), parts.done)
    }
}

impl Parts {
    fn end(&mut self, current: &mut Md5) {
        self.digests.update(current.finalize_reset());
        self.done += 1;
        self.lacks = self.rest.next();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(sizes: Option<&[(u64, u64)]>, content: &[u8], piece: usize) -> String {
        let mut tag = Tag::new(sizes);
        content.chunks(piece).for_each(|bytes| tag.update(bytes));
        tag.finish()
    }

    #[test]
    fn of_one_piece_or_of_parts() {
        assert_eq!(read(None, b"hello", 2), "5d41402abc4b2a76b9719d911017c592");
        // MD5 of the MD5 of nothing, twice.
        assert_eq!(read(Some(&[(0, 1)]), b"", 1), "59adb24ef3cdbe0297f05b395827453f-1");
        // What no parts can be makes a tag, too, in no time.
        read(Some(&[(0, u64::MAX), (u64::MAX, u64::MAX)]), b"hello", 2);
    }

    proptest! {
        #[test]
        fn pieces_may_be_cut_anywhere(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 1..6), piece in 1usize..40) {
            let mut digests = Md5::new();
            parts.iter().for_each(|part| digests.update(Md5::digest(part)));
            let expected = format!("{}-{}", hex::encode(digests.finalize()), parts.len());
            let sizes: Vec<(u64, u64)> = parts.iter().map(|part| (part.len() as u64, 1)).collect();
            prop_assert_eq!(read(Some(&sizes), &parts.concat(), piece), expected);
        }
    }
}
