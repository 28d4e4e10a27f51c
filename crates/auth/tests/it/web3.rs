//! Signing in with wallets.

use auth::Config;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use k256::ecdsa::SigningKey;
use kernel::units::Span;
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};

use crate::harness::{Answer, Api, open};

pub fn config() -> Config {
    let mut config = open();
    config.web3.ethereum.enabled = true;
    config.web3.solana.enabled = true;
    config.rate_limit.web3 = 10_000;
    config
}

/// A wallet of either chain.
pub enum Wallet {
    Ethereum(SigningKey),
    Solana(Ed25519KeyPair),
}

impl Wallet {
    pub fn ethereum(seed: u8) -> Self {
        Self::Ethereum(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    fn solana(seed: u8) -> Self {
        Self::Solana(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub fn chain(&self) -> &'static str {
        match self {
            Self::Ethereum(_) => "ethereum",
            Self::Solana(_) => "solana",
        }
    }

    /// In small letters, as supabase-js spells addresses of Ethereum.
    fn address(&self) -> String {
        match self {
            Self::Ethereum(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                format!("0x{}", hex::encode(&Keccak256::digest(&point.as_bytes()[1..])[12..]))
            }
            Self::Solana(pair) => base58(pair.public_key().as_ref()),
        }
    }

    pub fn sign(&self, message: &str) -> String {
        match self {
            Self::Ethereum(key) => {
                let text = format!("\x19Ethereum Signed Message:\n{}{message}", message.len());
                let (signature, id) = key.sign_prehash_recoverable(&Keccak256::digest(text));
                format!("0x{}{:02x}", hex::encode(signature.to_bytes()), id.to_byte() + 27)
            }
            Self::Solana(pair) => STANDARD.encode(pair.sign(message.as_bytes())),
        }
    }

    /// What supabase-js asks the wallet to sign.
    pub fn message(&self, now: DateTime<Utc>, change: impl FnOnce(&mut Fields)) -> String {
        let mut fields = Fields {
            domain: "app.test".to_owned(),
            address: self.address(),
            uri: "https://app.test/".to_owned(),
            issued: now,
            more: String::new(),
        };
        change(&mut fields);
        let Fields { domain, address, uri, issued, more } = fields;
        let (name, network) = match self {
            Self::Ethereum(_) => ("Ethereum", "1"),
            Self::Solana(_) => ("Solana", "solana:mainnet"),
        };
        format!(
            "{domain} wants you to sign in with your {name} account:\n{address}\n\nWelcome!\n\nVersion: 1\n\
             URI: {uri}\nIssued At: {}\nChain ID: {network}{more}",
            moment(issued)
        )
    }
}

pub struct Fields {
    pub domain: String,
    address: String,
    pub uri: String,
    pub issued: DateTime<Utc>,
    /// Further lines.
    more: String,
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn base58(key: &[u8]) -> String {
    const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let (mut number, mut letters) = (key.to_vec(), Vec::new());
    while number.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            (*byte, rest) = ((value / 58) as u8, value % 58);
        }
        letters.push(ALPHABET[rest as usize] as char);
    }
    letters.iter().rev().collect()
}

async fn present(api: &Api, chain: &str, message: &str, signature: &str) -> Answer {
    let body = json!({ "chain": chain, "message": message, "signature": signature });
    api.post("/token?grant_type=web3", body).await
}

async fn sign_in(api: &Api, wallet: &Wallet, change: impl FnOnce(&mut Fields)) -> Answer {
    let message = wallet.message(api.clock.now(), change);
    present(api, wallet.chain(), &message, &wallet.sign(&message)).await
}

#[track_caller]
fn refused(answer: &Answer, description: &str) {
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(answer.body, json!({ "error": "invalid_grant", "error_description": description }));
}

#[actix_web::test]
async fn a_wallet_is_an_account() {
    let api = Api::start(config()).await;
    for wallet in [Wallet::ethereum(1), Wallet::solana(1)] {
        let session = sign_in(&api, &wallet, |_| ()).await.ok();
        let address = wallet.address();
        let (chain, network) = match wallet {
            Wallet::Ethereum(_) => ("ethereum", "1"),
            Wallet::Solana(_) => ("solana", "solana:mainnet"),
        };
        let user = &session["user"];
        assert_eq!((&user["email"], &user["email_confirmed_at"]), (&json!(""), &Value::Null));
        assert_eq!(user["app_metadata"], json!({ "provider": "web3", "providers": ["web3"] }));
        let subject = format!("web3:{chain}:{address}");
        let data = json!({
            "sub": subject,
            "email_verified": false,
            "phone_verified": false,
            "custom_claims": { "address": address, "chain": chain, "network": network,
                "domain": "app.test", "statement": "Welcome!" },
        });
        assert_eq!((&user["user_metadata"], &user["identities"][0]["identity_data"]), (&data, &data));
        assert_eq!(
            (&user["identities"][0]["id"], user["identities"].as_array().unwrap().len()),
            (&json!(subject), 1)
        );
        let claims = api.claims(&session["access_token"]);
        assert_eq!((&claims["amr"][0]["method"], &claims["is_anonymous"]), (&json!("web3"), &json!(false)));
        let traits = api.value(
            "select payload -> 'traits' from auth.audit_log_entries where payload ->> 'action' = 'login'
              order by created_at desc, payload -> 'traits' ->> 'chain' desc limit 1",
        );
        assert!(traits.await.unwrap().contains("app.test"));

        // The same wallet comes back to the same account, and stays signed in.
        api.advance(1);
        let again = sign_in(&api, &wallet, |_| ()).await.ok();
        assert_eq!(again["user"]["id"], user["id"]);
        api.refresh(&again["refresh_token"]).await.ok();
    }
    assert_eq!(api.value("select count(*) from auth.users").await.unwrap(), "2");
}

#[actix_web::test]
async fn an_address_is_one_wallet_however_it_is_spelled() {
    let api = Api::start(config()).await;
    let wallet = Wallet::ethereum(2);
    let capitals = format!("0x{}", wallet.address()[2..].to_uppercase());
    let first = sign_in(&api, &wallet, |_| ()).await.ok();
    let second = sign_in(&api, &wallet, |fields| fields.address = capitals.clone()).await.ok();
    assert_eq!(first["user"]["id"], second["user"]["id"]);
    assert_eq!(second["user"]["identities"].as_array().unwrap().len(), 1);

    // An adopted database has it as the wallet wrote it.
    let checked = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    api.sql(&format!(
        "update auth.identities set provider_id = 'web3:ethereum:{checked}' where provider = 'web3'"
    ))
    .await;
    let message = wallet.message(api.clock.now(), |fields| fields.address = checked.to_lowercase());
    refused(
        &present(&api, "ethereum", &message, &wallet.sign(&message)).await,
        "Signature does not match address in message",
    );
}

#[actix_web::test]
async fn a_message_counts_once() {
    let api = Api::start(config()).await;
    for wallet in [Wallet::ethereum(3), Wallet::solana(3)] {
        let message = wallet.message(api.clock.now(), |_| ());
        let signature = wallet.sign(&message);
        let (one, other) = futures_util::future::join(
            present(&api, wallet.chain(), &message, &signature),
            present(&api, wallet.chain(), &message, &signature),
        )
        .await;
        let statuses = [one.status, other.status];
        assert!(statuses.contains(&200) && statuses.contains(&400), "{} {}", one.text, other.text);
        let again = present(&api, wallet.chain(), &message, &signature).await;
        let name = if wallet.chain() == "solana" { "Solana" } else { "Ethereum" };
        refused(&again, &format!("Signed {name} message was already used"));
    }
}

#[actix_web::test]
async fn a_message_is_for_an_application_of_ours() {
    let mut config = config();
    config.additional_redirect_urls.push("http://localhost:3000/**".to_owned());
    let api = Api::start(config).await;
    for wallet in [Wallet::ethereum(4), Wallet::solana(4)] {
        let name = if wallet.chain() == "solana" { "Solana" } else { "Ethereum" };
        let check = async |domain: &str, uri: &str, refusal: &str| {
            let answer = sign_in(&api, &wallet, |fields| {
                (fields.domain, fields.uri) = (domain.to_owned(), uri.to_owned());
            });
            refused(&answer.await, &format!("Signed {name} message is using {refusal}"));
        };
        let http = "URI which does not use HTTPS";
        let uri = "URI which is not allowed on this server, message was signed for another app";
        let site = "a Domain that does not match the one in URI which is not allowed on this server";
        check("app.test", "http://app.test/", http).await;
        check("app.test", "/", http).await;
        check("evil.test", "https://evil.test/", uri).await;
        check("app.test", "https://app.test.evil.test/", uri).await;
        check("app.test", "http://localhost:9999/", uri).await;
        check("evil.test", "https://app.test/", site).await;
        check("app.test:8443", "https://app.test/", site).await;
        check("evil.test", "http://localhost:3000/", site).await;
        sign_in(&api, &wallet, |fields| fields.uri = "https://app.test/sign/in?x=1".to_owned()).await.ok();
    }
}

#[actix_web::test]
async fn a_message_is_fresh() {
    let mut config = config();
    config.web3.solana.maximum_validity = Span::secs(60);
    let api = Api::start(config).await;
    let now = api.clock.now();
    for (wallet, name, limit) in [(Wallet::ethereum(5), "Ethereum", 600), (Wallet::solana(5), "Solana", 60)] {
        let issued = async |offset: i64| {
            sign_in(&api, &wallet, |fields| fields.issued = now + TimeDelta::seconds(offset)).await
        };
        refused(&issued(-limit - 1).await, &format!("{name} message was issued too long ago"));
        refused(&issued(limit + 1).await, &format!("{name} message was issued too far in the future"));
        issued(1 - limit).await.ok();
        issued(limit).await.ok();
        let more = async |line: &str, offset: i64| {
            let line = format!("\n{line}: {}", moment(now + TimeDelta::seconds(offset)));
            sign_in(&api, &wallet, |fields| {
                (fields.issued, fields.more) = (now - TimeDelta::seconds(5), line);
            })
            .await
        };
        refused(&more("Not Before", 1).await, &format!("Signed {name} message becomes valid in the future"));
        refused(&more("Expiration Time", -1).await, &format!("Signed {name} message is expired"));
        more("Not Before", -1).await.ok();
        more("Expiration Time", 1).await.ok();
    }
}

#[actix_web::test]
async fn a_signature_is_the_wallet_s() {
    let api = Api::start(config()).await;
    for (wallet, thief) in
        [(Wallet::ethereum(6), Wallet::ethereum(7)), (Wallet::solana(6), Wallet::solana(7))]
    {
        let message = wallet.message(api.clock.now(), |_| ());
        let check = async |message: &str, signature: &str| {
            let answer = present(&api, wallet.chain(), message, signature).await;
            refused(&answer, "Signature does not match address in message");
        };
        check(&message, &thief.sign(&message)).await;
        check(&message.replace("Welcome!", "Welcome."), &wallet.sign(&message)).await;
        check(&message.replace(&wallet.address(), &thief.address()), &wallet.sign(&message)).await;
    }
    let wallet = Wallet::ethereum(6);
    let message = wallet.message(api.clock.now(), |_| ());
    for signature in [format!("0x{}", "z".repeat(130)), "0".repeat(130), "f".repeat(130)] {
        refused(
            &present(&api, "ethereum", &message, &signature).await,
            "Signature does not match address in message",
        );
    }
    assert_eq!(api.value("select count(*) from auth.users").await.unwrap(), "0");
}

#[actix_web::test]
async fn what_is_no_message() {
    let api = Api::start(config()).await;
    let check = async |chain: &str, message: &str, signature: &str, text: &str| {
        present(&api, chain, message, signature).await.refused(400, "validation_failed", text);
    };
    let (hexadecimal, base64) = ("0".repeat(130), "A".repeat(86));
    let long = "x".repeat(20 * 1024 + 1);
    for (chain, signature) in [("ethereum", &hexadecimal), ("solana", &base64)] {
        check(chain, "short", signature, "message is too short").await;
        check(chain, &long, signature, "message must not exceed 20KB").await;
    }
    let text = "x".repeat(64);
    check("ethereum", &text, &hexadecimal, "siwe: message needs at least 6 lines").await;
    check("solana", &text, &base64, "siws: message needs at least 6 lines").await;
    let form = "signature must be 65 bytes long, encoded as a 130 character-long hexadecimal string";
    check("ethereum", &text, "0x00", form).await;
    let form = "signature must be 64 bytes encoded as base64 with or without padding";
    check("solana", &text, "AAAA", form).await;
    let form = "signature does not contain valid base64 characters";
    check("solana", &text, &"!".repeat(88), form).await;
    let lines = "example.com wants you to sign in with your Solana account:\n0OIl\n\n\n\n\n";
    check("solana", lines, &base64, "siws: wallet address is not in base58 format").await;
    let version = Wallet::solana(1).message(api.clock.now(), |_| ()).replace("Version: 1", "Version: 2");
    check("solana", &version, &base64, "siws: Version value is not supported, expected 1 got \"2\"").await;
    present(&api, "dogecoin", "", "").await.refused(400, "web3_unsupported_chain", "Unsupported chain");
}

#[actix_web::test]
async fn what_is_switched_off_stays_off() {
    let disabled = "web3_provider_disabled";
    let api = Api::start(open()).await;
    present(&api, "ethereum", "", "").await.refused(422, disabled, "Web3 provider is disabled");
    present(&api, "dogecoin", "", "").await.refused(422, disabled, "Web3 provider is disabled");
    let mut config = config();
    config.web3.solana.enabled = false;
    config.enable_signup = false;
    let api = Api::start(config).await;
    present(&api, "solana", "", "").await.refused(422, disabled, "Solana Web3 provider is disabled");
    sign_in(&api, &Wallet::ethereum(8), |_| ()).await.refused(
        422,
        "signup_disabled",
        "Signups not allowed for this instance",
    );
}

#[actix_web::test]
async fn whoever_is_banned_stays_out_and_is_counted() {
    let mut config = config();
    config.rate_limit.web3 = 2;
    let api = Api::start(config).await;
    let wallet = Wallet::solana(9);
    sign_in(&api, &wallet, |_| ()).await.ok();
    api.sql("update auth.users set banned_until = '2100-01-01'").await;
    api.advance(1);
    sign_in(&api, &wallet, |_| ()).await.refused(403, "user_banned", "User is banned");
    assert_eq!(sign_in(&api, &wallet, |_| ()).await.error(), (429, "over_request_rate_limit"));
}
