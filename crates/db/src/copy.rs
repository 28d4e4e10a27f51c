//! Rows in bulk, from one server to another: `copy … to stdout` here, `copy … from stdin` there, as a stream.

use futures_util::{SinkExt, StreamExt};

use crate::{Error, Session};

impl Session {
    /// Streams what `source` gives for `out` (`copy … to stdout`) into `into` (`copy … from stdin`) of this session,
    /// and returns how many rows came. Both are in the same format.
    ///
    /// # Errors
    ///
    /// What either server said. In a transaction every later statement fails as well.
    pub async fn copy_from(&mut self, into: &str, source: &mut Self, out: &str) -> Result<u64, Error> {
        let copied = self.copied(into, source, out).await;
        self.note(copied.is_err());
        source.note(copied.is_err());
        copied
    }

    async fn copied(&mut self, into: &str, source: &mut Self, out: &str) -> Result<u64, Error> {
        let mut parts = Box::pin(source.client().copy_out(out).await?);
        let mut sink = Box::pin(self.client().copy_in::<_, bytes::Bytes>(into).await?);
        while let Some(part) = parts.next().await {
            sink.send(part?).await?;
        }
        Ok(sink.as_mut().finish().await?)
    }
}
