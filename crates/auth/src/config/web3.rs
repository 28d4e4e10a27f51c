//! `[auth.web3]`: signing in with a wallet.

use kernel::Problem;
use kernel::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Signing in with a wallet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Web3 {
    /// Wallets of Ethereum.
    pub ethereum: Wallet,
    /// Wallets of Solana.
    pub solana: Wallet,
}

/// Wallets of one chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Wallet {
    /// Whether they can sign in. The application's address has to be `auth.site_url` or among
    /// `auth.additional_redirect_urls`.
    pub enabled: bool,
    /// How far from now a message may have been issued.
    pub maximum_validity: Span,
}

impl Web3 {
    /// Everything that keeps these settings from being used.
    pub(super) fn check(&self) -> Vec<Problem> {
        const LONGEST: Span = Span::secs(30 * 86_400);
        let wallets = [
            ("web3.ethereum.maximum_validity", &self.ethereum),
            ("web3.solana.maximum_validity", &self.solana),
        ];
        let wrong = wallets.into_iter().filter(|(_, wallet)| {
            wallet.maximum_validity.0.is_zero() || wallet.maximum_validity.0 > LONGEST.0
        });
        wrong
            .map(|(key, _)| Problem { key, text: "must be more than nothing and at most 30 days".to_owned() })
            .collect()
    }
}

impl Default for Wallet {
    fn default() -> Self {
        Self { enabled: false, maximum_validity: Span::secs(600) }
    }
}
