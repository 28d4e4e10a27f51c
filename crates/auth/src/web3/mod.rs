//! Signing in with a wallet: a message that its owner signed is the proof.
//!
//! [`message`] reads what was signed, [`ethereum`] and [`solana`] know the signatures of their chains.
//! The message has to be fresh and meant for an application of this installation: otherwise a site
//! that got a signature for itself could use it here. Each counts once, so that whoever sees it on its
//! way comes too late; Supabase Auth takes it as often as it comes within its time.

mod ethereum;
mod message;
mod solana;

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};

use self::message::Message;
use crate::access_token::delta;
use crate::account::{self, NotCreated};
use crate::config::Wallet;
use crate::error::{Error, OrInternal, Web3};
use crate::oauth::enter::{self, Arrival, Entered};
use crate::oauth::profile::Profile;
use crate::redirect::Parts;
use crate::service::Context;
use crate::session::{self, Grant};
use crate::store::{identities, spent};

/// The provider of all wallets' identities.
const PROVIDER: &str = "web3";

/// Bytes of a message.
const SHORTEST: usize = 64;
const LONGEST: usize = 20 * 1024;

/// A chain whose wallets can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    Ethereum,
    Solana,
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Chain {
    fn of(id: &str) -> Option<Self> {
        [Self::Ethereum, Self::Solana].into_iter().find(|chain| chain.id() == id)
    }

    /// As requests and identities spell it.
    fn id(self) -> &'static str {
        match self {
            Self::Ethereum => "ethereum",
            Self::Solana => "solana",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ethereum => "Ethereum",
            Self::Solana => "Solana",
        }
    }

    /// How the first line of a message ends.
    fn header(self) -> &'static str {
        match self {
            Self::Ethereum => " wants you to sign in with your Ethereum account:",
            Self::Solana => " wants you to sign in with your Solana account:",
        }
    }

    /// The format's name in errors.
    fn format(self) -> &'static str {
        match self {
            Self::Ethereum => "siwe",
            Self::Solana => "siws",
        }
    }

    /// What is wrong with the address of a wallet.
    fn check_address(self, address: &str) -> Result<(), &'static str> {
        match self {
            Self::Ethereum if !ethereum::is_address(address) => Err("not a valid Ethereum address"),
            Self::Solana if !solana::is_address(address) => Err("not in base58 format"),
            _ => Ok(()),
        }
    }

    fn is_network(self, name: &str) -> bool {
        match self {
            Self::Ethereum => ethereum::is_network(name),
            Self::Solana => solana::is_network(name),
        }
    }

    /// What is wrong with the form of a signature.
    fn check_signature(self, signature: &str) -> Result<(), &'static str> {
        let problem = match self {
            Self::Ethereum => {
                let digits = signature.strip_prefix("0x").unwrap_or(signature).len();
                (digits != ethereum::SIGNATURE).then_some(
                    "signature must be 65 bytes long, encoded as a 130 character-long hexadecimal string",
                )
            }
            Self::Solana => solana::unreadable(signature),
        };
        problem.map_or(Ok(()), Err)
    }

    fn is_signed(self, message: &Message<'_>, text: &str, signature: &str) -> bool {
        match self {
            Self::Ethereum => ethereum::is_signed(message.address, text, signature),
            Self::Solana => solana::is_signed(message.address, message.domain, text, signature),
        }
    }

    fn settings(self, ctx: &Context) -> &Wallet {
        match self {
            Self::Ethereum => &ctx.config().web3.ethereum,
            Self::Solana => &ctx.config().web3.solana,
        }
    }

    /// The ids that an identity of this wallet may have: an address of Ethereum is the same in small
    /// and capital letters, and wallets spell it either way.
    fn subjects(self, address: &str) -> Vec<String> {
        let other = match self {
            Self::Ethereum => ethereum::spellings(address).to_vec(),
            Self::Solana => Vec::new(),
        };
        let spellings = [vec![address.to_owned()], other].concat();
        spellings.iter().map(|address| format!("{PROVIDER}:{}:{address}", self.id())).collect()
    }
}

/// What the client presents.
pub(crate) struct Presented {
    pub(crate) chain: String,
    pub(crate) message: String,
    pub(crate) signature: String,
}

/// Whether wallets of any chain can sign in.
///
/// # Errors
///
/// If not: said before the request is read.
pub(crate) fn check_enabled(ctx: &Context) -> Result<(), Error> {
    match [Chain::Ethereum, Chain::Solana].iter().any(|chain| chain.settings(ctx).enabled) {
        true => Ok(()),
        false => Err(Web3::Disabled.into()),
    }
}

/// Signs in, or up.
pub(crate) async fn grant(ctx: &Context, presented: &Presented) -> Result<Grant, Error> {
    let chain = Chain::of(&presented.chain).ok_or(Web3::UnsupportedChain)?;
    if !chain.settings(ctx).enabled {
        return Err(Web3::ChainDisabled(chain.name()).into());
    }
    let text = presented.message.as_str();
    if text.len() < SHORTEST {
        return Err(Error::invalid("message is too short"));
    }
    if text.len() > LONGEST {
        return Err(Error::invalid("message must not exceed 20KB"));
    }
    chain.check_signature(&presented.signature).map_err(Error::invalid)?;
    let message = Message::parse(chain, text);
    let message = message.map_err(|error| Error::invalid(format!("{}: {error}", chain.format())))?;
    if !chain.is_signed(&message, text, &presented.signature) {
        return Err(Web3::Signature.into());
    }
    check_place(ctx, chain, &message)?;
    check_time(ctx, chain, &message)?;
    let traits = json!({
        "chain": chain.id(),
        "network": message.network,
        "address": message.address,
        "domain": message.domain,
        "uri": message.uri,
    });
    let profile = profile(chain, &message, &subject(ctx, chain, &message).await?).settled();
    let arrival =
        Arrival { provider: PROVIDER, profile: &profile, email_optional: true, traits: traits.as_object() };
    enter::ask_hook(ctx, arrival).await?;
    let proof = Proof {
        hash: Sha256::digest(text).into(),
        good_until: message.issued_at + delta(chain.settings(ctx).maximum_validity),
    };
    match settle(ctx, chain, &proof, arrival).await {
        Err(NotCreated::Taken) => Ok(settle(ctx, chain, &proof, arrival).await?),
        result => Ok(result?),
    }
}

/// The message as it is remembered once it was used.
struct Proof {
    hash: [u8; 32],
    good_until: DateTime<Utc>,
}

/// The message was meant for an application of this installation. Upstream does not look at the domain, which is what
/// the wallet shows, if the URI is on this machine.
fn check_place(ctx: &Context, chain: Chain, message: &Message<'_>) -> Result<(), Web3> {
    let allowed = |url: &str| ctx.settings.targets.allows(url);
    let parts = Parts::of(message.uri).ok_or(Web3::NotHttps(chain.name()))?;
    let is_local = parts.host == "localhost";
    if parts.scheme != "https" && !is_local {
        return Err(Web3::NotHttps(chain.name()));
    }
    if !allowed(message.uri) {
        return Err(Web3::OtherUri(chain.name()));
    }
    let (domain, site) = (message.domain, format!("https://{}/", message.domain));
    if parts.place() != domain || !(is_local || allowed(&site)) {
        return Err(Web3::OtherDomain(chain.name()));
    }
    Ok(())
}

/// The message is fresh. Upstream looks at Ethereum's expiration only if there is a beginning.
fn check_time(ctx: &Context, chain: Chain, message: &Message<'_>) -> Result<(), Web3> {
    let (now, validity) = (ctx.now, delta(chain.settings(ctx).maximum_validity));
    if message.not_before.is_some_and(|begin| now < begin) {
        return Err(Web3::NotYet(chain.name()));
    }
    if message.expires_at.is_some_and(|end| now > end) {
        return Err(Web3::Expired(chain.name()));
    }
    if now - message.issued_at > validity {
        return Err(Web3::TooOld(chain.name()));
    }
    if message.issued_at - now > validity {
        return Err(Web3::TooNew(chain.name()));
    }
    Ok(())
}

/// The id of the wallet's identity: as it came first.
async fn subject(ctx: &Context, chain: Chain, message: &Message<'_>) -> Result<String, Error> {
    const FINDING: &str = "Database error finding user";
    let subjects = chain.subjects(message.address);
    let mut connection = ctx.service.pool.session().await.or_internal(FINDING)?;
    let known = identities::find_spelling(&mut connection, PROVIDER, &subjects).await.or_internal(FINDING)?;
    Ok(known.or_else(|| subjects.into_iter().next()).unwrap_or_default())
}

async fn settle(
    ctx: &Context,
    chain: Chain,
    proof: &Proof,
    arrival: Arrival<'_>,
) -> Result<Grant, NotCreated> {
    const RECORDING: &str = "Database error recording message";
    let failed = NotCreated::Failed;
    let mut tx = ctx.service.pool.begin().await.or_internal(RECORDING).map_err(failed)?;
    let fresh = spent::insert(&mut tx, PROVIDER, &proof.hash, proof.good_until).await;
    if !fresh.or_internal(RECORDING).map_err(failed)? {
        return Err(failed(Web3::Used(chain.name()).into()));
    }
    let grant = match enter::enter(ctx, &mut tx, arrival).await? {
        Entered::In(user) => session::open(ctx, &mut tx, *user, PROVIDER).await.map_err(failed)?,
        Entered::Unproved(refusal) => return Err(failed(refusal.into())),
    };
    account::commit_creation(ctx, tx).await.map_err(failed)?;
    Ok(grant)
}

fn profile(chain: Chain, message: &Message<'_>, subject: &str) -> Profile {
    // Without a statement Ethereum's says so, Solana's is empty.
    let statement = match (chain, message.statement) {
        (Chain::Solana, None) => json!(""),
        (_, statement) => json!(statement),
    };
    Profile::default().with("sub", subject).custom(json!({
        "address": message.address,
        "chain": chain.id(),
        "network": message.network,
        "domain": message.domain,
        "statement": statement,
    }))
}
