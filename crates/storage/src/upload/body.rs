//! The bytes of a request, as they come.

use std::time::Duration;

use actix_web::web::Payload;
use bytes::Bytes;
use futures_util::StreamExt;

use crate::error::Error;

/// So much of a body that nobody wants is read, so that the client reads the answer and not a reset.
const POLITE: usize = 4 * 1024 * 1024;

/// And for so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// A request's body. A client that says nothing for too long has gone away.
pub(crate) struct Body {
    payload: Payload,
    idle: Duration,
}

impl Body {
    pub(crate) fn new(payload: Payload, idle: Duration) -> Self {
        Self { payload, idle }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`].
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match tokio::time::timeout(self.idle, self.payload.next()).await {
            Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) | Err(_) => Err(Error::Aborted),
        }
    }

    /// Reads some of what is left and forgets it.
    pub(crate) async fn drain(&mut self) {
        let rest = async {
            let mut read = 0;
            while let Some(Ok(bytes)) = self.payload.next().await {
                read += bytes.len();
                if read > POLITE {
                    return;
                }
            }
        };
        // Whether there was more is the connection's business.
        let _ = tokio::time::timeout(PATIENCE, rest).await;
    }
}
