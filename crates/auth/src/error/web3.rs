//! What signing in with a wallet answers when it fails.

use super::Code;

/// A refusal of a wallet. The names are those of chains.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Web3 {
    // 422 and 400
    /// Wallets of all chains are switched off.
    #[error("Web3 provider is disabled")]
    Disabled,
    /// Wallets of this chain are switched off.
    #[error("{0} Web3 provider is disabled")]
    ChainDisabled(&'static str),
    /// The chain is none of those wallets can sign in with.
    #[error("Unsupported chain")]
    UnsupportedChain,

    // As OAuth words it
    /// Another wallet signed, or nobody.
    #[error("Signature does not match address in message")]
    Signature,
    /// The message was for a page that anybody on the way may have changed.
    #[error("Signed {0} message is using URI which does not use HTTPS")]
    NotHttps(&'static str),
    /// The message was for another application.
    #[error(
        "Signed {0} message is using URI which is not allowed on this server, message was signed for another app"
    )]
    OtherUri(&'static str),
    /// The message was for another site than its URI says.
    #[error(
        "Signed {0} message is using a Domain that does not match the one in URI which is not allowed on this server"
    )]
    OtherDomain(&'static str),
    /// The message is not good yet.
    #[error("Signed {0} message becomes valid in the future")]
    NotYet(&'static str),
    /// The message is not good any more.
    #[error("Signed {0} message is expired")]
    Expired(&'static str),
    /// The message is older than messages may be.
    #[error("{0} message was issued too long ago")]
    TooOld(&'static str),
    /// The message claims to be from a time to come.
    #[error("{0} message was issued too far in the future")]
    TooNew(&'static str),
    /// Somebody came with this message before.
    #[error("Signed {0} message was already used")]
    Used(&'static str),
}

impl Web3 {
    /// Status and code.
    pub(super) fn place(&self) -> (u16, Code) {
        match self {
            Self::Disabled | Self::ChainDisabled(_) => (422, Code::Web3ProviderDisabled),
            Self::UnsupportedChain => (400, Code::Web3UnsupportedChain),
            _ => (400, Code::Unknown),
        }
    }

    /// The error in the words of OAuth, where the answer has the standard's body.
    pub(super) fn standard(&self) -> Option<(&str, String)> {
        match self {
            Self::Disabled | Self::ChainDisabled(_) | Self::UnsupportedChain => None,
            _ => Some(("invalid_grant", self.to_string())),
        }
    }
}
