//! A large body, handed to the server piece by piece.
//!
//! The server copies a body into its buffer as it gets it. In pieces, that copy is never larger
//! than a piece, whatever the body and however slowly the client reads.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;

/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

/// `bytes` as a body.
pub(super) fn body(bytes: Bytes) -> BoxBody {
    if bytes.len() <= PIECE { BoxBody::new(bytes) } else { BoxBody::new(Chunks(bytes)) }
}

/// What is left of the body.
struct Chunks(Bytes);

impl MessageBody for Chunks {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let piece = PIECE.min(self.0.len());
        Poll::Ready((piece > 0).then(|| Ok(self.0.split_to(piece))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[actix_web::test]
    async fn pieces_are_the_whole() {
        for length in [0, 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7] {
            let whole: Bytes = (0..length).map(|n| (n % 251) as u8).collect();
            let body = body(whole.clone());
            assert_eq!(body.size(), BodySize::Sized(length as u64));
            assert_eq!(actix_web::body::to_bytes(body).await.unwrap(), whole);
        }
    }

    #[actix_web::test]
    async fn no_piece_is_large() {
        let mut body = body(Bytes::from(vec![0; 5 * PIECE + 1]));
        let mut pieces = 0;
        while let Some(piece) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
            assert!(piece.unwrap().len() <= PIECE);
            pieces += 1;
        }
        assert_eq!(pieces, 6);
    }
}
