//! Signing in with wallets.

use chrono::TimeDelta;
use serde_json::json;

use super::{Catalogue, both, post};
use crate::harness::{Api, open};
use crate::web3::{Wallet, config};

/// What is shown here.
pub const CODES: &str =
    "signup_disabled user_banned validation_failed web3_provider_disabled web3_unsupported_chain";

#[actix_web::test]
async fn in_both_versions() {
    both(CODES, async |c| {
        switches(c).await;
        messages(c).await;
    })
    .await;
}

fn ask(chain: &str, message: &str, signature: &str) -> actix_web::test::TestRequest {
    let body = json!({ "chain": chain, "message": message, "signature": signature });
    post("/token?grant_type=web3", "", body)
}

async fn switches(c: &Catalogue) {
    let api = Api::start(open()).await;
    let (off, all) = ("web3_provider_disabled", "Web3 provider is disabled");
    c.check(&api, ask("ethereum", "", ""), 422, off, all).await;
    let mut config = config();
    config.web3.solana.enabled = false;
    let api = Api::start(config.clone()).await;
    c.check(&api, ask("solana", "", ""), 422, off, "Solana Web3 provider is disabled").await;
    c.check(&api, ask("dogecoin", "", ""), 400, "web3_unsupported_chain", "Unsupported chain").await;
    let wallet = Wallet::ethereum(1);
    let message = wallet.message(api.clock.now(), |_| ());
    api.send(ask("ethereum", &message, &wallet.sign(&message))).await.ok();
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    api.advance(1);
    let message = wallet.message(api.clock.now(), |_| ());
    let banned = ask("ethereum", &message, &wallet.sign(&message));
    c.check(&api, banned, 403, "user_banned", "User is banned").await;
    config.enable_signup = false;
    let _ = api.auth.reload(config);
    let stranger = Wallet::ethereum(2);
    let message = stranger.message(api.clock.now(), |_| ());
    let closed = "Signups not allowed for this instance";
    let new = ask("ethereum", &message, &stranger.sign(&message));
    c.check(&api, new, 422, "signup_disabled", closed).await;
}

async fn messages(c: &Catalogue) {
    let api = Api::start(config()).await;
    let now = api.clock.now();
    let invalid = async |message: &str, signature: &str, text: &str| {
        c.check(&api, ask("ethereum", message, signature), 400, "validation_failed", text).await;
    };
    let (signature, long) = ("0".repeat(130), "x".repeat(20 * 1024 + 1));
    invalid("short", &signature, "message is too short").await;
    invalid(&long, &signature, "message must not exceed 20KB").await;
    invalid(&"x".repeat(64), &signature, "siwe: message needs at least 6 lines").await;
    let form = "signature must be 65 bytes long, encoded as a 130 character-long hexadecimal string";
    invalid(&"x".repeat(64), "0x00", form).await;

    let (wallet, thief) = (Wallet::ethereum(3), Wallet::ethereum(4));
    let refused = async |wallet: &Wallet, message: &str, signature: &str, text: &str| {
        c.standard(&api, ask(wallet.chain(), message, signature), "invalid_grant", text).await;
    };
    let message = wallet.message(now, |_| ());
    let other = "Signature does not match address in message";
    refused(&wallet, &message, &thief.sign(&message), other).await;
    for (uri, text) in [
        ("http://app.test/", "Signed Ethereum message is using URI which does not use HTTPS"),
        (
            "https://evil.test/",
            "Signed Ethereum message is using URI which is not allowed on this server, message was signed for another app",
        ),
    ] {
        let message = wallet.message(now, |fields| fields.uri = uri.to_owned());
        refused(&wallet, &message, &wallet.sign(&message), text).await;
    }
    let message = wallet.message(now, |fields| fields.domain = "evil.test".to_owned());
    let text = "Signed Ethereum message is using a Domain that does not match the one in URI which is not allowed on \
                this server";
    refused(&wallet, &message, &wallet.sign(&message), text).await;
    for (minutes, text) in [
        (-11, "Ethereum message was issued too long ago"),
        (11, "Ethereum message was issued too far in the future"),
    ] {
        let message = wallet.message(now, |fields| fields.issued = now + TimeDelta::minutes(minutes));
        refused(&wallet, &message, &wallet.sign(&message), text).await;
    }
    let message = wallet.message(now, |_| ());
    api.send(ask("ethereum", &message, &wallet.sign(&message))).await.ok();
    let used = "Signed Ethereum message was already used";
    refused(&wallet, &message, &wallet.sign(&message), used).await;
}
